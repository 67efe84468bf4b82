"""A Db2 feed's journal, its statements through ibm_db against Derby: what is written to a table comes back as changes.

Derby has the triggers, transition tables and isolation levels that the statements name. It has no catalog of Db2's, so
that of the tables here is written by hand, and no row versions: who looks at what is committed waits for writers.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from cli.main import main
from replicator import engines, migrate
from replicator.batch import CHANGE_FIELDS
from replicator.change import Op
from replicator.db2.connection import Db2Server
from replicator.db2.journal import Db2Journal
from replicator.errors import BadInput, FeedBroken, QueryTimedOut, TableUnfit, TimelineForked
from replicator.feed import definition as definitions
from replicator.feed.journal import JournalSource, seal
from replicator.journal import START
from replicator.kept_snapshot import KeptSnapshot
from replicator.position import Cursor, Lsn
from tests.fixtures.db2_catalog import HOSTS, TABLES, clean
from tests.fixtures.derby import Derby, Peer
from tests.fixtures.drda_rewriting import Refusal

COLUMNS = (
    "id bigint not null primary key, small smallint, number integer, price decimal(9,2), ratio double, rough real, "
    "name varchar(40), code char(4), raw varchar(60) for bit data, body blob(9000), words clob(9000), born date, "
    "opens time, moment timestamp"
)
# As SYSCAT.COLUMNS has them: name, type, length, scale, codepage, keyseq.
CATALOG = [
    ("ID", "BIGINT", 8, 0, 0, 1),
    ("SMALL", "SMALLINT", 2, 0, 0, None),
    ("NUMBER", "INTEGER", 4, 0, 0, None),
    ("PRICE", "DECIMAL", 9, 2, 0, None),
    ("RATIO", "DOUBLE", 8, 0, 0, None),
    ("ROUGH", "REAL", 4, 0, 0, None),
    ("NAME", "VARCHAR", 40, 0, 1208, None),
    ("CODE", "CHARACTER", 4, 0, 1208, None),
    ("RAW", "VARCHAR", 60, 0, 0, None),
    ("BODY", "BLOB", 9000, 0, 0, None),
    ("WORDS", "CLOB", 9000, 0, 1208, None),
    ("BORN", "DATE", 4, 0, 0, None),
    ("OPENS", "TIME", 3, 0, 0, None),
    ("MOMENT", "TIMESTAMP", 10, 6, 0, None),
]
ARROW = [
    *(pa.int64(), pa.int16(), pa.int32(), pa.decimal128(9, 2), pa.float64(), pa.float32(), pa.string(), pa.string()),
    *(pa.binary(), pa.binary(), pa.string(), pa.date32(), pa.time64("us"), pa.timestamp("us")),
]
FULL = (
    *(1, -7, 123456, Decimal("-1234567.89"), 0.1, 0.5, "naïve 數", "ab  "),
    *(b"\0\xff", bytes(range(256)) * 30, "words " * 900, dt.date(2026, 2, 28), dt.time(23, 59, 58)),
    dt.datetime(2026, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001 - Db2's timestamps have no zone
)
SCHEMAS = ("xsyscat", "xsysproc")
_TRIGGERS = "sys.systriggers t join sys.sysschemas s on s.schemaid = t.schemaid"
_TABLES = "sys.systables t join sys.sysschemas s on s.schemaid = t.schemaid"
_TABLE_COLUMNS = "tabschema, tabname, tbspace, index_tbspace, long_tbspace"
VIEWS = (
    f"create view xsyscat.triggers (trigschema, trigname) as select schemaname, triggername from {_TRIGGERS}",
    f"create view xsyscat.tables ({_TABLE_COLUMNS}) as select schemaname, tablename, 'T', 'T', 'T' from {_TABLES}",
)
HADR = "xsysproc.mon_get_hadr"
TRIGGERS = "select count(*) from xsyscat.triggers where trigname like 'hadrian%'"
COLUMN_CATALOG = (
    "create table xsyscat.columns (tabschema varchar(128), tabname varchar(128), colname varchar(128), "
    "typename varchar(128), length integer, scale integer, codepage integer, keyseq integer, colno integer, "
    "logged char(1) default 'Y')"
)


class Node:
    """A database with Hadrian's schema, a table of every type, and the catalog of both."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.server = Db2Server(peer.url(), 30)
        for statement in (*(f"create schema {schema}" for schema in SCHEMAS), COLUMN_CATALOG, *VIEWS):
            self.run(statement)
        for monitor in (HADR, "xsysproc.mon_get_tablespace"):
            self.run(f"create table {monitor} ({TABLES[monitor]})")
        assert str(migrate.install(peer.url()).applied[0]) == "0001_store"
        assert migrate.upgrade(peer.url()).applied == ()
        columns = "kind, name, manifest_bytes, sha256, plain_bytes"
        self.run(f"insert into hadrian.artifact ({columns}) values ('snapshot', 's', 0, ?, 0)", b"s" * 32)
        self.run(f"create table app.ticket ({COLUMNS})")
        self.describe("APP", "TICKET", CATALOG)
        self.describe("HADRIAN", "journal_t", CATALOG)

    def run(self, statement: str, *row: Any) -> list[tuple[Any, ...]]:
        """Run one statement, commit it, and return its rows."""
        with self.server.connect() as connection:
            result = connection.exec_driver_sql(statement, row or None)
            rows = [tuple(one) for one in result] if result.returns_rows else []
            connection.commit()
        return rows

    def describe(self, schema: str, name: str, catalog: list[tuple[Any, ...]]) -> None:
        """Write a table's columns into the catalog."""
        names = "tabschema, tabname, colname, typename, length, scale, codepage, keyseq, colno"
        statement = f"insert into xsyscat.columns ({names}) values (?, ?, ?, {', '.join('?' * 6)})"
        for place, column in enumerate(catalog):
            self.run(statement, schema, name, *column, place)

    def takes_over(self, host: str) -> None:
        """Let the monitor name another primary."""
        self.run(f"update {HADR} set primary_member_host = ?", host)

    def feed(self) -> Db2Journal:
        """Make the feed of the table, as creation does, and return its journal."""
        journal = Db2Journal(self.server, "t")
        table = journal.create("app.ticket")
        with journal.snapshot(table) as snapshot:
            assert [row for batch in snapshot.batches for row in batch.to_pylist()] == []
        with self.server.connect() as connection, connection.begin():
            values = "('t', 'APP.TICKET', '', 1, 1, 1)"
            columns = "name, publication, slot, start_lsn, timeline, snapshot_id"
            connection.exec_driver_sql(f"insert into hadrian.feed ({columns}) values {values}")
            journal.record(connection, table)
        return journal

    def reset(self) -> None:
        """Put the database in good order: an empty table, no feed, a primary."""
        self.run("delete from hadrian.feed")
        self.run("delete from hadrian.artifact where name <> 's'")
        self.run("delete from app.ticket")
        self.run(f"delete from {HADR}")
        (row,) = clean("a")[HADR]
        self.run(f"insert into {HADR} values ({', '.join('?' * len(row))})", *row)

    def close(self) -> None:
        """Close every session and the proxy."""
        self.server.close()
        self.peer.close()


@pytest.fixture(scope="module")
def database(derby: Derby) -> Iterator[Node]:
    """Make the database once."""
    with contextlib.closing(Node(Peer(derby.port, "JOURNAL"))) as made:
        yield made


@pytest.fixture
def node(database: Node) -> Node:
    """Put it in good order for one test."""
    database.reset()
    return database


@pytest.fixture
def journal(node: Node) -> Db2Journal:
    """Make a feed of the empty table."""
    return node.feed()


@pytest.fixture
def elsewhere(node: Node) -> Iterator[Db2Journal]:
    """Give the journal through sessions of a reader's own."""
    with contextlib.closing(Db2Journal(Db2Server(node.peer.url(), 30), "t")) as made:
        yield made


def source(journal: Db2Journal, after: Cursor | None = None) -> JournalSource:
    """Read a journal on behind a cursor, by default the snapshot's end."""
    return JournalSource(journal, after or Cursor(START, 0), lambda: journal)


def rows_of(source: JournalSource) -> list[tuple[Any, ...]]:
    """Read what there is: operation, id and name."""
    found = []
    while (batch := source.read(0)) is not None:
        found += [(row["_op"], row["ID"], row["NAME"]) for row in batch.to_pylist()]
    return found


def test_what_is_written_comes_back_as_arrow(node: Node, journal: Db2Journal) -> None:
    """Each type becomes its Arrow type, value by value; a deleted row has its key only."""
    node.run(f"insert into app.ticket values ({', '.join('?' * len(FULL))})", *FULL)
    node.run("insert into app.ticket (id) values (2)")
    node.run("update app.ticket set name = 'x', body = cast(x'7a7a' as blob) where id = 1")
    node.run("delete from app.ticket where id = 1")
    assert seal(journal) == 4
    batch = source(journal).read(0)
    assert batch is not None
    names = [name for name, *_ in CATALOG]
    assert batch.schema.names == [*names, *(field.name for field in CHANGE_FIELDS)]
    assert batch.schema.types == [*ARROW, *(field.type for field in CHANGE_FIELDS)]
    inserted, empty, updated, deleted = (tuple(row[name] for name in names) for row in batch.to_pylist())
    assert inserted == FULL
    assert empty == (2, *[None] * (len(FULL) - 1))
    assert updated == tuple({"x": "x", "b": b"zz"}.get({"NAME": "x", "BODY": "b"}.get(name, ""), value)
                            for name, value in zip(names, FULL, strict=True))  # fmt: skip
    assert deleted == (1, *[None] * (len(FULL) - 1))
    assert batch.column("_op").to_pylist() == [Op.INSERT, Op.INSERT, Op.UPDATE, Op.DELETE]
    assert batch.column("_lsn").to_pylist() == [1, 1, 1, 2]
    assert batch.column("_seq").to_pylist() == [1, 2, 3, 0]


def test_many_rows_of_bytes_at_once(node: Node, journal: Db2Journal) -> None:
    """Bytes given to executemany are in the journal as they are: of a memoryview it would be the address."""
    with node.server.connect() as connection:
        given = [(number, bytes([number]) * 9) for number in range(1, 100)]
        connection.exec_driver_sql("insert into app.ticket (id, raw) values (?, ?)", given)
        connection.commit()
    assert seal(journal) == len(given)
    batch = source(journal).read(0)
    assert batch is not None
    assert list(zip(batch.column("ID").to_pylist(), batch.column("RAW").to_pylist(), strict=True)) == given


def test_what_is_rolled_back_is_never_seen(node: Node, journal: Db2Journal) -> None:
    """An entry ends with the transaction that wrote it."""
    with node.server.connect() as connection:
        connection.exec_driver_sql("insert into app.ticket (id, name) values (1, 'no')")
        connection.rollback()
        connection.exec_driver_sql("insert into app.ticket (id, name) values (1, 'yes')")
        connection.commit()
    assert seal(journal) == 1
    assert rows_of(source(journal)) == [("insert", 1, "yes")]


def test_a_reader_that_sees_what_is_not_committed(node: Node, journal: Db2Journal, elsewhere: Db2Journal) -> None:
    """A batch is read once its seal is seen, and the same rows stand there if that is rolled back and made again."""
    reader = source(elsewhere)
    node.run("insert into app.ticket (id, name) values (1, 'a'), (2, 'b')")
    with journal.sealing() as transaction:
        transaction.fill(2)
        assert elsewhere.newest() == 2, "the reader sees what is not committed"
        assert rows_of(reader) == []
    assert rows_of(reader) == []
    node.run("insert into app.ticket (id, name) values (3, 'c')")
    with pytest.raises(RuntimeError), journal.sealing() as transaction:  # noqa: PT012 - the end rolls it back
        transaction.seal(2, transaction.filled(2))
        assert rows_of(reader) == [("insert", 1, "a"), ("insert", 2, "b")]
        raise RuntimeError
    assert node.run("select max(number) from hadrian.seal") == [(1,)]
    assert seal(journal) == 2
    assert rows_of(reader) == []
    assert seal(journal) == 1
    assert rows_of(reader) == [("insert", 3, "c")]


def test_one_sealer_at_a_time(node: Node, journal: Db2Journal, elsewhere: Db2Journal) -> None:
    """A second one waits for the first."""
    node.run("insert into app.ticket (id) values (1)")
    with journal.sealing(), pytest.raises(QueryTimedOut):
        seal(elsewhere)
    assert seal(elsewhere) == 1


def test_consumed_batches_go(node: Node, journal: Db2Journal) -> None:
    """What is confirmed is deleted by the next sealing, and who needs it learns that it is gone."""
    late = source(journal)
    for number in (1, 2, 3):
        node.run(f"insert into app.ticket (id) values ({number})")
        seal(journal)
    source(journal).confirm(Cursor(Lsn(3), 0))
    source(journal).confirm(Cursor(Lsn(2), 0))
    seal(journal)
    assert node.run('select "ID" from hadrian."journal_t"') == [(3,)]
    assert node.run("select number from hadrian.seal") == [(4,)]
    with pytest.raises(FeedBroken, match="confirmed"):
        late.read(0)
    assert rows_of(source(journal, Cursor(Lsn(3), 0))) == [("insert", 3, None)]


def test_a_takeover_begins_a_timeline(node: Node, journal: Db2Journal) -> None:
    """A cursor that has seen seals of the old primary that the new one never had lies past the fork."""
    node.run("insert into app.ticket (id) values (1)")
    seal(journal)
    node.takes_over(HOSTS["b"])
    with pytest.raises(TimelineForked, match="batch 2"):
        source(journal, Cursor(Lsn(3), 0)).read(0)
    for number in (2, 3):
        node.run(f"insert into app.ticket (id) values ({number})")
        seal(journal)
    assert source(journal).history().at(Lsn(3), 0) == 2
    assert rows_of(source(journal, Cursor(Lsn(2), 0))) == [("insert", 2, None), ("insert", 3, None)]
    with pytest.raises(TimelineForked) as forked:
        source(journal, Cursor(Lsn(3), 0, 1)).read(0)
    assert forked.value.fork_lsn == 2


def test_a_feed_from_its_creation_to_its_rows(
    node: Node, elsewhere: Db2Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command makes it: the rows that were there come from the store, those after them from the journal."""
    node.run(f"insert into app.ticket values ({', '.join('?' * len(FULL))})", *FULL)
    node.run("insert into app.ticket (id, name) values (2, 'b')")
    url = node.peer.url()
    assert main(["feed", "create", "t", "--source", "journal", "--table", "app.ticket", "--primary", url]) == 0
    node.run("insert into app.ticket (id, name) values (3, 'c')")
    assert main(["feed", "list", "--primary", url]) == 0
    assert "APP.TICKET" in capsys.readouterr().out
    with contextlib.closing(engines.database(url)) as database:
        feed = definitions.find(database, "t")
        assert feed is not None
        (rows,) = KeptSnapshot(database, feed).batches(0)
    assert sorted((row["ID"], row["NAME"], row["BODY"]) for row in rows.to_pylist()) == [
        (FULL[0], FULL[6], FULL[9]),
        (2, "b", None),
    ]
    assert (rows["_lsn"].to_pylist(), rows["_seq"].to_pylist()) == ([0, feed.start], [1, 0])
    assert seal(elsewhere) == 1
    assert rows_of(source(elsewhere, Cursor(feed.start, 0, feed.timeline))) == [("insert", 3, "c")]
    assert main(["feed", "create", "t", "--source", "journal", "--table", "app.ticket", "--primary", url]) == 2


def test_a_creation_that_fails(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """It leaves neither a feed nor a trigger, and the store takes the next attempt."""
    node.run("insert into app.ticket (id) values (1)")
    create = ["feed", "create", "t", "--source", "journal", "--table", "app.ticket", "--primary", node.peer.url()]
    node.peer.script.refused["CHUNK_PIECE"] = Refusal(-968, "57011")
    assert main(create) == 2
    assert "SQL0968C" in capsys.readouterr().err
    node.peer.script.clear()
    assert node.run(TRIGGERS) == [(0,)]
    assert node.run("select count(*) from hadrian.feed") == [(0,)]
    assert main(create) == 0


def test_a_feed_that_is_made_again(node: Node, journal: Db2Journal) -> None:
    """What an attempt left goes first, triggers too: no change is written twice."""
    journal.create("app.ticket")
    node.run("insert into app.ticket (id) values (1)")
    assert node.run('select count(*) from hadrian."journal_t"') == [(1,)]
    with node.server.connect() as connection, connection.begin():
        journal.drop(connection)
    node.run("insert into app.ticket (id) values (2)")
    assert node.run(TRIGGERS) == [(0,)]


def test_a_journal_that_is_not_there(node: Node) -> None:
    """There is nothing to seal without a feed."""
    with pytest.raises(BadInput, match="no journal feed other"):
        seal(Db2Journal(node.server, "other"))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (("DOC", "XML", 0, 0, 0, None), "of type XML"),
        (("BODY", "BLOB", 32670, 0, 0, None), "at most 32669"),
        (("MOMENT", "TIMESTAMP", 13, 12, 0, None), "of type TIMESTAMP"),
        (("_seq", "BIGINT", 8, 0, 0, None), "needs for itself"),
        (("BODY", "BLOB", 32669, 0, 0, None), "no primary key"),
    ],
)
def test_a_table_that_cannot_be_fed(node: Node, column: tuple[Any, ...], says: str) -> None:
    """What a journal cannot hold, or a standby not read, is refused before anything is made."""
    node.describe("APP", "ODD", [column])
    with pytest.raises(TableUnfit, match=says):
        Db2Journal(node.server, "odd").create("app.odd")
    node.run("delete from xsyscat.columns where tabname = 'ODD'")


def test_a_table_that_is_not_there(node: Node) -> None:
    """A name is folded as Db2 folds it, and a table that has it not is refused."""
    with pytest.raises(BadInput, match=r"no table APP\.nothing"):
        Db2Journal(node.server, "odd").create('app."nothing"')
