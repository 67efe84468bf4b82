"""Db2's answer to `replicator.database.Database`.

A log position is a number of bytes here, as MON_GET_HADR tells it, or the number of a journal's batch: whatever the
column is for. Both are a BIGINT in Hadrian's tables.

No node tells in SQL on which timeline it is. It is counted by takeovers, as journals do it: each seal names the host
that was primary, and who is primary now without having sealed is on the next timeline. Where there are several feeds,
no cursor counts as forked that might be good. Without a journal nobody counts: then a standby is on the first timeline,
and whoever takes writes on a second one that has nothing of the first, so that a takeover shows all the same.

Source: IBM Db2 11.5 documentation, "MON_GET_HADR table function", "SET CURRENT LOCK TIMEOUT statement".
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy.exc
from sqlalchemy import BigInteger, Connection, Dialect, Row, TextClause, TypeDecorator, bindparam

from replicator import journal, sql
from replicator.chunk import Chunk
from replicator.db2 import chunks
from replicator.db2.connection import Db2Server
from replicator.db2.errors import translated
from replicator.errors import AlreadyThere, NotConfigured, QueryTimedOut, SlotInUse
from replicator.position import Lsn, TimelineHistory
from replicator.topology import Standby


class Db2Database(Db2Server):
    """One Db2 node."""

    def statement(self, name: str) -> TextClause:
        """Return `sql/db2/<name>.sql`, to which log positions may be given in their text form.

        Raises:
            NotConfigured: what it is for is not there on Db2 yet.
        """
        return _statement(name)

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

    @contextlib.contextmanager
    def creating(self, feed: str) -> Iterator[None]:
        """Keep others from creating a feed of this name. Raises: SlotInUse while somebody does."""
        with self.connect() as connection:
            try:
                connection.execute(self.statement("feed/limit_waiting"))
                try:
                    with translated(self.where):
                        connection.execute(self.statement("feed/lock_creation"), {"feed": feed})
                except (QueryTimedOut, AlreadyThere) as error:
                    hint = "wait for that to end, then run the command again"
                    raise SlotInUse(
                        f"{self.where}: feed {feed} is being created by somebody else", hint=hint
                    ) from error
                yield
            finally:
                with contextlib.suppress(sqlalchemy.exc.DBAPIError):
                    connection.rollback()
                connection.invalidate()  # how long it waits for a lock is the session's own

    def committed(self) -> Lsn:
        """Return a position behind everything this primary has committed. Raises: NotConfigured without HADR."""
        return self._position("topology/flush_lsn")

    def replayed(self) -> Lsn:
        """Return how far the node has replayed, or written if it is primary. Raises: NotConfigured without HADR."""
        return self._position("topology/replay_lsn")

    def _position(self, name: str) -> Lsn:
        with self.connect() as connection:
            found = connection.execute(self.statement(name)).scalar_one()
        if found is None:
            raise NotConfigured(f"{self.where}: HADR tells no log position", hint="start HADR on both nodes")
        return Lsn(int(found))

    def timeline_history(self) -> TimelineHistory:
        """Return the takeovers that led to the node's timeline, counted in seals."""
        with self.connect() as connection:
            seals = [(row.timeline, row.number) for row in connection.execute(self.statement("topology/timelines"))]
            sealer = connection.execute(self.statement("topology/last_host")).scalar_one_or_none()
            state = connection.execute(self.statement("catalog/hadr")).first()
        if not seals:
            standby = state is not None and state.hadr_role == "STANDBY"
            return TimelineHistory(1) if standby else TimelineHistory(2, ((1, Lsn(0)),))
        primary = (state.primary_member_host or "") if state is not None else ""
        unknown = state is not None and not primary  # a standby that has not met its primary yet
        history = journal.history(seals)
        if primary == sealer or unknown:
            return history
        timeline, number = seals[-1]
        return TimelineHistory(timeline + 1, (*history.forks, (timeline, Lsn(number))))

    def is_standby(self) -> bool:
        """Return whether HADR says so."""
        return any(row.hadr_role == "STANDBY" for row in self._standbys())

    def known_as(self) -> str | None:
        """Return the host under which HADR knows this standby."""
        return next((row.name for row in self._standbys() if row.hadr_role == "STANDBY"), None)

    def standbys(self) -> list[Standby]:
        """Return the standbys that HADR has on this primary."""
        rows = [row for row in self._standbys() if row.hadr_role == "PRIMARY" and row.replayed is not None]
        return [Standby(row.name, None, Lsn(int(row.replayed))) for row in rows]

    def _standbys(self) -> Sequence[Row[Any]]:
        with self.connect() as connection:
            return connection.execute(self.statement("topology/standbys")).all()


class _Position(TypeDecorator[int]):
    """A log position, given as a number or in its text form."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | str | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the number."""
        return None if value is None else int(Lsn(value))


@cache
def _statement(name: str) -> TextClause:
    try:
        found = sql.load(f"db2/{name}")
    except FileNotFoundError as error:
        raise NotConfigured(
            f"not there on Db2 yet, which has no statement {name}", hint="give the URL of a PostgreSQL node"
        ) from error
    positions = [bindparam(key, type_=_Position()) for key in found.compile().params if key.endswith("lsn")]
    return found.bindparams(*positions)
