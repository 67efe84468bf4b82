"""What an engine's node must be able to do for feeds, the store and the step journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection, TextClause

from replicator.chunk import Chunk
from replicator.position import Lsn, TimelineHistory
from replicator.topology import Standby


class Database(Protocol):
    """One node of a pair, primary or standby.

    Any caller may use any call in any order; none keeps a session open after it returned.
    """

    @property
    def where(self) -> str:
        """Its address without secrets, for messages."""
        ...

    def statement(self, name: str) -> TextClause:
        """Return this engine's statement of that name, as `sql/<engine>/<name>.sql`."""
        ...

    def connect(self) -> AbstractContextManager[Connection]:
        """Open a session for reading. Raises: NodeUnreachable, NodeLost."""
        ...

    def begin(self) -> AbstractContextManager[Connection]:
        """Open a transaction that commits with the block. Raises: NodeUnreachable, NodeLost."""
        ...

    def insert_chunks(self, batch: Sequence[Chunk]) -> None:
        """Insert chunks in a transaction of its own; those that are there stay. Idempotent.

        It is flushed with the next transaction of `begin`, at the latest.
        """
        ...

    def renew_chunks(self, digests: Collection[bytes]) -> set[bytes]:
        """Keep those of these chunks for a grace from now that are there and no artifact holds; return them (primary).

        Call it before asking which are there: what is then found can be relied on by who publishes within the grace.
        """
        ...

    def chunk_depths(self, digests: Collection[bytes]) -> dict[bytes, int]:
        """Return those of the chunks that are there, and how many must be read before each."""
        ...

    def read_chunks(self, digests: Collection[bytes]) -> dict[bytes, Chunk]:
        """Return those of a few chunks that are there, with all that they are differences from."""
        ...

    def insert_artifact(self, transaction: Connection, artifact: Mapping[str, Any], digests: Collection[bytes]) -> int:
        """Make an artifact exist that holds these chunks, inside a transaction, and return its number.

        Args:
            transaction: it exists once that commits.
            artifact: `kind`, `name`, `manifest`, the manifest's `sha256`, and `plain_bytes`.
            digests: each once.

        Raises:
            AlreadyThere: one of that kind and name exists.
        """
        ...

    def manifest(self, artifact_id: int) -> tuple[str, bytes] | None:
        """Return an artifact's manifest and its digest, None if it is not here."""
        ...

    def creating(self, feed: str) -> AbstractContextManager[None]:
        """Keep others from creating or dropping a feed of this name (primary). Raises: SlotInUse."""
        ...

    def committed(self) -> Lsn:
        """Return a position behind everything committed by `begin` so far (primary)."""
        ...

    def replayed(self) -> Lsn:
        """Return the position up to which the log is visible here (standby or primary)."""
        ...

    def timeline_history(self) -> TimelineHistory:
        """Return the forks that led to the node's timeline."""
        ...

    def is_standby(self) -> bool:
        """Return whether the node replays another's log."""
        ...

    def known_as(self) -> str | None:
        """Return the name under which this standby follows its primary, None if the node does not tell."""
        ...

    def standbys(self) -> list[Standby]:
        """Return the standbys that this node itself sends its log to. Raises: NotPermitted: it may not tell."""
        ...

    def close(self) -> None:
        """Close pooled sessions; a later call opens new ones."""
        ...
