"""A table's primary key, and a row's key from text: read by the server's own rules, as the feed would give it.

The server takes the text for the column's type and prints it back, so that 042 is 42; that text is then read as a
feed's text is. So a key that a person writes and the key of a row that was read are equal values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import pq

from replicator import sql
from replicator.batch import python_values
from replicator.errors import BadInput, TableUnfit
from replicator.postgres.arrow_types import codec
from replicator.postgres.connection import Server, driver
from replicator.postgres.errors import from_driver
from replicator.postgres.type_catalog import TypeCatalog
from replicator.schema import TableName

_WRONG_VALUES = ("22", "23")  # data exception; integrity constraint violation, of a domain


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of a primary key.

    Attributes:
        name: the column's.
        type_oid, modifier: of its type.
        type: as it is printed.
        base: the type's name, or that of what a domain is made from.
    """

    name: str
    type_oid: int
    modifier: int
    type: str
    base: str


def find(server: Server, table: TableName) -> tuple[KeyColumn, ...]:
    """Return the columns of a table's primary key, in its order.

    Raises:
        BadInput: no such table.
        TableUnfit: it has no primary key.
    """
    with server.connect() as connection:
        parameters = {"schema": table.schema, "name": table.name}
        rows = connection.execute(sql.load("postgres/run/row_key"), parameters).all()
    if not rows:
        raise BadInput(f"{server.where} has no table {table}", hint="name it as SCHEMA.TABLE, quoted as in SQL")
    if rows[0].name is None:
        raise TableUnfit(f"{server.where}: table {table} has no primary key, so its rows cannot be told apart")
    return tuple(KeyColumn(row.name, row.type_oid, row.modifier, row.type, row.base) for row in rows)


def read(server: Server, columns: Sequence[KeyColumn], texts: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return a row's key as the server prints it, and as a feed gives it, by column.

    Args:
        server: any node of the pair.
        columns: of the key.
        texts: as somebody wrote them, one a column.

    Raises:
        BadInput: a text is no value of its column's type.
    """
    printed = [_printed(server, column, text) for column, text in zip(columns, texts, strict=True)]
    catalog = TypeCatalog(server)
    values: dict[str, Any] = {}
    for column, text in zip(columns, printed, strict=True):
        read_as = codec(column.type_oid, column.modifier, catalog).from_text
        try:
            (values[column.name],) = python_values(read_as(pa.array([text])))
        except ValueError as error:
            raise BadInput(f"{column.name} {text!r} is of no row that a feed can read: {error}") from error
    return printed, values


def _printed(server: Server, column: KeyColumn, text: str) -> str:
    with server.connect() as connection:
        raw = driver(connection)
        encoding = raw.info.encoding
        try:
            sent = text.encode(encoding)
        except UnicodeEncodeError as error:
            raise BadInput(f"{column.name} {text!r} cannot be written in {encoding}") from error
        # As a parameter of that very type, its text goes through the type's own input function.
        result = raw.pgconn.exec_params(b"select $1", [sent], param_types=[column.type_oid])
    if result.status == pq.ExecStatus.TUPLES_OK:
        return str((result.get_value(0, 0) or b"").decode(encoding))
    refused = psycopg.errors.error_from_result(result, encoding=encoding)
    if refused.sqlstate is not None and refused.sqlstate.startswith(_WRONG_VALUES):
        raise BadInput(f"{column.name} is of type {column.type}: {refused.diag.message_primary}") from refused
    raise from_driver(refused, server.where) from refused
