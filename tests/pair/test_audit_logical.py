"""The audit of a real publisher and its subscriber: what a switch to the subscriber would miss."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from replicator.audit import Report, audit
from replicator.errors import BadInput
from replicator.postgres import topology
from replicator.rule import Mode
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.plants import await_answer

_SETTINGS = "wal_retrieve_retry_interval = 200ms\nmax_prepared_transactions = 4\n"
_TABLES = (
    "create table public.kept (id int primary key, name text)",
    "create table public.split (id int primary key) partition by range (id)",
    "create table public.low partition of public.split for values from (0) to (10)",
)


@pytest.fixture(scope="module")
def couple() -> Iterator[Pair]:
    """Promote the standby of a pair at once, which leaves two servers, and subscribe it to the other."""
    with fresh_pair(_SETTINGS) as pair:
        for statement in _TABLES:
            pair.run(statement)
        topology.wait_replayed(pair.standby, topology.committed(pair.primary))
        pair.embedded.promote("b")
        pair.run("create publication news for table public.kept, public.split")
        address = f"host={pair.embedded.socket} port=5432 user=postgres dbname=postgres"
        pair.run(f"create subscription news connection '{address}' publication news", "b")
        await_answer(pair, "select count(*) from pg_subscription_rel where srsubstate <> 'r'", 0, "b")
        yield pair


def report(pair: Pair, mode: Mode | None = None) -> Report:
    """Audit the two."""
    return audit(pair.embedded.url("a"), pair.embedded.url("b"), mode=mode)


def found(pair: Pair) -> set[str]:
    """Return rules and objects of all that is found, as `PGL-007 public.u`."""
    seen = report(pair)
    assert seen.unseen == []
    return {f"{one.rule.id} {one.object}" for one in seen.findings}


@contextlib.contextmanager
def planted(
    pair: Pair, here: tuple[str, ...], there: tuple[str, ...] = (), undo: tuple[str, ...] = ()
) -> Iterator[None]:
    """Run statements on the publisher and on the subscriber, and undo them on both after the block.

    What undoes starts with the node's letter.
    """
    try:
        for statement in here:
            pair.run(statement)
        for statement in there:
            pair.run(statement, "b")
        yield
    finally:
        for statement in undo:
            pair.run(statement[2:], "a" if statement.startswith("a ") else "b")


def on_both(statement: str) -> tuple[str, str]:
    """Undo on both nodes."""
    return f"a {statement}", f"b {statement}"


_TABLE = "create table public.t (id int primary key)"
_DROP = on_both("drop table public.t")
_PUBLISH = "alter publication news add table public.t"
_REFRESH = "alter subscription news refresh publication"
_UNPUBLISH = "a alter publication news drop table public.t"

# What is run on the publisher, on the subscriber, what undoes it, and all that must be found.
DEFECTS = {
    "unlogged table": (
        ("create unlogged table public.u ()",),
        (),
        ("a drop table public.u",),
        {"PGL-007 public.u"},
    ),
    "unlogged partition": (
        ("create unlogged table public.high partition of public.split for values from (10) to (20)",),
        (),
        ("a drop table public.high",),
        {"PGL-010 public.high"},
    ),
    "unlogged sequence": (
        ("create unlogged sequence public.s",),
        (),
        ("a drop sequence public.s",),
        {"PGL-045 public.s"},
    ),
    "unpublished table": ((_TABLE,), (_TABLE,), _DROP, {"PGL-030 public.t"}),
    "table that the subscriber lacks": (
        (_TABLE, _PUBLISH),
        (),
        (_UNPUBLISH, "a drop table public.t"),
        {"PGL-124 table public.t", "PGL-055 public.t_pkey"},
    ),
    "table that the subscription does not know": (
        (_TABLE, _PUBLISH),
        (_TABLE,),
        (_UNPUBLISH, *_DROP),
        {"PGL-122 public.t"},
    ),
    "published table without identity": (
        ("alter table public.kept replica identity nothing",),
        (),
        ("a alter table public.kept replica identity default",),
        {"PGL-032 public.kept"},
    ),
    "column that the subscriber lacks": (
        ("alter table public.kept add extra int",),
        (),
        ("a alter table public.kept drop extra",),
        {"PGL-123 public.kept.extra"},
    ),
    "column of another type": (
        (),
        ("alter table public.kept alter name type varchar(3)",),
        ("b alter table public.kept alter name type text",),
        {"PGL-123 public.kept.name"},
    ),
    "column that refuses NULL": (
        (),
        ("alter table public.kept alter name set not null",),
        ("b alter table public.kept alter name drop not null",),
        {"PGL-123 public.kept.name"},
    ),
    "column that only the subscriber fills": (
        (),
        ("alter table public.kept add own int not null default 1", "alter table public.kept alter own drop default"),
        ("b alter table public.kept drop own",),
        {"PGL-123 public.kept.own"},
    ),
    "generated column": (
        ("alter table public.kept add twice int generated always as (id * 2) stored",),
        ("alter table public.kept add twice int",),
        on_both("alter table public.kept drop twice"),
        {"PGL-005 public.kept.twice"},
    ),
    "virtual generated column": (
        ("alter table public.kept add twice int generated always as (id * 2) virtual",),
        ("alter table public.kept add twice int",),
        on_both("alter table public.kept drop twice"),
        {"PGL-006 public.kept.twice"},
    ),
    "row filter": (
        ("alter publication news set table public.kept where (id > 0), public.split",),
        (),
        ("a alter publication news set table public.kept, public.split",),
        {"PGL-035 public.kept"},
    ),
    "column list": (
        ("alter publication news set table public.kept (id), public.split",),
        (),
        ("a alter publication news set table public.kept, public.split",),
        {"PGL-036 public.kept"},
    ),
    "operations left out": (
        ("alter publication news set (publish = 'insert, update')",),
        (),
        ("a alter publication news set (publish = 'insert, update, delete, truncate')",),
        {"PGL-037 news"},
    ),
    "large objects": (
        ("select lo_create(4711)",),
        (),
        ("a select lo_unlink(4711)",),
        {"PGL-022 one large object"},
    ),
    "sequence that has gone on": (
        ("create sequence public.s", "select nextval('public.s')"),
        ("create sequence public.s",),
        on_both("drop sequence public.s"),
        {"PGL-044 public.s"},
    ),
    "disabled subscription": (
        (),
        ("alter subscription news disable",),
        ("b alter subscription news enable",),
        {"PGL-120 news"},
    ),
    "materialized view": (
        ("create materialized view public.mv as select 1 as id",),
        (),
        ("a drop materialized view public.mv",),
        {"PGL-020 public.mv"},
    ),
    "view, function, type": (
        (
            "create view public.v as select 1 as id",
            "create function public.f(int) returns int return 1",
            "create type public.mood as enum ('fine')",
        ),
        (),
        ("a drop view public.v", "a drop function public.f", "a drop type public.mood"),
        {"PGL-124 view public.v", "PGL-124 function public.f(integer)", "PGL-124 type public.mood"},
    ),
    "index": (
        ("create index by_name on public.kept (name)",),
        (),
        ("a drop index public.by_name",),
        {"PGL-055 public.by_name"},
    ),
    "extension and foreign server": (
        (
            "create extension postgres_fdw",
            "create server far foreign data wrapper postgres_fdw",
            "create foreign table public.ft (id int) server far",
        ),
        (),
        ("a drop extension postgres_fdw cascade",),
        {"PGL-062 postgres_fdw", "PGL-072 far", "PGL-025 public.ft"},
    ),
    "event trigger": (
        (
            "create function public.fire() returns event_trigger language plpgsql as 'begin end'",
            "create event trigger fire on ddl_command_end execute function public.fire()",
        ),
        ("create function public.fire() returns event_trigger language plpgsql as 'begin end'",),
        ("a drop event trigger fire", *on_both("drop function public.fire")),
        {"PGL-060 fire"},
    ),
    "role": (("create role writer",), (), ("a drop role writer",), {"PGL-070 writer"}),
    "commits that wait for nothing": (
        ("create role hasty", "alter role hasty set synchronous_commit = off"),
        ("create role hasty",),
        on_both("drop role hasty"),
        {"PGL-083 synchronous_commit of role hasty"},
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_and_nothing_else(couple: Pair, name: str) -> None:
    """The two are clean, the defect is named by its rule, and without it they are clean again."""
    here, there, undo, expected = DEFECTS[name]
    assert found(couple) == set()
    with planted(couple, here, there, undo):
        assert found(couple) == expected
    assert found(couple) == set()


def test_the_mode_is_found_out(couple: Pair) -> None:
    """A second node that subscribes to the first is a subscriber, whatever its option is called."""
    assert report(couple).mode is Mode.POSTGRES_LOGICAL
    assert report(couple, Mode.POSTGRES_LOGICAL).mode is Mode.POSTGRES_LOGICAL
    with pytest.raises(BadInput, match="is a primary, not a standby"):
        report(couple, Mode.POSTGRES_PHYSICAL)
    with pytest.raises(BadInput, match="has no subscription to"):
        audit(couple.embedded.url("b"), couple.embedded.url("a"), mode=Mode.POSTGRES_LOGICAL)


def test_a_publisher_alone_tells_what_it_does_not_send(couple: Pair) -> None:
    """Without a subscriber all publications count, and each sequence in use will be behind."""
    plant = (_TABLE, "create sequence public.s", "select nextval('public.s')", "create sequence public.unused")
    with planted(couple, plant, (), ("a drop table public.t", "a drop sequence public.s, public.unused")):
        seen = audit(couple.embedded.url("a"), mode=Mode.POSTGRES_LOGICAL)
    assert {f"{one.rule.id} {one.object}" for one in seen.findings} == {"PGL-030 public.t", "PGL-044 public.s"}


def test_a_subscription_that_an_error_stops_is_found(couple: Pair) -> None:
    """A worker that ends again and again applies nothing, enabled or not."""
    plant = ("insert into public.kept values (1, 'here')",)
    with planted(couple, (), ("insert into public.kept values (1, 'there')",), ("b delete from public.kept",)):
        couple.run(plant[0])
        errors = "select apply_error_count > 1 from pg_stat_subscription_stats"
        await_answer(couple, errors, answer=True, node="b")
        topology.wait_until(lambda: "PGL-120 news" in found(couple), "the audit to see it", timeout_s=30)
    behind = "select count(*) from public.kept"
    await_answer(couple, behind, 1, "b")
    couple.run("delete from public.kept")
    await_answer(couple, behind, 0, "b")
    topology.wait_until(lambda: found(couple) == set(), "a subscription in order", timeout_s=30)


def test_a_first_copy_that_fails_is_found(couple: Pair) -> None:
    """A table whose copy ends in an error has none of the rows that were there before."""
    undo = (_UNPUBLISH, f"b {_REFRESH}", *_DROP)
    with planted(couple, (_TABLE, "insert into public.t values (1)", _PUBLISH), (_TABLE,), undo):
        couple.run("insert into public.t values (1)", "b")
        couple.run(_REFRESH, "b")
        await_answer(couple, "select sync_error_count > 0 from pg_stat_subscription_stats", answer=True, node="b")
        assert "PGL-121 public.t" in found(couple)


def test_a_subscriber_that_lags_is_found(couple: Pair) -> None:
    """What the publisher keeps for the subscription and it has not confirmed is its lag, in bytes."""
    with planted(couple, (), ("alter subscription news disable",), ("b alter subscription news enable",)):
        for _ in range(3):
            couple.run("select pg_logical_emit_message(false, 'hadrian', repeat('x', 100 << 20), true)")
        lag = {one.object: one for one in report(couple).findings}["subscription news"]
    assert lag.rule.id == "PGL-125"
    assert (lag.size or 0) > 256 << 20
    topology.wait_until(lambda: found(couple) == set(), "the subscriber to catch up", timeout_s=60)


def test_what_the_commands_of_findings_do(couple: Pair) -> None:
    """An index is created and a sequence set as the findings' commands say, and nothing is left to find."""
    undo = on_both("drop index public.by_name") + on_both('drop sequence public."S"')
    with planted(
        couple,
        (
            "create index by_name on public.kept (name)",
            'create sequence public."S"',
            "select setval('public.\"S\"', 9)",
        ),
        ('create sequence public."S"',),
        undo,
    ):
        commands = [one.command for one in report(couple).findings]
        assert commands == [
            "select setval('public.\"S\"', 9);",
            "CREATE INDEX by_name ON public.kept USING btree (name);",
        ]
        for command in commands:
            couple.run(command, "b")
        assert found(couple) == set()


def test_a_hidden_sequence_is_told(couple: Pair) -> None:
    """A role that may not read a sequence is told so, and not that all is well."""
    plant = ("create role watcher login", "create sequence public.s", "select nextval('public.s')")
    there = ("create role watcher login", "create sequence public.s")
    with planted(couple, plant, there, on_both("drop sequence public.s") + on_both("drop role watcher")):
        urls = [couple.embedded.url(node).replace("postgres@", "watcher@") for node in ("a", "b")]
        seen = audit(*urls)
        assert seen.findings == []
        (unseen,) = seen.unseen
        assert unseen.what == "values of sequences"
        couple.run(unseen.remedy)
        couple.run(unseen.remedy, "b")
        seen = audit(*urls)
        assert (len(seen.findings), seen.unseen) == (1, [])
