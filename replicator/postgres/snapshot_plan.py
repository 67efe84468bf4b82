"""What a snapshot is of: a table's columns, and the parts that its blocks are cut into.

A part is a range of blocks of the table (of one of its partitions, where it has some), which the server finds without
an index and without reading the rest; parts are therefore of like size whatever the key, and their order is the rows'
order.

A snapshot shows rows as they were, but not a file as it was: a table that was rewritten or truncated since has other
blocks, and the rows that were truncated are in none of them. So a part is read under the lock that a query takes
anyway, and only from the file that the snapshot's own catalog names.

Source: PostgreSQL 18 documentation, 13.6 "Caveats" (TRUNCATE and rewriting ALTER TABLE are not MVCC-safe), 52.11
"pg_class"; TID range scans are there from 14 on.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql as pgsql
from sqlalchemy import Connection, Row

from replicator import sql
from replicator.errors import HadrianError
from replicator.postgres import slot as slots
from replicator.postgres.connection import Server, driver
from replicator.postgres.shape import Shape
from replicator.postgres.type_catalog import TypeCatalog
from replicator.schema import Table, TableName

PART_BLOCKS = 2048  # 16 MB


class Stale(HadrianError):
    """What was read of a table before cannot be gone on with."""

    hint = "run the command again when nobody alters the table"


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a table's blocks.

    Attributes:
        number: its place among the parts.
        table: the table, or the partition, whose blocks they are.
        filenode: of that table, as the snapshot shows it.
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be read.

    Attributes:
        table: whose rows.
        shape: its columns.
        types: those columns' types, as the server prints them.
        leaves: the tables that hold the rows, and the file of each.
        blocks: how many each had when it was cut.
        part_blocks: how many a part has.
        tells: whether the log names the key of each row that changes.
        marks: the same as long as nobody alters table or publication.
    """

    table: Table
    shape: Shape
    types: tuple[str, ...]
    leaves: tuple[tuple[TableName, int], ...]
    blocks: tuple[int, ...]
    part_blocks: int
    tells: bool
    marks: str

    @property
    def parts(self) -> list[Part]:
        """The parts, in the order of the rows; at least one a table."""
        parts: list[Part] = []
        for (table, filenode), blocks in zip(self.leaves, self.blocks, strict=True):
            starts = range(0, max(blocks, 1), self.part_blocks)
            for first, behind in itertools.zip_longest(starts, starts[1:]):
                count = (blocks if behind is None else behind) - first
                parts.append(Part(len(parts), table, filenode, first, behind, count))
        return parts

    @property
    def rows(self) -> pgsql.Composed:
        """The table, as a query names it, without others that inherit from it."""
        whole = len(self.leaves) == 1 and self.leaves[0][0] == self.table.name
        name = pgsql.Identifier(self.table.name.schema, self.table.name.name)
        return pgsql.SQL("only {}" if whole else "{}").format(name)


def server_sql(text: str) -> pgsql.SQL:
    """Take a server's own text from its catalog, which is not a user's, as SQL."""
    return pgsql.SQL(cast("LiteralString", text))  # type: ignore[redundant-cast] # mypy takes LiteralString for str


def row_filter(table: Table) -> pgsql.Composed:
    """Return the publication's condition."""
    return pgsql.SQL("({})").format(server_sql(table.row_filter or "true"))


def plan(server: Server, connection: Connection, publication: str) -> Plan:
    """Cut a publication's table into parts.

    Args:
        server: the node.
        connection: sees the snapshot.
        publication: it has one table.

    Raises:
        BadInput, TableUnfit: as `slot.published_table`.
    """
    table = slots.published_table(server, publication)
    names = {"schema": table.name.schema, "name": table.name.name}
    columns = _columns(connection, table)
    tree = connection.execute(sql.load("postgres/feed/tree"), names).all()
    tables = {"root": columns[0].oid, "tables": [one.oid for one in tree]}
    found = connection.execute(sql.load("postgres/feed/catalog_marks"), tables | {"publication": publication}).one()
    leaves = [one for one in tree if one.has_rows]
    return Plan(
        table,
        _shape(server, table, columns),
        tuple(column.printed for column in columns),
        tuple((TableName(leaf.schema, leaf.name), leaf.filenode) for leaf in leaves),
        tuple(leaf.blocks for leaf in leaves),
        PART_BLOCKS,
        bool(found.tells),
        found.marks,
    )


def shape_of(server: Server, connection: Connection, table: Table) -> Shape:
    """Return a table's published columns as a stream would describe them."""
    return _shape(server, table, _columns(connection, table))


def _shape(server: Server, table: Table, columns: Sequence[Row[Any]]) -> Shape:
    described = tuple((column.name, column.type, column.modifier) for column in columns)
    return Shape(columns[0].oid, str(table.name), described, TypeCatalog(server))


def _columns(connection: Connection, table: Table) -> Sequence[Row[Any]]:
    parameters = {"schema": table.name.schema, "name": table.name.name, "columns": list(table.columns)}
    columns = connection.execute(sql.load("postgres/feed/columns"), parameters).all()
    if len(columns) != len(table.columns):
        raise Stale(f"{table.name} was altered while it was read")
    return columns


def lock(connection: Connection, part: Part) -> None:
    """Keep a part's table from being rewritten while the transaction lasts; nobody who reads or writes it waits.

    Raises:
        Stale: it was, behind the snapshot.
    """
    name = pgsql.Identifier(part.table.schema, part.table.name)
    try:
        driver(connection).execute(pgsql.SQL("lock table only {} in access share mode").format(name))
    except psycopg.errors.UndefinedTable as error:
        raise Stale(f"{part.table} was dropped or renamed while it was read") from error
    parameters = {"schema": part.table.schema, "name": part.table.name}
    if connection.execute(sql.load("postgres/feed/filenode"), parameters).scalar_one() != part.filenode:
        raise Stale(f"{part.table} was truncated or rewritten while it was read")
