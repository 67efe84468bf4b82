"""Experiments on what only an audit sees: pending settings, files of one node, login triggers, and halted replay."""

from __future__ import annotations

import contextlib
import functools

import psycopg
import psycopg.conninfo

from replicator.postgres import topology
from tests.fixtures.defects import configure
from tests.fixtures.pair import Pair, fresh_pair
from tests.rules.experiment import SAME, Experiment, Refusal, Special
from tests.rules.hands import folder, wait

_UNFILLED = Refusal('55000: materialized view "mv" has not been populated')


def unlike(pair: Pair) -> None:
    """Give the primary the files of an extension, and a database whose logins are written down."""
    share = folder(pair, "share")
    (share / "extension").mkdir()
    (share / "extension" / "probe.control").write_text("default_version = '1.0'\n")
    (share / "extension" / "probe--1.0.sql").write_text("create function probe() returns int return 1;\n")
    configure(pair, "a", "extension_control_path", f"'{share}:$system'")
    pair.run("create database doors")
    conninfo = psycopg.conninfo.make_conninfo(pair.primary.conninfo, dbname="doors")
    with contextlib.closing(psycopg.connect(conninfo, autocommit=True)) as session:
        session.execute("create table public.visit ()")
        session.execute(
            "create function public.write_down() returns event_trigger language plpgsql as "
            "'begin insert into public.visit default values; end'"
        )
        session.execute("create event trigger write_down on login execute function public.write_down()")


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-120",
        name="pending",
        do=("alter system set max_connections = 101",),
        look="select error from pg_file_settings where name = 'max_connections' and error is not null",
        primary=[("setting could not be applied",)],
        standby=[],
        promoted=[],
        also=(("show max_connections", [("100",)]),),
        later=(("show max_connections", [("100",)]),),
        prepare=unlike,
    ),
    Experiment(
        rule="PGP-121",
        name="extension_files",
        do=("create extension probe schema extension_files",),
        look="select version from pg_available_extension_versions where name = 'probe'",
        primary=[("1.0",)],
        standby=[],
        promoted=[],
        also=(("select extversion from pg_extension where extname = 'probe'", [("1.0",)]),),
        later=(
            ("select extension_files.probe()", [(1,)]),
            ("drop extension probe", []),
            ("create extension probe", Refusal('0A000: extension "probe" is not available')),
        ),
        prepare=unlike,
    ),
    Experiment(
        rule="PGP-122",
        name="unfilled",
        do=("create materialized view mv as select 1 as id with no data",),
        look="table mv",
        primary=_UNFILLED,
        prepare=unlike,
    ),
    Experiment(
        rule="PGP-123",
        name="login",
        do=(),
        look="select count(*) > 0 from public.visit",
        on="doors",
        primary=[(True,)],
        standby=Refusal("cannot execute INSERT in a read-only transaction"),
        promoted=SAME,
        prepare=unlike,
    ),
)


@functools.cache
def received_and_not_replayed() -> bool:
    """Pause replay, let the standby receive a row, and promote it."""
    with fresh_pair() as pair:
        pair.run("create table public.t (id int)")
        topology.wait_replayed(pair.standby, topology.committed(pair.primary))
        pair.run("select pg_wal_replay_pause()", "b")
        wait(lambda: pair.run("select pg_get_wal_replay_pause_state()", "b") == [("paused",)], "replay to pause")
        pair.run("insert into public.t values (1)")
        ((end,),) = pair.run("select pg_current_wal_flush_lsn()")
        wait(lambda: pair.run(f"select pg_last_wal_receive_lsn() >= '{end}'", "b") == [(True,)], "the row to arrive")
        assert pair.run("table public.t", "b") == []
        pair.fail_over()
        return pair.run("table public.t", "b") == [(1,)]


@functools.cache
def not_received() -> bool:
    """Let the standby look for its primary where nobody is, commit a row, and promote it."""
    with fresh_pair() as pair:
        pair.run("create table public.t (id int)")
        topology.wait_replayed(pair.standby, topology.committed(pair.primary))
        configure(pair, "b", "primary_conninfo", "'host=/nowhere'")
        wait(lambda: pair.run("select count(*) from pg_stat_wal_receiver", "b") == [(0,)], "the receiver to end")
        pair.run("insert into public.t values (1)")
        assert pair.run("table public.t", "b") == []
        pair.fail_over()
        return pair.run("table public.t", "b") == [(1,)]


SPECIALS: tuple[Special, ...] = (
    Special("PGP-124", "paused", received_and_not_replayed),
    Special("PGP-125", "behind", received_and_not_replayed),
    Special("PGP-125", "far_behind", not_received),
    Special("PGP-126", "cut_off", not_received),
)
