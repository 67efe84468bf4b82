"""PostgreSQL's answer to `replicator.database.Database`: a list of the parts beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection

from replicator.chunk import Chunk
from replicator.position import Lsn, TimelineHistory
from replicator.postgres import chunks, creation, topology
from replicator.postgres.connection import Server
from replicator.topology import Standby


class PostgresDatabase(Server):
    """One PostgreSQL node."""

    def insert_chunks(self, batch: Sequence[Chunk]) -> None:
        """As `chunks.insert`."""
        chunks.insert(self, batch)

    def renew_chunks(self, digests: Collection[bytes]) -> set[bytes]:
        """As `chunks.renew`."""
        return chunks.renew(self, digests)

    def chunk_depths(self, digests: Collection[bytes]) -> dict[bytes, int]:
        """As `chunks.depths`."""
        return chunks.depths(self, digests)

    def read_chunks(self, digests: Collection[bytes]) -> dict[bytes, Chunk]:
        """As `chunks.read`."""
        return chunks.read(self, digests)

    def insert_artifact(self, transaction: Connection, artifact: Mapping[str, Any], digests: Collection[bytes]) -> int:
        """As `chunks.insert_artifact`."""
        return chunks.insert_artifact(transaction, artifact, digests)

    def manifest(self, artifact_id: int) -> tuple[str, bytes] | None:
        """As `chunks.manifest`."""
        return chunks.manifest(self, artifact_id)

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

    def is_standby(self) -> bool:
        """As `topology.is_standby`."""
        return topology.is_standby(self)

    def known_as(self) -> str | None:
        """As `topology.known_as`."""
        return topology.known_as(self)

    def standbys(self) -> list[Standby]:
        """As `topology.standbys`."""
        return topology.standbys(self)
