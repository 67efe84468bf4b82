"""One checkpoint described: its tensors, what it takes beside the one before, and the steps that led to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from replicator.database import Database
from replicator.store import checkpoints, reader, reference
from replicator.store.checkpoints import Checkpoint
from replicator.store.manifest import Blob


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor, of however many shards.

    Attributes:
        name: by which the model knows it, or the blob's if that describes no tensor.
        dtype: as torch calls it, or None.
        shape: of the whole, or None.
        size: bytes of all shards.
        shards: how many.
    """

    name: str
    dtype: str | None
    shape: tuple[int, ...] | None
    size: int
    shards: int


@dataclass(frozen=True, slots=True)
class Steps:
    """What the step journal has between a checkpoint and the one before.

    Attributes:
        steps: how many are recorded.
        rows: that they were trained on.
        first, last: their numbers.
        first_loss, last_loss: of these.
        began_at, ended_at: when they were recorded.
    """

    steps: int
    rows: int
    first: int | None
    last: int | None
    first_loss: float | None
    last_loss: float | None
    began_at: dt.datetime | None
    ended_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Description:
    """A checkpoint.

    Attributes:
        checkpoint: which.
        before: step of the one before it in its run, or None.
        tags: its names.
        tensors: by name.
        stored_bytes: what its chunks take.
        differences: chunks stored as the difference from another.
        shared_chunks, shared_bytes: what of it the one before holds too.
        trained: the steps since then.
    """

    checkpoint: Checkpoint
    before: int | None
    tags: tuple[str, ...]
    tensors: tuple[Tensor, ...]
    stored_bytes: int
    differences: int
    shared_chunks: int
    shared_bytes: int
    trained: Steps


def describe(database: Database, checkpoint: Checkpoint) -> Description:
    """Describe a checkpoint.

    Raises:
        ArtifactMissing: it was removed meanwhile.
        StoreCorrupt: its manifest is not what was stored.
    """
    run, step = checkpoint.run, checkpoint.step
    before = next((one for one in checkpoints.found(database, run) if one.step < step), None)
    since = before.step if before is not None else 0
    with database.connect() as connection:
        share = connection.execute(
            database.statement("store/artifact_share"),
            {"artifact_id": checkpoint.artifact_id, "before_id": None if before is None else before.artifact_id},
        ).one()
    return Description(
        checkpoint=checkpoint,
        before=None if before is None else before.step,
        tags=tuple(tag for tag, at in reference.tags(database, run).items() if at == step),
        tensors=tensors(reader.manifest(database, checkpoint.artifact_id).blobs),
        stored_bytes=share.stored_bytes,
        differences=share.differences,
        shared_chunks=share.shared_chunks,
        shared_bytes=share.shared_bytes,
        trained=steps_between(database, run, since, step),
    )


def steps_between(database: Database, run: str, after: int, up_to: int) -> Steps:
    """Return what a run's journal has behind a step, up to another."""
    with database.connect() as connection:
        values = {"run": run, "after": after, "up_to": up_to}
        return Steps(*connection.execute(database.statement("store/steps_between"), values).one())


def tensors(blobs: Iterable[Blob]) -> tuple[Tensor, ...]:
    """Put shards together; what a database says of a shape is shown, not trusted."""
    shards: dict[str, list[Blob]] = {}
    for blob in blobs:
        shards.setdefault(name_of(blob), []).append(blob)
    return tuple(
        Tensor(name, *_described(parts[0].attributes), sum(blob.size for blob in parts), len(parts))
        for name, parts in sorted(shards.items())
    )


def name_of(blob: Blob) -> str:
    """Return the name of the tensor that a blob is a shard of, or its own."""
    name = blob.attributes.get("fqn")
    return name if isinstance(name, str) else blob.name


def _described(attributes: Mapping[str, Any]) -> tuple[str | None, tuple[int, ...] | None]:
    dtype, shape = attributes.get("dtype"), attributes.get("shape")
    if not isinstance(shape, list) or not all(type(length) is int for length in shape):
        shape = None
    return dtype if isinstance(dtype, str) else None, None if shape is None else tuple(shape)
