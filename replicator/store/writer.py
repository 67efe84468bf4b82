"""Chunks first, each in small transactions of its own; the manifest last, in one transaction with its meaning.

Until that last transaction commits the artifact does not exist, so a writer may die at any point and leave
nothing but chunks that no manifest names.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from replicator.chunk import Chunk
from replicator.database import Database
from replicator.store import codec
from replicator.store.digest import split
from replicator.store.manifest import Blob, Manifest

_BATCH_BYTES = 8 << 20


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


class Writer:
    """Stores blobs on a primary. One for each process that writes; together they make one artifact.

    Args:
        database: the primary.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: dict[bytes, memoryview] = {}
        self._pending_bytes = 0
        self._known: set[bytes] = set()
        self.written = Written()

    def put(self, name: str, data: bytes | memoryview, attributes: Mapping[str, Any] | None = None) -> Blob:
        """Take in a blob. Its chunks are in the database once `flush` has returned.

        Raises:
            DiskFull, NodeLost, NodeUnreachable: the artifact cannot be finished by this writer.
        """
        view = memoryview(data).cast("B")
        digests = []
        for digest, piece in split(view):
            digests.append(digest)
            if digest not in self._known and digest not in self._pending:
                self._pending[digest] = piece
                self._pending_bytes += len(piece)
        self.written.chunks += len(digests)
        self.written.plain_bytes += len(view)
        if self._pending_bytes >= _BATCH_BYTES:
            self.flush()
        return Blob(name, len(view), tuple(digests), attributes or {})

    def flush(self) -> None:
        """Send what is pending. Raises: as `put`."""
        if not self._pending:
            return
        missing = self._pending.keys() - self._database.chunk_depths(list(self._pending)).keys()
        batch: list[Chunk] = []
        for digest in missing:
            piece = self._pending[digest]
            batch.append(Chunk(digest, len(piece), codec.encode(piece)))
            if sum(chunk.plain_bytes for chunk in batch) >= _BATCH_BYTES:
                self._send(batch)
                batch = []
        self._send(batch)
        self._known.update(self._pending)
        self._pending.clear()
        self._pending_bytes = 0

    def _send(self, batch: list[Chunk]) -> None:
        if batch:
            self._database.insert_chunks(batch)
            self.written.new_chunks += len(batch)
            self.written.stored_bytes += sum(len(chunk.body) for chunk in batch)


@contextlib.contextmanager
def publish(database: Database, kind: str, name: str, blobs: Iterable[Blob]) -> Iterator[tuple[Connection, int]]:
    """Make an artifact exist, in one transaction with whatever the block writes.

    Yields:
        The transaction and the artifact's id: record there what the artifact means. Both or neither commit.

    Raises:
        AlreadyThere: an artifact of that kind and name exists.
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
        yield transaction, database.insert_artifact(transaction, values, manifest.digests)
