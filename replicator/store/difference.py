"""Two checkpoints compared: which tensors came, went, changed their shape or their values, and by how much.

Equal chunks have equal names, so what did not change is known without reading it. Of a tensor of floating-point numbers
whose chunks differ, these chunks are read on both sides, piece by piece, and the change is summed up in float64. Where
the two are sharded otherwise, the whole of the tensor is put together first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from replicator.database import Database
from replicator.store import reader
from replicator.store.checkpoints import Checkpoint
from replicator.store.description import Steps, Tensor, name_of, steps_between, tensors
from replicator.store.manifest import Blob, Manifest
from replicator.store.reader import Piece

_FLOATS = {"float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2"}
_Content = bytes | bytearray | memoryview
_Pairs = Iterable[tuple[_Content, _Content]]


@dataclass(frozen=True, slots=True)
class Change:
    """A tensor whose values are others.

    Attributes:
        tensor: as it is now.
        norm: square root of the sum of the squared changes; None if it has no floating-point numbers, or one is none.
        largest: the largest change of a number; None in the same way.
    """

    tensor: Tensor
    norm: float | None
    largest: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same in two checkpoints.

    Attributes:
        before, after: the two.
        added, removed: tensors that only one of them has.
        reshaped: tensors of other shape or type, before and after.
        changed: tensors of other values, the largest norm first.
        unchanged: how many tensors are the same.
        chunks_before, chunks_after: distinct ones that hold each.
        shared_chunks, shared_bytes: held by both, and the plain bytes of these.
        steps: the journal's between the two; None if they are of two runs.
    """

    before: Checkpoint
    after: Checkpoint
    added: tuple[Tensor, ...]
    removed: tuple[Tensor, ...]
    reshaped: tuple[tuple[Tensor, Tensor], ...]
    changed: tuple[Change, ...]
    unchanged: int
    chunks_before: int
    chunks_after: int
    shared_chunks: int
    shared_bytes: int
    steps: Steps | None

    @property
    def same(self) -> bool:
        """Whether both hold the same tensors, bit for bit."""
        return not (self.added or self.removed or self.reshaped or self.changed)


def compare(
    database: Database, before: Checkpoint, after: Checkpoint, advance: Callable[[int], None] = lambda _: None
) -> Difference:
    """Compare two checkpoints on one node.

    Args:
        database: the node.
        before: one.
        after: the other.
        advance: called with the bytes of each tensor of `after` that has been compared.

    Raises:
        ArtifactMissing: one of them was removed meanwhile.
        StoreCorrupt: what is read is not what was stored.
        KeyMissing: a chunk is sealed with a key that is not at hand.
    """
    earlier, later = (reader.manifest(database, one.artifact_id) for one in (before, after))
    was, now = ({one.name: one for one in tensors(manifest.blobs)} for manifest in (earlier, later))
    kept = [name for name in now if name in was]
    reshaped = tuple((was[name], now[name]) for name in kept if not _alike(was[name], now[name]))
    shards, shards_now = _shards(earlier), _shards(later)
    changes = []
    for name in kept:
        if _alike(was[name], now[name]):
            change = _change(database, now[name], shards[name], shards_now[name])
            changes += [] if change is None else [change]
        advance(now[name].size)
    sizes, sizes_now = _sizes(earlier), _sizes(later)
    return Difference(
        before,
        after,
        tuple(one for name, one in now.items() if name not in was),
        tuple(one for name, one in was.items() if name not in now),
        reshaped,
        tuple(sorted(changes, key=lambda one: -math.inf if one.norm is None else one.norm, reverse=True)),
        len(kept) - len(reshaped) - len(changes),
        len(sizes),
        len(sizes_now),
        len(sizes.keys() & sizes_now.keys()),
        sum(sizes[digest] for digest in sizes.keys() & sizes_now.keys()),
        _between(database, before, after),
    )


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.dtype, one.shape, one.size) == (other.dtype, other.shape, other.size)


def _shards(manifest: Manifest) -> dict[str, list[Blob]]:
    shards: dict[str, list[Blob]] = {}
    for blob in manifest.blobs:
        shards.setdefault(name_of(blob), []).append(blob)
    return shards


def _sizes(manifest: Manifest) -> dict[bytes, int]:
    return {piece.digest: piece.size for blob in manifest.blobs for piece in reader.pieces_of(blob)}


def _between(database: Database, before: Checkpoint, after: Checkpoint) -> Steps | None:
    if before.run != after.run:
        return None
    first, last = sorted((before.step, after.step))
    return steps_between(database, after.run, first, last)


def _change(database: Database, tensor: Tensor, was: Sequence[Blob], now: Sequence[Blob]) -> Change | None:
    """Return how a tensor changed, None if it did not."""
    places, places_now = ({_place(blob): blob for blob in shards} for shards in (was, now))
    if len(places) == len(was) and places.keys() == places_now.keys() and len(places_now) == len(now):
        differ = [
            (one, other)
            for place, blob in places.items()
            for one, other in zip(reader.pieces_of(blob), reader.pieces_of(places_now[place]), strict=True)
            if one.digest != other.digest
        ]
        if not differ:
            return None
        if tensor.dtype not in _FLOATS:
            return Change(tensor, None, None)
        return _measured(tensor, _read(database, differ))
    whole, whole_now = (_assembled(database, tensor, shards) for shards in (was, now))
    if whole is None or whole_now is None:
        return Change(tensor, None, None)
    if whole == whole_now:
        return None
    return _measured(tensor, [(whole, whole_now)]) if tensor.dtype in _FLOATS else Change(tensor, None, None)


def _place(blob: Blob) -> tuple[str, int]:
    attributes = blob.attributes
    return f"{attributes.get('offset')} {attributes.get('size')}", blob.size


def _read(database: Database, pairs: Sequence[tuple[Piece, Piece]]) -> Iterator[tuple[_Content, _Content]]:
    was = reader.plain(database, [one for one, _ in pairs])
    now = reader.plain(database, [other for _, other in pairs])
    yield from zip(was, now, strict=True)


def _measured(tensor: Tensor, pairs: _Pairs) -> Change:
    total, largest = 0.0, 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for was, now in pairs:
            moved = _numbers(now, tensor.dtype) - _numbers(was, tensor.dtype)
            total += float(np.dot(moved, moved))
            largest = float(np.maximum(largest, np.abs(moved).max(initial=0.0)))
    measured = math.isfinite(total)
    return Change(tensor, math.sqrt(total) if measured else None, largest if measured else None)


def _numbers(content: _Content, dtype: str | None) -> npt.NDArray[np.float64]:
    numbers = np.frombuffer(content, _FLOATS[dtype or ""])
    if dtype == "bfloat16":  # the upper half of a float32
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float64)


def _assembled(database: Database, tensor: Tensor, shards: Sequence[Blob]) -> bytearray | None:
    """Return a tensor's bytes put together from its shards, None if its manifest does not say where each belongs."""
    if tensor.shape is None or any(length < 0 for length in tensor.shape):
        return None
    elements = math.prod(tensor.shape)
    if elements == 0 or tensor.size % elements:
        return bytearray() if tensor.size == 0 else None
    whole = bytearray(tensor.size)
    view = np.frombuffer(whole, f"V{tensor.size // elements}").reshape(tensor.shape)
    filled = 0
    for blob in shards:
        where = _region(blob.attributes, tensor.shape)
        if where is None or math.prod(one.stop - one.start for one in where) * view.itemsize != blob.size:
            return None
        part = np.frombuffer(reader.read(database, blob), view.dtype)
        view[where] = part.reshape([one.stop - one.start for one in where])
        filled += blob.size
    return whole if filled == tensor.size else None


def _region(attributes: Mapping[str, object], shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    """Return where in a tensor a shard belongs; what a database says of it is not trusted."""
    offset, size = attributes.get("offset"), attributes.get("size")
    if not isinstance(offset, list) or not isinstance(size, list) or not len(offset) == len(size) == len(shape):
        return None
    region = []
    for begin, length, whole in zip(offset, size, shape, strict=True):
        if type(begin) is not int or type(length) is not int or not 0 <= begin <= begin + length <= whole:
            return None
        region.append(slice(begin, begin + length))
    return tuple(region)
