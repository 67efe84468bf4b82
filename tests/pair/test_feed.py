"""Feeds on real pairs: an exact hand-over, restarts at any cursor, takeovers, and what is refused."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import psutil
import psycopg
import pytest
from sqlalchemy import Connection

from replicator import migrate
from replicator.change import Change, Op
from replicator.errors import (
    AlreadyThere,
    BadInput,
    FeedBroken,
    HadrianError,
    NodeLost,
    NodeUnreachable,
    NotConfigured,
    NotPermitted,
    TableUnfit,
    TimelineForked,
)
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import Feed, start
from replicator.handover import create_feed, open_feed
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NodeName
from replicator.postgres.stream import Stream
from replicator.postgres.topology import wait_replayed, wait_until
from tests.fixtures.pair import Pair

_TIMEOUT_S = 30
_MARKER = "0"  # the id of the row that a test inserts last
_WRITERS = 3
_IDS_A_WRITER = 40


class _Site:
    """A pair with Hadrian's schema; `a` is the primary until `b` is promoted."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.run = pair.run
        self.nodes: dict[NodeName, PostgresDatabase] = {
            name: PostgresDatabase(pair.embedded.url(name)) for name in ("a", "b")
        }
        migrate.install(pair.embedded.url("a"))

    def table(self, name: str, columns: str = "id bigint primary key, v text", *, rows: int = 0) -> None:
        """Make a table, `rows` rows in it, and a publication of the same name."""
        self.run(f"create table {name} ({columns})")
        self.run(f"alter table {name} replica identity full")
        self.run(f"create publication {name} for table {name}")
        if rows:
            self.insert(name, range(1, rows + 1))
        self.catch_up()

    def insert(self, name: str, ids: Sequence[int], node: NodeName = "a") -> None:
        """Insert rows with these ids in one transaction."""
        self.run(f"insert into {name} (id) select unnest(array{list(ids)})", node)

    def catch_up(self) -> None:
        """Wait until the standby has replayed what the primary has."""
        wait_replayed(self.nodes["b"], self.nodes["a"].committed())

    def create(self, name: str, source: NodeName = "b") -> Definition:
        """Create the feed of the publication of that name."""
        made = create_feed(name, name, source=self.nodes[source], primary=self.nodes["a"])
        self.catch_up()
        return made

    def open(self, definition: Definition, after: Cursor | None = None, node: NodeName = "b") -> Feed:
        """Open the feed on a node."""
        return open_feed(definition, source=self.nodes[node], after=after or start())

    def stream(self, definition: Definition, after: Cursor, node: NodeName = "b") -> Stream:
        """Open the feed's stream alone."""
        return Stream(self.nodes[node], definition.slot, definition.publication, after)

    def left_behind(self, name: str) -> list[str]:
        """Return what there is of a feed: its record, its snapshot, its slot on either node."""
        kept = [f"feed on {where}" for where, node in self.nodes.items() if definitions.find(node, name)]
        kept += [f"slot on {where}" for where, node in self.nodes.items() if slots.exists(node, f"hadrian_{name}")]
        artifacts = self.run(f"select kind from hadrian.artifact where name = '{name}'")  # noqa: S608 - our own
        return kept + [str(kind) for (kind,) in artifacts]

    def close(self) -> None:
        """Close every session."""
        for node in self.nodes.values():
            node.close()


@pytest.fixture(scope="module")
def site(shared_pair: Pair) -> Iterator[_Site]:
    """Make a site for the tests that kill nothing; each has tables of its own."""
    with contextlib.closing(_Site(shared_pair)) as made:
        yield made


@pytest.fixture
def doomed(pair: Pair) -> Iterator[_Site]:
    """Make a site for one test, which may kill, promote and restart its nodes."""
    with contextlib.closing(_Site(pair)) as made:
        yield made


def _next(feed: Feed | Stream) -> Change:
    change = feed.read(_TIMEOUT_S)
    assert change is not None, "no change came"
    return change


def _read(feed: Feed | Stream, count: int) -> list[Change]:
    return [_next(feed) for _ in range(count)]


def _until_marker(feed: Feed | Stream) -> Iterator[Change]:
    while (change := _next(feed)).values.get("id") != _MARKER:
        yield change


def _ids(changes: Sequence[Change]) -> list[int]:
    return [int(change.values["id"] or 0) for change in changes]


@dataclass(frozen=True)
class _Write:
    """What a writer did to one row: `version` is None if it deleted it."""

    id: int
    version: int | None


@dataclass
class _Writer:
    """Inserts, updates and deletes rows of its own at full speed, and remembers what it committed."""

    number: int
    committed: list[list[_Write]] = field(default_factory=list)

    @property
    def ids(self) -> range:
        """Whose rows only this writer touches."""
        return range(1 + self.number * _IDS_A_WRITER, 1 + (self.number + 1) * _IDS_A_WRITER)

    def work(self, conninfo: str, table: str, stop: threading.Event) -> None:
        """Write until told to stop, or until the node dies."""
        chance = random.Random(self.number)
        versions = itertools.count(1)
        there: set[int] = set()
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(conninfo, autocommit=True) as connection:
            while not stop.is_set():
                ids = chance.sample(self.ids, chance.randint(1, 3))
                deletes = {row for row in ids if row in there and chance.random() < 1 / 3}
                writes = [_Write(row, None if row in deletes else next(versions)) for row in ids]
                with connection.transaction() as transaction:
                    for write in writes:
                        connection.execute(self._statement(table, write, is_there=write.id in there))
                    if chance.random() < 1 / 8:
                        raise psycopg.Rollback(transaction)
                    self.committed.append(writes)  # in doubt until the block ends: only the last can be
                if self.committed and self.committed[-1] is writes:
                    there = there.union(ids) - deletes

    def _statement(self, table: str, write: _Write, *, is_there: bool) -> bytes:
        if write.version is None:
            return b"delete from %s where id = %d" % (table.encode(), write.id)
        if is_there:
            return b"update %s set version = %d where id = %d" % (table.encode(), write.version, write.id)
        return b"insert into %s (id, version) values (%d, %d)" % (table.encode(), write.id, write.version)


@contextlib.contextmanager
def _writing(site: _Site, table: str) -> Iterator[list[_Writer]]:
    """Let writers run; leaving stops them."""
    stop = threading.Event()
    writers = [_Writer(number) for number in range(_WRITERS)]
    conninfo = site.nodes["a"].conninfo
    threads = [threading.Thread(target=one.work, args=(conninfo, table, stop)) for one in writers]
    for thread in threads:
        thread.start()
    try:
        _wait_written(writers, 20)
        yield writers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _wait_written(writers: Sequence[_Writer], more: int) -> None:
    goals = [len(one.committed) + more for one in writers]
    wait_until(
        lambda: all(len(one.committed) >= goal for one, goal in zip(writers, goals, strict=True)),
        "every writer to write",
        timeout_s=_TIMEOUT_S,
    )


def _write_of(change: Change) -> _Write:
    version = None if change.op is Op.DELETE else int(change.values["version"] or 0)
    return _Write(int(change.values["id"] or 0), version)


def _apply(rows: dict[int, int], writes: Sequence[_Write]) -> dict[int, int]:
    for write in writes:
        if write.version is None:
            del rows[write.id]
        else:
            rows[write.id] = write.version
    return rows


def _assert_exact(writer: _Writer, snapshot: Sequence[_Write], stream: Sequence[_Write]) -> None:
    """Check that the stream is what the writer wrote last, and the snapshot the outcome of all before it."""
    mine = [write for write in stream if write.id in writer.ids]
    ends = list(itertools.accumulate(map(len, writer.committed), initial=0))
    first = ends[-1] - len(mine)
    assert first in ends, "the snapshot cuts a transaction in two"
    written = list(itertools.chain.from_iterable(writer.committed))
    assert mine == written[first:]
    assert {row.id: row.version for row in snapshot if row.id in writer.ids} == _apply({}, written[:first])


def _content(site: _Site, table: str, node: NodeName) -> dict[int, int]:
    rows = site.run(f"select id, version from {table} where id <> {_MARKER}", node)  # noqa: S608 - our own
    return {int(str(key)): int(str(version)) for key, version in rows}


@pytest.mark.parametrize("source", ["b", "a"])
def test_the_hand_over_is_exact_while_others_write_at_full_speed(site: _Site, source: NodeName) -> None:
    """Snapshot and stream together are what each writer committed: no version twice, none missed."""
    table = f"handed_over_{source}"
    site.table(table, "id bigint primary key, version bigint")
    with _writing(site, table) as writers:
        definition = create_feed(table, table, source=site.nodes[source], primary=site.nodes["a"])
        _wait_written(writers, 20)
    site.insert(table, [int(_MARKER)])
    site.catch_up()
    with site.open(definition, node=source) as feed:
        changes = list(_until_marker(feed))
    snapshot = [_write_of(change) for change in changes if change.op is Op.SNAPSHOT]
    stream = [_write_of(change) for change in changes if change.op is not Op.SNAPSHOT]
    for writer in writers:
        _assert_exact(writer, snapshot, stream)
    assert _apply({row.id: row.version or 0 for row in snapshot}, stream) == _content(site, table, source)


def test_reading_on_at_each_cursor_of_a_run_gives_the_same_rest(site: _Site) -> None:
    """Snapshot, whole transactions and transactions cut in the middle all go on where they were left."""
    site.table("restarted", rows=3)
    definition = site.create("restarted")
    for statement in (
        "insert into restarted (id) values (4), (5), (6)",
        "update restarted set v = 'b' where id < 3",
        "truncate restarted",
        "insert into restarted (id) values (7)",
    ):
        site.run(statement)
    with site.open(definition) as feed:
        whole = _read(feed, 10)
    assert {change.after.seq for change in whole} >= {0, 1, 2}
    for index, change in enumerate(whole, 1):
        with site.open(definition, change.after) as feed:
            assert _read(feed, len(whole) - index) == whole[index:]
            assert feed.read(0) is None


def test_a_snapshot_of_several_blobs_is_read_on_from_any_row(site: _Site) -> None:
    """A cursor at, before or behind the border of two blobs misses no row."""
    site.table("wide", rows=4100)
    definition = site.create("wide")
    for seq in (0, 1, 1999, 2000, 2001, 4000, 4099):
        with site.open(definition, Cursor(Lsn(0), seq)) as feed:
            assert _ids(_read(feed, 4100 - seq)) == list(range(seq + 1, 4101))


def test_a_feed_on_the_standby_goes_on_through_the_primarys_death(doomed: _Site) -> None:
    """The open feed reads on to what the promoted node has, no more and no less."""
    doomed.table("survivors", "id bigint primary key, version bigint")
    definition = doomed.create("survivors")
    with doomed.open(definition) as feed:
        with _writing(doomed, "survivors") as writers:
            changes = _read(feed, 50)
            _wait_written(writers, 20)
            doomed.pair.fail_over()
        doomed.run("update survivors set version = version + 1", "b")
        doomed.insert("survivors", [int(_MARKER)], "b")
        changes += _until_marker(feed)
    assert _apply({}, [_write_of(change) for change in changes]) == _content(doomed, "survivors", "b")
    history = doomed.nodes["b"].timeline_history()
    for change in changes:
        history.check(change.after)
    assert [timeline for timeline, _ in itertools.groupby(change.after.timeline for change in changes)] == [1, 2]
    for timeline in (1, 2):  # behind the last row of the one, behind the last of the other
        index = max(place for place, change in enumerate(changes) if change.after.timeline == timeline)
        with doomed.open(definition, changes[index].after) as feed:
            assert list(_until_marker(feed)) == changes[index + 1 :]


def _cut_standby_off(site: _Site) -> None:
    site.run("alter system set primary_conninfo = ''", "b")
    site.run("select pg_reload_conf()", "b")
    wait_until(
        lambda: not site.run("select pid from pg_stat_wal_receiver", "b"), "the standby to be cut off", timeout_s=30
    )


def test_rows_that_died_with_the_primary_are_never_read_on_from(doomed: _Site) -> None:
    """Behind the fork, and inside a transaction that the fork cut off, a cursor is refused."""
    doomed.table("lost", rows=1)
    definition = doomed.create("lost")
    doomed.run(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
    doomed.insert("lost", [2])
    doomed.catch_up()
    _cut_standby_off(doomed)
    doomed.insert("lost", [3, 4, 5])
    kept_from = Cursor(slots.confirmed(doomed.nodes["a"], definition.slot), 0)
    with doomed.stream(definition, kept_from, "a") as stream:
        both, inside, _, behind = (change.after for change in _read(stream, 4))
    doomed.pair.fail_over()
    doomed.insert("lost", [6, 7, 8], "b")
    for cursor in (inside, behind):
        with pytest.raises(TimelineForked):
            doomed.stream(definition, cursor)
    with doomed.stream(definition, both) as stream:
        assert _ids(_read(stream, 3)) == [6, 7, 8]


def test_the_slot_keeps_what_is_not_confirmed_and_gives_no_less_in_silence(site: _Site) -> None:
    """Rows come again until they are confirmed; then a reader that wants them is told."""
    site.table("kept", rows=1)
    definition = site.create("kept")
    site.insert("kept", [2])
    site.insert("kept", [3])
    begin = Cursor(definition.start, 0)
    for _ in range(2):
        with site.stream(definition, begin) as stream:
            first, second = _read(stream, 2)
    with site.stream(definition, begin) as stream:
        _read(stream, 2)
        stream.confirm(first.after)
        stream.confirm(begin)  # goes back, and has no effect
    assert slots.confirmed(site.nodes["b"], definition.slot) == first.after.lsn
    with pytest.raises(FeedBroken, match="keeps rows from"):
        site.stream(definition, begin)
    with site.stream(definition, first.after) as stream:
        assert _next(stream) == second


def test_a_feed_confirms_only_what_it_is_told_even_inside_a_transaction(site: _Site) -> None:
    """A checkpoint in the middle of a transaction keeps the whole transaction in the slot."""
    site.table("halves", rows=1)
    definition = site.create("halves")
    site.insert("halves", [2])
    site.insert("halves", [3, 4])
    with site.open(definition) as feed:
        changes = _read(feed, 4)
        feed.confirm(changes[2].after)
    assert changes[1].after.lsn <= slots.confirmed(site.nodes["b"], definition.slot) <= changes[2].after.lsn
    with site.open(definition, changes[2].after) as feed:
        assert _next(feed) == changes[3]


def test_a_slot_has_one_reader_and_is_free_once_that_is_closed(site: _Site) -> None:
    """While one reads another is refused; `close` waits for a server that is slow to notice."""
    site.table("single", rows=1)
    definition = site.create("single")
    begin = Cursor(definition.start, 0)
    with site.stream(definition, begin):
        with pytest.raises(HadrianError, match="is active"):
            site.stream(definition, begin)
        [(sender,)] = site.run("select active_pid from pg_replication_slots where slot_name = 'hadrian_single'", "b")
        process = psutil.Process(int(str(sender)))
        process.suspend()
        resume = threading.Timer(1, process.resume)
        resume.start()
    site.stream(definition, begin).close()
    resume.join()


@pytest.mark.parametrize("waiting", [1, 6000])
def test_an_idle_reader_is_not_cut_off(site: _Site, waiting: int) -> None:
    """The server hears from a reader that takes its time, with few rows waiting for it or more than fit."""
    table = f"idle_{waiting}"
    site.table(table)
    definition = site.create(table)
    site.run("alter system set wal_sender_timeout = '2s'", "b")
    site.run("select pg_reload_conf()", "b")
    with site.open(definition) as feed:
        assert feed.read(0) is None
        site.insert(table, range(1, waiting + 1))
        [(late,)] = site.run("select clock_timestamp() + interval '3 s'", "b")
        heard = f"select pid from pg_stat_replication where reply_time > '{late}'"  # noqa: S608 - the server's own
        wait_until(lambda: bool(site.run(heard, "b")), "a sign of life after 3 s", timeout_s=_TIMEOUT_S)
        assert _ids(_read(feed, waiting)) == list(range(1, waiting + 1))
    site.run("alter system reset wal_sender_timeout", "b")


def test_a_long_value_that_an_update_left_alone_is_in_the_change(site: _Site) -> None:
    """What is stored out of line is read from the old row, byte for byte."""
    site.table("long", "id bigint primary key, touched int, v text")
    site.run("alter table long alter v set storage external")
    site.run("insert into long select 1, 0, string_agg(md5(i::text), '') from generate_series(1, 3200) i")
    definition = site.create("long")
    site.run("update long set touched = 1")
    with site.open(definition) as feed:
        before, after = _read(feed, 2)
    assert len(before.values["v"] or "") > 100_000
    assert after.values == {**before.values, "touched": "1"}


_TYPES = {
    "numeric": ["1.50", "NaN", "-0.000000000000000000001", "123456789012345678901234567890"],
    "double precision": ["0.30000000000000004", "-Infinity", "1e-300"],
    "timestamptz": ["2026-03-29 02:30:00.123456+09", "infinity", "0044-03-15 12:00:00+00 BC"],
    "date": ["2026-02-28"],
    "interval": ["1 year 2 mons -3 days 04:05:06.789"],
    "bytea": [r"\x00ff5c27"],
    "text": ["tab\there\nline\\N 'quoted' \"twice\" \\x \u2028 \U0001f42c", "", r"\N", "\x1c\x85"],
    "text[]": [r'{a,NULL,"b \"c\" \\ d",""}', "{}"],
    "int[]": ["{{1,2},{3,NULL}}"],
    "jsonb": [r'{"b": [1, 2.50, null], "a": "\u00e9 \" \\"}'],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "mood": ["sad"],
    "char(4)": ["x"],
    "boolean": ["t"],
    "int4range": ["[1,5)"],
    "inet": ["192.168.0.1/24"],
}


def test_a_value_has_the_same_text_in_the_snapshot_and_in_the_stream(site: _Site) -> None:
    """Whoever printed it, and whatever the database's own output settings are, a value is the same text."""
    site.run("create type mood as enum ('sad', 'glad')")
    site.run("alter database postgres set datestyle = 'German'")
    site.run("alter database postgres set timezone = 'Asia/Tokyo'")
    site.run("alter database postgres set bytea_output = 'escape'")
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(_TYPES))
    site.table("typed", f"id bigint primary key, {columns}")
    rows = list(itertools.zip_longest(*_TYPES.values()))
    statement = f"insert into typed values (%s, {', '.join(['%s'] * len(_TYPES))})".encode()  # noqa: S608 - our own
    with psycopg.connect(site.nodes["a"].conninfo) as connection:
        connection.cursor().executemany(statement, [(key, *row) for key, row in enumerate(rows, 1)])
    definition = site.create("typed")
    site.run("update typed set id = id + 100")
    with site.open(definition) as feed:
        snapshot, stream = _read(feed, len(rows)), _read(feed, len(rows))
    for before, after, row in zip(snapshot, stream, rows, strict=True):
        assert {**after.values, "id": before.values["id"]} == before.values
        assert [value is None for value in row] == [before.values[f"c{n}"] is None for n in range(len(row))]
    assert snapshot[0].values["c2"] == "2026-03-28 17:30:00.123456+00"
    assert snapshot[0].values["c6"] == _TYPES["text"][0]


def test_text_is_the_same_in_a_database_of_another_encoding(site: _Site) -> None:
    """Snapshot and stream both give characters, whatever bytes the database keeps them in."""
    site.run("create database latin encoding latin1 lc_collate 'C' lc_ctype 'C' template template0")
    url = site.nodes["a"].url.set(database="latin")
    migrate.install(url.render_as_string())
    with contextlib.closing(PostgresDatabase(url)) as latin:
        with latin.autocommit() as connection:
            connection.exec_driver_sql("create table letters (id int primary key, v char(1) not null)")
            connection.exec_driver_sql("alter table letters replica identity full")
            connection.exec_driver_sql("create publication letters for table letters")
            connection.exec_driver_sql("insert into letters values (1, 'é')")
            definition = create_feed("letters", "letters", source=latin, primary=latin)
            connection.exec_driver_sql("insert into letters values (2, 'é')")
        with open_feed(definition, source=latin, after=start()) as feed:
            assert [change.values["v"] for change in _read(feed, 2)] == ["é", "é"]


def test_filter_and_column_list_hold_for_snapshot_and_stream_alike(site: _Site) -> None:
    """A row that an update moves into the filter is inserted, one that it moves out is deleted."""
    site.run("create table graded (id bigint primary key, grade int not null, secret text)")
    site.run("create unique index by_grade on graded (id, grade)")
    site.run("alter table graded replica identity using index by_grade")
    site.run("create publication graded for table graded (id, grade) where (grade %% 2 = 0)")
    site.run("insert into graded values (1, 1), (2, 2)")
    site.catch_up()
    definition = site.create("graded")
    site.run("update graded set grade = grade + 1")
    with site.open(definition) as feed:
        seen = [(change.op, change.values) for change in _read(feed, 3)]
    assert seen == [
        (Op.SNAPSHOT, {"id": "2", "grade": "2"}),
        (Op.INSERT, {"id": "1", "grade": "2"}),
        (Op.DELETE, {"id": "2", "grade": "2"}),
    ]


def test_names_that_need_quoting_are_quoted(site: _Site) -> None:
    """Publication, table, key and column may have any name that PostgreSQL takes."""
    table, publication = """"Odd ""table's\"""", """p's \\ "own\""""
    site.run(f'create table {table} ("Key %%s" bigint primary key, "select" int)')
    site.run(f"""create publication "p's \\ ""own\""" for table {table}""")
    site.run(f"insert into {table} values (1, 1)")  # noqa: S608 - our own
    definition = create_feed("odd", publication, source=site.nodes["a"], primary=site.nodes["a"])
    site.run(f"insert into {table} values (2, 2)")  # noqa: S608 - our own
    with site.open(definition, node="a") as feed:
        assert [change.values for change in _read(feed, 2)] == [{"Key %s": n, "select": n} for n in "12"]


_UNFIT = [
    ("keyless", "create table keyless (id int); create publication keyless for table keyless", TableUnfit),
    (
        "toasted",
        "create table toasted (id int primary key, v text); create publication toasted for table toasted",
        TableUnfit,
    ),
    (
        "two",
        "create table one (id int primary key); create table two as table one;"  # noqa: ISC004 - one script
        "create publication two for table one, two",
        BadInput,
    ),
    ("empty", "create publication empty", BadInput),
    ("absent", "select 1", BadInput),
]


@pytest.mark.parametrize(("name", "ddl", "kind"), _UNFIT, ids=[name for name, _, _ in _UNFIT])
def test_what_cannot_be_fed_is_refused_and_leaves_nothing(
    site: _Site, name: str, ddl: str, kind: type[HadrianError]
) -> None:
    """A table or publication that is not fit is found before a slot is made."""
    site.run(ddl)
    site.catch_up()
    with pytest.raises(kind) as raised:
        site.create(name)
    assert type(raised.value) is kind
    assert site.left_behind(name) == []


@pytest.mark.parametrize(
    ("role", "attribute", "message"),
    [("watcher", "noreplication", "lacks REPLICATION"), ("blind", "replication", "permission denied")],
)
def test_a_role_without_the_privilege_is_refused_and_leaves_nothing(
    site: _Site, role: str, attribute: str, message: str
) -> None:
    """Neither a role that may not decode nor one that may not read the table leaves a slot behind."""
    site.table(f"for_{role}", rows=1)
    site.run(f"create role {role} login {attribute}")
    site.catch_up()
    url = site.nodes["b"].url.set(username=role)
    with contextlib.closing(PostgresDatabase(url)) as source, pytest.raises(NotPermitted, match=message):
        create_feed(role, f"for_{role}", source=source, primary=site.nodes["a"])
    assert site.left_behind(role) == []


def test_a_primary_that_does_not_log_enough_is_refused_and_leaves_nothing(doomed: _Site) -> None:
    """With wal_level = replica neither the primary nor its standby can be decoded, and both say so."""
    doomed.table("terse", rows=1)
    doomed.run("alter system set wal_level = replica")
    doomed.close()
    doomed.pair.close()
    embedded = doomed.pair.embedded
    log = embedded.directory / "a.log"
    argv = [embedded.bin / "pg_ctl", "restart", "-D", "a", "-l", log, "-m", "fast", "-w"]
    embedded.owner.run(argv, embedded.directory)
    doomed.catch_up()
    for source in ("a", "b"):
        with pytest.raises(NotConfigured, match="wal_level"):
            create_feed("terse", "terse", source=doomed.nodes[source], primary=doomed.nodes["a"])
    assert doomed.left_behind("terse") == []


def test_a_feeds_name_is_taken_once(site: _Site) -> None:
    """A second feed of the same name is refused, and the first keeps its slot."""
    site.table("taken", rows=1)
    definition = site.create("taken")
    with pytest.raises(AlreadyThere):
        site.create("taken")
    assert definitions.find(site.nodes["b"], "taken") == definition
    assert slots.confirmed(site.nodes["b"], definition.slot) == definition.start


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_creation_leaves_nothing_and_can_be_repeated(
    site: _Site, interruption: type[BaseException]
) -> None:
    """Whatever is raised while the snapshot is kept, no feed, no artifact and no slot remain."""
    name = f"cut_{interruption.__name__.lower()}"
    site.table(name, rows=2500)

    def interrupt(rows: int) -> NoReturn:
        raise interruption(rows)

    with pytest.raises(interruption):
        create_feed(name, name, source=site.nodes["b"], primary=site.nodes["a"], progress=interrupt)
    assert site.left_behind(name) == []
    with site.open(site.create(name)) as feed:
        assert len(_read(feed, 2500)) == 2500


def test_a_creation_that_the_primarys_death_interrupts_can_be_repeated(doomed: _Site) -> None:
    """On the promoted node there is neither feed nor artifact, and the next attempt succeeds."""
    doomed.table("again", rows=2500)
    a, b = doomed.nodes["a"], doomed.nodes["b"]
    with pytest.raises((NodeLost, NodeUnreachable)):
        create_feed("again", "again", source=b, primary=a, progress=lambda _: doomed.pair.embedded.kill("a"))
    doomed.pair.embedded.promote("b")
    assert definitions.find(b, "again") is None
    assert doomed.run("select from hadrian.artifact", "b") == []
    definition = create_feed("again", "again", source=b, primary=b)
    doomed.insert("again", [2501], "b")
    with doomed.open(definition) as feed:
        changes = _read(feed, 2501)
    assert _ids(changes) == list(range(1, 2502))
    assert definition.timeline == changes[-1].after.timeline == 2


def test_an_orphan_slot_is_replaced(site: _Site) -> None:
    """A slot that an interrupted attempt left does not decide where the feed begins."""
    site.table("orphaned", rows=1)
    site.run("select pg_create_logical_replication_slot('hadrian_orphaned', 'pgoutput')")
    site.insert("orphaned", [2])
    definition = site.create("orphaned", "a")
    assert slots.confirmed(site.nodes["a"], "hadrian_orphaned") == definition.start
    site.insert("orphaned", [3])
    with site.open(definition, node="a") as feed:
        assert _ids(_read(feed, 3)) == [1, 2, 3]


class _LosesTheAnswer(PostgresDatabase):
    """A primary that commits, and is gone before it says so."""

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Commit and go."""
        with super().begin() as transaction:
            yield transaction
        raise NodeLost("the answer was lost")


def test_a_feed_whose_commit_was_in_doubt_has_its_slot(site: _Site) -> None:
    """If the last transaction did commit, the slot that its record names is there."""
    site.table("doubtful", rows=1)
    with contextlib.closing(_LosesTheAnswer(site.nodes["a"].url)) as primary, pytest.raises(NodeLost):
        create_feed("doubtful", "doubtful", source=site.nodes["b"], primary=primary)
    site.catch_up()
    definition = definitions.find(site.nodes["b"], "doubtful")
    assert definition is not None
    site.insert("doubtful", [2])
    with site.open(definition) as feed:
        assert _ids(_read(feed, 2)) == [1, 2]


def test_a_publication_that_is_gone_is_not_read_as_an_idle_one(site: _Site) -> None:
    """The server itself passes over the rows of a publication that it does not find."""
    site.table("dropped", rows=1)
    definition = site.create("dropped")
    site.run("drop publication dropped")
    site.catch_up()
    with pytest.raises(BadInput, match="publication dropped"):
        site.stream(definition, Cursor(definition.start, 0))


def test_a_feed_without_its_slot_is_broken(site: _Site) -> None:
    """A slot that somebody dropped is named, with what to do."""
    site.table("slotless", rows=1)
    definition = site.create("slotless")
    slots.drop(site.nodes["b"], definition.slot)
    with pytest.raises(FeedBroken, match="has no slot hadrian_slotless"):
        site.stream(definition, Cursor(definition.start, 0))
