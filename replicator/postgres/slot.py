"""The life of a logical slot, and whether a node may have one at all."""

from __future__ import annotations

import re
import secrets
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg import sql as pgsql

from replicator import sql
from replicator.errors import (
    BadInput,
    NodeLost,
    NotConfigured,
    NotPermitted,
    TableUnfit,
)
from replicator.position import Lsn
from replicator.postgres.connection import Server, command
from replicator.postgres.errors import translated
from replicator.schema import Table, TableName

_FEED_NAME = re.compile(r"[a-z0-9_]{1,55}")  # a slot's name has these characters and at most 63 of them
STANDBY_DECODING = 160000
_COPIED_SLOTS = 120000
_CREATE_TIMEOUT_S = 60
_NUDGE_S = 0.5


@dataclass(frozen=True, slots=True)
class Decoding:
    """What decides whether a session may decode the log of a node."""

    version: int
    in_recovery: bool
    wal_level: str
    may_replicate: bool
    role: str

    def refuse(self, where: str) -> None:
        """Raise if decoding is ruled out.

        Source: PostgreSQL 18 documentation, 47.2.2 "Replication Slots" (standby decoding needs 16 and
        wal_level = logical on the primary), 21.2 (REPLICATION attribute).

        Raises:
            NotConfigured: the server is too old for it, or does not log enough.
            NotPermitted: the role lacks REPLICATION.
        """
        if self.in_recovery and self.version < STANDBY_DECODING:
            raise NotConfigured(
                f"{where} runs PostgreSQL {self.version // 10000}: a standby decodes from 16 on",
                hint="upgrade the pair to PostgreSQL 16 or newer, or read the feed from the primary",
            )
        if self.wal_level != "logical":
            raise NotConfigured(
                f"{where}: wal_level is {self.wal_level}, decoding needs logical",
                hint="set wal_level = logical on the primary and every standby, and restart them",
            )
        if not self.may_replicate:
            raise NotPermitted(
                f"{where}: role {self.role} lacks REPLICATION",
                hint=f"run: alter role {self.role} replication",
            )


def ask_decoding(server: Server) -> Decoding:
    """Ask the node what decides whether it may be decoded. Raises: NodeUnreachable, NodeLost."""
    with server.connect() as connection:
        row = connection.execute(sql.load("postgres/feed/decoding")).one()
    return Decoding(row.version, row.in_recovery, row.wal_level, row.may_replicate, row.role)


def check_decoding(server: Server) -> Decoding:
    """Ask the node whether it may be decoded, and return what it said. Raises: as `Decoding.refuse`."""
    decoding = ask_decoding(server)
    decoding.refuse(server.where)
    return decoding


def published_table(server: Server, publication: str) -> Table:
    """Return the one table of a publication, if its rows can be fed; of a partitioned one the root.

    Source: PostgreSQL 18 documentation, 29.1.1 "Replica Identity", CREATE PUBLICATION.

    Raises:
        BadInput: no such publication, or it has not exactly one table.
        TableUnfit: no key, or values would be missing from the log.
    """
    with server.connect() as connection:
        rows = connection.execute(sql.load("postgres/feed/publication"), {"publication": publication}).all()
    root = next((row.root for row in rows if row.root is not None), None)
    if root is not None:
        raise BadInput(
            f"{server.where}: publication {publication} publishes the partitions of {root} one by one",
            hint=f"run on the primary: alter publication {publication} set (publish_via_partition_root = true)",
        )
    if len(rows) != 1:
        raise BadInput(
            f"{server.where}: publication {publication} has {len(rows)} tables, a feed reads exactly one",
            hint=f"run on the primary: create publication {publication} for table ...",
        )
    row = rows[0]
    name = TableName(row.schema, row.name)
    if not row.key:
        raise TableUnfit(
            f"{server.where}: table {name} has no primary key, so its rows cannot be told apart",
            hint=f"run: alter table {name} add primary key (...)",
        )
    if row.mute is not None and (row.updates or row.deletes):
        raise TableUnfit(
            f"{server.where}: table {row.mute} has replica identity nothing, and its updates or deletes are published:"
            " the server refuses them",
            hint=f"run: alter table {row.mute} replica identity default",
        )
    if row.toastable and row.updates and row.partial is not None:
        raise TableUnfit(
            f"{server.where}: table {row.partial} may store values out of line, and the log omits those an update left"
            " alone",
            hint=f"run: alter table {row.partial} replica identity full",
        )
    return Table(name, tuple(row.columns), tuple(row.key), row.row_filter)


def slot_name(feed: str) -> str:
    """Return the slot of a feed.

    Raises:
        BadInput: the feed's name has characters that a slot's may not have.
    """
    if not _FEED_NAME.fullmatch(feed):
        raise BadInput(f"not a feed name: {feed!r}", hint="use lower-case letters, digits and _, at most 55")
    return f"hadrian_{feed}"


def passing_name() -> str:
    """Return a name for a slot that goes with its session."""
    return f"hadrian_read_{secrets.token_hex(8)}"


def drop(server: Server, slot: str) -> None:
    """Drop the slot if it is there. Raises: NotConfigured while somebody reads from it."""
    with server.autocommit() as connection:
        connection.execute(sql.load("postgres/feed/drop_slot"), {"slot": slot})


def advance(server: Server, slot: str, lsn: Lsn) -> None:
    """Let the slot forget what commits before a position, if it is there; it is never moved back.

    Raises:
        NotConfigured: somebody reads from it, or it has lost the log it needs.
    """
    with server.autocommit() as connection:
        connection.execute(sql.load("postgres/feed/advance_slot"), {"slot": slot, "lsn": str(lsn)})


def copy(server: Server, slot: str, name: str) -> None:
    """Make a second slot at the first one's position."""
    with server.autocommit() as connection:
        connection.execute(sql.load("postgres/feed/copy_slot"), {"slot": slot, "copy": name})


def copy_for_session(pgconn: pq.abc.PGconn, slot: str, where: str) -> str:
    """Make a second slot at the first one's position that goes with this replication session, and return its name.

    Raises:
        NotConfigured: the server is too old for it, or has no slot to spare.
    """
    if pgconn.server_version < _COPIED_SLOTS:
        raise NotConfigured(
            f"{where} runs PostgreSQL {pgconn.server_version // 10000}: a slot can be copied from 12 on",
            hint="upgrade it, or read the feed from another node",
        )
    copy = passing_name()
    # A replication session takes no parameters.
    statement = sql.load("postgres/feed/copy_slot_for_session").bindparams(slot=slot, copy=copy)
    command(pgconn, str(statement.compile(compile_kwargs={"literal_binds": True})).encode(), where)
    return copy


def create_exporting(
    server: Server,
    pgconn: pq.abc.PGconn,
    slot: str,
    nudge: Callable[[], None],
    *,
    failover: bool = False,
    passing: bool = False,
) -> tuple[Lsn, str]:
    """Create the slot and export the snapshot that shows exactly the rows before it.

    On a standby the server waits until a list of running transactions comes through the log; `nudge` makes
    the primary write one. The snapshot lives as long as `pgconn` does nothing else.

    Args:
        server: the node, for messages.
        pgconn: a replication session on it.
        slot: name of the slot.
        nudge: called every half second while waiting.
        failover: make it one that standbys copy (17+, on the primary); see `failover_slot`.
        passing: make it one that goes with the session.

    Returns:
        The consistent point and the snapshot's name.

    Raises:
        NotConfigured: a transaction that is still open on the primary kept the server waiting for a minute.
    """
    name = pgsql.Identifier(slot).as_bytes(None)
    # The form of 10 to 14, which later servers take too, knows no failover slots.
    options = b"(SNAPSHOT 'export', FAILOVER)" if failover else b"EXPORT_SNAPSHOT"
    kind = b"TEMPORARY LOGICAL" if passing else b"LOGICAL"
    # The snapshot lasts as long as its transaction, which is idle.
    command(pgconn, b"SET idle_in_transaction_session_timeout TO 0", server.where)
    pgconn.send_query(b"CREATE_REPLICATION_SLOT %s %s pgoutput %s" % (name, kind, options))
    deadline = time.monotonic() + _CREATE_TIMEOUT_S
    with translated(server.where):
        while pgconn.is_busy():
            if time.monotonic() > deadline:
                raise NotConfigured(
                    f"{server.where}: slot {slot} waits for transactions that are open on the primary",
                    hint="end the oldest transactions (pg_stat_activity, pg_prepared_xacts), then run this again",
                )
            readable, _, _ = select.select([pgconn.socket], [], [], _NUDGE_S)
            if readable:
                pgconn.consume_input()
            else:
                nudge()
        result = pgconn.get_result()
        if result is None or result.status != pq.ExecStatus.TUPLES_OK:
            raise (psycopg.errors.error_from_result(result) if result else NodeLost(f"{server.where} went away"))
        while pgconn.get_result() is not None:
            pass
    return Lsn((result.get_value(0, 1) or b"").decode()), (result.get_value(0, 2) or b"").decode()
