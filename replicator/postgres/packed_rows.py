"""A table's rows, packed by the server: a column's values one behind the other, for a few blocks at a time.

COPY sends a message a row. Where rows are small, taking a million messages costs more than all that is done with them,
and one thread does it; but the server, which has a process for each session, can join the values before it sends
them. They are what the type's send function gives, as in COPY in binary form, and are read by the same codecs.
Their lengths come beside them, unless all are the same.

A pack is of a few blocks, so that the server's buffers stay small enough to be used again: larger ones, which it gets
from the system and gives back each time, take half as much time again. What has no place in one message, 1 GB, or makes
it large is for `copy_rows`.

Source: PostgreSQL 18 documentation, 9.21 "Aggregate Functions" (string_agg; those of one query see the rows in one
order), 36.13 "User-Defined Types" (send functions), "COPY", Binary Format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from psycopg import sql as pgsql
from sqlalchemy import Connection, Row

from replicator import sql
from replicator.errors import FeedBroken
from replicator.postgres import copy_rows
from replicator.postgres.arrow_types import Codec
from replicator.postgres.connection import driver
from replicator.postgres.shape import Shape, converted
from replicator.schema import TableName

_BLOCKS = 16  # a pack
_LAST_BLOCK = (1 << 32) - 1
_NULL = -1
_PACKS = pgsql.SQL(
    "select pack.* from generate_series({first}::bigint, {last}, {blocks}) as {series} (start) cross join lateral ("
    " select {packed} from ("
    "  select {values} from only {table} where {condition} and ctid >= ('(' || {series}.start || ',0)')::tid"
    "  and ctid < ('(' || case when {series}.start + {blocks} > {last} then {end} else {series}.start + {blocks} end"
    "   || ',0)')::tid"
    "  offset 0"  # without it each value would be made once more for its length
    " ) as value"
    ") as pack"
)


@dataclass(frozen=True, slots=True)
class _Column:
    """How a column is packed.

    Attributes:
        value: gives the bytes of one.
        width: how many those are, if that is always the same and none is NULL.
    """

    value: pgsql.Composed
    width: int | None


class Packing:
    """How a table's rows are packed.

    Args:
        connection: asks the node's catalog, and then for the rows.
        shape: the table's.
        where: the node, for messages.
    """

    def __init__(self, connection: Connection, shape: Shape, where: str) -> None:
        self._connection = driver(connection)
        self._shape = shape
        self._where = where
        parameters = {"oid": shape.oid, "columns": shape.row_schema.names}
        sent = {row.name: row for row in connection.execute(sql.load("postgres/feed/sent_columns"), parameters)}
        self._columns = [
            _column(form, reads, sent[name])
            for form, reads, (name, _, _) in zip(copy_rows.forms(shape), shape.codecs, shape.columns, strict=True)
        ]

    def read(
        self, table: TableName, condition: pgsql.Composable, first: int, behind: int, *, to_the_end: bool
    ) -> pa.RecordBatch:
        """Return the rows of some blocks, in the order of these; there may be none.

        Args:
            table: which has the rows itself: this one or a partition of it.
            condition: on the rows.
            first: the first block.
            behind: the block behind the last.
            to_the_end: read what lies behind that too; little does.

        Raises:
            TableUnfit: so many rows have no place in a message, and the transaction goes on; or as `copy_rows.copied`.
            HadrianError: as `copy_rows.copied`.
        """
        query = _PACKS.format(
            first=first, last=behind - 1, blocks=_BLOCKS, end=_LAST_BLOCK if to_the_end else behind,
            packed=self._packed(), values=self._values(), condition=condition,
            table=pgsql.Identifier(table.schema, table.name),
            series=pgsql.Identifier("serie" if table.name == "series" else "series"),  # or it would hide this one
        )  # fmt: skip
        with self._connection.transaction():  # a savepoint
            packs = [_fields(message) for message in copy_rows.messages(self._connection, query, self._where)]
        counts, *columns = (b"".join(parts) for parts in zip(*packs, strict=True))
        return self._batch(int(np.frombuffer(counts, ">i8").sum()), iter(columns))

    def _values(self) -> pgsql.Composed:
        values = (pgsql.SQL("{} as {}").format(column.value, name) for name, column in self._named())
        return pgsql.SQL(", ").join(values)

    def _packed(self) -> pgsql.Composed:
        packed: list[pgsql.Composable] = [pgsql.SQL("count(*)")]
        for name, column in self._named():
            packed.append(pgsql.SQL("string_agg({}, '')").format(name))
            if column.width is None:
                lengths = pgsql.SQL("string_agg(int4send(coalesce(octet_length({}), {})), '')")
                packed.append(lengths.format(name, _NULL))
        return pgsql.SQL(", ").join(packed)

    def _named(self) -> Iterator[tuple[pgsql.Identifier, _Column]]:
        return ((pgsql.Identifier(f"v{number}"), column) for number, column in enumerate(self._columns))

    def _batch(self, count: int, sent: Iterator[bytes]) -> pa.RecordBatch:
        arrays = []
        for (name, _, _), reads, column in zip(self._shape.columns, self._shape.codecs, self._columns, strict=True):
            data = next(sent)
            array = _cut(data, next(sent)) if column.width is None else _cut_evenly(data, column.width)
            if len(array) != count:
                raise FeedBroken(f"{self._where} sent {len(array)} values of column {name} in {count} rows")
            arrays.append(converted(array, name, reads, self._shape, binary=reads.from_binary is not None))
        return pa.RecordBatch.from_arrays(arrays, schema=self._shape.row_schema)


def _column(form: pgsql.Composed, reads: Codec, sent: Row[Any]) -> _Column:
    if reads.from_binary is None:
        return _Column(pgsql.SQL("textsend({})").format(form), None)
    value = pgsql.SQL("{}({})").format(pgsql.Identifier("pg_catalog", sent.send), form)
    return _Column(value, _width(reads.arrow) if sent.never_null else None)


def _width(kind: pa.DataType) -> int | None:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_boolean(kind):
        return 1
    return kind.bit_width // 8 if pa.types.is_primitive(kind) or pa.types.is_fixed_size_binary(kind) else None


def _fields(message: bytes) -> list[memoryview]:
    """Return the values of a copied row; NULL, which an aggregate of no rows is, has no bytes."""
    whole = memoryview(message)
    values = []
    at = 2
    while at < len(message):
        size = max(int.from_bytes(whole[at : at + 4], "big", signed=True), 0)
        at += 4 + size
        values.append(whole[at - size : at])
    return values


def _cut(data: bytes, lengths: bytes) -> pa.Array:
    sizes = np.frombuffer(lengths, ">i4")
    is_null = sizes == _NULL
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(np.where(is_null, 0, sizes), out=offsets[1:])
    if offsets[-1] != len(data):
        raise FeedBroken("values came that have not the lengths that came with them")
    validity = pa.array(~is_null).buffers()[1] if is_null.any() else None
    return pa.Array.from_buffers(pa.binary(), len(sizes), [validity, pa.py_buffer(offsets), pa.py_buffer(data)])


def _cut_evenly(data: bytes, width: int) -> pa.Array:
    offsets = np.arange(0, len(data) + 1, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(data) // width, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
