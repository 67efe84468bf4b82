"""A feed's snapshot while it is taken, as the primary remembers it: where it began, and the parts that are kept.

A part is recorded once its chunks are in the store, in a transaction of its own. So what is recorded can be relied on,
whoever is killed; it flows to the standby like everything else, and is forgotten in the transaction that makes the
feed exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.database import Database
from replicator.position import Lsn
from replicator.postgres.snapshot import Begun
from replicator.postgres.snapshot_plan import Stale
from replicator.store.manifest import Blob, Manifest


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What there is of a snapshot.

    Attributes:
        begun: where it began.
        parts: blobs of each part that is kept.
    """

    begun: Begun
    parts: Mapping[int, Sequence[Blob]]


def find(primary: Database, feed: str) -> Unfinished | None:
    """Return the snapshot that an attempt to create this feed left, or None."""
    with primary.connect() as connection:
        row = connection.execute(primary.statement("feed/find_snapshot"), {"feed": feed}).one_or_none()
        rows = connection.execute(primary.statement("feed/snapshot_parts"), {"feed": feed}).all()
    if row is None:
        return None
    begun = Begun(Lsn(row.start_lsn), row.timeline, row.marks, row.part_blocks, tuple(row.blocks))
    return Unfinished(
        begun, {part.number: Manifest.from_json(part.manifest, bytes(part.sha256)).blobs for part in rows}
    )


def check_chunks(primary: Database, unfinished: Unfinished) -> None:
    """Check that the store still has every chunk, though no artifact holds them yet. Raises: Stale."""
    digests = sorted({digest for blobs in unfinished.parts.values() for blob in blobs for digest in blob.chunks})
    if len(primary.chunk_depths(digests)) < len(digests):
        raise Stale(f"{primary.where} has lost rows that were kept")


def begin(primary: Database, feed: str, begun: Begun) -> None:
    """Record that a snapshot is begun."""
    with primary.begin() as transaction:
        transaction.execute(
            primary.statement("feed/insert_snapshot"),
            {
                "feed": feed,
                "start_lsn": str(begun.start),
                "timeline": begun.timeline,
                "marks": begun.marks,
                "part_blocks": begun.part_blocks,
                "blocks": list(begun.blocks),
            },
        )


def keep_part(primary: Database, feed: str, number: int, blobs: Sequence[Blob]) -> None:
    """Record a part whose blobs are in the store."""
    text = Manifest(tuple(blobs)).to_json()
    parameters = {"feed": feed, "number": number, "manifest": text, "sha256": hashlib.sha256(text.encode()).digest()}
    with primary.begin() as transaction:
        transaction.execute(primary.statement("feed/insert_snapshot_part"), parameters)


def forget(primary: Database, transaction: Connection, feed: str) -> None:
    """Forget the snapshot, in the transaction that makes the feed exist, or gives it up."""
    transaction.execute(primary.statement("feed/delete_snapshot"), {"feed": feed})
