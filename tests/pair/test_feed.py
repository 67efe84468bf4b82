"""Feeds on real pairs: an exact hand-over, restarts at any cursor, takeovers, values as they were."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psutil
import psycopg
import pytest

from replicator import migrate
from replicator.change import Change, Op
from replicator.errors import (
    FeedBroken,
    HadrianError,
    TimelineForked,
)
from replicator.feed.reader import start
from replicator.handover import create_feed
from replicator.position import Cursor, Lsn
from replicator.postgres import snapshot_plan
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NodeName
from replicator.postgres.topology import wait_until
from replicator.reading import open_reader
from replicator.store.reader import manifest
from tests.fixtures.site import MARKER, TIMEOUT_S, OpenFeed, Site, ids_of, next_of, read_of, until_marker
from tests.fixtures.slots import confirmed

_WRITERS = 3
_IDS_A_WRITER = 40


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
        # A rollback that the node does not live to answer comes out of the block as it was raised.
        died = contextlib.suppress(psycopg.OperationalError, psycopg.Rollback)
        with died, psycopg.connect(conninfo, autocommit=True) as connection:
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
def _writing(site: Site, table: str) -> Iterator[list[_Writer]]:
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
        timeout_s=TIMEOUT_S,
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


def _content(site: Site, table: str, node: NodeName) -> dict[int, int]:
    rows = site.run(f"select id, version from {table} where id <> {MARKER}", node)
    return {int(str(key)): int(str(version)) for key, version in rows}


@pytest.mark.parametrize("source", ["b", "a"])
def test_the_hand_over_is_exact_while_others_write_at_full_speed(site: Site, source: NodeName) -> None:
    """Snapshot and stream together are what each writer committed: no version twice, none missed."""
    table = f"handed_over_{source}"
    site.table(table, "id bigint primary key, version bigint")
    with _writing(site, table) as writers:
        definition = create_feed(table, table, source=site.nodes[source], primary=site.nodes["a"])
        _wait_written(writers, 20)
    site.insert(table, [int(MARKER)])
    site.catch_up()
    with site.open(definition, node=source) as feed:
        changes = list(until_marker(feed))
    snapshot = [_write_of(change) for change in changes if change.op is Op.SNAPSHOT]
    stream = [_write_of(change) for change in changes if change.op is not Op.SNAPSHOT]
    for writer in writers:
        _assert_exact(writer, snapshot, stream)
    assert _apply({row.id: row.version or 0 for row in snapshot}, stream) == _content(site, table, source)


def test_reading_on_at_each_cursor_of_a_run_gives_the_same_rest(site: Site) -> None:
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
        whole = read_of(feed, 10)
    assert {change.after.seq for change in whole} >= {0, 1, 2}
    for index, change in enumerate(whole, 1):
        with site.open(definition, change.after) as feed:
            assert read_of(feed, len(whole) - index) == whole[index:]
            assert feed.read(0) is None


def test_a_snapshot_of_several_blobs_is_read_on_from_any_row(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor at, before or behind the border of two blobs misses no row."""
    monkeypatch.setattr(snapshot_plan, "PART_BLOCKS", 6)
    site.table("wide", rows=4100)
    definition = site.create("wide")
    blobs = manifest(site.nodes["b"], definition.snapshot_id).blobs
    borders = list(itertools.accumulate(blob.attributes["rows"] for blob in blobs))
    assert len(borders) > 2
    for seq in (0, 1, *(border + more for border in borders[:-1] for more in (-1, 0, 1)), 4099):
        with site.open(definition, Cursor(Lsn(0), seq)) as feed:
            assert ids_of(read_of(feed, 4100 - seq)) == list(range(seq + 1, 4101))


def test_a_feed_on_the_standby_goes_on_through_the_primarys_death(doomed: Site) -> None:
    """The open feed reads on to what the promoted node has, no more and no less."""
    doomed.table("survivors", "id bigint primary key, version bigint")
    definition = doomed.create("survivors")
    with doomed.open(definition) as feed:
        with _writing(doomed, "survivors") as writers:
            changes = read_of(feed, 50)
            _wait_written(writers, 20)
            doomed.pair.fail_over()
        doomed.run("update survivors set version = version + 1", "b")
        doomed.insert("survivors", [int(MARKER)], "b")
        changes += until_marker(feed)
    assert _apply({}, [_write_of(change) for change in changes]) == _content(doomed, "survivors", "b")
    history = doomed.nodes["b"].timeline_history()
    for change in changes:
        history.check(change.after)
    assert [timeline for timeline, _ in itertools.groupby(change.after.timeline for change in changes)] == [1, 2]
    for timeline in (1, 2):  # behind the last row of the one, behind the last of the other
        index = max(place for place, change in enumerate(changes) if change.after.timeline == timeline)
        with doomed.open(definition, changes[index].after) as feed:
            assert list(until_marker(feed)) == changes[index + 1 :]


def _cut_standby_off(site: Site) -> None:
    site.run("alter system set primary_conninfo = ''", "b")
    site.run("select pg_reload_conf()", "b")
    wait_until(
        lambda: not site.run("select pid from pg_stat_wal_receiver", "b"), "the standby to be cut off", timeout_s=30
    )


def test_rows_that_died_with_the_primary_are_never_read_on_from(doomed: Site) -> None:
    """Behind the fork, and inside a transaction that the fork cut off, a cursor is refused."""
    doomed.table("lost", rows=1)
    definition = doomed.create("lost")
    doomed.run(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
    doomed.insert("lost", [2])
    doomed.catch_up()
    _cut_standby_off(doomed)
    doomed.insert("lost", [3, 4, 5])
    kept_from = Cursor(confirmed(doomed.nodes["a"], definition.slot), 0)
    with doomed.stream(definition, kept_from, "a") as stream:
        both, inside, _, behind = (change.after for change in read_of(stream, 4))
    doomed.pair.fail_over()
    doomed.insert("lost", [6, 7, 8], "b")
    for cursor in (inside, behind):
        with pytest.raises(TimelineForked):
            doomed.stream(definition, cursor)
    with doomed.stream(definition, both) as stream:
        assert ids_of(read_of(stream, 3)) == [6, 7, 8]


def test_the_slot_keeps_what_is_not_confirmed_and_gives_no_less_in_silence(site: Site) -> None:
    """Rows come again until they are confirmed; then a reader that wants them is told."""
    site.table("kept", rows=1)
    definition = site.create("kept")
    site.insert("kept", [2])
    site.insert("kept", [3])
    begin = Cursor(definition.start, 0)
    for _ in range(2):
        with site.stream(definition, begin) as stream:
            first, second = read_of(stream, 2)
    with site.stream(definition, begin) as stream:
        read_of(stream, 2)
        stream.confirm(first.after)
        stream.confirm(begin)  # goes back, and has no effect
    assert confirmed(site.nodes["b"], definition.slot) == first.after.lsn
    with pytest.raises(FeedBroken, match="keeps rows from"):
        site.stream(definition, begin)
    with site.stream(definition, first.after) as stream:
        assert next_of(stream) == second


def test_a_feed_confirms_only_what_it_is_told_even_inside_a_transaction(site: Site) -> None:
    """A checkpoint in the middle of a transaction keeps the whole transaction in the slot."""
    site.table("halves", rows=1)
    definition = site.create("halves")
    site.insert("halves", [2])
    site.insert("halves", [3, 4])
    with site.open(definition) as feed:
        changes = read_of(feed, 4)
        feed.confirm(changes[2].after)
    assert changes[1].after.lsn <= confirmed(site.nodes["b"], definition.slot) <= changes[2].after.lsn
    with site.open(definition, changes[2].after) as feed:
        assert next_of(feed) == changes[3]


def test_a_slot_has_one_reader_and_is_free_once_that_is_closed(site: Site) -> None:
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
def test_an_idle_reader_is_not_cut_off(site: Site, waiting: int) -> None:
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
        heard = f"select pid from pg_stat_replication where reply_time > '{late}'"
        wait_until(lambda: bool(site.run(heard, "b")), "a sign of life after 3 s", timeout_s=TIMEOUT_S)
        assert ids_of(read_of(feed, waiting)) == list(range(1, waiting + 1))
    site.run("alter system reset wal_sender_timeout", "b")


def test_a_long_value_that_an_update_left_alone_is_in_the_change(site: Site) -> None:
    """What is stored out of line is read from the old row, byte for byte."""
    site.table("long", "id bigint primary key, touched int, v text")
    site.run("alter table long alter v set storage external")
    site.run("insert into long select 1, 0, string_agg(md5(i::text), '') from generate_series(1, 3200) i")
    definition = site.create("long")
    site.run("update long set touched = 1")
    with site.open(definition) as feed:
        before, after = read_of(feed, 2)
    assert len(before.values["v"] or "") > 100_000
    assert after.values == {**before.values, "touched": 1}


_TYPES = {
    "numeric": ["1.50", "NaN", "-0.000000000000000000001", "123456789012345678901234567890"],
    "double precision": ["0.30000000000000004", "-Infinity", "1e-300"],
    "timestamptz": ["2026-03-29 02:30:00.123456+09", "infinity", "0044-03-15 12:00:00+00 BC"],
    "date": ["2026-02-28"],
    "interval": ["1 year 2 mons -3 days 04:05:06.789"],
    "bytea": [r"\x00ff5c27"],
    "text": ["tab\there\nline\\N 'quoted' \"twice\" \\x \u2028 \U0001f42c", "", r"\N", "\x1c\x85"],
    "text[]": [r'{a,NULL,"b \"c\" \\ d",""}', "{}"],
    "int[]": ["{1,NULL,3}"],
    "jsonb": [r'{"b": [1, 2.50, null], "a": "\u00e9 \" \\"}'],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "mood": ["sad"],
    "char(4)": ["x"],
    "boolean": ["t"],
    "int4range": ["[1,5)"],
    "inet": ["192.168.0.1/24"],
}


def test_a_value_is_the_same_in_the_snapshot_and_in_the_stream(site: Site) -> None:
    """Whoever sent it, and whatever the database's own output settings are."""
    site.run("create type mood as enum ('sad', 'glad')")
    site.run("alter database postgres set datestyle = 'German'")
    site.run("alter database postgres set timezone = 'Asia/Tokyo'")
    site.run("alter database postgres set bytea_output = 'escape'")
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(_TYPES))
    site.table("typed", f"id bigint primary key, {columns}")
    rows = list(itertools.zip_longest(*_TYPES.values()))
    statement = f"insert into typed values (%s, {', '.join(['%s'] * len(_TYPES))})".encode()
    with psycopg.connect(site.nodes["a"].conninfo) as connection:
        connection.cursor().executemany(statement, [(key, *row) for key, row in enumerate(rows, 1)])
    definition = site.create("typed")
    site.run("update typed set id = id + 100")
    with site.open(definition) as feed:
        snapshot, stream = read_of(feed, len(rows)), read_of(feed, len(rows))
    for before, after, row in zip(snapshot, stream, rows, strict=True):
        assert {**after.values, "id": before.values["id"]} == before.values
        assert [value is None for value in row] == [before.values[f"c{n}"] is None for n in range(len(row))]
    assert snapshot[0].values["c2"] == dt.datetime(2026, 3, 28, 17, 30, 0, 123456, tzinfo=dt.UTC)
    assert snapshot[0].values["c5"] == b"\x00\xff\x5c\x27"
    assert snapshot[0].values["c6"] == _TYPES["text"][0]


def test_text_is_the_same_in_a_database_of_another_encoding(site: Site) -> None:
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
        with OpenFeed(open_reader(definition, latin, start())) as feed:
            assert [change.values["v"] for change in read_of(feed, 2)] == ["é", "é"]


def test_filter_and_column_list_hold_for_snapshot_and_stream_alike(site: Site) -> None:
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
        seen = [(change.op, change.values) for change in read_of(feed, 3)]
    assert seen == [
        (Op.SNAPSHOT, {"id": 2, "grade": 2}),
        (Op.INSERT, {"id": 1, "grade": 2}),
        (Op.DELETE, {"id": 2, "grade": 2}),
    ]


def test_names_that_need_quoting_are_quoted(site: Site) -> None:
    """Publication, table, key and column may have any name that PostgreSQL takes."""
    table, publication = """"Odd ""table's\"""", """p's \\ "own\""""
    site.run(f'create table {table} ("Key %%s" bigint primary key, "select" int)')
    site.run(f"""create publication "p's \\ ""own\""" for table {table}""")
    site.run(f"insert into {table} values (1, 1)")
    definition = create_feed("odd", publication, source=site.nodes["a"], primary=site.nodes["a"])
    site.run(f"insert into {table} values (2, 2)")
    with site.open(definition, node="a") as feed:
        assert [change.values for change in read_of(feed, 2)] == [{"Key %s": n, "select": n} for n in (1, 2)]
