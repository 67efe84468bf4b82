"""Experiments on code, settings, sessions and commits, under logical replication."""

from __future__ import annotations

import psycopg

from tests.rules.experiment import SAME, Answer, Refusal
from tests.rules.logical_experiment import SHARED, WHOLE, Couple, Experiment, Trial

_NO_FUNCTION = Refusal("42883: function .* does not exist")


def notified(couple: Couple) -> tuple[Answer, Answer]:
    """Listen on both servers, and notify on the publisher together with a published row."""
    name = "notified"
    for node in ("a", "b"):
        couple.run(node, name, "create table items (id int)")
    couple.run("a", name, "create publication notified for table items")
    couple.subscribe(name, ["notified"])
    with couple.session("a", name) as here, couple.session("b", name) as there:
        for session in (here, there):
            session.execute("listen news")
        couple.run("a", name, "begin; insert into items values (1); notify news, 'heard'; commit")
        couple.caught_up(name)
        assert couple.ask("b", name, "select id from items") == [(1,)]
        return heard(here), heard(there)


def heard(session: psycopg.Connection) -> Answer:
    """Return the notifications that a session has been sent by now."""
    session.execute("select 1")
    return [(each.payload,) for each in session.notifies(timeout=0)]


def locked(couple: Couple) -> tuple[Answer, Answer]:
    """Lock a published table on the publisher, and try the same lock on both servers."""
    name = "locked"
    for node in ("a", "b"):
        couple.run(node, name, "create table items (id int)")
    with couple.session("a", name) as session:
        session.execute("begin")
        session.execute("lock table items")
        take = "begin; lock table items nowait; rollback"
        here, there = couple.ask("a", name, take), couple.ask("b", name, take)
    assert here == '55P03: could not obtain lock on relation "items"'
    return here, there


def switched_log(couple: Couple) -> tuple[Answer, Answer]:
    """Begin a new log file on the publisher."""
    return around(couple, "select pg_walfile_name(pg_current_wal_insert_lsn())", "select pg_switch_wal()")


def checkpointed(couple: Couple) -> tuple[Answer, Answer]:
    """Make a checkpoint on the publisher."""
    return around(couple, "select redo_lsn from pg_control_checkpoint()", "checkpoint")


def around(couple: Couple, look: str, do: str) -> tuple[Answer, Answer]:
    """Return for each server whether its answer changes when something is done on the publisher."""
    before = [couple.ask(node, SHARED, look) for node in ("a", "b")]
    couple.run("a", SHARED, "select pg_logical_emit_message(false, 'x', 'y', true)", do)
    couple.run("a", SHARED, "select pg_logical_emit_message(false, 'x', 'y', true)")
    here, there = ([(couple.ask(node, SHARED, look) != told,)] for node, told in zip(("a", "b"), before, strict=True))
    assert here == [(True,)]
    return here, there


def imported(couple: Couple) -> tuple[Answer, Answer]:
    """Export a snapshot on the publisher, and import it on both servers."""
    with couple.session("a", SHARED) as session:
        session.execute("begin isolation level repeatable read")
        ((name,),) = session.execute("select pg_export_snapshot()").fetchall()
        take = f"begin isolation level repeatable read; set transaction snapshot '{name}'; rollback"
        here, there = couple.ask("a", SHARED, take), couple.ask("b", SHARED, take)
    assert here == []
    assert "does not exist" in str(there)
    return here, there


def waited_for(couple: Couple) -> tuple[Answer, Answer]:
    """Commit at each level that waits for the subscriber, and look there at once."""
    name = "waited"
    levels = ("remote_write", "on", "remote_apply")
    for node in ("a", "b"):
        couple.run(node, name, "create table items (level text)")
    couple.run("a", name, "create publication waited for table items")
    couple.subscribe(name, ["waited"])
    couple.caught_up(name)
    couple.named("waited")
    try:
        answers: dict[str, list[tuple[object, ...]]] = {"a": [], "b": []}
        for level in levels * 10:
            couple.run("a", name, f"set synchronous_commit = {level}", f"insert into items values ('{level}')")
            for node in answers:
                answers[node] += couple.run(node, name, "select count(*) from items")
    finally:
        couple.named("")
    return answers["a"], answers["b"]


def not_waited_for(couple: Couple) -> tuple[Answer, Answer]:
    """Commit at level local while the subscriber that commits are to wait for has stopped, and ask at once."""
    name = "local"
    for node in ("a", "b"):
        couple.run(node, name, "create table items (id int)")
    couple.run("a", name, "create publication local for table items")
    couple.subscribe(name, ["local"])
    couple.caught_up(name)
    couple.named("local")
    try:
        couple.cut(name)
        couple.run("a", name, "set synchronous_commit = local", "insert into items values (1)")
        look = "select count(*) from items"
        return couple.ask("a", name, look), couple.ask("b", name, look)
    finally:
        couple.named("")


EXPERIMENTS: tuple[Experiment | Trial, ...] = (
    Experiment(
        rule="PGL-062",
        name="extension",
        do=("create extension hstore",),
        look="select 'a=>1'::hstore -> 'a'",
        publisher=[("1",)],
        subscriber=Refusal('42704: type "hstore" does not exist'),
    ),
    Experiment(
        rule="PGL-063",
        name="library",
        do=("create function distance(text, text) returns int language c as '$libdir/fuzzystrmatch', 'levenshtein'",),
        look="select count(*) from pg_proc where probin = '$libdir/fuzzystrmatch'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-064",
        name="function_in_c",
        do=("create function distance(text, text) returns int language c as '$libdir/fuzzystrmatch', 'levenshtein'",),
        look="select distance('abc', 'abd')",
        publisher=[(1,)],
        subscriber=_NO_FUNCTION,
    ),
    Experiment(
        rule="PGL-065",
        name="function_in_a_language",
        do=("create function one() returns int language plpgsql as 'begin return 1; end'",),
        look="select one()",
        publisher=[(1,)],
        subscriber=_NO_FUNCTION,
    ),
    Experiment(
        rule="PGL-066",
        name="tablespace",
        do=("create tablespace fast location ''",),
        look="select count(*) from pg_tablespace where spcname = 'fast'",
        publisher=[(1,)],
        subscriber=[(0,)],
        after=("create table items (id int) tablespace fast", Refusal('42704: tablespace "fast" does not exist')),
    ),
    Experiment(
        rule="PGL-067",
        name="setting",
        do=("alter system set work_mem = '5MB'",),
        look="select count(*) from pg_file_settings where name = 'work_mem'",
        publisher=[(1,)],
        subscriber=[(0,)],
        after=("show work_mem", [("4MB",)]),
    ),
    Experiment(
        rule="PGL-068",
        name="host_rules",
        do=("copy (select 'host all all 192.0.2.0/24 trust') to program 'cat >> pg_hba.conf'",),
        look="select count(*) from pg_hba_file_rules where address = '192.0.2.0'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-069",
        name="role_setting",
        do=("alter database postgres set work_mem = '6MB'", "alter role postgres set lock_timeout = '1h'"),
        look="select count(*) from pg_db_role_setting",
        publisher=[(2,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-070",
        name="role",
        do=("create role clerk login password 'not a secret'", "grant pg_monitor to clerk"),
        look="select pg_has_role('clerk', 'pg_monitor', 'member')",
        publisher=[(True,)],
        subscriber=Refusal('42704: role "clerk" does not exist'),
    ),
    Experiment(
        rule="PGL-071",
        name="collated",
        here=('create table items (word text collate "C" primary key)',),
        there=('create table items (word text collate "pg_unicode_fast" primary key)', "create extension amcheck"),
        publication=WHOLE,
        do=("insert into items values ('b'), ('A'), ('B'), ('a'), ('\u00e4')", "delete from items where word = 'b'"),
        look='select array_agg(word order by word collate "C") from items',
        publisher=[(["A", "B", "a", "\u00e4"],)],
        subscriber=SAME,
        after=(
            "set enable_seqscan = off; select bt_index_check('items_pkey', true); select word from items order by word",
            [("A",), ("B",), ("a",), ("\u00e4",)],
        ),
    ),
    Experiment(
        rule="PGL-072",
        name="foreign_server",
        do=(
            "create foreign data wrapper elsewhere",
            "create server remote foreign data wrapper elsewhere",
            "create user mapping for postgres server remote options (user 'postgres')",
        ),
        look="select count(*) from pg_user_mappings where srvname = 'remote'",
        publisher=[(1,)],
        subscriber=[(0,)],
        after=("create foreign table items (id int) server remote", Refusal('42704: server "remote" does not exist')),
    ),
    Trial(rule="PGL-074", name="notified", run=notified),
    Experiment(
        rule="PGL-075",
        name="advisory_lock",
        do=("select pg_advisory_lock(4711)",),
        look="select count(*) from pg_locks where locktype = 'advisory' and objid = 4711",
        publisher=[(1,)],
        subscriber=[(0,)],
        after=("select pg_try_advisory_lock(4711)", [(True,)]),
    ),
    Trial(rule="PGL-076", name="locked", run=locked),
    Trial(rule="PGL-077", name="switched_log", run=switched_log),
    Trial(rule="PGL-078", name="checkpointed", run=checkpointed),
    Trial(rule="PGL-079", name="imported", run=imported),
    Experiment(
        rule="PGL-080",
        name="session",
        do=("prepare question as select 1",),
        look="select count(*) from pg_prepared_statements where name = 'question'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-081",
        name="activity",
        both=("create table items (id int primary key)",),
        publication=WHOLE,
        do=(
            "insert into items values (1)",
            "select count(*) from items",
            "select pg_stat_force_next_flush()",
        ),
        look="select seq_scan from pg_stat_user_tables where relid = 'items'::regclass",
        publisher=[(2,)],
        subscriber=[(1,)],
    ),
    Experiment(
        rule="PGL-082",
        name="analyzed",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1), (1)", "create statistics pair on (id * 2) from items", "analyze items"),
        look="select (select count(*) from pg_stats where schemaname = current_schema), "
        "(select count(*) from pg_statistic_ext where stxrelid = 'items'::regclass)",
        publisher=[(1, 1)],
        subscriber=[(0, 0)],
    ),
    Trial(rule="PGL-084", name="local", run=not_waited_for),
    Experiment(
        rule="PGL-084",
        name="local_in_time",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("set synchronous_commit = local", "insert into items values (1)"),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=SAME,
    ),
    Trial(rule="PGL-085", name="waited", run=waited_for),
    Experiment(
        rule="PGL-086",
        name="in_time",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=SAME,
    ),
    # What follows must come after all that creates a slot, which would wait for the prepared transactions.
    Experiment(
        rule="PGL-073",
        name="prepared",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("begin; insert into items values (1); prepare transaction 'prepared'",),
        look="select count(*) from pg_prepared_xacts where database = current_database()",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-073",
        name="prepared_in_two_phases",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("begin; insert into items values (1); prepare transaction 'in_two_phases'",),
        look="select count(*) from pg_prepared_xacts where database = current_database()",
        publisher=[(1,)],
        subscriber=SAME,
        after=("select gid like 'pg_gid_%' from pg_prepared_xacts where database = current_database()", [(True,)]),
        alone=True,
        subscription="two_phase = true",
    ),
    Experiment(
        rule="PGL-073",
        name="prepared_and_committed",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("begin; insert into items values (1); prepare transaction 'committed'", "commit prepared 'committed'"),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-086",
        name="not_sent",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=[(0,)],
        alone=True,
        cut=True,
    ),
    Experiment(
        rule="PGL-083",
        name="flushed_in_time",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("set synchronous_commit = off", "insert into items values (1)"),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=SAME,
    ),
    # The last of all: any other commit would flush it.
    Experiment(
        rule="PGL-083",
        name="never_flushed",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("set synchronous_commit = off", "insert into items values (1)"),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=[(0,)],
        last=True,
    ),
)
