"""A query's rows, over COPY in binary form, to Arrow record batches: no loop over rows.

The server sends a row a message. They are joined and read a column at a time, as those of the stream are, and by
the same codecs, so that a value is the same whichever way it came. A column whose type is read as text only is printed
in the query, by the type's own output function: a cast to text would print some types otherwise.

Source: PostgreSQL 18 documentation, "COPY", Binary Format.
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Iterator, Sequence

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import pq
from psycopg import sql as pgsql

from replicator.errors import FeedBroken, NodeLost
from replicator.postgres.receiver import why_ended
from replicator.postgres.shape import Shape, column_values
from replicator.postgres.tuples import BINARY, NULL, TEXT, Cells, Joined

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER_BYTES = len(_SIGNATURE) + 8  # flags and the length of an extension
_TRAILER = b"\xff\xff"
_AT_ONCE = itertools.repeat(1)  # what has come, without waiting
_NO_VALUE = 0xFFFFFFFF
_AS_IT_IS = pgsql.SQL("{0}")
_PRINTED = pgsql.SQL("case when {0} is distinct from null then concat({0}) end")  # concat makes '' of NULL
_BATCH_ROWS = 65_536
_BATCH_BYTES = 16 << 20


def forms(shape: Shape) -> list[pgsql.Composed]:
    """Return an expression for each of a table's columns, in the form that is read."""
    return [
        (_AS_IT_IS if reads.from_binary is not None else _PRINTED).format(pgsql.Identifier(name))
        for reads, (name, _, _) in zip(shape.codecs, shape.columns, strict=True)
    ]


def columns(shape: Shape) -> pgsql.Composed:
    """Return a select list of a table's columns, each in the form that is read."""
    return pgsql.SQL(", ").join(forms(shape))


def copied(connection: psycopg.Connection, query: pgsql.Composed, shape: Shape, where: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a query whose select list is `columns(shape)`, in batches that are not empty.

    Args:
        connection: nothing else may be done with it meanwhile.
        query: whose rows.
        shape: the table's.
        where: the node, for messages.

    Raises:
        FeedBroken: the server sent what is no such row.
        TableUnfit: Arrow cannot hold a value, or a row is larger than the server can send.
        NodeLost, HadrianError: as the server says.
    """
    rows: list[bytes] = []
    size = 0
    for came in _received(connection, query, where):
        rows += came
        size += sum(map(len, came))
        if len(rows) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch(rows, shape)
            rows, size = [], 0
    if rows:
        yield batch(rows, shape)


def messages(connection: psycopg.Connection, query: pgsql.Composed, where: str) -> list[bytes]:
    """Return a query's rows as COPY in binary form sends them. Raises: as `copied`."""
    return [message for came in _received(connection, query, where) for message in came]


def _received(connection: psycopg.Connection, query: pgsql.Composed, where: str) -> Iterator[list[bytes]]:
    """Yield the rows' messages, as many at a time as have come."""
    pgconn = connection.pgconn
    pgconn.send_query(pgsql.SQL("copy ({}) to stdout (format binary)").format(query).as_bytes(connection))
    _wait_result(pgconn, pq.ExecStatus.COPY_OUT, where)
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    header = _HEADER_BYTES
    size = 0
    while size >= 0:
        came = []
        for size, data in map(pgconn.get_copy_data, _AT_ONCE):
            if size <= 0:
                break
            came.append(bytes(data))
        if came and header:
            if not came[0].startswith(_SIGNATURE):
                raise FeedBroken(f"{where} sent no rows in binary form")
            came[0] = came[0][header:]
            header = 0
        if came and came[-1] == _TRAILER:
            came.pop()
        if came:
            yield came
        if size == 0:
            poll.poll()
            pgconn.consume_input()
    _wait_result(pgconn, pq.ExecStatus.COMMAND_OK, where)
    _finish(pgconn)


def _wait_result(pgconn: pq.abc.PGconn, wanted: pq.ExecStatus, where: str) -> None:
    result = pgconn.get_result()
    if result is None:
        raise NodeLost(f"{where} went away")
    if result.status != wanted:
        _finish(pgconn)
        raise why_ended(psycopg.errors.error_from_result(result), where)


def _finish(pgconn: pq.abc.PGconn) -> None:
    """Take what is left, so that the session may be asked again."""
    while pgconn.get_result() is not None:
        pass


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
