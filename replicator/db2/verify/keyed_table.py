"""A table of a HADR pair, and its rows on one node: by ranges of the primary key, and by key.

Both nodes are one database, of one version and one order of characters, so a range has the same keys on both. Rows are
compared here and not hashed there: the server's HASH functions take no LOB, and cast what is not text to VARCHAR.

Source: IBM Db2 11.5 documentation, "Reads on standby restrictions", "HASH8 scalar function", "ROW CHANGE expression",
"Granularity of row change tokens and false negatives", "Isolation levels" (currently committed).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from replicator import sql
from replicator.db2.adapter import Db2Database
from replicator.settling import Sight

Key = tuple[Any, ...]
Values = tuple[Any, ...]

_KEYS_A_QUERY = 20


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        schema, name: unquoted.
        columns: those that are compared.
        key: those of the primary key, in its order; empty where it has none.
        left_out: columns that a standby does not return, and what the driver does not return of others.
        shown: whether a standby shows the table at all.
        size: bytes, as far as the optimizer knows.
    """

    schema: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    left_out: tuple[str, ...]
    shown: bool
    size: int

    @property
    def object(self) -> str:
        """Its qualified name."""
        return f"{self.schema}.{self.name}"


def tables(primary: Db2Database) -> list[Table]:
    """Return the database's tables. Raises: NodeUnreachable, NodeLost, NotPermitted."""
    with primary.connect() as connection:
        found = connection.execute(primary.statement("verify/tables")).all()
        return [
            _table(row, connection.execute(primary.statement("verify/columns"), {"schema": row[0], "name": row[1]}))
            for row in found
        ]


def _table(row: Sequence[Any], columns: Iterable[Sequence[Any]]) -> Table:
    schema, name, shown, rows, row_bytes = row
    described = [tuple(column) for column in columns]
    return Table(
        schema=schema.rstrip(),
        name=name,
        columns=tuple(column for column, _, _, is_shown, _ in described if is_shown),
        key=tuple(column for _, column in sorted((place, column) for column, _, place, _, _ in described if place)),
        left_out=tuple(
            f"{column} ({kind if not is_shown else 'below microseconds'})"
            for column, kind, _, is_shown, is_fine in described
            if is_fine or not is_shown
        ),
        shown=bool(shown),
        size=rows * row_bytes,
    )


class Rows:
    """The rows of a table on one node."""

    def __init__(self, database: Db2Database, table: Table) -> None:
        self._database = database
        self._table = table
        self._places = [table.columns.index(name) for name in table.key]

    def within(self, above: Key | None, upto: Key | None, most: int) -> dict[Key, Values]:
        """Return the first rows of a range in the order of their key, committed or not.

        Raises:
            NodeUnreachable, NodeLost: no answer, or a standby that is in a replay-only window.
            NotPermitted: the user may not read it.
        """
        bounds = [_beyond(self._table.key, sign, key) for sign, key in ((">", above), ("<", upto)) if key is not None]
        condition = " and ".join(f"({text})" for text, _ in bounds) or "1 = 1"
        values = [value for _, some in bounds for value in some]
        statement = self._composed("range_rows", within=condition, key=_listed(self._table.key), most=str(most))
        with self._database.connect() as connection:
            return self._by_key(connection.exec_driver_sql(statement, tuple(values) or None))

    def latest(self, keys: Collection[Key]) -> dict[Key, Sight]:
        """Return the rows that have these keys, committed or not. Raises: as `within`."""
        with self._database.connect() as connection:
            return {
                key: Sight((row[0], row[1:]), row[1:]) for key, row in self._asked(connection, "latest_rows", keys, 1)
            }

    def committed(self, keys: Collection[Key]) -> dict[Key, Values]:
        """Return the rows that have these keys as they were last committed (primary).

        Raises:
            QueryTimedOut: a lock was in the way.
        """
        with self._database.connect() as connection:
            connection.execute(self._database.statement("verify/wait_for_no_lock"))
            return dict(self._asked(connection, "committed_rows", keys, 0))

    def _asked(
        self, connection: Connection, name: str, keys: Collection[Key], before: int
    ) -> Iterable[tuple[Key, Values]]:
        asked = list(keys)
        for start in range(0, len(asked), _KEYS_A_QUERY):
            some = asked[start : start + _KEYS_A_QUERY]
            same = " and ".join(f"{sql.identifier(name)} = ?" for name in self._table.key)
            statement = self._composed(name, within=" or ".join([f"({same})"] * len(some)))
            result = connection.exec_driver_sql(statement, tuple(value for key in some for value in key))
            yield from self._by_key(result, before).items()

    def _by_key(self, rows: Iterable[Sequence[Any]], before: int = 0) -> dict[Key, Values]:
        found = {}
        for row in rows:
            values = tuple(map(_comparable, row))
            found[tuple(row[place + before] for place in self._places)] = values
        return found

    def _composed(self, name: str, **parts: str) -> str:
        """Return the statement in `sql/db2/verify/<name>.sql` with its places filled, for parameters by position.

        The comments are left out, since a name may have a line's end in it.
        """
        lines = sql.source(f"db2/verify/{name}").splitlines(keepends=True)
        code = "".join(line for line in lines if not line.startswith("--"))
        table = sql.identifier(self._table.schema, self._table.name)
        return code.format(table=table, columns=_listed(self._table.columns), **parts)

    def named(self, values: Values) -> Mapping[str, str | None]:
        """Return a row's values as text, by column."""
        return {
            name: None if value is None else _printed(value)
            for name, value in zip(self._table.columns, values, strict=True)
        }


def _beyond(key: Sequence[str], sign: str, bound: Key) -> tuple[str, list[Any]]:
    """Return the condition that a key lies above a bound, or not above it, and the values for its marks.

    Db2 has no order of rows, so it is spelled out: (a > ?) or (a = ? and b > ?).
    """
    terms: list[str] = []
    values: list[Any] = []
    for count in range(len(key)):
        names = [sql.identifier(name) for name in key[: count + 1]]
        last = sign + "=" if sign == "<" and count == len(key) - 1 else sign
        terms.append(" and ".join([*(f"{name} = ?" for name in names[:-1]), f"{names[-1]} {last} ?"]))
        values += bound[: count + 1]
    return " or ".join(f"({term})" for term in terms), values


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(sql.identifier, names))


def _comparable(value: object) -> object:
    """Return a value that equals another only if it is the same to its last digit."""
    if isinstance(value, float | Decimal):  # 0.0 equals -0.0, 1.0 equals 1.00, and no NaN equals itself
        return str(value)
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def _printed(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
