"""Rows of a real pair, while it is written to, waits, conflicts, or does not let itself be read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psycopg
import pytest

from replicator.comparison import Progress, Request, What, Word
from replicator.errors import NodeUnreachable, RecoveryConflict
from replicator.postgres.topology import wait_until
from replicator.verify import Report, verify
from tests.fixtures.defects import catch_up, configure
from tests.fixtures.hot_rows import written
from tests.fixtures.pair import Pair, fresh_pair

_HOT = [
    "insert into hot values (mod(%s, 2000), 1, repeat('v', 40)) on conflict (id) do update set n = hot.n + 1",
    "update hot set n = n + 1, v = v || 'x' where id = mod(%s, 50)",
    "delete from hot where id = mod(%s, 2000)",
    "update toasted set v = repeat(md5(id::text), 60 + mod(%s, 90)) where id < 5",
    "select from hot where id = mod(%s, 50) for share",
]


def rows(
    pair: Pair,
    *tables: str,
    pages: bool | None = False,
    jobs: int = 1,
    settle_s: float = 20,
    catalogs: bool = False,
    url: str | None = None,
) -> Report:
    """Compare the rows of a pair."""
    request = Request(frozenset({What.ROWS}), tables, jobs, settle_s=settle_s, pages=pages, catalogs=catalogs)
    primary, standby = (pair.embedded.url(name) for name in ("a", "b"))
    if url is not None:
        primary, standby = (one.replace("//postgres@", f"//{url}@") for one in (primary, standby))
    return verify(primary, standby, request)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Make a pair with tables that are written to."""
    with fresh_pair("full_page_writes = off\nwal_receiver_status_interval = 1\n") as made:
        made.run("create extension pageinspect")
        made.run("create table hot (id bigint primary key, n int not null, v text) with (fillfactor = 60)")
        made.run("insert into hot select i, 0, 'value' from generate_series(0, 20000) as i")
        made.run("create table toasted (id bigint primary key, v text)")
        made.run("insert into toasted select i, repeat(md5(i::text), 90) from generate_series(0, 200) as i")
        catch_up(made)
        yield made


def _until(pair: Pair, enough: int, *, pages: bool) -> None:
    """Compare again and again until enough suspects were explained, and nothing else was ever said."""
    settled = 0
    while settled < enough:
        report = rows(pair, "public.*", pages=pages, jobs=2)
        assert report.different == []
        assert report.unsettled == []
        assert report.cut is None
        assert sum(one.items for one in report.compared) > 18_000
        settled += report.settled.total()


@pytest.mark.parametrize("pages", [False, True], ids=["rows", "pages"])
def test_rows_that_are_being_written_to_are_not_different(pair: Pair, *, pages: bool) -> None:
    """However hot a row is, what the nodes had seen of it explains all that looks different."""
    configure(pair, "b", "recovery_min_apply_delay", "'50ms'")  # so that there is always something to explain
    try:
        with written(pair, _HOT, sessions=3):
            _until(pair, 30, pages=pages)
    finally:
        configure(pair, "b", "recovery_min_apply_delay", "default")


def _cancelled(pair: Pair) -> object:
    """Return how many statements of the standby's were in replay's way."""
    question = "select confl_snapshot::bigint from pg_stat_database_conflicts where datname = 'postgres'"
    while True:
        with contextlib.suppress(RecoveryConflict, NodeUnreachable):  # as this one may be
            return pair.run(question, "b")[0][0]


def test_replay_that_wants_what_is_read_is_let_through(pair: Pair) -> None:
    """A standby that cancels whatever is in replay's way costs a comparison further reads, and no false word."""
    configure(pair, "b", "max_standby_streaming_delay", "0")
    configure(pair, "b", "hot_standby_feedback", "off")
    before = _cancelled(pair)
    try:
        with written(pair, _HOT, sessions=2):
            while _cancelled(pair) == before:
                report = rows(pair, "public.*", jobs=2)
                assert report.different == report.unsettled == []
                assert report.cut is None
    finally:
        configure(pair, "b", "max_standby_streaming_delay", "default")
        configure(pair, "b", "hot_standby_feedback", "on")


@contextlib.contextmanager
def _unconfirmed(pair: Pair, statement: str) -> Iterator[None]:
    """Run a statement whose commit is in the log, and replayed, and waits for a standby that is not there."""
    configure(pair, "a", "synchronous_standby_names", "nobody")
    connection = psycopg.connect(pair.primary.conninfo, autocommit=True)
    waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
    thread = threading.Thread(target=connection.execute, args=[statement])
    thread.start()
    try:
        wait_until(lambda: pair.run(waiting) == [(1,)], "a commit to wait", timeout_s=30)
        catch_up(pair)
        yield
    finally:
        configure(pair, "a", "synchronous_standby_names", "''")
        thread.join()
        connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "insert into hot values (-1, 0, '')",
        "update hot set n = -1 where id = 15000",
        "delete from hot where id = 15000",
    ],
)
def test_a_commit_that_only_the_standby_shows_is_not_a_difference(pair: Pair, statement: str) -> None:
    """A commit that waits to be confirmed is replayed before the primary shows it: that is open, never different."""
    with _unconfirmed(pair, statement):
        report = rows(pair, "public.hot", settle_s=0.5)
    assert report.different == []
    assert {one.place.partition(",")[0] for one in report.unsettled} <= {"(", *(f"({block}" for block in range(500))}
    assert bool(report.unsettled) != statement.startswith("insert")  # a snapshot of the primary names who inserts
    assert rows(pair, "public.hot").different == []


def test_a_standby_that_does_not_replay_leaves_it_open(pair: Pair) -> None:
    """With replay paused, what was deleted since is not told from what the standby has too much: it is unsettled."""
    pair.run("select pg_wal_replay_pause()", "b")
    wait_until(
        lambda: pair.run("select pg_get_wal_replay_pause_state()", "b") == [("paused",)], "a pause", timeout_s=30
    )
    try:
        pair.run("delete from hot where id = 16000")
        pair.run("insert into hot values (-2, 0, '')")
        report = rows(pair, "public.hot", settle_s=0.3)
    finally:
        pair.run("select pg_wal_replay_resume()", "b")
    (one,) = report.unsettled
    assert one.word is Word.UNSETTLED
    assert "has replayed up to" in one.message
    assert report.different == []
    assert report.compared == []
    assert report.settled == {("public.hot", "inserted behind what the standby had replayed"): 1}
    catch_up(pair)
    assert rows(pair, "public.hot").unsettled == []


_ODD = """
create table "we""ird: {t} %s" (tuple int primary key, "b :x" text, "{}%" int, tableoid2 oid);
insert into "we""ird: {t} %s" values (1, 'one', 2, 3);
create table parted (id int, v text) partition by range (id);
create table parted_low partition of parted for values from (0) to (100);
create table parted_high partition of parted for values from (100) to (200);
insert into parted select i, i::text from generate_series(0, 199) as i;
create materialized view seen as select count(*) from parted;
create materialized view never_filled as select 1 as one with no data;
create unlogged table scratch (id int);
insert into scratch values (1);
create table made (id int, twice int generated always as (id * 2) stored, thrice int generated always as (id * 3));
insert into made select i from generate_series(1, 50) as i;
create table rights (id int, acl aclitem[]);
insert into rights select 1, relacl from pg_class where relname = 'pg_class';
create table changed (id int, gone text);
insert into changed values (1, 'x');
alter table changed drop column gone, add column late int default 7;
create table empty ();
create table nothing (id int);
create table base (id int);
create table derived (extra text) inherits (base);
insert into base values (1);
insert into derived values (2, 'x');
"""


def test_every_kind_of_table_is_compared_or_named(pair: Pair) -> None:
    """Partitions, views with rows, generated and dropped columns, and any name: each once, or why it is not."""
    for statement in _ODD.strip().split(";\n"):
        pair.run(statement.rstrip(";").replace("%", "%%"))
    catch_up(pair)
    for pages in (False, True):
        report = rows(pair, "public.*", pages=pages)
        compared = {one.object: (one.items, one.left_out) for one in report.compared}
        assert report.different == report.unsettled == []
        assert compared['public."we""ird: {t} %s"'] == (1, "")
        assert compared["public.parted_low"] == compared["public.parted_high"] == (100, "")
        assert compared["public.seen"] == compared["public.rights"] == compared["public.changed"] == (1, "")
        assert compared["public.never_filled"] == (0, "a materialized view that was never filled")
        assert compared["public.scratch"] == (0, "unlogged: a standby has none of its rows")
        assert compared["public.made"] == (50, "")
        assert compared["public.base"] == compared["public.derived"] == (1, "")
    by_parent = rows(pair, "public.parted")
    assert {one.object for one in by_parent.compared} == {"public.parted_low", "public.parted_high"}


def test_the_servers_own_catalogs_are_compared_while_they_change(pair: Pair) -> None:
    """Catalogs change in place and by every statement that defines something: that is explained as any row is."""
    changes = ["create table if not exists passing (id int)", "alter table hot set (fillfactor = 60)", "analyze hot"]
    with written(pair, [f"{one} -- %s" for one in changes], sessions=1):
        for pages in (False, True):
            report = rows(pair, "pg_catalog.*", pages=pages, catalogs=True)
            assert report.different == report.unsettled == []
            assert {"pg_catalog.pg_class", "pg_catalog.pg_authid"} <= {one.object for one in report.compared}


def test_reading_needs_no_more_than_select(pair: Pair) -> None:
    """A role with SELECT and pg_monitor compares what it may read; what it may not, by grant or by row, is named."""
    for statement in (
        "create role looker login",
        "grant pg_monitor to looker",
        "grant select on hot, toasted to looker",
        "create table guarded (id int)",
        "alter table guarded enable row level security",
        "grant select on guarded to looker",
        "create table kept (id int)",
    ):
        pair.run(statement)
    catch_up(pair)
    report = rows(pair, "public.hot", "public.toasted", pages=None, url="looker")
    assert [one.object for one in report.compared] == ["public.hot", "public.toasted"]
    assert not report.is_open
    (unseen,) = report.unseen
    assert "pageinspect" in unseen.remedy
    report = rows(pair, "public.guarded", "public.kept", url="looker")
    assert {one.object: one.word for one in report.unsettled} == {
        "public.guarded": Word.UNSETTLED,
        "public.kept": Word.UNSETTLED,
    }
    remedies = {one.what: one.remedy for one in report.unseen}
    assert remedies["rows of public.kept"] == "grant select on public.kept to looker"
    assert remedies["rows of public.guarded"] == "alter role looker bypassrls"


def test_nothing_is_written_and_no_snapshot_is_kept(pair: Pair) -> None:
    """Between two statements a comparison holds no snapshot, on either node, and its sessions may only read."""
    seen: list[tuple[object, ...]] = []
    others = "pid <> pg_backend_pid() and backend_type = 'client backend'"
    question = f"select state, backend_xmin from pg_stat_activity where {others}"

    def watch(_: Progress) -> None:
        seen.extend(pair.run(question) + pair.run(question, "b"))

    embedded = pair.embedded
    verify(embedded.url("a"), embedded.url("b"), Request(frozenset({What.ROWS}), pages=False), watch=watch)
    assert seen
    assert all(state == "active" or xmin is None for state, xmin in seen)


def test_a_table_that_is_rewritten_meanwhile_is_begun_again(pair: Pair) -> None:
    """Rewritten, a table has its rows elsewhere; one that is for ever being rewritten is given up, never different."""
    with written(pair, ["alter table toasted alter v type text using v || '' -- %s"], sessions=1):
        report = rows(pair, "public.toasted", settle_s=5)
    assert report.different == []
    assert [one.object for one in report.compared] == ["public.toasted"] or report.unsettled
