"""A feed's journal on a Db2 node: the log cannot be decoded there, and a standby is read with isolation UR only.

Triggers see whole statements, through transition tables. Two things they do not see: `TRUNCATE TABLE`, which ignores
them unless it is told to be refused (`RESTRICT WHEN DELETE TRIGGERS`), and the `LOAD` utility, which fires none.
Whoever empties or loads the table in these ways must create the feed again.

No statement shows what was committed at one moment: a scan may pass an entry before its transaction commits, and meet
a later one behind. So the sealer looks until two looks in a row show the same entries, up to the highest of the first
look: then every transaction that it has an entry of was over before the last look began, which therefore showed all of
its entries up to there, and all that it depends on, which have lower numbers. What commits later waits for the next
batch, and so does what a transaction wrote above the highest: a batch may end inside a transaction. Its entries' order
is kept all the same, and no other transaction's stands between them that depends on it.

Where the log forked is not told in SQL in a form that can be counted, so each seal names the host that is primary;
another host than the last seal's begins another timeline.

Types:

| Db2 | Arrow |
|---|---|
| `SMALLINT`, `INTEGER`, `BIGINT`, `REAL`, `DOUBLE`, `BOOLEAN` | `int16`, `int32`, `int64`, `float`, `double`, `bool` |
| `DECIMAL(p, s)` | `decimal128(p, s)` |
| `CHAR`, `VARCHAR`, `GRAPHIC`, `VARGRAPHIC`, `CLOB` | `string` |
| `CHAR`, `VARCHAR` `FOR BIT DATA`, `BINARY`, `VARBINARY`, `BLOB` | `binary` |
| `DATE`, `TIME`, `TIMESTAMP(0)` to `TIMESTAMP(6)` | `date32`, `time64[us]`, `timestamp[us]` |

All else is refused, and so is a LOB that may be too long to lie in its row, where alone a standby can read it.

Source: IBM Db2 11.5 documentation, "CREATE TRIGGER", "TRUNCATE", "CREATE TABLE" (identity-options, INLINE LENGTH),
"Currently committed semantics", "Reads on standby restrictions", "SYSCAT.COLUMNS catalog view".
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row, TextClause

from replicator import journal, sql
from replicator.db2.connection import Db2Server
from replicator.errors import BadInput, TableUnfit
from replicator.journal import ENTRY_COLUMNS, RESERVED, OpenSnapshot, Seal
from replicator.position import TimelineHistory
from replicator.schema import TableName

_SCHEMA = "HADRIAN"
_FEED_NAME = re.compile(r"[a-z0-9_]{1,55}")
_TABLE_NAME = re.compile(r'(\w+|"[^"]+")\.(\w+|"[^"]+")', re.ASCII)
_TRIGGERS = ("create_insert_trigger", "create_update_trigger", "create_delete_trigger")
_ROWS_A_BATCH = 2000  # a row has 32 kB at most
_ROWS_A_SEAL = 20_000  # each is a lock
_HIGHEST = (1 << 63) - 1
_INLINE_BYTES = 32673
_LOB_OVERHEAD = 4
_TYPE_KEY = "db2_type"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that a journal can hold.

    Attributes:
        name: unquoted.
        declared: its type, as a table declares it.
        arrow: what it becomes.
    """

    name: str
    declared: str
    arrow: pa.DataType

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.arrow, metadata={_TYPE_KEY: self.declared.partition(" logged")[0]})

    def array(self, values: Sequence[Any]) -> pa.Array:
        if pa.types.is_binary(self.arrow):  # the driver gives memoryviews of LOBs
            values = [None if value is None else bytes(value) for value in values]
        return pa.array(values, self.arrow)


class Db2Journal:
    """A feed's journal on a node.

    Args:
        server: the node.
        feed: the feed's name.

    Raises:
        BadInput: no feed can have that name.
    """

    def __init__(self, server: Db2Server, feed: str) -> None:
        if not _FEED_NAME.fullmatch(feed):
            raise BadInput(f"not a feed name: {feed!r}", hint="use lower-case letters, digits and _, at most 55")
        self._server = server
        self.feed = feed
        self.where = server.where
        self._name = f"journal_{feed}"
        self.quoted = sql.identifier(_SCHEMA, self._name)
        self._columns: list[_Column] | None = None
        self._table = ""

    # Its making and its end

    def create(self, table: str) -> TableName:
        """Make the journal and the triggers that fill it; one that is left of an attempt that was cut short goes first.

        Args:
            table: schema and name; what stands in quotes keeps its case.

        Raises:
            BadInput: no such table.
            TableUnfit: a column cannot be in a journal, or there is no primary key.
        """
        name = _parsed(table)
        with self._server.begin() as transaction:
            facts = self._facts(transaction, name)
            if not facts:
                raise BadInput(f"{self.where} has no table {name}", hint="write it as SCHEMA.TABLE")
            columns = [_column(row, name) for row in facts]
            keys = sorted((row.place, row.name) for row in facts if row.place)
            if not keys:
                raise TableUnfit(
                    f"table {name} has no primary key, so its rows cannot be told apart",
                    hint=f"run: alter table {name} add primary key (...)",
                )
            self.drop(transaction)
            typed = ", ".join(f"{sql.identifier(column.name)} {column.declared}" for column in columns)
            transaction.execute(_filled("create_table", journal=self.quoted, columns=typed))
            index = sql.identifier(_SCHEMA, f"{self._name}_batch")
            transaction.execute(_filled("create_index", journal=self.quoted, index=index))
            for trigger, trigger_name in zip(_TRIGGERS, self._triggers().values(), strict=True):
                parts = {
                    "trigger": sql.identifier(name.schema, trigger_name),
                    "table": sql.identifier(name.schema, name.name),
                    "journal": self.quoted,
                    "columns": _list(column.name for column in columns),
                    "key": _list(key for _, key in keys),
                }
                transaction.execute(_filled(trigger, **parts))
        return name

    def _triggers(self) -> dict[str, str]:
        return {f"{op}s": f"hadrian_{self.feed}_{op}" for op in ("insert", "update", "delete")}

    def drop(self, transaction: Connection) -> None:
        """Remove triggers and journal, if they are there, inside a transaction."""
        for row in transaction.execute(sql.load("db2/journal/triggers"), self._triggers()).all():
            transaction.execute(_filled("drop_trigger", trigger=sql.identifier(row.schema_name, row.name)))
        if transaction.execute(sql.load("db2/journal/tables"), {"name": self._name}).scalar_one():
            transaction.execute(_filled("drop_table", journal=self.quoted))

    @contextlib.contextmanager
    def snapshot(self, table: TableName) -> Iterator[OpenSnapshot]:
        """Divide the changes between the table's rows as they are now and the journal's entries from now on.

        Nobody writes to the table meanwhile: Db2 has no other way to read it as it was at one moment. If the block
        fails, no entry is gone.

        Raises: NodeLost, NodeUnreachable, QueryTimedOut, TableUnfit.
        """
        columns = self._described()
        with self._server.begin() as transaction:
            quoted = sql.identifier(table.schema, table.name)
            transaction.execute(_filled("lock_table", table=quoted))
            transaction.execute(_filled("forget_entries", journal=self.quoted))
            names = _list(column.name for column in columns)
            rows = transaction.execute(_filled("table_rows", columns=names, table=quoted))
            batches = (_batch(part, columns, str(table)) for part in rows.partitions(_ROWS_A_BATCH))
            yield _Snapshot(1, batches)

    def record(self, transaction: Connection, table: TableName) -> None:
        """Make the journal known, inside the transaction that makes the feed exist."""
        where = {"feed": self.feed, "schema": table.schema, "name": table.name, "start": int(journal.START)}
        transaction.execute(sql.load("db2/journal/insert_journal"), where)
        _Sealing(self, transaction).seal(int(journal.START), 0)

    # The sealer

    @contextlib.contextmanager
    def sealing(self) -> Iterator[_Sealing]:
        """As `journal.Journal.sealing`. Raises: BadInput if the node has no journal of that feed."""
        with self._server.begin() as transaction:
            if not transaction.execute(sql.load("db2/journal/lock"), {"feed": self.feed}).rowcount:
                raise self._absent()
            yield _Sealing(self, transaction)

    def _absent(self) -> BadInput:
        return BadInput(f"{self.where} has no journal feed {self.feed}", hint="list what is there: hadrian feed list")

    # The reader

    def newest(self) -> int:
        """Return the number up to which batches were made."""
        with self._server.connect() as connection:
            statement = _filled("newest", journal=self.quoted)
            return int(connection.execute(statement, {"feed": self.feed}).scalar_one())

    def seal(self, number: int) -> Seal | None:
        """Return the seal of that number, or None if it is not here."""
        with self._server.connect() as connection:
            parameters = {"feed": self.feed, "number": number}
            row = connection.execute(sql.load("db2/journal/seal"), parameters).one_or_none()
        return Seal(number, row.row_count) if row is not None else None

    def rows(self, seal: Seal, after: int) -> pa.RecordBatch:
        """Return rows of a sealed batch, as changes."""
        columns = self._described()
        names = _list(column.name for column in columns)
        statement = _filled("rows", columns=names, journal=self.quoted, limit=str(_ROWS_A_BATCH))
        with self._server.connect() as connection:
            rows = connection.execute(statement, {"number": seal.number, "after": after}).all()
        ops = pa.array([row[0] for row in rows], pa.string())
        seqs = pa.array([row[1] for row in rows], pa.uint64())
        nothing = pa.nulls(len(rows))
        batch = _batch([row[2:] for row in rows], columns, self._table)
        return journal.as_changes(batch, ops, seqs, nothing, nothing, seal)

    def history(self) -> TimelineHistory:
        """Return the takeovers that led to the node's timeline, counted in seals."""
        with self._server.connect() as connection:
            rows = connection.execute(sql.load("db2/journal/timelines"), {"feed": self.feed}).all()
        if not rows:
            raise self._absent()
        return journal.history((row.timeline, row.number) for row in rows)

    def writes_on(self) -> int | None:
        """Return 1, as no node tells its timeline, or None if it is a standby."""
        with self._server.connect() as connection:
            return None if _hadr(connection)[0] == "STANDBY" else 1

    def confirmed(self) -> int:
        """Return the number up to which batches are consumed for good."""
        with self._server.connect() as connection:
            row = connection.execute(sql.load("db2/journal/confirmed"), {"feed": self.feed}).one_or_none()
        if row is None:
            raise self._absent()
        return int(row.confirmed)

    def confirm(self, number: int) -> None:
        """Say that batches up to this number are consumed for good; going back has no effect."""
        with self._server.begin() as transaction:
            transaction.execute(sql.load("db2/journal/confirm"), {"feed": self.feed, "number": number})

    def close(self) -> None:
        """Close every session; a later call opens new ones."""
        self._server.close()

    def _described(self) -> list[_Column]:
        """Return the table's columns as the journal has them."""
        if self._columns is None:
            with self._server.connect() as connection:
                own = TableName(_SCHEMA, self._name)
                rows = [row for row in self._facts(connection, own) if row.name not in ENTRY_COLUMNS]
                known = connection.execute(sql.load("db2/journal/fed_table"), {"feed": self.feed}).one_or_none()
            self._columns = [_column(row, own) for row in rows]
            self._table = str(TableName(known.schema_name, known.table_name)) if known is not None else ""
        return self._columns

    def _facts(self, connection: Connection, table: TableName) -> Sequence[Row[Any]]:
        parameters = {"schema": table.schema, "name": table.name}
        return connection.execute(sql.load("db2/journal/columns"), parameters).all()


class _Snapshot(OpenSnapshot):
    def __init__(self, timeline: int, batches: Iterator[pa.RecordBatch]) -> None:
        self.timeline = timeline
        self.batches = batches


class _Sealing:
    """As `journal.Sealing`."""

    def __init__(self, owner: Db2Journal, transaction: Connection) -> None:
        self._feed = {"feed": owner.feed}
        self._journal = owner.quoted
        self._transaction = transaction

    def newest(self) -> int:
        last = self._last()
        return int(last.number) if last is not None else 0

    def _last(self) -> Row[Any] | None:
        return self._transaction.execute(sql.load("db2/journal/last_seal"), self._feed).one_or_none()

    def filled(self, number: int) -> int:
        statement = _filled("filled", journal=self._journal)
        return int(self._transaction.execute(statement, {"number": number}).scalar_one())

    def fill(self, number: int) -> None:
        entries = self._unsealed(_HIGHEST)
        highest = entries[-1] if entries else 0
        while (seen := self._unsealed(highest)) != entries:
            entries = seen
        places = [
            {"number": number, "place": place, "entry": entry}
            for place, entry in enumerate(entries[:_ROWS_A_SEAL], start=1)
        ]
        if places:
            self._transaction.execute(_filled("fill", journal=self._journal), places)

    def _unsealed(self, last: int) -> list[int]:
        statement = _filled("unsealed", journal=self._journal)
        return list(self._transaction.execute(statement, {"last": last}).scalars())

    def seal(self, number: int, rows: int) -> None:
        _, host = _hadr(self._transaction)
        last = self._last()
        timeline = last.timeline + (last.host != host) if last is not None else 1
        values = {**self._feed, "number": number, "row_count": rows, "timeline": timeline, "host": host}
        self._transaction.execute(sql.load("db2/journal/insert_seal"), values)

    def prune(self) -> None:
        self._transaction.execute(_filled("prune_entries", journal=self._journal), self._feed)
        self._transaction.execute(sql.load("db2/journal/prune_seals"), self._feed)


def _hadr(connection: Connection) -> tuple[str, str]:
    """Return the node's role and the primary's host; without HADR, nothing."""
    row = connection.execute(sql.load("db2/catalog/hadr")).first()
    return (row.hadr_role, row.primary_member_host or "") if row is not None else ("", "")


def _parsed(table: str) -> TableName:
    match = _TABLE_NAME.fullmatch(table)
    if match is None:
        raise BadInput(f"not a table's name: {table!r}", hint="write it as SCHEMA.TABLE")
    schema, name = (part[1:-1] if part.startswith('"') else part.upper() for part in match.groups())
    return TableName(schema, name)


_FIXED: Mapping[str, pa.DataType] = {
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "REAL": pa.float32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
}
_SIZED: Mapping[str, pa.DataType] = {
    "CHARACTER": pa.string(),
    "VARCHAR": pa.string(),
    "GRAPHIC": pa.string(),
    "VARGRAPHIC": pa.string(),
    "BINARY": pa.binary(),
    "VARBINARY": pa.binary(),
}
_LOBS: Mapping[str, pa.DataType] = {"CLOB": pa.string(), "BLOB": pa.binary()}


def _column(row: Row[Any], table: TableName) -> _Column:
    """Return a column as a journal holds it. Raises: TableUnfit if none can."""
    if row.name in RESERVED:
        raise TableUnfit(
            f"{table}: column {row.name} has a name that a journal needs for itself",
            hint=f"run: alter table {table} rename column {row.name} to ...",
        )
    kind = row.kind
    if kind in _FIXED:
        return _Column(row.name, kind, _FIXED[kind])
    if kind == "DECIMAL":
        return _Column(row.name, f"DECIMAL({row.length},{row.scale})", pa.decimal128(row.length, row.scale))
    if kind == "TIMESTAMP" and row.scale <= 6:
        return _Column(row.name, kind if row.scale == 6 else f"{kind}({row.scale})", pa.timestamp("us"))
    if kind in _SIZED:
        if row.codepage == 0 and kind in ("CHARACTER", "VARCHAR"):
            return _Column(row.name, f"{kind}({row.length}) FOR BIT DATA", pa.binary())
        return _Column(row.name, f"{kind}({row.length})", _SIZED[kind])
    inline = row.length + _LOB_OVERHEAD
    if kind in _LOBS and inline <= _INLINE_BYTES:
        return _Column(row.name, f"{kind}({row.length}) logged inline length {inline}", _LOBS[kind])
    if kind in _LOBS:
        raise TableUnfit(
            f"{table}: column {row.name} is a {kind} of {row.length} bytes; a standby reads a LOB only in its row, "
            f"where it has at most {_INLINE_BYTES - _LOB_OVERHEAD}",
            hint=f"declare it as {kind}({_INLINE_BYTES - _LOB_OVERHEAD}) or less",
        )
    raise TableUnfit(
        f"{table}: column {row.name} is of type {kind}, which a journal cannot hold",
        hint="feed a table without it",
    )


def _batch(rows: Sequence[Sequence[Any]], columns: Sequence[_Column], table: str) -> pa.RecordBatch:
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [column.array(one) for column, one in zip(columns, values, strict=True)]
    schema = pa.schema([column.field for column in columns], metadata={"table": table})
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _filled(name: str, **parts: str) -> TextClause:
    return sql.filled(f"db2/journal/{name}", **parts)


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(sql.identifier, names))
