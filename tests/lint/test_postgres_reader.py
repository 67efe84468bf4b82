"""What PostgreSQL's statements touch: each kind, what hides inside it, and what the statements before it made."""

from __future__ import annotations

import pglast.ast
import pytest

from replicator.postgres.language import classify, functions
from replicator.postgres.language.classify import PostgresReader
from replicator.postgres.subject import Subject
from replicator.statement import Reading
from tests.fixtures.pair import Pair


def readings(*scripts: str) -> list[Reading]:
    """Read scripts one after the other."""
    reader = PostgresReader()
    return [reading for script in scripts for reading in reader.read(script)]


def touched(script: str) -> list[str]:
    """Return the subjects, by name, that the last statement of a script touches."""
    last = readings(script)[-1]
    assert not last.error, last.error
    assert not last.unknown, last.unknown
    return [Subject(touch.subject).name + ("?" if touch.when else "") for touch in last.touches]


@pytest.mark.parametrize(
    ("script", "subjects"),
    [
        # Reads, and what is the session's own
        ("select 1", []),
        ("select now(), count(*), random(), gen_random_uuid() from t", []),
        ("table t", []),
        ("values (1), (2)", []),
        ("with a as (select 1) select * from a", []),
        ("select * from t for update", []),
        ("explain delete from t", []),
        ("explain (analyze off) delete from t", []),
        ("explain analyze delete from t", ["ROW_CHANGE"]),
        ("explain (analyze) insert into t values (1)", ["ROW_CHANGE"]),
        ("begin", []),
        ("savepoint a", []),
        ("commit", []),
        ("set work_mem = '1MB'", []),
        ("show all", []),
        ("reset all", []),
        ("discard all", []),
        ("prepare p as insert into t values (1)", []),
        ("prepare p as insert into t values (1); execute p", ["ROW_CHANGE"]),
        ("declare c cursor for select 1", []),
        ("fetch c", []),
        ("lock table t", []),
        ("checkpoint", []),
        ("load 'auto_explain'", []),
        ("unlisten *", []),
        ("set constraints all deferred", []),
        ("select pg_create_logical_replication_slot('s', 'pgoutput', true)", []),
        # Rows
        ("insert into t values (1)", ["ROW_CHANGE"]),
        ("update only s.t set a = 1", ["ROW_CHANGE"]),
        ("delete from t using u where true returning *", ["ROW_CHANGE"]),
        ("merge into t using u on true when matched then delete", ["ROW_CHANGE"]),
        ("with a as (insert into t values (1) returning *) select * from a", ["ROW_CHANGE"]),
        ("with a as (delete from t returning *) insert into u select * from a", ["ROW_CHANGE", "ROW_CHANGE"]),
        ("insert into t values (nextval('s'))", ["ROW_CHANGE", "SEQUENCE_ADVANCE"]),
        ("copy t from stdin", ["COPY_FROM"]),
        ("copy t from '/f'", ["COPY_FROM", "SERVER_FILE"]),
        ("copy t from program 'cat f'", ["COPY_FROM", "SERVER_FILE"]),
        ("copy t to stdout", []),
        ("copy t to '/f'", ["FILE_OUTPUT"]),
        ("copy (select nextval('s')) to program 'cat'", ["SEQUENCE_ADVANCE", "FILE_OUTPUT"]),
        ("copy (insert into t values (1) returning *) to stdout", ["ROW_CHANGE"]),
        ("truncate t, u restart identity", ["TRUNCATE", "TRUNCATE"]),
        ("create foreign table f (a int) server s; insert into f values (1)", ["FOREIGN_ROW_CHANGE"]),
        # Unlogged
        ("create unlogged table u (a int)", ["UNLOGGED_TABLE"]),
        ("create unlogged table u as select 1", ["UNLOGGED_TABLE"]),
        ("select 1 into unlogged u", ["UNLOGGED_TABLE"]),
        ("create unlogged table u (a int) partition by list (a)", ["UNLOGGED_PARTITIONED"]),
        (
            "create table p (a int) partition by list (a); create unlogged table u partition of p default",
            ["UNLOGGED_PART"],
        ),
        ("create unlogged table u (b int) inherits (t)", ["UNLOGGED_PART"]),
        ("create unlogged table u (a int); create unlogged table v () inherits (u)", ["UNLOGGED_TABLE"]),
        ("create unlogged table u (a int); alter table p attach partition u default", ["UNLOGGED_PART"]),
        ("create unlogged table u (a int); alter table u inherit p", ["UNLOGGED_PART"]),
        ("create unlogged table u (a int); insert into public.u values (1)", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table s.u (a int); insert into u values (1)", ["ROW_CHANGE"]),
        ("set search_path = s; create unlogged table u (a int); insert into s.u values (1)", ["UNLOGGED_ROW_CHANGE"]),
        ("create schema s create unlogged table u (a int); insert into s.u values (1)", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int); truncate t, u", ["TRUNCATE", "UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int); copy u from stdin", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int); create index on u using hash (a)", ["UNLOGGED_INDEX"]),
        ("create unlogged table u (a int); alter table u rename to v; delete from v", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int); alter table u set schema s; delete from s.u", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int); drop table u; create table u (a int); delete from u", ["ROW_CHANGE"]),
        ("create unlogged table u (a int); alter table u set logged; delete from u", ["ROW_CHANGE"]),
        ("alter table t set logged", ["SET_LOGGED"]),
        ("alter table t set unlogged", ["SET_UNLOGGED"]),
        ("alter table t set unlogged; delete from t", ["UNLOGGED_ROW_CHANGE"]),
        (
            "create table t (a int primary key); create table r (a int references t); alter table t set unlogged",
            ["SET_UNLOGGED_REFERENCED"],
        ),
        (
            "create unlogged table u (a int primary key); create table r (a int references u)",
            ["DDL", "UNLOGGED_REFERENCE"],
        ),
        ("begin; create unlogged table t (a int); rollback; delete from t", ["ROW_CHANGE"]),
        ("begin; savepoint s; alter table t set unlogged; rollback to s; delete from t", ["ROW_CHANGE"]),
        (
            "begin; create unlogged table t (a int); savepoint s; rollback to s; commit; delete from t",
            ["UNLOGGED_ROW_CHANGE"],
        ),
        ("create unlogged sequence s", ["UNLOGGED_SEQUENCE"]),
        ("create unlogged sequence s; select nextval('s')", ["UNLOGGED_SEQUENCE_ADVANCE"]),
        (
            "create unlogged table u (a serial); select setval('public.u_a_seq'::regclass, 7)",
            ["UNLOGGED_SEQUENCE_ADVANCE"],
        ),
        ("create unlogged materialized view m as select 1", ["UNLOGGED_MATERIALIZED_VIEW"]),
        # Temporary
        ("create temp table x (a int)", ["TEMPORARY_TABLE"]),
        ("create table pg_temp.x (a int)", ["TEMPORARY_TABLE"]),
        ("create temp table x (a int); update x set a = 1", ["TEMPORARY_ROW_CHANGE"]),
        ("create temp table x (a int); drop table x", ["TEMPORARY_TABLE"]),
        ("create temp table x as select 1; delete from pg_temp.x", ["TEMPORARY_ROW_CHANGE"]),
        ("create temp sequence x; select nextval('x')", ["TEMPORARY_ROW_CHANGE"]),
        ("create temp view x as select 1", ["TEMPORARY_TABLE"]),
        ("create temp table x (a int); create view v as select * from x", ["TEMPORARY_TABLE"]),
        ("create temp table x () inherits (t); alter table t add column a int", ["DDL", "TEMPORARY_ROW_CHANGE?"]),
        # Schema
        ("create table t (a int, b text default random()::text)", ["DDL"]),
        ("create table t (a int, b int generated always as (a) stored)", ["DDL", "STORED_GENERATED"]),
        ("create table t (a int, b int generated always as (a))", ["DDL", "VIRTUAL_GENERATED"]),
        ("create table t as select 1", ["TABLE_AS"]),
        ("select * into t from u", ["TABLE_AS"]),
        ("create table t as execute p", ["TABLE_AS"]),
        ("create view v as select 1", ["DDL"]),
        ("create materialized view m as select 1", ["MATERIALIZED_VIEW"]),
        ("refresh materialized view concurrently m", ["REFRESH"]),
        ("create index on t (a)", ["INDEX"]),
        ("create index concurrently i on t using gin (a)", ["INDEX"]),
        ("create index i on t using hash (a)", ["HASH_INDEX"]),
        ("create index i on t using hnsw (a vector_l2_ops)", ["EXTENSION_INDEX"]),
        ("alter table t add column a int", ["DDL"]),
        ("alter table t add column a int default 1", ["DDL"]),
        ("alter table t add column a float default random()", ["TABLE_REWRITE"]),
        ("alter table t alter a type bigint, drop column b", ["TABLE_REWRITE", "DDL"]),
        ("alter table t set (fillfactor = 70)", ["STORAGE_PARAMETER"]),
        ("alter table t replica identity full", ["STORAGE_PARAMETER"]),
        ("comment on table t is 'x'", ["DDL"]),
        ("grant select on t to r", ["DDL"]),
        ("drop table if exists t cascade", ["DDL"]),
        ("create type e as enum ('a')", ["DDL"]),
        ("create aggregate a (int) (sfunc = int4pl, stype = int)", ["DDL"]),
        ("create aggregate a (int) (sfunc = int4pl, stype = int); select a(1)", []),
        ("create type floats as range (subtype = float8); select floats(1, 2)", []),
        ("create sequence s; alter sequence s restart", ["DDL"]),
        ("create trigger g after insert on t for each row execute function f()", ["ROW_TRIGGER"]),
        ("create event trigger e on ddl_command_end execute function f()", ["EVENT_TRIGGER"]),
        ("create rule r as on insert to t do nothing", ["DDL"]),
        ("create policy p on t using (true)", ["DDL"]),
        ("create statistics s on a, b from t", ["PLANNER_STATISTICS"]),
        ("analyze t", ["PLANNER_STATISTICS"]),
        ("vacuum t", ["VACUUM"]),
        ("vacuum (full, analyze) t", ["REORGANIZATION"]),
        ("cluster t using i", ["REORGANIZATION"]),
        ("reindex table t", ["REORGANIZATION"]),
        ("create unlogged table u (a int primary key); vacuum full u", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int primary key); reindex index u_pkey", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int, unique (a)); reindex index u_a_key", ["UNLOGGED_ROW_CHANGE"]),
        ("create unlogged table u (a int); alter table u alter a type bigint", ["UNLOGGED_ROW_CHANGE"]),
        ("create temp table x (a int primary key); cluster x using x_pkey", ["TEMPORARY_ROW_CHANGE"]),
        ("reindex database d", ["REORGANIZATION"]),
        ("create temp table x (a int); drop trigger g on x", ["TEMPORARY_TABLE"]),
        ("drop trigger g on s.x", ["DDL"]),
        ("vacuum full", ["REORGANIZATION"]),
        ("vacuum (full off) t", ["VACUUM"]),
        # Files, settings, roles
        ("create extension hstore", ["EXTENSION"]),
        ("create function f(int) returns int language c as '$libdir/f', 'f'", ["C_FUNCTION"]),
        ("create function f() returns int language plpython3u as 'return 1'", ["LANGUAGE_RUNTIME"]),
        ("create tablespace s location '/d'", ["TABLESPACE"]),
        ("alter system set work_mem = '1MB'", ["SETTING"]),
        ("alter database d set work_mem = '1MB'", ["ROLE_SETTING"]),
        ("alter role r set work_mem = '1MB'", ["ROLE_SETTING"]),
        ("create role r password 'x'", ["ROLE"]),
        ("grant a to b", ["ROLE"]),
        ("create database d", ["CREATE_DATABASE"]),
        ("create foreign table f (a int) server s", ["FOREIGN_TABLE"]),
        ("import foreign schema s from server v into t", ["FOREIGN_TABLE"]),
        ("create server s foreign data wrapper w", ["FOREIGN_SERVER"]),
        ("select pg_read_file('x')", ["SERVER_FILE"]),
        # Transactions, sessions, replication
        ("prepare transaction 'g'", ["PREPARED_TRANSACTION"]),
        ("commit prepared 'g'", ["PREPARED_TRANSACTION"]),
        ("notify c, 'x'", ["NOTIFICATION"]),
        ("listen c", ["NOTIFICATION"]),
        ("select pg_notify('c', 'x') from t", ["NOTIFICATION"]),
        ("select pg_advisory_lock(1)", ["ADVISORY_LOCK"]),
        ("select pg_catalog.lo_create(1)", ["LARGE_OBJECT"]),
        ("select nextval('s'), currval('s')", ["SEQUENCE_ADVANCE"]),
        ("select setval('s', max(id)) from t", ["SEQUENCE_ADVANCE"]),
        ("select pg_logical_emit_message(true, 'a', 'b')", ["LOGICAL_MESSAGE"]),
        ("select pg_create_logical_replication_slot('s', 'pgoutput')", ["SLOT_WITHOUT_FAILOVER"]),
        ("select pg_create_logical_replication_slot('s', 'pgoutput', failover => true)", ["FAILOVER_SLOT"]),
        ("select pg_create_logical_replication_slot('s', 'pgoutput', false, false, true)", ["FAILOVER_SLOT"]),
        ("select pg_create_physical_replication_slot('s')", ["PHYSICAL_SLOT"]),
        ("select pg_replication_origin_create('o')", ["ORIGIN"]),
        ("create publication p for all tables", ["PUBLICATION"]),
        ("create subscription s connection 'x' publication p", ["SUBSCRIPTION"]),
        # psql's own
        ("\\echo hi", []),
        ("\\d+ t", []),
        ("\\copy t from 'f.csv' csv header", ["COPY_FROM"]),
        ("\\copy (select 1) to program 'gzip > f'", []),
        ("create unlogged table u (a int);\n\\copy u from stdin\n1\n\\.\n", ["UNLOGGED_ROW_CHANGE"]),
        ("\\lo_import f", ["LARGE_OBJECT"]),
        ("\\password r", ["ROLE"]),
    ],
)  # fmt: skip
def test_each_kind_of_statement_touches_its_subjects(script: str, subjects: list[str]) -> None:
    """The last statement of the script, judged with what those before it made."""
    assert touched(script) == subjects


@pytest.mark.parametrize(
    ("body", "subjects"),
    [
        ("insert into u values (1);", ["UNLOGGED_ROW_CHANGE"]),
        ("perform pg_notify('c', 'x');", ["NOTIFICATION"]),
        ("if true then create unlogged table v (a int); end if;", ["UNLOGGED_TABLE?"]),
        ("if true then null; elsif false then notify c; else listen d; end if;", ["NOTIFICATION?", "NOTIFICATION?"]),
        ("case when true then notify c; end case;", ["NOTIFICATION?"]),
        ("for i in 1..2 loop insert into t values (i); end loop;", ["ROW_CHANGE?"]),
        ("for r in select lo_create(0) loop null; end loop;", ["LARGE_OBJECT"]),
        ("begin notify c; exception when others then listen c; end;", ["NOTIFICATION", "NOTIFICATION?"]),
        ("if true then return; end if; notify c;", ["NOTIFICATION?"]),
        ("if true then raise notice 'x'; end if; notify c;", ["NOTIFICATION"]),
        ("n := nextval('s');", ["SEQUENCE_ADVANCE"]),
        ("if nextval('s') > 1 then null; end if;", ["SEQUENCE_ADVANCE"]),
        ("execute 'create unlogged table v (a int)';", ["UNLOGGED_TABLE"]),
        ("execute format('create unlogged table %I (a int)', r);", ["UNLOGGED_TABLE"]),
        ("execute 'drop table ' || quote_ident(r.a) || ' cascade';", ["DDL"]),
        (
            "for r in execute 'insert into t values (1) returning a' loop notify c; end loop;",
            ["ROW_CHANGE", "NOTIFICATION?"],
        ),
        ("create temp table x (a int); insert into x values (1);", ["TEMPORARY_TABLE", "TEMPORARY_ROW_CHANGE"]),
        ("select a into n from t; null;", []),
    ],
)
def test_a_do_block_is_read_from_the_inside(body: str, subjects: list[str]) -> None:
    """What may or may not run is told from what runs."""
    block = f"do $$ declare n int := 1; r record; begin {body} end $$"
    assert touched(f"create unlogged table u (a int); {block}") == subjects


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("execute r.statement;", "put together at run time"),
        ("execute 'select ' || r.expression;", "put together at run time"),
        ("execute format('select %s', r.expression);", "put together at run time"),
        ("perform somebody();", "calls somebody, whose body is not in the script"),
        ("call somebody();", "calls somebody"),
    ],
)
def test_what_a_block_hides_is_said_to_be_unknown(body: str, reason: str) -> None:
    """Nothing is guessed."""
    (reading,) = readings(f"do $$ declare r record; begin {body} end $$")
    assert reason in reading.unknown


def test_a_routine_does_its_work_when_it_is_called() -> None:
    """Its definition is replicated in any case; a call does what the body says."""
    define = "create function f() returns void language plpgsql as $$ begin notify c; end $$;"
    assert touched(define) == ["DDL", "NOTIFICATION?"]
    assert touched(f"{define} select f()") == ["NOTIFICATION"]
    assert touched(f"{define} insert into t select f()") == ["ROW_CHANGE", "NOTIFICATION"]
    assert touched("create procedure p() language sql as 'delete from t'; call p()") == ["ROW_CHANGE"]
    assert touched("create procedure p() begin atomic delete from t; end; call p()") == ["ROW_CHANGE"]
    assert touched("create function g() returns int return nextval('s'); select g()") == ["SEQUENCE_ADVANCE"]
    assert readings(f"{define} drop function f; select f()")[-1].unknown
    assert readings("create function f() returns int language c as 'x'; select f()")[-1].unknown


def test_what_a_body_makes_is_not_there_before_it_runs() -> None:
    """A function that would make an unlogged table makes none when it is defined."""
    define = "create function f() returns void language sql as 'create unlogged table t (a int)';"
    assert touched(f"{define} insert into t values (1)") == ["ROW_CHANGE"]


def test_a_function_that_calls_itself_is_read_once() -> None:
    """Recursion ends."""
    define = "create function f(n int) returns void language plpgsql as $$ begin perform f(n - 1); notify c; end $$;"
    assert touched(f"{define} select f(3)") == ["NOTIFICATION"]


def test_a_view_does_its_work_when_it_is_read() -> None:
    """What its query calls is called then."""
    assert touched("create view v as select nextval('s'); select * from public.v") == ["SEQUENCE_ADVANCE"]
    assert touched("create view v as select nextval('s')") == ["DDL"]
    assert touched("create view v as select 1; select * from v") == []
    assert readings("create view v as select somebody(); select * from v")[-1].unknown


def test_a_change_of_rows_fires_what_the_script_attached() -> None:
    """A trigger's function, and the unlogged part that a row may fall into."""
    script = """
        create function f() returns trigger language plpgsql as $$ begin notify c; return new; end $$;
        create trigger g after insert on t for each row execute function f();
        create table p (a int) partition by list (a);
        create unlogged table u partition of p for values in (1);
    """
    assert touched(f"{script} insert into t values (1)") == ["ROW_CHANGE", "NOTIFICATION?"]
    assert touched(f"{script} insert into p values (1)") == ["ROW_CHANGE", "UNLOGGED_ROW_CHANGE?"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("select somebody()", "calls somebody"),
        ("select app.lo_create(1)", "calls app.lo_create"),
        ("call somebody()", "calls somebody"),
        ("execute p", "not prepared"),
        ("do language plpython3u 'pass'", "plpython3u"),
        ("do $$ begin syntax error; end $$", "cannot be parsed"),
        ("select query_to_xml('delete from t', true, true, '')", "runs a text"),
        (":x", "variable of psql"),
        ("\\i other.sql", "another script"),
        ("select 'drop table t' \\gexec", "what the query before it returns"),
        ("\\! rm f", "shell"),
    ],
)
def test_what_cannot_be_judged_is_said_to_be_unknown(script: str, reason: str) -> None:
    """With the reason."""
    assert reason in readings(script)[-1].unknown


def test_a_command_that_psql_does_not_know_is_an_error() -> None:
    """As it is for psql."""
    assert "knows no command" in readings("\\nonsense")[-1].error
    assert "cannot be parsed" in readings("\\copy t sideways")[-1].error


def test_each_script_is_a_session_of_its_own() -> None:
    """What is permanent stays known in the scripts after it; temporary tables and the schema do not."""
    first = "create unlogged table u (a int); create temp table t (a int); set search_path = s; prepare p as select 1;"
    changes = readings(first, "delete from u; delete from t; execute p")[4:]
    assert [touch.subject for reading in changes for touch in reading.touches] == [
        Subject.UNLOGGED_ROW_CHANGE,
        Subject.ROW_CHANGE,
    ]
    assert "not prepared" in changes[-1].unknown


def test_every_kind_of_statement_of_the_grammar_is_known() -> None:
    """None is unknown because a table forgot it; those left out here are parts of statements."""
    kinds = {name for name in dir(pglast.ast) if name.endswith("Stmt")}
    parts = {"RawStmt", "ReplicaIdentityStmt", "SetOperationStmt"}
    known = {*classify._CHANGES, *classify._LOOKED_INTO, *classify._NOTHING, *classify._ONE_SUBJECT}
    assert kinds - parts - known - set(PostgresReader()._holding) == set()


def test_the_servers_own_functions_are_known_by_name(shared_pair: Pair) -> None:
    """The list is that of the server: functions, and the types that are called like functions."""
    names = shared_pair.run(
        "select proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace union "
        "select typname from pg_type where typnamespace = 'pg_catalog'::regnamespace "
        "and typtype in ('b', 'r', 'm') and left(typname::text, 1) <> '_'"
    )
    assert functions.builtin() == {name for (name,) in names}
