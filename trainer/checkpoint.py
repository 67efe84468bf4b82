"""Torch's distributed checkpoint, with the store as its storage.

Each rank sends the shards that DCP's plan gives it as blobs; the coordinator then makes the artifact exist in one
transaction with the cursor. What a shard is (dtype, global shape, offset, size) stands in its blob's attributes as
plain JSON, so nothing is pickled when a checkpoint is written and nothing is unpickled when it is read.

Source of the calls and their order: torch.distributed.checkpoint.storage, StorageWriter and StorageReader.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import create_default_local_save_plan
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import (
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    SavePlanner,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from torch.futures import Future

from replicator.database import Database
from replicator.errors import BadInput, HadrianError, StoreCorrupt
from replicator.position import Cursor
from replicator.store import checkpoints, reader
from replicator.store.manifest import Blob
from replicator.store.writer import Earlier, Writer, Written, publish
from trainer.shard import local_bytes

# A dtype read from a database is looked up here, never evaluated.
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16,
        torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    )
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where a checkpoint goes and what it means.

    Attributes:
        database: the primary.
        run, step: whose state, after how many steps.
        cursor: everything before it has been trained on.
    """

    database: Database
    run: str
    step: int
    cursor: Cursor


def save(
    tensors: Mapping[str, torch.Tensor],
    target: Target,
    earlier: dict[str, Earlier] | None = None,
    *,
    group: dist.ProcessGroup | None = None,
) -> Written:
    """Store a checkpoint; every rank must call it, or a process that is alone.

    Args:
        tensors: the state by name, the same on every rank, whole or in shards.
        target: where it goes.
        earlier: this rank's shards as it stored them last, empty to begin with, and kept up to date here: chunks are
            stored as differences from those. It points into these tensors afterwards, so they must stay as they are
            until the next save is over: give copies.
        group: the ranks, if not the default group.

    Returns:
        What this rank sent.

    Raises:
        HadrianError: on every rank alike; the checkpoint does not exist (or its commit is in doubt).
    """
    writer = StoreWriter(target, earlier)
    _unwrapped(lambda: dcp.save(dict(tensors), storage_writer=writer, process_group=group))
    return writer.written


def load(tensors: Mapping[str, torch.Tensor], database: Database, artifact_id: int) -> tuple[Blob, ...]:
    """Load a checkpoint into these tensors, in place; every rank must call it. Resharding is DCP's own.

    Returns:
        What it is made of, all ranks' shards.

    Raises:
        HadrianError: on every rank alike; the tensors' content is then undefined.
    """
    reads = StoreReader(database, artifact_id, tensors)
    _unwrapped(lambda: dcp.load(dict(tensors), storage_reader=reads))
    return reads.blobs


def as_stored(tensors: Mapping[str, torch.Tensor], blobs: Iterable[Blob]) -> dict[str, Earlier]:
    """Return what `save` takes as `earlier`, of a checkpoint's blobs that were loaded into these tensors.

    What was sharded otherwise is left out.
    """
    stored = {blob.name: blob for blob in blobs}
    found = {}
    for item in create_default_local_save_plan(dict(tensors), is_coordinator=True).items:
        data = local_bytes(tensors[item.index.fqn])
        blob = stored.get(_blob_name(item.index))
        if blob is not None and blob.size == len(data):
            found[blob.name] = Earlier(blob, data)
    return found


def put_whole(writer: Writer, name: str, tensor: torch.Tensor) -> Blob:
    """Store a tensor that is in one piece, as one of a checkpoint's blobs. Raises: HadrianError: of another dtype."""
    _check_dtype(name, tensor)
    attributes = {
        "fqn": name, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape),
        "offset": [0] * tensor.ndim, "size": list(tensor.shape),
    }  # fmt: skip
    offset = ",".join(["0"] * tensor.ndim)
    return writer.put(f"{name}@{offset}", local_bytes(tensor), attributes, width=tensor.element_size())


def stored(database: Database, artifact_id: int) -> dict[str, TensorStorageMetadata]:
    """Return what tensors a checkpoint has: dtype and shape of each. Raises: ArtifactMissing, StoreCorrupt."""
    found = StoreReader(database, artifact_id).metadata().state_dict_metadata
    return {name: one for name, one in found.items() if isinstance(one, TensorStorageMetadata)}


@contextlib.contextmanager
def alone_or_not() -> Iterator[None]:
    """Let DCP work in a process that is alone without a warning that it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
        yield


def _unwrapped(call: Any) -> None:
    try:
        with alone_or_not():
            call()
    except CheckpointException as error:
        causes = [failure[0] for _, failure in sorted(error.failures.items())]
        for cause in causes:
            if isinstance(cause, HadrianError):
                raise cause from error
        raise


class StoreWriter(StorageWriter):
    """Where `dcp.save` and `dcp.async_save` put a checkpoint: one of these for each.

        dcp.save(state, storage_writer=StoreWriter(Target(database, "run", step, cursor)))

    The run must be there (`step_journal.open_run`). DCP's calls, and on which rank:

    1) reset, set_up, prepare_local_plan (all) 2) prepare_global_plan (coordinator) 3) write_data (all)
    4) finish (coordinator).
    """

    def __init__(self, target: Target, earlier: dict[str, Earlier] | None = None) -> None:
        super().__init__()
        self._target = target
        self._earlier = earlier
        self.written = Written()

    def reset(self, checkpoint_id: Any = None) -> None:
        """Nothing is kept between checkpoints."""

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Nothing to set up."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Take the plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """Take the plans as they are."""
        return plans

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Send this rank's shards."""
        writer = Writer(self._target.database, self._target.run)
        results = [self._write(writer, planner, item) for item in plan.items]
        writer.flush()
        if self._earlier is not None:
            self._earlier.clear()  # a shard that was not stored now points to what may be overwritten
            for result, data in results:
                self._earlier[result.storage_data.name] = Earlier(result.storage_data, data)
        self.written = writer.written
        done: Future[list[WriteResult]] = Future()
        done.set_result([result for result, _ in results])
        return done

    def _write(self, writer: Writer, planner: SavePlanner, item: WriteItem) -> tuple[WriteResult, memoryview]:
        if item.type == WriteItemType.BYTE_IO:
            raise HadrianError(
                f"{item.index.fqn} is not a tensor: only tensors are stored, because nothing is ever unpickled",
                hint="turn it into a tensor, or keep it in the recipe",
            )
        tensor = planner.resolve_data(item)
        assert isinstance(tensor, torch.Tensor)  # noqa: S101 - DCP resolves what is not BYTE_IO to a tensor
        _check_dtype(item.index.fqn, tensor)
        data = local_bytes(tensor)
        name = _blob_name(item.index)
        earlier = (self._earlier or {}).get(name)
        blob = writer.put(name, data, width=tensor.element_size(), earlier=earlier)
        return WriteResult(index=item.index, size_in_bytes=blob.size, storage_data=blob), data

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Make the artifact exist, with the cursor, in one transaction."""
        blobs = [_described(result, metadata) for rank in results for result in rank]
        target = self._target
        name = f"{target.run}/{target.step}"
        with publish(target.database, checkpoints.KIND, name, blobs) as (transaction, artifact_id):
            checkpoints.record(target.database, transaction, target.run, target.step, artifact_id, target.cursor)

    def storage_meta(self) -> StorageMeta | None:
        """Nothing beyond the manifest."""
        return None

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:  # noqa: ARG003 - DCP's signature
        """Refuse paths: a checkpoint is named by run and step."""
        return False


def _check_dtype(name: str, tensor: torch.Tensor) -> None:
    if tensor.dtype not in _DTYPES.values():
        raise HadrianError(
            f"{name} is of {tensor.dtype}, which could not be read back", hint=f"use {', '.join(_DTYPES)}"
        )


def _blob_name(index: MetadataIndex) -> str:
    return f"{index.fqn}@{','.join(map(str, index.offset or ()))}"


def _described(result: WriteResult, metadata: Metadata) -> Blob:
    whole = metadata.state_dict_metadata[result.index.fqn]
    assert isinstance(whole, TensorStorageMetadata)  # noqa: S101 - BYTE_IO was refused on write
    offset = list(result.index.offset or [0] * len(whole.size))
    shard = next(chunk for chunk in whole.chunks if list(chunk.offsets) == offset)
    attributes = {
        "fqn": result.index.fqn,
        "dtype": str(whole.properties.dtype).removeprefix("torch."),
        "shape": list(whole.size),
        "offset": offset,
        "size": list(shard.sizes),
    }
    return dataclasses.replace(result.storage_data, attributes=attributes)


class StoreReader(StorageReader):
    """Where `dcp.load` finds a checkpoint, whatever mesh it was saved from.

        dcp.load(state, storage_reader=StoreReader(database, checkpoints.newest(database, "run").artifact_id))

    Args:
        database: any node that has it.
        artifact_id: the checkpoint's.
        tensors: what is to be loaded: DCP would convert another dtype without a word, so it is compared beforehand.

    DCP's calls, and on which rank:

    1) reset, read_metadata, set_up, prepare_local_plan (all) 2) prepare_global_plan (coordinator) 3) read_data (all).
    """

    def __init__(self, database: Database, artifact_id: int, tensors: Mapping[str, torch.Tensor] | None = None) -> None:
        super().__init__()
        self._database = database
        self._artifact_id = artifact_id
        self._tensors = tensors or {}
        self._blobs: dict[tuple[str, tuple[int, ...]], Blob] = {}
        self._error: HadrianError | None = None

    def reset(self, checkpoint_id: Any = None) -> None:
        """Nothing is kept between checkpoints."""

    def read_metadata(self, *_args: Any, **_kwargs: Any) -> Metadata:
        """Read the manifest as DCP's metadata."""
        try:
            return self.metadata()
        except HadrianError as error:
            # DCP would log it, look elsewhere and lose its class: the next call raises it.
            self._error = error
            return Metadata(state_dict_metadata={})

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """What the checkpoint is made of, once its metadata has been read."""
        return tuple(self._blobs.values())

    def metadata(self) -> Metadata:
        """Return the manifest as DCP's metadata. Raises: ArtifactMissing, StoreCorrupt."""
        manifest = reader.manifest(self._database, self._artifact_id)
        shards: dict[str, list[tuple[Blob, _Shard]]] = {}
        for blob in manifest.blobs:
            shard = _Shard.parse(blob)
            shards.setdefault(shard.fqn, []).append((blob, shard))
            self._blobs[shard.fqn, tuple(shard.offset)] = blob
        return Metadata(
            state_dict_metadata={
                fqn: TensorStorageMetadata(
                    properties=TensorProperties(dtype=parts[0][1].dtype),
                    size=torch.Size(parts[0][1].shape),
                    chunks=[ChunkStorageMetadata(torch.Size(s.offset), torch.Size(s.size)) for _, s in parts],
                )
                for fqn, parts in shards.items()
            }
        )

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *_args: Any, **_kwargs: Any) -> None:  # noqa: ARG002 - DCP's signature
        """Check that the checkpoint has what is wanted: DCP would convert another dtype without a word."""
        if self._error is not None:
            raise self._error
        for name, tensor in self._tensors.items():
            stored = metadata.state_dict_metadata.get(name)
            found = stored and f"{stored.properties.dtype} {tuple(stored.size)}"
            wanted = f"{tensor.dtype} {tuple(tensor.shape)}"
            if found != wanted:
                raise BadInput(
                    f"the checkpoint's {name} is {found or 'absent'}, not {wanted}",
                    hint="load it with the recipe and the model that it was trained with",
                )

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """Take the plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """Take the plans as they are."""
        return plans

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: Any) -> bool:  # noqa: ARG003 - DCP's signature
        """Refuse paths: a checkpoint is named by its artifact."""
        return False

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Fetch, check and copy what this rank needs, each blob once."""
        wanted: dict[tuple[str, tuple[int, ...]], list[ReadItem]] = {}
        for item in plan.items:
            offset = tuple(item.storage_index.offset or ())
            wanted.setdefault((item.storage_index.fqn, offset), []).append(item)
        blobs = [(self._find(key), items) for key, items in wanted.items()]
        pieces = itertools.chain.from_iterable(reader.pieces_of(blob) for blob, _ in blobs)
        with (
            checkpoints.reading(self._database, self._artifact_id),
            contextlib.closing(reader.plain(self._database, pieces)) as came,
        ):
            for blob, items in blobs:
                _take(blob, came, items, planner)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _find(self, key: tuple[str, tuple[int, ...]]) -> Blob:
        fqn, offset = key
        if key in self._blobs:
            return self._blobs[key]
        # A tensor that is whole may be asked for without an offset.
        return next(blob for (name, at), blob in self._blobs.items() if name == fqn and not any(at) and not offset)


def _take(blob: Blob, came: Iterator[bytes | memoryview], items: Sequence[ReadItem], planner: LoadPlanner) -> None:
    """Copy a blob, whose pieces come next, to where it is wanted."""
    shard = _Shard.parse(blob)
    stored = _place(shard, items, planner)
    content, offset = local_bytes(stored), 0
    for piece in itertools.islice(came, len(blob.chunks)):
        content[offset : offset + len(piece)] = piece
        offset += len(piece)
    for item in items:
        part = stored
        for dim, (start, length) in enumerate(zip(item.storage_offsets, item.lengths, strict=True)):
            part = part.narrow(dim, start, length)
        target = planner.resolve_tensor(item)
        if target.data_ptr() != part.data_ptr():
            target.detach().copy_(part)
        planner.commit_tensor(item, target)


def _place(shard: _Shard, items: Sequence[ReadItem], planner: LoadPlanner) -> torch.Tensor:
    """Return the tensor that is to be loaded, where it is wanted as it is stored, else one to copy parts of."""
    if len(items) == 1:
        target = planner.resolve_tensor(items[0]).detach()
        stored = target.dtype == shard.dtype and list(target.shape) == shard.size
        if stored and target.is_contiguous() and target.device.type == "cpu":
            return target
    return torch.empty(shard.size, dtype=shard.dtype)


@dataclasses.dataclass(frozen=True, slots=True)
class _Shard:
    """A blob's attributes, checked."""

    fqn: str
    dtype: torch.dtype
    shape: list[int]
    offset: list[int]
    size: list[int]

    @classmethod
    def parse(cls, blob: Blob) -> _Shard:
        try:
            values = dict(blob.attributes)
            shard = cls(dtype=_DTYPES[values.pop("dtype")], **values)
            torch.Size(shard.shape).numel()  # refuses what is not a list of 64-bit integers
            elements = math.prod(torch.Size(shard.size))
            inside = all(
                at >= 0 and length >= 0 and at + length <= whole
                for at, length, whole in zip(shard.offset, shard.size, shard.shape, strict=True)
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreCorrupt(f"blob {blob.name} does not describe a tensor: {error!r}") from error
        if not isinstance(shard.fqn, str) or not inside or elements * shard.dtype.itemsize != blob.size:
            raise StoreCorrupt(f"blob {blob.name} of {blob.size} bytes does not fit its shape {shard.size}")
        return shard
