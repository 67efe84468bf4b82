"""Experiments on transactions, sessions and the state of replication, under physical replication."""

from __future__ import annotations

import contextlib

from tests.fixtures.defects import catch_up, configure, refusal
from tests.fixtures.pair import Pair, fresh_pair
from tests.rules.experiment import ROWS, Experiment, Refusal, Special
from tests.rules.hands import make_slot_on_standby, restart, session, start, stop, wait

_READ_ONLY = "25006: cannot execute"


def alike(pair: Pair) -> None:
    """Set both nodes up for prepared transactions and timestamps, synchronize a slot, and fail to build an index."""
    for node in ("b", "a"):
        restart(pair, node, {"max_prepared_transactions": "5", "track_commit_timestamp": "on"})
    pair.run("select pg_create_logical_replication_slot('synchronized', 'pgoutput', failover => true)")
    wait(lambda: synchronized(pair), "the slot on the standby")
    pair.run("create table public.twice as select 1 as id from generate_series(1, 2)")
    refusal(pair, "create unique index concurrently twice_id on public.twice (id)", "a")


def unlike(pair: Pair) -> None:
    """Keep timestamps on the primary alone, and take checksums from the standby."""
    stop(pair, "b")
    pair.embedded._program(["pg_checksums", "--disable", "-D", "b"])
    start(pair, "b")
    restart(pair, "a", {"track_commit_timestamp": "on"})


def synchronized(pair: Pair) -> bool:
    """Move the failover slot on, have the standby fetch it, and return whether it is there to stay."""
    pair.run("select pg_log_standby_snapshot()")
    pair.run("select pg_replication_slot_advance('synchronized', pg_current_wal_lsn())")
    catch_up(pair)
    pair.run("select pg_sync_replication_slots()", "b")
    return pair.run("select temporary from pg_replication_slots where slot_name = 'synchronized'", "b") == [(False,)]


def count_of_slot(name: str) -> str:
    """Return the question for a slot."""
    return f"select count(*) from pg_replication_slots where slot_name = '{name}'"


# An open transaction keeps a logical slot from being created, so those that make slots come first.
EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-004",
        name="slot_without_failover",
        do=("select pg_create_logical_replication_slot('plain', 'pgoutput')",),
        look=count_of_slot("plain"),
        primary=[(1,)],
        standby=[(0,)],
        promoted=[(0,)],
    ),
    Experiment(
        rule="PGP-005",
        name="slot_not_synchronized",
        do=("select pg_create_logical_replication_slot('late', 'pgoutput', failover => true)",),
        look=count_of_slot("late"),
        primary=[(1,)],
        standby=[(0,)],
        promoted=[(0,)],
    ),
    Experiment(
        rule="PGP-005",
        name="slot_synchronized",
        prepare=alike,
        do=(),
        look=count_of_slot("synchronized"),
        primary=[(1,)],
    ),
    Experiment(
        rule="PGP-073",
        name="physical_slot",
        do=("select pg_create_physical_replication_slot('third', true)",),
        look=count_of_slot("third"),
        primary=[(1,)],
        standby=[(0,)],
        promoted=[(0,)],
    ),
    Experiment(
        rule="PGP-074",
        name="publication",
        do=("create table t (id int primary key)", "create publication of_t for table t"),
        look="select count(*) from pg_publication_tables where pubname = 'of_t'",
        primary=[(1,)],
        refused=(("create publication other", f"{_READ_ONLY} CREATE PUBLICATION in a read-only transaction"),),
    ),
    Experiment(
        rule="PGP-076",
        name="origin",
        do=(
            "create table t (id int)",
            "select pg_replication_origin_create('upstream')",
            "select pg_replication_origin_session_setup('upstream')",
            "begin",
            "select pg_replication_origin_xact_setup('0/ABCDEF', now())",
            "insert into t values (1)",
            "commit",
        ),
        look="select pg_replication_origin_progress('upstream', true)::text",
        primary=[("0/ABCDEF",)],
    ),
    Experiment(
        rule="PGP-077",
        name="timeline",
        do=(),
        look="select left(pg_walfile_name(pg_current_wal_lsn()), 8)",
        primary=[("00000001",)],
        standby=Refusal("55000: recovery is in progress"),
        promoted=[("00000002",)],
        later=(
            (
                "select regexp_count(pg_read_file('pg_wal/00000002.history'), '^1\t[0-9A-F]+/[0-9A-F]+\t')",
                [(1,)],
            ),
        ),
    ),
    Experiment(
        rule="PGP-078",
        name="checksums",
        prepare=unlike,
        do=(),
        look="select current_setting('data_checksums')",
        primary=[("on",)],
        standby=[("off",)],
        promoted=[("off",)],
    ),
    Experiment(
        rule="PGP-079",
        name="timestamps_of_both",
        prepare=alike,
        do=("create table t as select 1 as id",),
        look="select pg_xact_commit_timestamp(xmin)::text from t",
        primary=ROWS,
    ),
    Experiment(
        rule="PGP-079",
        name="timestamps_of_one",
        prepare=unlike,
        do=("create table t as select 1 as id",),
        look="select pg_xact_commit_timestamp(xmin)::text from t",
        primary=ROWS,
        promoted=Refusal("55000: could not get commit timestamp data"),
    ),
    Experiment(
        rule="PGP-080",
        name="prepared_transaction",
        prepare=alike,
        do=("create table t (id int)", "begin", "insert into t values (1)", "prepare transaction 'gx'"),
        look="select count(*) from pg_prepared_xacts where gid = 'gx'",
        primary=[(1,)],
        standby=[(0,)],
        also=(
            ("select count(*) from t", [(0,)]),
            ("select count(*) from pg_locks where relation = 't'::regclass", [(0,)]),
        ),
        refused=(("commit prepared 'gx'", f"{_READ_ONLY} COMMIT PREPARED during recovery"),),
        later=(
            ("select mode from pg_locks where relation = 't'::regclass", [("RowExclusiveLock",)]),
            ("commit prepared 'gx'", []),
            ("select count(*) from t", [(1,)]),
        ),
    ),
    Experiment(
        rule="PGP-081",
        name="listening",
        do=("listen channel",),
        look="select pg_listening_channels()",
        primary=[("channel",)],
        standby=[],
        promoted=[],
        refused=(
            ("listen channel", f"{_READ_ONLY} LISTEN during recovery"),
            ("notify channel", f"{_READ_ONLY} NOTIFY during recovery"),
        ),
    ),
    Experiment(
        rule="PGP-081",
        name="notification",
        do=(
            "create extension dblink",
            "listen busy",
            "begin",
            (
                "select dblink_connect(format('host=%s port=5432 user=postgres',"
                " current_setting('unix_socket_directories')))"
            ),
            (
                "select dblink_exec('do $$ begin "
                "perform pg_notify(''busy'', repeat(i::text, 7000)) from generate_series(1, 9) i; end $$')"
            ),
        ),
        look="select pg_notification_queue_usage() > 0",
        primary=[(True,)],
        standby=[(False,)],
        promoted=[(False,)],
    ),
    Experiment(
        rule="PGP-082",
        name="advisory_lock",
        do=("select pg_advisory_lock(42)",),
        look="select count(*) from pg_locks where locktype = 'advisory' and objid = 42",
        primary=[(1,)],
        standby=[(0,)],
        promoted=[(0,)],
        also=(("select pg_try_advisory_lock(42)", [(True,)]),),
        later=(("select pg_try_advisory_lock(42)", [(True,)]),),
    ),
    Experiment(
        rule="PGP-083",
        name="lock_that_excludes_all",
        do=("create table t (id int)", "begin", "lock table t in access exclusive mode"),
        look="select mode from pg_locks where relation = 't'::regclass",
        primary=[("AccessExclusiveLock",)],
        promoted=[],
    ),
    Experiment(
        rule="PGP-083",
        name="lock_that_excludes_some",
        do=("create table t (id int)", "begin", "lock table t in share mode"),
        look="select mode from pg_locks where relation = 't'::regclass",
        primary=[("ShareLock",)],
        standby=[],
        promoted=[],
        also=(("lock table t in row exclusive mode; select 1", [(1,)]),),
        refused=(
            ("lock table t in share mode", f"{_READ_ONLY} LOCK TABLE during recovery"),
            ("select from t for update", f"{_READ_ONLY} SELECT FOR UPDATE in a read-only transaction"),
        ),
    ),
    Experiment(
        rule="PGP-084",
        name="serializable",
        do=("create table t (id int)", "begin isolation level serializable", "insert into t values (1)", "commit"),
        look="select count(*) from t",
        primary=[(1,)],
        refused=(
            (
                "begin isolation level serializable; select 1",
                "0A000: cannot use serializable mode in a hot standby, You can use REPEATABLE READ instead",
            ),
        ),
        later=(("begin isolation level serializable; select 1", [(1,)]),),
    ),
    Experiment(
        rule="PGP-085",
        name="read_write_on_the_primary",
        do=("create table t (id int)", "begin read write", "insert into t values (1)", "commit"),
        look="select count(*) from t",
        primary=[(1,)],
        also=(("set default_transaction_read_only = off", []),),
        refused=(("begin read write", "0A000: cannot set transaction read-write mode during recovery"),),
        later=(("begin read write; select 1", [(1,)]),),
    ),
    Experiment(
        rule="PGP-086",
        name="restore_point",
        do=(
            "create extension pg_walinspect",
            "create table t as select pg_current_wal_insert_lsn() as before, pg_create_restore_point('here') as after",
        ),
        look="select record_type from t, pg_get_wal_records_info(before, after) where record_type = 'RESTORE_POINT'",
        primary=[("RESTORE_POINT",)],
        refused=(
            ("select pg_create_restore_point('there')", "55000: recovery is in progress, WAL control functions cannot"),
            ("select pg_switch_wal()", "55000: recovery is in progress"),
            ("select pg_current_wal_lsn()", "55000: recovery is in progress"),
            ("select txid_current()", f"{_READ_ONLY} pg_current_xact_id.. during recovery"),
        ),
    ),
    Experiment(
        rule="PGP-087",
        name="checkpoint",
        do=("checkpoint", "checkpoint", "checkpoint"),
        look="select num_requested > 2 from pg_stat_checkpointer",
        primary=[(True,)],
        standby=[(False,)],
        promoted=[(False,)],
        also=(("checkpoint", []),),
    ),
    Experiment(
        rule="PGP-088",
        name="exported_snapshot",
        do=("begin isolation level repeatable read", "select pg_export_snapshot()"),
        look="select count(*) > 0 from pg_ls_dir('pg_snapshots')",
        primary=[(True,)],
        standby=[(False,)],
        promoted=[(False,)],
        also=(("begin isolation level repeatable read; select length(pg_export_snapshot()) > 0", [(True,)]),),
    ),
    Experiment(
        rule="PGP-089",
        name="session_state",
        do=("prepare answer as select 42",),
        look="execute answer",
        primary=[(42,)],
        standby=Refusal('26000: prepared statement "answer" does not exist'),
        promoted=Refusal('26000: prepared statement "answer" does not exist'),
        also=(("discard all", []),),
    ),
    Experiment(
        rule="PGP-090",
        name="activity_statistics",
        do=(
            "create table counted (id int)",
            "insert into counted select generate_series(1, 100)",
            "select pg_stat_force_next_flush()",
        ),
        look="select n_tup_ins from pg_stat_user_tables where relname = 'counted'",
        primary=[(100,)],
        standby=[(0,)],
        promoted=[(0,)],
    ),
    Experiment(
        rule="PGP-091",
        name="planner_statistics",
        do=(
            "create table t as select mod(i, 10) as low, mod(i, 20) as high from generate_series(1, 1000) as i",
            "create statistics both_columns on low, high from t",
            "analyze t",
        ),
        look=(
            "select attname, n_distinct, (select dependencies::text from pg_stats_ext where tablename = 't' "
            "and statistics_schemaname = schemaname), (select reltuples from pg_class where oid = 't'::regclass) "
            "from pg_stats where tablename = 't' and schemaname = 'planner_statistics' order by attname"
        ),
        primary=ROWS,
    ),
    Experiment(
        rule="PGP-092",
        name="invalid_index",
        prepare=alike,
        do=(),
        look="select indisvalid from pg_index where indexrelid = 'public.twice_id'::regclass",
        primary=[(False,)],
        later=(("insert into public.twice values (1)", []),),
    ),
)


def slot_on_standby() -> bool:
    """Create a slot on the standby: the primary never has it, and the promoted node goes on from it."""
    with fresh_pair() as pair:
        make_slot_on_standby(pair, "own")
        look = "select confirmed_flush_lsn::text from pg_replication_slots where slot_name = 'own'"
        assert pair.run(look) == []
        before = pair.run(look, "b")
        assert len(before) == 1
        pair.run("create table public.t (id int primary key)")
        pair.run("create publication everything for all tables")
        pair.run("insert into public.t values (1)")
        catch_up(pair)
        pair.fail_over()
        assert pair.run(look, "b") == before
        options = "'proto_version', '1', 'publication_names', 'everything'"
        changes = f"select count(*) > 0 from pg_logical_slot_get_binary_changes('own', null, null, {options})"
        return pair.run(changes, "b") == [(True,)]


def write_on_standby() -> bool:
    """Try to write in a read-write transaction on the standby: it is refused, and nothing is there afterwards."""
    with fresh_pair() as pair:
        pair.run("create table public.t (id int)")
        catch_up(pair)
        said = refusal(pair, "begin read write; insert into public.t values (1); commit", "b")
        assert "cannot set transaction read-write mode during recovery" in said
        pair.close()
        pair.fail_over()
        return pair.run("select count(*) from public.t", "b") == [(1,)]


def subscribed() -> bool:
    """Subscribe a database to a slot that outlives the takeover, and look for rows that come after it.

    The publisher must not die with the primary: it is the standby itself, which sends the changes of another
    database.
    """
    with fresh_pair() as pair, contextlib.ExitStack() as sessions:
        configure(pair, "b", "wal_retrieve_retry_interval", "'100ms'")
        for database in ("origin", "copy"):
            pair.run(f"create database {database}")
        origin, copy = (sessions.enter_context(session(pair, "a", database)) for database in ("origin", "copy"))
        origin.execute("create table t (id int primary key)")
        origin.execute("create publication p for table t")
        copy.execute("create table t (id int primary key)")
        catch_up(pair)
        make_slot_on_standby(pair, "sub", "origin")
        address = f"host={pair.embedded.socket} port=5433 user=postgres dbname=origin"
        options = "create_slot = false, copy_data = false"
        copy.execute(f"create subscription sub connection '{address}' publication p with ({options})")
        origin.execute("insert into t values (1)")
        copied = sessions.enter_context(session(pair, "b", "copy"))
        wait(lambda: copied.execute("select * from t").fetchall() == [(1,)], "the first row")
        workers = "select subname, pid is not null from pg_stat_subscription"
        assert copied.execute(workers).fetchall() == [("sub", False)]

        pair.embedded.promote("b")
        wait(lambda: "is active for PID" in (pair.embedded.directory / "b.log").read_text(), "two workers at one slot")
        pair.embedded.kill("a")
        with session(pair, "b", "origin") as promoted:
            promoted.execute("insert into t values (2)")
        wait(lambda: copied.execute(workers).fetchall() == [("sub", True)], "the subscription's worker")
        wait(lambda: copied.execute("select count(*) from t").fetchall() == [(2,)], "the second row")
        return True


SPECIALS: tuple[Special, ...] = (
    Special("PGP-072", "slot_on_standby", slot_on_standby),
    Special("PGP-075", "subscribed", subscribed),
    Special("PGP-085", "write_on_standby", write_on_standby),
)
