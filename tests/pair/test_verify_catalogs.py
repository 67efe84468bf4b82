"""All that is not rows, on a real pair: the same under load, and what is damaged on the standby found and named."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator

import pytest

from replicator.comparison import Request, What
from replicator.errors import HadrianError
from replicator.postgres.verify import collations
from replicator.postgres.verify.collations import Version
from replicator.rule import Grade
from replicator.verify import Report, verify
from tests.fixtures import plants
from tests.fixtures.defects import catch_up, configure
from tests.fixtures.file_edits import Edit, edit_standby
from tests.fixtures.pair import Pair, fresh_pair

REPLAYED = frozenset({What.SCHEMA, What.SEQUENCES, What.LOBS, What.ROLES, What.TABLESPACES})
EVERYTHING = frozenset(What) - {What.ROWS, What.INDEXES}
_SEQUENCE = 0x1122334455667788

_OBJECTS = (
    "create schema app",
    "create table app.t (id bigint generated always as identity primary key, v text)",
    "create view app.v as select id from app.t",
    "create view app.named as select v as said from app.t",
    "create function app.marked() returns text language sql return 'unmarked'",
    "create or replace function app.marked() returns text language sql as 'select ''marker-a'''",
    "create sequence app.counted",
    f"select setval('app.counted', {_SEQUENCE})",
    "create sequence app.busy",
    "create sequence app.down increment by -3",
    "select nextval('app.busy'), nextval('app.down')",
    "select lo_from_bytea(4242, convert_to(repeat('x', 3000000), 'UTF8'))",
    "select lo_from_bytea(4343, 'content-a')",
    "create role limited connection limit 287454020",
    "create role watcher login in role pg_monitor",
)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Make a pair with one object of each kind."""
    with fresh_pair("wal_retrieve_retry_interval = 200ms\n") as made:
        for statement in _OBJECTS:
            made.run(statement)
        catch_up(made)
        yield made


def compared(pair: Pair, what: frozenset[What], **more: object) -> Report:
    """Compare some kinds."""
    request = Request(what, **{"settle_s": 30, **more})  # type: ignore[arg-type]
    return verify(pair.embedded.url("a"), pair.embedded.url("b"), request)


def different(report: Report) -> set[str]:
    """Return what differs, as `sequences app.s`."""
    return {f"{one.what} {one.object}" for one in report.different}


def test_a_pair_is_the_same_in_all_kinds(pair: Pair) -> None:
    """Every kind is compared to its end, and nothing but where things lie differs on a sound pair."""
    report = compared(pair, EVERYTHING)
    assert (report.different, report.unsettled, report.unseen) == ([], [], [])
    assert {one.what for one in report.compared} == EVERYTHING
    assert all(one.items for one in report.compared)
    assert {one.what for one in report.remarks} == {What.SETTINGS}


def test_a_role_that_monitors_is_told_what_more_it_needs(pair: Pair) -> None:
    """SELECT and pg_monitor suffice; what they do not show is named, with a grant, and nothing is open."""
    urls = [pair.embedded.url(node).replace("postgres@", "watcher@") for node in ("a", "b")]
    report = verify(*urls, Request(EVERYTHING, settle_s=30))
    assert (report.different, report.unsettled) == ([], [])
    unseen = {one.what for one in report.unseen}
    assert {"values of sequences", "2 large objects", "rules of pg_hba.conf"} <= unseen
    assert all(one.remedy for one in report.unseen)
    left_out = {one.what: one.left_out for one in report.compared}
    assert left_out.keys() == EVERYTHING
    assert "rules of pg_hba.conf" in left_out[What.SETTINGS]


def test_a_standby_that_does_not_replay_is_not_called_different(pair: Pair) -> None:
    """Time that runs out leaves everything open; once the standby goes on, the same comparison finds it the same."""
    with plants.paused(pair):
        pair.run("create table app.late ()")
        pair.run("select nextval('app.busy') from generate_series(1, 100)")
        report = compared(pair, REPLAYED, settle_s=0.1)
    assert report.different == []
    assert {one.what for one in report.unsettled} == REPLAYED
    report = compared(pair, REPLAYED)
    assert (report.different, report.unsettled) == ([], [])


@contextlib.contextmanager
def committing(pair: Pair) -> Iterator[None]:
    """Commit again and again, as where there is work: an idle primary flushes only seconds later what a read wrote."""
    stop = threading.Event()

    def commit() -> None:
        while not stop.wait(0.02):
            pair.run("select pg_current_xact_id()")

    writer = threading.Thread(target=commit)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_a_commit_that_waits_for_a_standby_is_not_called_different(pair: Pair) -> None:
    """The standby shows it, the primary not yet: that stays open, and is the same once the commit has ended."""
    configure(pair, "a", "synchronous_standby_names", "'nobody'")
    waiting = threading.Thread(target=pair.run, args=("alter role limited connection limit 77",))
    waiting.start()
    try:
        plants.await_answer(pair, "select rolconnlimit from pg_roles where rolname = 'limited'", 77, "b")
        assert pair.run("select rolconnlimit <> 77 from pg_roles where rolname = 'limited'") == [(True,)]
        report = compared(pair, frozenset({What.ROLES}), settle_s=1.5)
        assert report.different == []
        assert [one.object for one in report.unsettled] == ["role limited"]
    finally:
        pair.run("alter system reset synchronous_standby_names")
        pair.run("select pg_reload_conf()")
        waiting.join()
    report = compared(pair, frozenset({What.ROLES}))
    assert (report.different, report.unsettled) == ([], [])


_CHANGES = (
    "create table app.churn ()",
    "create or replace function app.f() returns int language sql as 'select {number}'",
    "create or replace view app.v as select id, {number} as n{number} from app.t",
    "drop view if exists app.v",
    "alter table app.t add column if not exists c{number} int default {number}",
    "alter table app.t drop column if exists c{number}",
    "alter table app.t rename v to w",
    "alter table app.t rename w to v",
    "create index concurrently if not exists i{number} on app.t (v)",
    "drop index if exists app.i{number}",
    "drop table if exists app.churn",
    "select nextval('app.busy'), nextval('app.down') from generate_series(1, 500)",
    "select setval('app.busy', {number})",
    "select lo_put(4242, {number}, 'yy')",
    "select lo_create(5000 + {number})",
    "select lo_unlink(oid) from pg_largeobject_metadata where oid between 5000 and 5100",
    "grant select on app.t to limited",
    "revoke select on app.t from limited",
    "alter role limited connection limit {number}",
)


def churn(pair: Pair, stop: threading.Event, seed: int) -> None:
    """Change definitions, sequences, large objects and grants at random until told to stop."""
    chosen = random.Random(seed)
    while not stop.is_set():
        statement = chosen.choice(_CHANGES).format(number=chosen.randrange(1, 9))
        with contextlib.suppress(HadrianError):  # what is refused changes nothing
            pair.run(statement)


@pytest.mark.parametrize(
    ("seconds", "seed"), [(4, 1), pytest.param(600, 2, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_no_false_alarm_while_everything_changes(pair: Pair, seconds: float, seed: int) -> None:
    """Beside a writer that changes all of it, comparison after comparison finds no difference."""
    stop = threading.Event()
    writer = threading.Thread(target=churn, args=(pair, stop, seed))
    writer.start()
    rounds = changed = 0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end or rounds < 3 or not changed:  # a load that shows nothing proves nothing
            report = compared(pair, REPLAYED, settle_s=10)
            assert report.different == []
            rounds += 1
            changed += sum(report.settled.values())
    finally:
        stop.set()
        writer.join()


def test_what_lies_outside_the_log_is_found(pair: Pair) -> None:
    """Another setting, another library and a directory that is not there are found, each in its kind."""
    with plants.setting("b", "work_mem", "'7MB'")(pair), plants.other_library(pair), plants.lost_directory(pair):
        report = compared(pair, frozenset({What.SETTINGS, What.LIBRARIES, What.TABLESPACES}))
    assert {"settings work_mem", "libraries hadrian_probe"} <= different(report)
    assert any(one.what is What.TABLESPACES and one.object == "ts" for one in report.different)


def test_another_version_of_a_collation_weighs_what_hangs_on_it() -> None:
    """On a standby an index makes it a must; on a subscriber, whose indexes are its own, it is only told."""
    here = {"a": Version("2.35", "libc", 3), "b": Version("2.35", "libc", 0), "c": Version(None, "libc", 1)}
    there = {"a": Version("2.36", "libc", 3), "b": Version("2.36", "libc", 0), "c": Version(None, "libc", 1)}
    found = {one.object: one for one in collations.differing(here, there, replayed=True)}
    assert {name: one.grade for name, one in found.items()} == {"a": Grade.MUST, "b": Grade.SHOULD}
    assert "2.36" in found["a"].message
    assert "2.35" in found["a"].message
    assert {one.grade for one in collations.differing(here, there, replayed=False)} == {Grade.MAY}


def test_what_is_damaged_on_the_standby_is_found_and_named(pair: Pair) -> None:
    """A function's body, a sequence's value, a large object's bytes and a role's limit are found, and nothing else."""
    pair.run("alter role limited connection limit 287454020")
    edits = (
        Edit("pg_proc", b"select 'marker-a'", b"select 'marker-b'"),
        Edit("app.counted", _SEQUENCE.to_bytes(8, "little"), (_SEQUENCE - 5).to_bytes(8, "little"), table=False),
        Edit("pg_largeobject", b"content-a", b"content-b"),
        Edit("pg_authid", (287454020).to_bytes(4, "little"), (287454021).to_bytes(4, "little")),
    )
    edit_standby(pair, edits)
    with committing(pair):
        report = compared(pair, REPLAYED, show_values=True)
    assert different(report) == {
        "schema function app.marked()",
        "sequences app.counted",
        "lobs 4343",
        "roles role limited",
    }
    assert report.unsettled == []
    shown = {one.object: one for one in report.different}
    function = shown["function app.marked()"]
    assert function.primary is not None
    assert function.standby is not None
    assert "marker-a" in str(function.primary["definition"])
    assert "marker-b" in str(function.standby["definition"])
    assert f"stands at {_SEQUENCE - 5}, behind the primary's {_SEQUENCE}" in shown["app.counted"].message
