"""A query's rows, over COPY in binary form, to Arrow record batches: no loop over rows.

The server sends a row a message. They are joined and read a column at a time, as those of the stream are, and by
the same codecs, so that a value is the same whichever way it came. A column whose type is read as text only is printed
in the query, by the type's own output function: a cast to text would print some types otherwise.

Source: PostgreSQL 18 documentation, "COPY", Binary Format.
"""

from __future__ import annotations

import select
from collections.abc import Iterator, Sequence

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import pq
from psycopg import sql as pgsql

from replicator.errors import FeedBroken, NodeLost
from replicator.postgres.batches import Shape, column_values
from replicator.postgres.errors import from_driver
from replicator.postgres.tuples import BINARY, NULL, TEXT, Cells, Joined

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER_BYTES = len(_SIGNATURE) + 8  # flags and the length of an extension
_TRAILER = b"\xff\xff"
_NO_VALUE = 0xFFFFFFFF
_AS_IT_IS = pgsql.SQL("{0}")
_PRINTED = pgsql.SQL("case when {0} is distinct from null then concat({0}) end")  # concat makes '' of NULL
_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 << 20


def columns(shape: Shape) -> pgsql.Composed:
    """Return a select list of a table's columns, each in the form that is read."""
    names = (pgsql.Identifier(name) for name, _, _ in shape.columns)
    forms = (_AS_IT_IS if reads.from_binary is not None else _PRINTED for reads in shape.codecs)
    return pgsql.SQL(", ").join(form.format(name) for form, name in zip(forms, names, strict=True))


def copied(connection: psycopg.Connection, query: pgsql.Composed, shape: Shape, where: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query whose select list is `columns(shape)`, in batches that are not empty.

    Args:
        connection: nothing else may be done with it meanwhile.
        query: whose rows.
        shape: the table's.
        where: the node, for messages.

    Raises:
        FeedBroken: the server sent what is no such row.
        TableUnfit: Arrow cannot hold a value.
        NodeLost, HadrianError: as the server says.
    """
    statement = pgsql.SQL("copy ({}) to stdout (format binary)").format(query).as_bytes(connection)
    rows: list[bytes] = []
    size = 0
    for row in _rows(connection.pgconn, statement, where):
        rows.append(row)
        size += len(row)
        if len(rows) == _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch(rows, shape)
            rows, size = [], 0
    if rows:
        yield batch(rows, shape)


def _rows(pgconn: pq.abc.PGconn, statement: bytes, where: str) -> Iterator[bytes]:
    pgconn.send_query(statement)
    _wait_result(pgconn, pq.ExecStatus.COPY_OUT, where)
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    get_copy_data = pgconn.get_copy_data
    skip = _HEADER_BYTES
    while True:
        size, data = get_copy_data(1)
        if size > 0:
            row = bytes(data[skip:])
            if skip and data[: len(_SIGNATURE)] != _SIGNATURE:
                raise FeedBroken(f"{where} sent no rows in binary form")
            skip = 0
            if row != _TRAILER:
                yield row
        elif size == 0:
            poll.poll()
            pgconn.consume_input()
        else:
            break
    _wait_result(pgconn, pq.ExecStatus.COMMAND_OK, where)
    while pgconn.get_result() is not None:
        pass


def _wait_result(pgconn: pq.abc.PGconn, wanted: pq.ExecStatus, where: str) -> None:
    result = pgconn.get_result()
    if result is None:
        raise NodeLost(f"{where} went away")
    if result.status != wanted:
        raise from_driver(psycopg.errors.error_from_result(result), where)


def batch(rows: Sequence[bytes], shape: Shape) -> pa.RecordBatch:
    """Return rows as the server sends them, at least one, as a batch of the table's columns.

    Raises:
        FeedBroken: they are no such rows.
        TableUnfit: Arrow cannot hold a value.
    """
    joined = Joined(rows, 0)
    places, ends = joined.starts, joined.ends
    if np.any(ends - places < 2) or np.any(joined.number(places, 2) != len(shape.columns)):
        raise FeedBroken("a copied row has not the columns that were asked for")
    places = places + 2
    values = []
    for column, reads in zip(shape.columns, shape.codecs, strict=True):
        if np.any(places + 4 > ends):
            raise FeedBroken("a copied row ends early")
        sizes = joined.number(places, 4)
        is_null = sizes == _NO_VALUE
        lengths = np.where(is_null, 0, sizes).astype(np.int64)
        kinds = np.where(is_null, NULL, TEXT if reads.from_binary is None else BINARY).astype(np.uint8)
        cells = Cells(kinds, places + 4, lengths)
        places = places + 4 + lengths
        if np.any(places > ends):
            raise FeedBroken("a copied row ends early")
        values.append(column_values(joined, cells, column, reads, shape))
    if np.any(places != ends):
        raise FeedBroken("a copied row has bytes too many")
    return pa.RecordBatch.from_arrays(values, schema=shape.row_schema)
