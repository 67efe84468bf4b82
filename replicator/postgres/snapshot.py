"""A table's rows exactly as they stood where its slot begins, to be read in parts by several sessions at once.

The slot is made with an exported snapshot, and every session that reads takes that snapshot as its own. A part is a
range of blocks of the table (of one of its partitions, where it has some), which the server finds without an index and
without reading the rest; parts are therefore of like size whatever the key, and their order is the rows' order.

Source: PostgreSQL 18 documentation, 9.28.5 "Snapshot Synchronization Functions", 54.4 CREATE_REPLICATION_SLOT. TID
range scans are there from 14 on; before that each part reads the whole table.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
import pyarrow as pa
from psycopg import sql as pgsql

from replicator import sql
from replicator.batch import python_values
from replicator.errors import HadrianError
from replicator.position import Lsn
from replicator.postgres import copy_rows, topology
from replicator.postgres import slot as slots
from replicator.postgres.batches import Shape
from replicator.postgres.connection import Server
from replicator.postgres.errors import translated
from replicator.postgres.type_catalog import TypeCatalog
from replicator.schema import Table, TableName

_PART_BLOCKS = 2048  # 16 MB


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a table's blocks.

    Attributes:
        number: its place among the parts.
        table: the table, or the partition, whose blocks they are.
        filenode: of that table when the range was cut.
        first: the first block.
        behind: the block behind the last, or None for the table's end.
        blocks: how many there were.
    """

    number: int
    table: TableName
    filenode: int
    first: int
    behind: int | None
    blocks: int


@dataclass(slots=True)
class Snapshot:
    """An open snapshot.

    Attributes:
        table: whose rows.
        shape: its columns.
        end: the slot's consistent point: the stream goes on from here.
        timeline: of the node it was read on.
        parts: all of the table.
        slot_in_use: set it before a commit that makes the slot's feed exist. From then on the slot stays whatever
            happens, because a commit whose answer is lost may have happened all the same.
    """

    table: Table
    shape: Shape
    end: Lsn
    timeline: int
    parts: Sequence[Part]
    slot_in_use: bool = False


@contextlib.contextmanager
def open_snapshot(
    source: Server, primary: Server, publication: str, slot: str, *, failover: bool = False
) -> Iterator[tuple[Snapshot, str]]:
    """Create the slot on `source`, with a snapshot of the rows as of that point; no lock, no pause for writers.

    If the block fails, the slot is dropped again, unless the node has gone or the block says that it is in use.

    Yields:
        The snapshot, and the name by which other sessions take it as theirs while the block runs.

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
        snapshot = Snapshot(table, shape_of(source, table), end, 0, ())
        try:
            # Not before: a node promoted in between would have begun the slot on the later timeline.
            snapshot.timeline = topology.look(source).timeline
            snapshot.parts = parts_of(source, table.name)
            yield snapshot, exported
        except BaseException:
            exporter.finish()
            if not snapshot.slot_in_use:
                with contextlib.suppress(HadrianError):
                    slots.drop(source, slot)
            raise
    finally:
        exporter.finish()


def shape_of(server: Server, table: Table) -> Shape:
    """Return a table's published columns as a stream would describe them."""
    with server.connect() as connection:
        parameters = {"schema": table.name.schema, "name": table.name.name, "columns": list(table.columns)}
        rows = connection.execute(sql.load("postgres/feed/columns"), parameters).all()
    columns = tuple((row.name, row.type, row.modifier) for row in rows)
    return Shape(rows[0].oid, str(table.name), columns, TypeCatalog(server))


def parts_of(server: Server, table: TableName) -> list[Part]:
    """Cut a table into parts."""
    with server.connect() as connection:
        parameters = {"schema": table.schema, "name": table.name}
        leaves = connection.execute(sql.load("postgres/feed/leaves"), parameters).all()
    parts: list[Part] = []
    for leaf in leaves:
        starts = list(range(0, max(leaf.blocks, 1), _PART_BLOCKS))
        for first, behind in itertools.zip_longest(starts, starts[1:]):
            blocks = (leaf.blocks if behind is None else behind) - first
            parts.append(Part(len(parts), TableName(leaf.schema, leaf.name), leaf.filenode, first, behind, blocks))
    return parts


@contextlib.contextmanager
def session(source: Server, exported: str) -> Iterator[psycopg.Connection[Any]]:
    """Open a session that sees what an exported snapshot shows. Raises: NodeLost, NodeUnreachable."""
    with source.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - an open SQLAlchemy connection has one
        with driver.transaction(), translated(source.where):
            driver.execute("set transaction isolation level repeatable read, read only")
            driver.execute(pgsql.SQL("set transaction snapshot {}").format(pgsql.Literal(exported)))
            yield driver


def read_part(
    connection: psycopg.Connection[Any], snapshot: Snapshot, part: Part, where: str
) -> Iterator[pa.RecordBatch]:
    """Yield a part's rows, in the order of their blocks. Raises: as `copy_rows.copied`."""
    conditions = [_filter(snapshot.table), pgsql.SQL("ctid >= {}").format(_block(part.first))]
    if part.behind is not None:
        conditions.append(pgsql.SQL("ctid < {}").format(_block(part.behind)))
    query = pgsql.SQL("select {columns} from only {table} where {conditions}").format(
        columns=copy_rows.columns(snapshot.shape),
        table=pgsql.Identifier(part.table.schema, part.table.name),
        conditions=pgsql.SQL(" and ").join(conditions),
    )
    return copy_rows.copied(connection, query, snapshot.shape, where)


def _block(number: int) -> pgsql.Composed:
    return pgsql.SQL("{}::tid").format(pgsql.Literal(f"({number},0)"))


def _filter(table: Table) -> pgsql.Composed:
    # The filter is the server's own text from its catalog, not a user's. mypy takes LiteralString for str.
    literal = cast("LiteralString", table.row_filter or "true")  # type: ignore[redundant-cast]
    return pgsql.SQL("({})").format(pgsql.SQL(literal))


def nudge(*servers: Server) -> None:
    """Make whichever of them takes writes now log the list of running transactions: a slot on a standby waits for it.

    A takeover may happen while one waits, so name each that may be the primary. Without the privilege one waits for
    the background writer, which does it every 15 s.
    """
    for server in servers:
        with contextlib.suppress(HadrianError), server.autocommit() as connection:
            connection.execute(sql.load("postgres/feed/log_standby_snapshot"))


def read_published(server: Server, publication: str, limit: int) -> list[dict[str, Any]]:
    """Return the first rows of a publication's table in key order, as they are now.

    Raises:
        BadInput, TableUnfit: as `slot.published_table`.
    """
    table = slots.published_table(server, publication)
    shape = shape_of(server, table)
    query = pgsql.SQL("select {columns} from {table} where {row_filter} order by {key} limit {limit}").format(
        columns=copy_rows.columns(shape),
        table=pgsql.Identifier(table.name.schema, table.name.name),
        row_filter=_filter(table),
        key=pgsql.SQL(", ").join(map(pgsql.Identifier, table.key)),
        limit=limit,
    )
    with server.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - an open SQLAlchemy connection has one
        batches = list(copy_rows.copied(driver, query, shape, server.where))
    names = shape.row_schema.names
    return [
        dict(zip(names, row, strict=True))
        for batch in batches
        for row in zip(*map(python_values, batch.columns), strict=True)
    ]
