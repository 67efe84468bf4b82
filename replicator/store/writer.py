"""Chunks first, each in small transactions of its own; the manifest last, in one transaction with its meaning.

Until that last transaction commits the artifact does not exist, so a writer may die at any point and leave
nothing but chunks that no manifest names.

While some chunks are on their way to the database, the next are compressed. A blob may be given with an earlier one,
which has the same numbers as they were some steps ago: chunks that moved little are then stored as differences from
its chunks. How many chunks have to be read before one is bounded, so that neither is every old checkpoint kept for a
new one's sake, nor much read for little.

A chunk that is there already is not sent again. One that no artifact holds is read first: nobody else would find out
that it is damaged before there is a checkpoint that needs it.

Before the first chunk a writer asks whether it may write at all (`admission`), and seals what it sends if it has keys.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from replicator.chunk import Chunk, Coding
from replicator.database import Database
from replicator.errors import HadrianError, StoreCorrupt
from replicator.store import codec, quota, reader, sealing
from replicator.store.admission import Admission, admit
from replicator.store.digest import CHUNK_BYTES, split
from replicator.store.manifest import Blob, Manifest
from replicator.store.reader import Piece

MOST_DEPTH = 4
_BATCH_BYTES = 8 << 20
_SENDERS = 2  # while one waits, for the server or for a processor, the other's chunks are written
_PENDING_BYTES = 2 * _BATCH_BYTES  # of which it is asked at once what is there


@dataclass(slots=True)
class Written:
    """What a writer sent and what was there before.

    Attributes:
        chunks: seen in all.
        new_chunks: of these, not there before.
        plain_bytes: seen in all.
        stored_bytes: compressed bytes sent to the database.
    """

    chunks: int = 0
    new_chunks: int = 0
    plain_bytes: int = 0
    stored_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Earlier:
    """A blob of an earlier artifact, and its bytes."""

    blob: Blob
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class _Pending:
    """A chunk to be stored, if it is not there: its bytes, and the chunk that it may be a difference from."""

    plain: memoryview
    width: int
    base: bytes | None
    base_plain: memoryview | None


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """Chunks that are being sent."""

    sent: Future[None]
    pending: Mapping[bytes, _Pending]
    stored_bytes: int


class Writer:
    """Stores blobs on a primary. One for each process that writes; together they make one artifact.

    Args:
        database: the primary.
        run: whose checkpoint the artifact is, if it is one.
    """

    def __init__(self, database: Database, run: str | None = None) -> None:
        self._database = database
        self._run = run
        self._admission: Admission | None = None
        self._pending: dict[bytes, _Pending] = {}
        self._pending_bytes = 0
        self._known: set[bytes] = set()
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="chunks")
        self._under_way: deque[_UnderWay] = deque()
        self.written = Written()

    def put(
        self,
        name: str,
        data: bytes | memoryview,
        attributes: Mapping[str, Any] | None = None,
        *,
        width: int = 1,
        earlier: Earlier | None = None,
    ) -> Blob:
        """Take in a blob. Its chunks are in the database once `flush` has returned; leave its bytes alone until then.

        Args:
            name: unique in its artifact.
            data: the bytes.
            attributes: what is to be found with it again.
            width: bytes of each number, if it is made of numbers.
            earlier: a blob of the same size, with numbers like these.

        Raises:
            DiskFull, NodeLost, NodeUnreachable: the artifact cannot be finished by this writer.
            StoreCorrupt: nor if one of its chunks is there, damaged, and nothing holds it.
            QuotaExceeded: nor if there is no room for it.
            NotConfigured, KeyMissing, BadInput: it may not write at all, as `admission.admit` says.
        """
        view = memoryview(data).cast("B")
        digests = []
        for index, (digest, piece) in enumerate(split(view)):
            digests.append(digest)
            if digest not in self._known and digest not in self._pending and not self._is_under_way(digest):
                self._pending[digest] = _Pending(piece, width, *_base_of(earlier, index, len(view)))
                self._pending_bytes += len(piece)
            if self._pending_bytes >= _PENDING_BYTES:
                self._send_pending()
        self.written.chunks += len(digests)
        self.written.plain_bytes += len(view)
        return Blob(name, len(view), tuple(digests), attributes or {})

    def _is_under_way(self, digest: bytes) -> bool:
        return any(digest in one.pending for one in self._under_way)

    def flush(self) -> None:
        """Send what is pending, and wait until it is there. Raises: as `put`; what did not arrive is pending again."""
        self._send_pending()
        while self._under_way:
            self._await_sent()

    def _send_pending(self) -> None:
        if not self._pending:
            return
        if self._admission is None:
            self._admission = admit(self._database, self._run)
        bases = {one.base for one in self._pending.values() if one.base is not None}
        wanted = self._pending.keys() | bases
        unheld = self._database.renew_chunks(wanted)
        depths = self._database.chunk_depths(wanted)
        self._prove(unheld & depths.keys())
        for digest in self._pending.keys() & depths.keys():
            self._known.add(digest)
            del self._pending[digest]
        batch: list[Chunk] = []
        for digest, one in list(self._pending.items()):
            chunk = _encoded(digest, one, depths)
            batch.append(sealing.seal(chunk, self._admission.key) if self._admission.key else chunk)
            if sum(chunk.plain_bytes for chunk in batch) >= _BATCH_BYTES:
                self._send(batch)
                batch = []
        self._send(batch)
        self._pending_bytes = 0

    def _prove(self, unheld: Iterable[bytes]) -> None:
        """Read chunks that no artifact holds.

        Where a checkpoint was damaged and removed, its bytes come again: they must not be believed to be there.
        """
        sizes = {digest: len(one.plain) for digest, one in self._pending.items()}
        sizes |= {one.base: len(one.base_plain) for one in self._pending.values() if one.base and one.base_plain}
        try:
            for _ in reader.proven(self._database, [Piece(one, sizes[one], "what is being saved") for one in unheld]):
                pass
        except StoreCorrupt as error:
            hint = "delete what nothing holds, then save again: hadrian store collect --grace 0"
            raise StoreCorrupt(str(error), hint=hint) from error

    def _send(self, batch: list[Chunk]) -> None:
        if not batch:
            return
        if len(self._under_way) == _SENDERS:
            self._await_sent()
        stored_bytes = sum(len(chunk.body) for chunk in batch)
        sent_bytes = self.written.stored_bytes + sum(one.stored_bytes for one in self._under_way)
        for limit in self._admission.quotas if self._admission else ():
            limit.check(self._database.where, sent_bytes + stored_bytes)
        pending = {chunk.sha256: self._pending.pop(chunk.sha256) for chunk in batch}
        sent = self._senders.submit(self._database.insert_chunks, batch)
        self._under_way.append(_UnderWay(sent, pending, stored_bytes))

    def _await_sent(self) -> None:
        one = self._under_way.popleft()
        try:
            one.sent.result()
        except BaseException:
            self._pending |= one.pending
            while self._under_way:  # what failed with it must not fail the next call, which may find room
                with contextlib.suppress(HadrianError):
                    self._await_sent()
            raise
        self._known.update(one.pending)
        self.written.new_chunks += len(one.pending)
        self.written.stored_bytes += one.stored_bytes


def _base_of(earlier: Earlier | None, index: int, size: int) -> tuple[bytes, memoryview] | tuple[None, None]:
    if earlier is None or earlier.blob.size != size:
        return None, None
    start = index * CHUNK_BYTES
    return earlier.blob.chunks[index], memoryview(earlier.data).cast("B")[start : start + CHUNK_BYTES]


def _encoded(digest: bytes, one: _Pending, depths: Mapping[bytes, int]) -> Chunk:
    depth = depths.get(one.base, MOST_DEPTH) if one.base is not None else MOST_DEPTH
    coding, body = codec.encode(one.plain, one.width, one.base_plain if depth < MOST_DEPTH else None)
    if coding == Coding.DIFFERENCE:
        return Chunk(digest, len(one.plain), body, coding, one.base, depth + 1)
    return Chunk(digest, len(one.plain), body, coding)


@contextlib.contextmanager
def publish(database: Database, kind: str, name: str, blobs: Iterable[Blob]) -> Iterator[tuple[Connection, int]]:
    """Make an artifact exist, in one transaction with whatever the block writes.

    Yields:
        The transaction and the artifact's id: record there what the artifact means. Both or neither commit.

    Raises:
        AlreadyThere: an artifact of that kind and name exists.
        QuotaExceeded: with it the store would hold more than it may.
        NodeLost, NodeUnreachable, DiskFull: it does not exist (or the commit is in doubt, and reading tells).
    """
    manifest = Manifest(tuple(blobs))
    text = manifest.to_json()
    values = {
        "kind": kind,
        "name": name,
        "manifest": text,
        "sha256": hashlib.sha256(text.encode()).digest(),
        "plain_bytes": manifest.size,
    }
    with database.begin() as transaction:
        artifact_id = database.insert_artifact(transaction, values, manifest.digests)
        quota.check(database, transaction)
        yield transaction, artifact_id
