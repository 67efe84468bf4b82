"""PostgreSQL's answer to `replicator.database.Database`: a list of the parts beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from replicator.position import Lsn, TimelineHistory
from replicator.postgres import chunks, creation, topology
from replicator.postgres.connection import Server


class PostgresDatabase(Server):
    """One PostgreSQL node."""

    def insert_chunks(self, batch: Sequence[tuple[bytes, int, bytes]]) -> None:
        """As `chunks.insert`."""
        chunks.insert(self, batch)

    def creating(self, feed: str) -> AbstractContextManager[None]:
        """As `creation.creating`."""
        return creation.creating(self, feed)

    def committed(self) -> Lsn:
        """As `topology.committed`."""
        return topology.committed(self)

    def replayed(self) -> Lsn:
        """As `topology.replayed`."""
        return topology.replayed(self)

    def timeline_history(self) -> TimelineHistory:
        """As `topology.timeline_history`."""
        return topology.timeline_history(self)
