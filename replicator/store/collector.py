"""Chunks that nothing holds any more: found, and deleted in small transactions.

A chunk is stored minutes before the artifact that holds it is there, and a reader reads it minutes after that was
removed. So a chunk that nothing holds is kept for a grace, counted from `created_at`: when it was stored, or let go by
an artifact (a trigger sees to that), or found there by a writer who is going to hold it (`Database.renew_chunks`).

What is never deleted, whatever the grace, is what something holds: an artifact or a difference by a foreign key, a
snapshot that is being taken by its parts' manifests. Chunks are locked first, leaving out those that somebody is about
to hold, and looked at again behind the lock: whoever then wants to hold one waits, and is refused by the foreign key.

Source: PostgreSQL 18 documentation, 13.3.2 "Row-Level Locks", SELECT "The Locking Clause".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from replicator.database import Database

GRACE_S = 24 * 3600.0
_BATCH_CHUNKS = 200


@dataclass(frozen=True, slots=True)
class Collected:
    """What was deleted, or would be.

    Attributes:
        chunks: how many.
        stored_bytes: what their bodies took.
    """

    chunks: int = 0
    stored_bytes: int = 0

    def __add__(self, other: Collected) -> Collected:
        return Collected(self.chunks + other.chunks, self.stored_bytes + other.stored_bytes)


@dataclass(frozen=True, slots=True)
class Loose:
    """What nothing holds.

    Attributes:
        over: chunks whose grace is over.
        fresh: chunks whose grace is not.
    """

    over: Collected
    fresh: Collected


def loose(database: Database, grace_s: float = GRACE_S) -> Loose:
    """Return how much nothing holds; a base is not counted before the differences from it are gone."""
    with database.connect() as connection:
        row = connection.execute(database.statement("store/loose_chunks"), {"grace_s": grace_s}).one()
    return Loose(Collected(row.chunks, row.stored_bytes), Collected(row.fresh_chunks, row.fresh_bytes))


def collect(
    primary: Database, grace_s: float = GRACE_S, advance: Callable[[Collected], None] = lambda _: None
) -> Collected:
    """Delete the chunks that nothing holds and whose grace is over, and return what that was.

    Args:
        primary: where.
        grace_s: seconds that a chunk is kept which nothing holds.
        advance: is told of each transaction that has committed.

    Raises:
        NodeLost, NodeUnreachable: what `advance` was told of is deleted, the rest is there; call it again.
    """
    total = Collected()
    # A base can go once the differences from it are gone: so again, until there is nothing.
    while (swept := _sweep(primary, grace_s, advance)).chunks:
        total += swept
    return total


def _sweep(primary: Database, grace_s: float, advance: Callable[[Collected], None]) -> Collected:
    total, behind = Collected(), b""
    while True:
        with primary.begin() as transaction:
            values = {"grace_s": grace_s, "behind": behind, "limit": _BATCH_CHUNKS}
            locked = transaction.execute(primary.statement("store/lock_loose_chunks"), values).scalars().all()
            if not locked:
                return total
            rows = transaction.execute(primary.statement("store/delete_loose_chunks"), {"digests": locked}).all()
        behind = locked[-1]
        done = Collected(len(rows), sum(row.stored_bytes for row in rows))
        advance(done)
        total += done
