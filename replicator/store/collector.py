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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from replicator.database import Database

GRACE_S = 24 * 3600.0
_LOOK_CHUNKS = 50_000
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
    total = Collected()
    for digests in _looked(primary, grace_s):
        for start in range(0, len(digests), _BATCH_CHUNKS):
            done = _delete(primary, grace_s, digests[start : start + _BATCH_CHUNKS])
            advance(done)
            total += done
    return total


def _looked(primary: Database, grace_s: float) -> Iterator[list[bytes]]:
    """Yield the chunks that can go, many at a time: each look takes the time of reading all chunks' names."""
    behind = b""
    while True:
        with primary.connect() as connection:
            values = {"grace_s": grace_s, "behind": behind, "limit": _LOOK_CHUNKS}
            digests = connection.execute(primary.statement("store/loose_digests"), values).scalars().all()
        if not digests:
            return
        yield [bytes(digest) for digest in digests]
        behind = digests[-1]


def _delete(primary: Database, grace_s: float, digests: Sequence[bytes]) -> Collected:
    """Delete those of some chunks that can still go."""
    with primary.begin() as transaction:
        values = {"grace_s": grace_s, "digests": digests}
        locked = transaction.execute(primary.statement("store/lock_loose_chunks"), values).scalars().all()
        rows = transaction.execute(primary.statement("store/delete_loose_chunks"), {"digests": locked}).all()
    return Collected(len(rows), sum(row.stored_bytes for row in rows))
