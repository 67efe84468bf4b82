"""A feed's journal on a PostgreSQL node: for servers whose log may not be decoded.

Triggers see whole statements, through transition tables. Where that is not all, they see rows instead: a trigger of the
application's own may change the same rows again, in a statement inside the first, which ends before the first one does;
and logical replication fires row triggers only. Tables with relatives (partitions, inheritance) are refused, since what
is done to one of these by its own name fires no trigger of the other's.

The journal has the columns that the table had when it was made. A column that is added later is not in it; one that is
dropped, renamed or made another type makes the trigger fail, and with it whoever writes to the table.

The snapshot is one repeatable-read transaction on the primary: it sees a set of committed transactions, reads their
rows, and deletes their entries. It takes no lock that a writer would meet. Making the triggers does, for a moment: it
waits for the transactions that have written to the table, which are then whole in the snapshot.

Source: PostgreSQL 18 documentation, "CREATE TRIGGER", 13.2.2 "Repeatable Read Isolation Level", 29.8 "Architecture" of
logical replication.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa
from psycopg import sql as pgsql
from psycopg.postgres import types as builtin
from sqlalchemy import Connection, Row, TextClause

from replicator import journal, sql
from replicator.errors import BadInput, NodeLost, TableUnfit
from replicator.journal import ENTRY_COLUMNS, RESERVED, JournalState, OpenSnapshot, Seal
from replicator.position import TimelineHistory
from replicator.postgres.arrow_types import Codec, codec
from replicator.postgres.connection import Server, driver
from replicator.postgres.errors import translated
from replicator.postgres.slot import slot_name
from replicator.postgres.type_catalog import TypeCatalog
from replicator.schema import TableName

_SCHEMA = "hadrian"
_BODY_END = "$journal$"
_BATCH_BYTES = 16 << 20
_ROWS_A_BATCH = 20_000
_OWN = ("_op", "_seq", "_xid", "_commit_time")
_INSTANT = codec(builtin["timestamptz"].oid, -1, lambda _: None)


class PostgresJournal:
    """A feed's journal on a node.

    Args:
        server: the node.
        feed: the feed's name.

    Attributes:
        quoted: the journal's name, and its function's.

    Raises:
        BadInput: no feed can have that name.
    """

    _TRIGGERS: ClassVar[dict[bool, Sequence[str]]] = {
        False: (
            "create_insert_trigger",
            "create_update_trigger",
            "create_delete_trigger",
            "create_truncate_trigger",
        ),
        True: ("create_row_trigger", "create_truncate_trigger"),
    }

    def __init__(self, server: Server, feed: str) -> None:
        slot_name(feed)  # what may name a slot may name a table
        self._server = server
        self.feed = feed
        self.where = server.where
        self._name = f"journal_{feed}"
        self.quoted = sql.identifier(_SCHEMA, self._name)
        self._columns: list[tuple[str, Codec]] | None = None
        self._table = ""

    # Its making and its end

    def create(self, table: str) -> TableName:
        """Make the journal and the triggers that fill it; one that is left of an attempt that was cut short goes first.

        Args:
            table: as a query names it.

        Raises:
            BadInput: no such table.
            TableUnfit: triggers would not see all of its changes, or its rows could not be told apart.
            QueryTimedOut: transactions that wrote to the table are still open.
        """
        with self._server.connect() as connection:
            facts = connection.execute(sql.load("postgres/journal/table"), {"name": table}).one_or_none()
        if facts is None:
            raise BadInput(f"{self.where} has no table {table}", hint="write it as schema.table")
        name = TableName(facts.schema, facts.name)
        _check(facts, name)
        by_row = facts.has_triggers or facts.is_subscribed
        quoted = [sql.identifier(column) for column in facts.columns]
        key = [sql.identifier(column) for column in facts.key]
        parts = {
            "journal": self.quoted,
            "function": self.quoted,
            "columns": ", ".join(quoted),
            "key": ", ".join(key),
            "new_columns": ", ".join(f"new.{column}" for column in quoted),
            "old_key": ", ".join(f"old.{column}" for column in key),
        }
        typed = ", ".join(f"{column} {kind}" for column, kind in zip(quoted, facts.types, strict=True))
        function = "create_row_function" if by_row else "create_function"
        with self._server.begin() as transaction:
            transaction.execute(sql.load("postgres/journal/wait_briefly"))
            self.drop(transaction)
            transaction.execute(_filled("create_table", journal=self.quoted, columns=typed))
            transaction.execute(_filled("create_index", journal=self.quoted))
            transaction.execute(_filled(function, **parts))
            for trigger in self._TRIGGERS[by_row]:
                # Triggers fire in the order of their names' bytes.
                own = sql.identifier(f"!{self.feed}_{trigger.split('_')[1]}")
                target = sql.identifier(name.schema, name.name)
                transaction.execute(_filled(trigger, trigger=own, table=target, function=self.quoted))
                transaction.execute(_filled("enable_trigger", trigger=own, table=target))
        return name

    def is_there(self) -> bool:
        """Whether the node has the journal, of a feed or of one whose creation was cut off."""
        with self._server.connect() as connection:
            found = connection.execute(sql.load("postgres/journal/exists"), {"name": self.quoted}).scalar_one()
        return bool(found)

    def drop(self, transaction: Connection) -> None:
        """Remove triggers and journal, if they are there, inside a transaction."""
        transaction.execute(_filled("drop_function", function=self.quoted))
        transaction.execute(_filled("drop_table", journal=self.quoted))

    @contextlib.contextmanager
    def snapshot(self, table: TableName) -> Iterator[OpenSnapshot]:
        """Divide the changes between the table's rows as they are now and the journal's entries from now on.

        If the block fails, no entry is gone.

        Raises: NodeLost, NodeUnreachable, TableUnfit.
        """
        timeline = self.writes_on()
        if timeline is None:
            raise NodeLost(f"{self.where} became a standby")
        with self._server.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901 - the same
            with connection.begin():
                connection.execute(_filled("forget_entries", journal=self.quoted))
                columns = self._described()
                statement = pgsql.SQL("copy (select {columns} from {table}) to stdout").format(
                    columns=_list(name for name, _ in columns), table=pgsql.Identifier(table.schema, table.name)
                )
                rows = self._copied(connection, statement)
                yield _Snapshot(timeline, (self._batch(part, columns, str(table)) for part in _parts(rows)))

    def record(self, transaction: Connection, table: TableName) -> None:
        """Make the journal known, inside the transaction that makes the feed exist."""
        where = {"feed": self.feed, "schema": table.schema, "name": table.name, "start": int(journal.START)}
        transaction.execute(sql.load("postgres/journal/insert_journal"), where)
        _Sealing(self, transaction).seal(int(journal.START), 0)

    # The sealer

    @contextlib.contextmanager
    def sealing(self) -> Iterator[_Sealing]:
        """As `journal.Journal.sealing`. Raises: BadInput if the node has no journal of that feed."""
        with self._server.begin() as transaction:
            locked = transaction.execute(sql.load("postgres/journal/lock"), {"feed": self.feed}).one_or_none()
            if locked is None:
                raise self._absent()
            yield _Sealing(self, transaction)

    def _absent(self) -> BadInput:
        return BadInput(f"{self.where} has no journal feed {self.feed}", hint="list what is there: hadrian feed list")

    # The reader

    def newest(self) -> int:
        """Return the number of the newest seal."""
        return int(self._one("newest").newest)

    def seal(self, number: int) -> Seal | None:
        """Return the seal of that number, or None if it is not here."""
        with self._server.connect() as connection:
            parameters = {"feed": self.feed, "number": number}
            row = connection.execute(sql.load("postgres/journal/seal"), parameters).one_or_none()
        return Seal(number, row.row_count) if row is not None else None

    def rows(self, seal: Seal, after: int) -> pa.RecordBatch:
        """Return rows of a sealed batch, as changes. Raises: TableUnfit if Arrow cannot hold a value."""
        columns = self._described()
        statement = pgsql.SQL(
            "copy (select {columns} from {journal} where _batch = {batch} and _seq > {after} "
            "order by _seq limit {limit}) to stdout"
        ).format(
            columns=_list([*_OWN, *(name for name, _ in columns)]),
            journal=pgsql.Identifier(_SCHEMA, self._name),
            batch=seal.number,
            after=after,
            limit=_ROWS_A_BATCH,
        )
        with (
            self._server.connect() as connection,
            contextlib.closing(self._copied(connection, statement)) as copied,
        ):
            rows = next(_parts(copied), [])  # the rest, if the rows are large, is cancelled
        ops, seqs, xids, times = (pa.array([row[i] for row in rows], pa.string()) for i in range(len(_OWN)))
        batch = self._batch([row[len(_OWN) :] for row in rows], columns, self._table)
        # As in the log: the lower half of its number.
        xids = pa.array([int(xid) & 0xFFFFFFFF for xid in xids.to_pylist()], pa.uint32())
        return journal.as_changes(batch, ops, seqs.cast(pa.uint64()), xids, _INSTANT.from_text(times), seal)

    def state(self) -> JournalState:
        """Return how far the journal is, as the node has it."""
        statement = _filled("state", journal=self.quoted)
        with self._server.connect() as connection:
            row = connection.execute(statement, {"feed": self.feed, "name": self.quoted}).one()
        return JournalState(self.where, *row)

    def history(self) -> TimelineHistory:
        """Return the forks that led to the node's timeline, counted in seals."""
        with self._server.connect() as connection:
            rows = connection.execute(sql.load("postgres/journal/timelines"), {"feed": self.feed}).all()
        if not rows:
            raise self._absent()
        return journal.history((row.timeline, row.number) for row in rows)

    def writes_on(self) -> int | None:
        """Return the timeline that the node writes, None if it is a standby."""
        with self._server.connect() as connection:
            timeline: int | None = connection.execute(sql.load("postgres/topology/node")).one().timeline
        return timeline

    def confirmed(self) -> int:
        """Return the number up to which batches are consumed for good."""
        return int(self._one("confirmed").confirmed)

    def confirm(self, number: int) -> None:
        """Say that batches up to this number are consumed for good; going back has no effect."""
        with self._server.begin() as transaction:
            transaction.execute(sql.load("postgres/journal/confirm"), {"feed": self.feed, "number": number})

    def close(self) -> None:
        """Close every session; a later call opens new ones."""
        self._server.close()

    def _one(self, name: str) -> Row[Any]:
        with self._server.connect() as connection:
            row = connection.execute(self._server.statement(f"journal/{name}"), {"feed": self.feed}).one_or_none()
        if row is None:
            raise self._absent()
        return row

    def _described(self) -> list[tuple[str, Codec]]:
        """Return the table's columns as the journal has them, and how each is read."""
        if self._columns is None:
            with self._server.connect() as connection:
                parameters = {"name": f"{_SCHEMA}.{self._name}", "own": list(ENTRY_COLUMNS)}
                rows = connection.execute(sql.load("postgres/journal/columns"), parameters).all()
                known = connection.execute(sql.load("postgres/journal/fed_table"), {"feed": self.feed}).one_or_none()
            catalog = TypeCatalog(self._server)
            self._columns = [(row.name, codec(row.type, row.modifier, catalog)) for row in rows]
            self._table = str(TableName(known.schema_name, known.table_name)) if known is not None else ""
        return self._columns

    def _copied(self, connection: Connection, statement: pgsql.Composed) -> Generator[tuple[str | None, ...]]:
        with translated(self.where), driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
            yield from copy.rows()

    def _batch(
        self, rows: Sequence[tuple[str | None, ...]], columns: Sequence[tuple[str, Codec]], table: str
    ) -> pa.RecordBatch:
        values = zip(*rows, strict=True) if rows else itertools.repeat(())
        arrays = []
        for (name, reads), texts in zip(columns, values, strict=False):
            try:
                arrays.append(reads.from_text(pa.array(texts, pa.string())))
            except ValueError as error:
                raise TableUnfit(f"{table}: a value of column {name} does not fit {reads.arrow}: {error}") from error
        schema = pa.schema([reads.field(name) for name, reads in columns], metadata={"table": table})
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Snapshot(OpenSnapshot):
    def __init__(self, timeline: int, batches: Iterator[pa.RecordBatch]) -> None:
        self.timeline = timeline
        self.batches = batches


class _Sealing:
    """As `journal.Sealing`."""

    def __init__(self, owner: PostgresJournal, transaction: Connection) -> None:
        self._feed = {"feed": owner.feed}
        self._journal = owner.quoted
        self._transaction = transaction

    def newest(self) -> int:
        return int(self._transaction.execute(sql.load("postgres/journal/newest"), self._feed).scalar_one())

    def filled(self, number: int) -> int:
        statement = _filled("filled", journal=self._journal)
        return int(self._transaction.execute(statement, {"number": number}).scalar_one())

    def fill(self, number: int) -> None:
        track = self._transaction.execute(sql.load("postgres/journal/tracks_commits")).scalar_one()
        self._transaction.execute(_filled("fill", journal=self._journal), {"number": number, "track": track})

    def seal(self, number: int, rows: int) -> None:
        values = {**self._feed, "number": number, "row_count": rows}
        self._transaction.execute(sql.load("postgres/journal/insert_seal"), values)

    def prune(self) -> None:
        self._transaction.execute(_filled("prune_entries", journal=self._journal), self._feed)
        self._transaction.execute(sql.load("postgres/journal/prune_seals"), self._feed)


def unrecorded(server: Server) -> list[str]:
    """Return the feeds whose journal is there while they are not: one is being created, or its creation was killed."""
    with server.connect() as connection:
        return list(connection.execute(sql.load("postgres/journal/unrecorded")).scalars())


def _check(facts: Row[Any], name: TableName) -> None:
    """Refuse a table that a journal cannot follow. Raises: TableUnfit."""
    if facts.kind != "r" or facts.has_relatives:
        raise TableUnfit(
            f"{name} is no table that stands alone: what is done to a partition, a parent or a child by its own name "
            "fires no trigger of the others",
            hint="read it from the log: hadrian feed create --publication",
        )
    if facts.persistence != "p":
        raise TableUnfit(f"{name} is not logged: a crash empties it", hint=f"run: alter table {name} set logged")
    if not facts.key:
        raise TableUnfit(
            f"table {name} has no primary key, so its rows cannot be told apart",
            hint=f"run: alter table {name} add primary key (...)",
        )
    for column in facts.columns:
        if column in RESERVED or _BODY_END in column:
            raise TableUnfit(
                f"{name}: column {column} has a name that a journal needs for itself",
                hint=f"run: alter table {name} rename column {column} to ...",
            )


def _filled(name: str, **parts: str) -> TextClause:
    return sql.filled(f"postgres/journal/{name}", **parts)


def _list(columns: Iterable[str]) -> pgsql.Composed:
    return pgsql.SQL(", ").join(map(pgsql.Identifier, columns))


def _parts(rows: Iterator[tuple[str | None, ...]]) -> Iterator[list[tuple[str | None, ...]]]:
    part, size = [], 0
    for row in rows:
        part.append(row)
        size += sum(len(value) for value in row if value is not None)
        if size >= _BATCH_BYTES or len(part) == _ROWS_A_BATCH:
            yield part
            part, size = [], 0
    if part:
        yield part
