"""Journal feeds on a real pair: what triggers write, what the sealer makes of it, what a reader on the standby gets."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections import Counter
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from replicator import journal_feed
from replicator.errors import FeedBroken, TimelineForked
from replicator.feed.journal import seal, writable
from replicator.feed.reader import Reader, start
from replicator.kept_snapshot import KeptSnapshot
from replicator.position import Cursor
from replicator.postgres.stream import Stream
from tests.fixtures.journal_site import (
    KEYS,
    ROWS,
    Writers,
    create,
    cursor_behind,
    journal_of,
    replay,
    rows_of,
    seal_all,
    source_of,
    table_of,
    told,
    url_of,
    written,
)
from tests.fixtures.pair import fresh_pair
from tests.fixtures.site import Site

TRANSACTION = """
begin;
insert into sources (id, x, ok) select i, i / 3.0, i > 20 from generate_series(2, 50) as i;
update sources set big = repeat('é', 5000) where id < 4;
commit
"""


# What is in a journal


def test_both_sources_give_the_same(site: Site) -> None:
    """A table read from the log and from a journal: same Arrow schema, values, transactions and order."""
    site.table(
        "sources",
        "id bigint primary key, n numeric(12,3), at timestamptz, day date, u uuid, j jsonb, a text[], b bytea, "
        "ok boolean, x double precision, big text",
    )
    definition = site.create("sources")
    journal_feed.create("sources_too", "public.sources", primary_url=url_of(site, "a"))
    for statement in (
        "insert into sources values (1, 1.5, now(), current_date, gen_random_uuid(), '{}', '{a,NULL}', '\\x00ff')",
        TRANSACTION,
        "update sources set id = 100 where id = 1",
        "delete from sources where id between 10 and 12",
        "insert into sources (id) values (2), (60) on conflict (id) do update set n = -1",
        "truncate sources",
        "set session_replication_role = replica; insert into sources (id) values (7); reset session_replication_role",
    ):
        site.run(statement)
    seal_all(site, "sources_too")
    source = source_of(site, "sources_too")
    journal = pa.Table.from_batches(list(iter(lambda: source.read(0), None)))
    batches: list[pa.RecordBatch] = []
    with contextlib.closing(Stream(site.nodes["b"], definition.slot, "sources", Cursor(definition.start, 0))) as stream:
        while sum(batch.num_rows for batch in batches) < journal.num_rows:
            batch = stream.read(30)
            assert batch is not None
            batches.append(batch)
    log = pa.Table.from_batches(batches)
    assert journal.schema.equals(log.schema, check_metadata=True)
    assert Counter(log.column("_op").to_pylist()) == {"insert": 52, "update": 5, "delete": 3, "truncate": 1}
    for ours, theirs in zip(journal.to_pylist(), log.to_pylist(), strict=True):
        is_deleted = theirs["_op"] == "delete"  # the log has the whole row, with replica identity full
        names = ["id", "_op", "_xid"] if is_deleted else set(ours) - {"_lsn", "_seq", "_commit_time"}
        assert {name: ours[name] for name in names} == {name: theirs[name] for name in names}


def test_commit_times_where_the_server_keeps_them() -> None:
    """A commit's time is told where the server remembers it."""
    with fresh_pair("track_commit_timestamp = on\n") as pair, contextlib.closing(Site(pair)) as site:
        create(site, "timed")
        site.run("insert into timed values (1, 1, 'a')")
        seal_all(site, "timed")
        (row,) = rows_of(source_of(site, "timed"))
        ((told,),) = site.run(f"select pg_xact_commit_timestamp('{row['_xid']}'::xid)")
        assert row["_commit_time"] == told


def test_writers_at_full_speed(site: Site) -> None:
    """From creation on, with writers that roll back and use savepoints: each version of each row once, in order."""
    name = "busy"
    site.run(f"create table {name} ({ROWS})")
    site.run(f"insert into {name} select i, 0, 'first' from generate_series(0, {KEYS - 1}) as i")
    rows: list[dict[str, Any]] = []
    with Writers(site, name) as writers:
        writers.reach(30)
        definition = journal_feed.create(name, name, primary_url=url_of(site, "a"))
        site.catch_up()
        snapshot = KeptSnapshot(site.nodes["b"], definition)
        reader = Reader(definition, snapshot, lambda cursor: source_of(site, name, cursor), start())
        for _ in range(15):
            writers.reach(20)
            seal(journal_of(site, name))
            while (batch := reader.read(0)) is not None:
                rows += batch.to_pylist()
    seal_all(site, name)
    rows += rows_of(reader)
    kept = {row["id"]: row["version"] for row in rows if row["_op"] == "snapshot"}
    changes = [row for row in rows if row["_op"] != "snapshot"]
    assert max(kept.values()) > 0
    assert len(changes) > 300
    assert replay(changes, kept) == table_of(site, name)
    assert reader.cursor() == cursor_behind(rows)


def test_where_the_snapshot_divides(site: Site) -> None:
    """Entries of what the snapshot shows are gone, and those of what commits while it is read are kept."""
    site.run(f"create table divided ({ROWS})")
    journal = journal_of(site, "divided")
    table = journal.create("divided")
    with psycopg.connect(site.nodes["a"].conninfo) as late:
        late.execute("insert into divided values (1, 1, 'late')")
        site.run("insert into divided values (2, 1, 'early')")
        with journal.snapshot(table) as snapshot:
            site.run("insert into divided values (3, 1, 'meanwhile')")
            late.commit()
            assert [row["id"] for batch in snapshot.batches for row in batch.to_pylist()] == [2]
    assert site.run("select id from hadrian.journal_divided order by id") == [(1,), (3,)]


def test_large_rows(site: Site) -> None:
    """A batch that is read has a bounded size, and small rows come many at a time."""
    create(site, "large")
    site.run("insert into large select i, 1, 'x' from generate_series(1, 30000) as i")
    site.run("insert into large select i, 1, repeat('x', 1000000) from generate_series(30001, 30040) as i")
    seal_all(site, "large")
    source = source_of(site, "large")
    batches = list(iter(lambda: source.read(0), None))
    assert [key for batch in batches for key in batch.column("id").to_pylist()] == list(range(1, 30041))
    assert max(batch.nbytes for batch in batches) < 20 << 20
    assert len(batches) == 4


def test_a_transaction_that_stays_open(site: Site) -> None:
    """It comes whole when it has committed, however many batches were sealed meanwhile, and nothing waits for it."""
    create(site, "slow")
    source = source_of(site, "slow")
    with psycopg.connect(site.nodes["a"].conninfo) as connection:
        connection.execute("insert into slow values (1, 1, 'slow')")
        for key in (2, 3):
            site.run(f"insert into slow values ({key}, 1, 'quick')")
            assert seal_all(site, "slow") == 1
        connection.execute("insert into slow values (4, 1, 'slow')")
        assert told(rows_of(source)) == [("insert", 2, "quick"), ("insert", 3, "quick")]
    site.run("insert into slow values (5, 1, 'quick')")
    seal_all(site, "slow")
    assert [key for _, key, _ in told(rows_of(source))] == [1, 4, 5]


def test_going_on_at_any_row(site: Site) -> None:
    """Behind each row's cursor comes exactly what follows it, also inside a batch."""
    create(site, "anywhere")
    for first in (1, 4):
        site.run(f"insert into anywhere select i, 1, 'a' from generate_series({first}, {first + 2}) as i")
        seal_all(site, "anywhere")
    rows = rows_of(source_of(site, "anywhere"))
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6]
    for count in range(1, 7):
        cursor = Cursor.parse(str(cursor_behind(rows[:count])))
        assert rows_of(source_of(site, "anywhere", cursor)) == rows[count:]


def test_a_trigger_that_changes_the_row_again(site: Site) -> None:
    """What the application's own trigger does to a row comes behind what it was fired by."""
    site.run(f"create table again ({ROWS})")
    site.run(
        "create function again() returns trigger language plpgsql as $$ begin "
        "update again set version = version + 1 where id = new.id and version = 1; return null; end $$"
    )
    site.run("create trigger again after insert on again for each row execute function again()")
    journal_feed.create("again", "again", primary_url=url_of(site, "a"))
    site.run("insert into again values (1, 1, 'a'), (2, 1, 'b')")
    site.run("delete from again where id = 1")
    seal_all(site, "again")
    rows = [(row["_op"], row["id"], row["version"]) for row in rows_of(source_of(site, "again"))]
    assert [row for row in rows if row[1] == 1] == [("insert", 1, 1), ("update", 1, 2), ("delete", 1, None)]
    assert [row for row in rows if row[1] == 2] == [("insert", 2, 1), ("update", 2, 2)]


def test_who_may_only_write_to_the_table(site: Site) -> None:
    """A role without any right on Hadrian's schema writes as before."""
    create(site, "granted")
    site.run("create role clerk")
    site.run("grant insert, update, delete, truncate, select on granted to clerk")
    site.run("set role clerk; insert into granted values (1, 1, 'a'); truncate granted; reset role")
    assert seal_all(site, "granted") == 2


# The sealer


SEALER = """
import sys
from replicator.journal_feed import sealer
with sealer(sys.argv[1], node_urls=[sys.argv[2]]) as seal:
    while True:
        print(seal(), flush=True)
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_a_sealer_that_is_killed(site: Site, seed: int) -> None:
    """Sealers are killed at any point, two at work: each row once, in order."""
    name = f"killed_{seed}"
    written(site, name)
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    source = source_of(site, name, node="a")
    with Writers(site, name, 2) as writers:
        for _ in range(4):
            sealers = [
                subprocess.Popen([sys.executable, "-c", SEALER, name, url_of(site, "a")], stdout=subprocess.PIPE)
                for _ in range(2)
            ]
            for _ in range(draw.randint(1, 4)):
                assert sealers[0].stdout is not None
                assert sealers[0].stdout.readline()
            writers.reach(draw.randint(1, 9))
            for process in sealers:
                process.kill()
                process.communicate()
            rows += rows_of(source)
    while seal_all(site, name):  # the first may find a batch that was filled
        pass
    rows += rows_of(source)
    assert len(rows) > 20
    assert replay(rows) == table_of(site, name)
    assert rows_of(source_of(site, name)) == rows


def test_a_batch_that_was_filled_is_sealed_as_it_stands(site: Site) -> None:
    """A sealer that ended between its two transactions is gone on from, without what has come since."""
    create(site, "half")
    site.run("insert into half values (1, 1, 'a')")
    journal = journal_of(site, "half")
    with journal.sealing() as transaction:
        transaction.fill(2)
    assert rows_of(source_of(site, "half", node="a")) == []
    site.run("insert into half values (2, 1, 'b')")
    assert [seal(journal), seal(journal), seal(journal)] == [1, 1, 0]


def test_consumed_batches_go(site: Site) -> None:
    """What is confirmed is deleted by the next sealing, and who needs it learns that it is gone."""
    create(site, "pruned")
    for key in (1, 2, 3):
        site.run(f"insert into pruned values ({key}, 1, 'a')")
        seal_all(site, "pruned")
    source = source_of(site, "pruned")
    rows = rows_of(source)
    source.confirm(cursor_behind(rows[:2]))
    source.confirm(cursor_behind(rows[:1]))
    seal_all(site, "pruned")
    assert site.run("select id from hadrian.journal_pruned") == [(3,)]
    assert site.run("select number from hadrian.seal where feed = 'pruned'") == [(4,)]
    assert rows_of(source_of(site, "pruned", cursor_behind(rows[:2]))) == rows[2:]
    with pytest.raises(FeedBroken, match="confirmed"):
        source_of(site, "pruned", cursor_behind(rows[:1])).read(0)


# A failover


def test_a_reader_goes_on_where_the_standby_took_over(doomed: Site) -> None:
    """At its cursor, with what committed before, also what was not sealed yet, and what commits after."""
    definition = written(doomed, "moved")
    with Writers(doomed, "moved") as writers:
        writers.reach(20)
        seal_all(doomed, "moved")
        source = source_of(doomed, "moved")
        rows = rows_of(source)
        writers.reach(20)
        doomed.catch_up()
        doomed.pair.fail_over()
    cursor = cursor_behind(rows)
    journal = journal_of(doomed, "moved", "b")
    assert writable([journal_of(doomed, "moved", "a"), journal]).where == journal.where
    seal(journal)
    doomed.run("update moved set version = version + 1", "b")
    seal(journal)
    source = source_of(doomed, "moved", cursor)
    rows += rows_of(source)
    assert replay(rows) == table_of(doomed, "moved", "b")
    reader = Reader(definition, KeptSnapshot(doomed.nodes["b"], definition), lambda _: source, cursor_behind(rows))
    assert source.history().timeline == 2
    assert [reader.changes(b) for b in [reader.read(0)] if b is not None] == []
    assert source.history().at(*cursor.position) == 1
    assert source.history().at(*cursor_behind(rows).position) == 2


def test_batches_that_died_with_the_primary(doomed: Site) -> None:
    """A cursor that has seen them lies past the fork: at once, and when other batches have their numbers."""
    written(doomed, "lost")
    doomed.run("update lost set version = 1")
    seal_all(doomed, "lost")
    kept = rows_of(source_of(doomed, "lost"))
    doomed.pair.embedded.kill("b")
    doomed.run("update lost set version = 2")
    seal(journal_of(doomed, "lost"))
    rows = rows_of(source_of(doomed, "lost", node="a"))
    assert len(rows) == 2 * len(kept)
    doomed.pair.embedded.kill("a")
    doomed.pair.embedded.start(["b"])
    doomed.pair.embedded.promote("b")
    doomed.nodes["b"].close()
    with pytest.raises(TimelineForked, match="batch 2"):
        source_of(doomed, "lost", cursor_behind(rows)).read(0)
    doomed.run("update lost set version = 7", "b")
    seal(journal_of(doomed, "lost", "b"))
    with pytest.raises(TimelineForked) as forked:
        source_of(doomed, "lost", cursor_behind(rows)).read(0)
    assert forked.value.fork_lsn == 2
    with pytest.raises(TimelineForked):
        source_of(doomed, "lost", cursor_behind(rows[: len(kept) + 1])).read(0)
    assert {row["version"] for row in rows_of(source_of(doomed, "lost", cursor_behind(kept)))} == {7}
