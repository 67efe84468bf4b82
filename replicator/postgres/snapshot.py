"""A table's rows exactly as they stood where its slot begins."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import LiteralString, cast

from psycopg import sql as pgsql

from replicator import sql
from replicator.errors import HadrianError
from replicator.position import Lsn
from replicator.postgres import slot as slots
from replicator.postgres import topology
from replicator.postgres.connection import Server
from replicator.postgres.errors import translated
from replicator.schema import Table

_Row = dict[str, str | None]


@dataclass(slots=True)
class Snapshot:
    """An open snapshot.

    Attributes:
        table: whose rows.
        end: the slot's consistent point: the stream goes on from here.
        timeline: of the node it was read on.
        rows: column to text, in key order; to be read while the snapshot is open.
        slot_in_use: set it before a commit that makes the slot's feed exist. From then on the slot stays whatever
            happens, because a commit whose answer is lost may have happened all the same.
    """

    table: Table
    end: Lsn
    timeline: int
    rows: Iterator[_Row]
    slot_in_use: bool = False


@contextlib.contextmanager
def open_snapshot(
    source: Server, primary: Server, publication: str, slot: str, *, failover: bool = False
) -> Iterator[Snapshot]:
    """Create the slot on `source` and read the table as of that point; no lock, no pause for writers.

    If the block fails, the slot is dropped again, unless the node has gone or the block says that it is in use.

    Raises:
        HadrianError: as `slot.check_decoding`, `slot.published_table` and `slot.create_exporting`.
    """
    slots.check_decoding(source)
    table = slots.published_table(source, publication)
    if slots.exists(source, slot):
        slots.drop(source, slot)  # left by an attempt that was interrupted: no feed refers to it
    exporter = source.replication()
    try:
        end, exported = slots.create_exporting(
            source, exporter, slot, lambda: nudge(primary, source), failover=failover
        )
        snapshot = Snapshot(table, end, 0, iter(()))
        try:
            # Not before: a node promoted in between would have begun the slot on the later timeline.
            snapshot.timeline = topology.look(source).timeline
            with source.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None  # noqa: S101 - an open SQLAlchemy connection has one
                with driver.transaction(), driver.cursor() as cursor, translated(source.where):
                    cursor.execute("set transaction isolation level repeatable read, read only")
                    cursor.execute(pgsql.SQL("set transaction snapshot {}").format(pgsql.Literal(exported)))
                    with cursor.copy(_copy_statement(table)) as copy:
                        snapshot.rows = (dict(zip(table.columns, row, strict=True)) for row in copy.rows())
                        yield snapshot
        except BaseException:
            exporter.finish()
            if not snapshot.slot_in_use:
                with contextlib.suppress(HadrianError):
                    slots.drop(source, slot)
            raise
    finally:
        exporter.finish()


def nudge(*servers: Server) -> None:
    """Make whichever of them takes writes now log the list of running transactions: a slot on a standby waits for it.

    A takeover may happen while one waits, so name each that may be the primary. Without the privilege one waits for
    the background writer, which does it every 15 s.
    """
    for server in servers:
        with contextlib.suppress(HadrianError), server.autocommit() as connection:
            connection.execute(sql.load("postgres/feed/log_standby_snapshot"))


def _copy_statement(table: Table) -> pgsql.Composed:
    # The filter is the server's own text from its catalog, not a user's. mypy takes LiteralString for str.
    literal = cast("LiteralString", table.row_filter or "true")  # type: ignore[redundant-cast]
    return pgsql.SQL("copy (select {columns} from {table} where {row_filter} order by {key}) to stdout").format(
        columns=pgsql.SQL(", ").join(map(pgsql.Identifier, table.columns)),
        table=pgsql.Identifier(table.name.schema, table.name.name),
        row_filter=pgsql.SQL(literal),
        key=pgsql.SQL(", ").join(map(pgsql.Identifier, table.key)),
    )


def read_published(server: Server, publication: str, limit: int) -> list[_Row]:
    """Return the first rows of a publication's table in key order, as they are now.

    Raises:
        BadInput, TableUnfit: as `slot.published_table`.
    """
    table = slots.published_table(server, publication)
    with server.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - an open SQLAlchemy connection has one
        with driver.cursor() as cursor, cursor.copy(_copy_statement(table)) as copy:
            first = itertools.islice(copy.rows(), limit)
            rows = [dict(zip(table.columns, row, strict=True)) for row in first]
            for _ in copy:  # COPY must be read to its end
                pass
    return rows
