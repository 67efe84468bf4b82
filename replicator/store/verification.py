"""Checkpoints read again, whole: every chunk against its digest, and every manifest against its own.

Each chunk is read once, however many checkpoints hold it. What is wrong is noted, and reading goes on to the end; a
chunk is traced back to the bytes and elements of each tensor that it is a piece of. Where none that was asked for is
whole, older ones are read until one is: that is the one to go back to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from replicator.database import Database
from replicator.errors import ArtifactMissing, StoreCorrupt
from replicator.store import checkpoints, reader
from replicator.store.checkpoints import Checkpoint
from replicator.store.description import name_of
from replicator.store.digest import CHUNK_BYTES
from replicator.store.manifest import Blob, Manifest
from replicator.store.reader import Piece

_GROUP_PIECES = 64
_GROUP = "the checkpoint"
_ITEM_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
    "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1, "bool": 1,
}  # fmt: skip

_Piece = tuple[bytes, int]  # a chunk's digest and how many bytes it must have


@dataclass(frozen=True, slots=True)
class Hit:
    """Something of a checkpoint that is not what was stored.

    Attributes:
        step: the checkpoint's.
        tensor: its name; None where the manifest is hit, or what the artifact is said to hold.
        blob: name of the shard, or None.
        byte_range: which bytes of the shard, from the first to behind the last, or None.
        element_range: which elements of the shard, in memory order, in the same way; None if its dtype is unknown.
        chunk: SHA-256 of the chunk, or None.
        reason: what is wrong.
    """

    step: int
    tensor: str | None
    blob: str | None
    byte_range: tuple[int, int] | None
    element_range: tuple[int, int] | None
    chunk: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one checkpoint.

    Attributes:
        step: its.
        whole: nothing is wrong with it.
        chunks: distinct ones that hold it; None if its manifest cannot be read.
        hits: how many things are wrong.
    """

    step: int
    whole: bool
    chunks: int | None
    hits: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found on a node.

    Attributes:
        where: the node.
        run: whose checkpoints.
        verdicts: on each that was read, the newest first.
        hits: everything that is wrong.
        removed: steps of checkpoints that were removed while they were read.
        chunks, plain_bytes: read and checked, each once.
        newest_whole: step of the newest checkpoint that was found whole, or None.
    """

    where: str
    run: str
    verdicts: tuple[Verdict, ...]
    hits: tuple[Hit, ...]
    removed: tuple[int, ...]
    chunks: int
    plain_bytes: int
    newest_whole: int | None


def verify(
    database: Database,
    wanted: Sequence[Checkpoint],
    advance: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Read checkpoints of one run again; if none of them is whole, older ones too, until one is.

    Args:
        database: any node.
        wanted: which, the newest first; at least one.
        advance: is told of plain bytes that are done.

    Raises:
        ArtifactMissing: it was the only one, and was removed while it was read.
        NodeLost, NodeUnreachable: the node went away.
    """
    reading = _Reading(database, advance)
    for checkpoint in wanted:
        reading.check(checkpoint)
    if len(wanted) == 1 and reading.removed:
        raise checkpoints.removed(database, wanted[0].artifact_id)
    run = wanted[0].run
    older = (one for one in checkpoints.found(database, run) if one.step < wanted[-1].step)
    for checkpoint in older:
        if any(verdict.whole for verdict in reading.verdicts):
            break
        reading.check(checkpoint)
    return Verification(
        where=database.where,
        run=run,
        verdicts=tuple(reading.verdicts),
        hits=tuple(reading.hits),
        removed=tuple(reading.removed),
        chunks=len(reading.reasons),
        plain_bytes=sum(size for _, size in reading.reasons),
        newest_whole=max((one.step for one in reading.verdicts if one.whole), default=None),
    )


class _Reading:
    """What has been read so far."""

    def __init__(self, database: Database, advance: Callable[[int], None]) -> None:
        self._database = database
        self._advance = advance
        self.reasons: dict[_Piece, str | None] = {}
        self.verdicts: list[Verdict] = []
        self.hits: list[Hit] = []
        self.removed: list[int] = []

    def check(self, checkpoint: Checkpoint) -> None:
        """Read a checkpoint, but for what was read before, and note what is found."""
        try:
            manifest = reader.manifest(self._database, checkpoint.artifact_id)
        except ArtifactMissing:
            self.removed.append(checkpoint.step)
            return
        except StoreCorrupt as error:
            self._advance(checkpoint.size)
            self.hits.append(_of_manifest(checkpoint, str(error)))
            self.verdicts.append(Verdict(checkpoint.step, whole=False, chunks=None, hits=1))
            return
        self._read(manifest)
        hits = [*self._held(checkpoint, manifest), *self._traced(checkpoint.step, manifest)]
        if hits and not checkpoints.is_there(self._database, checkpoint.artifact_id):
            self.removed.append(checkpoint.step)
            return
        self.hits += hits
        self.verdicts.append(Verdict(checkpoint.step, not hits, len(manifest.digests), len(hits)))

    def _read(self, manifest: Manifest) -> None:
        known = self.reasons.keys()
        wanted = dict.fromkeys(piece for blob in manifest.blobs for piece in _pieces(blob))
        fresh = [piece for piece in wanted if piece not in known]
        for start in range(0, len(fresh), _GROUP_PIECES):
            group = fresh[start : start + _GROUP_PIECES]
            try:
                self._read_group(group)
            except StoreCorrupt:
                for piece in group:
                    self._read_alone(piece)
            self._advance(sum(size for _, size in group))
        self._advance(manifest.size - sum(size for _, size in fresh))

    def _read_group(self, group: Sequence[_Piece]) -> None:
        wanted = [Piece(digest, size, _GROUP) for digest, size in group if (digest, size) not in self.reasons]
        for found in reader.proven(self._database, wanted):
            self.reasons.update(dict.fromkeys(found))

    def _read_alone(self, piece: _Piece) -> None:
        try:
            self._read_group([piece])
        except StoreCorrupt as error:
            said = str(error).removeprefix(f"{self._database.where}: ").removesuffix(f", needed for {_GROUP}")
            said = said.removeprefix(f"chunk {piece[0].hex()}").lstrip(": ")
            self.reasons[piece] = said.removeprefix(f"of {_GROUP} ")

    def _held(self, checkpoint: Checkpoint, manifest: Manifest) -> Iterator[Hit]:
        with self._database.connect() as connection:
            values = {"artifact_id": checkpoint.artifact_id}
            held = connection.execute(self._database.statement("store/held_chunks"), values).scalars().all()
        lacking = len(set(manifest.digests) - set(map(bytes, held)))
        if lacking:
            yield _of_manifest(checkpoint, f"{lacking} of its chunks are not listed as held, so nothing keeps them")
        if manifest.size != checkpoint.size:
            yield _of_manifest(checkpoint, f"it is said to have {checkpoint.size} bytes, and has {manifest.size}")

    def _traced(self, step: int, manifest: Manifest) -> Iterator[Hit]:
        for blob in manifest.blobs:
            item = _ITEM_BYTES.get(str(blob.attributes.get("dtype")))
            for index, piece in enumerate(_pieces(blob)):
                reason = self.reasons[piece]
                if reason is not None:
                    first = index * CHUNK_BYTES
                    behind = first + piece[1]
                    elements = (first // item, math.ceil(behind / item)) if item else None
                    yield Hit(step, name_of(blob), blob.name, (first, behind), elements, piece[0], reason)


def _of_manifest(checkpoint: Checkpoint, reason: str) -> Hit:
    return Hit(checkpoint.step, None, None, None, None, None, reason)


def _pieces(blob: Blob) -> Iterator[_Piece]:
    for index, digest in enumerate(blob.chunks):
        yield digest, blob.piece_bytes(index)
