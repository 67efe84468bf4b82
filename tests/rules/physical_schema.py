"""Experiments on sequences, schema, indexes and maintenance, under physical replication."""

from __future__ import annotations

import contextlib
import functools

from replicator.errors import ProcessFailed
from replicator.postgres import topology
from tests.fixtures.defects import configure
from tests.fixtures.pair import Pair, fresh_pair
from tests.rules.experiment import ROWS, Experiment, Refusal, Special
from tests.rules.hands import restart, start, stop, wait
from tests.rules.resource_manager import resource_manager

_UNREADABLE = "^0A000: cannot access temporary or unlogged relations during recovery"
_READ_ONLY = "^25006: cannot execute %s in a read-only transaction"
_RECOVERY = "^25006: cannot execute %s during recovery"


def without_libraries_on_the_standby(pair: Pair) -> None:
    """Have the standby look for libraries where there are none."""
    configure(pair, "b", "dynamic_library_path", "'/nowhere'")


def without_feedback(pair: Pair) -> None:
    """Let the primary vacuum at once what only a session of the standby could still want to see."""
    configure(pair, "b", "hot_standby_feedback", "off")
    topology.wait_until(
        lambda: pair.run("select count(xmin) from pg_replication_slots") == [(0,)],
        "the slot's xmin to go",
        timeout_s=30,
    )


_SEQUENCES: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-038",
        name="nextval",
        do=("create sequence s", "select nextval('s') from generate_series(1, 3)"),
        look="select nextval('s') > 3",
        primary=[(True,)],
        standby=Refusal(_READ_ONLY % r"nextval\(\)"),
        also=(("select last_value, log_cnt from s", [(33, 0)]),),
        refused=(("select setval('s', 1)", _READ_ONLY % r"setval\(\)"),),
        later=(("select last_value from s", [(34,)]),),
    ),
    Experiment(
        rule="PGP-038",
        name="setval",
        do=("create sequence s", "select setval('s', 500)"),
        look="select nextval('s') > 500",
        primary=[(True,)],
        standby=Refusal(_READ_ONLY % r"nextval\(\)"),
    ),
    Experiment(
        rule="PGP-003",
        name="unlogged_sequence",
        do=("create unlogged sequence s", "select nextval('s') from generate_series(1, 40)"),
        look="select nextval('s')",
        primary=[(41,)],
        standby=Refusal(_READ_ONLY % r"nextval\(\)"),
        promoted=[(1,)],
        also=(
            ("select last_value from pg_sequences where schemaname = 'unlogged_sequence'", [(None,)]),
            ("select pg_sequence_last_value('s')", [(None,)]),
        ),
        refused=(("select last_value from s", _UNREADABLE),),
    ),
    Experiment(
        rule="PGP-039",
        name="unlogged_sequence_advance",
        do=("create unlogged sequence s", "select setval('s', 500)"),
        look="select nextval('s')",
        primary=[(501,)],
        standby=Refusal(_READ_ONLY % r"nextval\(\)"),
        promoted=[(1,)],
    ),
    Experiment(
        rule="PGP-039",
        name="unlogged_identity",
        do=(
            "create unlogged table u (id int generated always as identity)",
            "insert into u select from generate_series(1, 5)",
        ),
        look="insert into u default values returning id",
        primary=[(6,)],
        standby=Refusal(_READ_ONLY % "INSERT"),
        promoted=[(1,)],
        also=(("select relpersistence::text from pg_class where relname = 'u_id_seq'", [("u",)]),),
    ),
    Experiment(
        rule="PGP-040",
        name="sequence_relogged",
        do=(
            "create unlogged sequence s",
            "select nextval('s') from generate_series(1, 7)",
            "alter sequence s set logged",
            "alter sequence s set unlogged",
            "select nextval('s') from generate_series(1, 40)",
        ),
        look="select nextval('s')",
        primary=[(48,)],
        standby=Refusal(_READ_ONLY % r"nextval\(\)"),
        promoted=[(8,)],
    ),
    Experiment(
        rule="PGP-040",
        name="table_logged_late",
        do=(
            "create unlogged table t (id int generated always as identity primary key, v text)",
            "insert into t (v) values ('unlogged')",
            "alter table t set logged",
            "insert into t (v) select 'logged' from generate_series(1, 3)",
        ),
        look="insert into t (v) values ('x') returning id",
        primary=[(5,)],
        standby=Refusal(_READ_ONLY % "INSERT"),
        promoted=Refusal('^23505: duplicate key value violates unique constraint "t_pkey"'),
        also=(("select max(id) from t", [(5,)]), ("select last_value from t_id_seq", [(1,)])),
    ),
    Experiment(
        rule="PGP-041",
        name="currval",
        do=("create sequence s", "select nextval('s')"),
        look="select currval('s'), lastval()",
        primary=[(1, 1)],
        standby=Refusal('^55000: currval of sequence "s" is not yet defined in this session'),
        promoted=Refusal('^55000: currval of sequence "s" is not yet defined in this session'),
        refused=(("select lastval()", "^55000: lastval is not yet defined in this session"),),
    ),
)

_DEFINITIONS: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-042",
        name="ddl",
        do=(
            "create table t (id int primary key, v text)",
            "alter table t add column w int check (w > 0)",
            "create table dropped (id int)",
            "drop table dropped",
            "create view v as select id from t",
            "create function f() returns int language sql return 1",
            "create type mood as enum ('sad', 'happy')",
            "create policy p on t using (id > 0)",
            "create function tf() returns trigger language plpgsql as 'begin return new; end'",
            "create trigger tr before insert on t for each row execute function tf()",
            "comment on table t is 'a table'",
            "create role hadrian_reader",
            "grant select on t to hadrian_reader",
        ),
        look="select to_regclass('dropped'), (select count(*) from v), f(), 'happy'::mood::text,"
        " (select polname::text from pg_policy where polrelid = 't'::regclass),"
        " (select tgname::text from pg_trigger where tgrelid = 't'::regclass),"
        " obj_description('t'::regclass), has_table_privilege('hadrian_reader', 't', 'select'),"
        " (select array_agg(attname::text order by attnum) from pg_attribute"
        " where attrelid = 't'::regclass and attnum > 0)",
        primary=[(None, 0, 1, "happy", "p", "tr", "a table", True, ["id", "v", "w"])],
        refused=(("create table x (id int)", _READ_ONLY % "CREATE TABLE"),),
    ),
    Experiment(
        rule="PGP-043",
        name="table_as",
        do=(
            "create table t as select generate_series(1, 1000) id",
            "select * into u from t where id > 500",
        ),
        look="select (select count(*) from t), (select count(*) from u)",
        primary=[(1000, 500)],
    ),
    Experiment(
        rule="PGP-044",
        name="table_rewrite",
        do=(
            "create table t (id int, v int)",
            "insert into t select i, i from generate_series(1, 1000) i",
            "alter table t alter v type bigint",
            "alter table t add column r float8 default random()",
        ),
        look="select pg_relation_filenode('t'), md5(string_agg(ctid || ':' || t::text, ',' order by id)) from t",
        primary=ROWS,
        also=(("select count(*), count(distinct r) > 900 from t", [(1000, True)]),),
    ),
    Experiment(
        rule="PGP-045",
        name="storage_parameter",
        do=(
            "create table t (id int primary key)",
            "alter table t set (autovacuum_enabled = off, fillfactor = 70)",
            "cluster t using t_pkey",
            "alter table t replica identity full",
        ),
        look="select reloptions, relreplident::text, indisclustered from pg_class c"
        " join pg_index on indrelid = c.oid where c.oid = 't'::regclass",
        primary=[(["autovacuum_enabled=off", "fillfactor=70"], "f", True)],
    ),
    Experiment(
        rule="PGP-056",
        name="database_by_log",
        do=("create database by_log strategy wal_log",),
        look="select current_database()::text, count(*) from pg_class where oid < 16384",
        primary=ROWS,
        on="by_log",
    ),
    Experiment(
        rule="PGP-056",
        name="database_by_copy",
        do=("create database by_copy strategy file_copy",),
        look="select current_database()::text, count(*) from pg_class where oid < 16384",
        primary=ROWS,
        on="by_copy",
    ),
    Experiment(
        rule="PGP-057",
        name="event_trigger",
        do=(
            "create table log (at int generated always as identity)",
            (
                "create function note() returns event_trigger language plpgsql"
                " as 'begin insert into event_trigger.log default values; end'"
            ),
            "create event trigger noted on ddl_command_end when tag in ('CREATE DOMAIN') execute function note()",
            "create domain a_domain as int",
        ),
        look="delete from log; create domain b_domain as int; drop domain b_domain; select count(*) from log",
        primary=[(1,)],
        standby=Refusal(_READ_ONLY % "DELETE"),
        also=(
            ("select count(*) from log", [(1,)]),
            ("select evtname::text from pg_event_trigger where evtname = 'noted'", [("noted",)]),
        ),
    ),
    Experiment(
        rule="PGP-057",
        name="login_trigger",
        do=(
            "create extension if not exists dblink schema public",
            "create database guarded",
            (
                "select dblink_exec(format('dbname=guarded user=postgres host=%s port=%s',"
                " current_setting('unix_socket_directories'), current_setting('port')),"
                " 'create table public.seen (id int);"
                " create function public.note() returns event_trigger language plpgsql"
                " as $$ begin insert into public.seen values (1); end $$;"
                " create event trigger noted on login execute function public.note()')"
            ),
        ),
        look="select count(*) > 0 from public.seen",
        primary=[(True,)],
        standby=Refusal("cannot execute INSERT in a read-only transaction"),
        on="guarded",
    ),
    Experiment(
        rule="PGP-058",
        name="row_trigger",
        do=(
            "create table t (id int)",
            "create table log (id int)",
            (
                "create function note() returns trigger language plpgsql"
                " as 'begin insert into row_trigger.log values (new.id); return null; end'"
            ),
            "create trigger noted after insert on t for each row execute function note()",
            "alter table t enable always trigger noted",
            "insert into t values (1), (2)",
        ),
        look="delete from log; insert into t values (3); select id from log",
        primary=[(3,)],
        standby=Refusal(_READ_ONLY % "DELETE"),
        also=(("select id from log", [(3,)]),),
    ),
)

_MAINTENANCE: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-046",
        name="reorganization",
        do=(
            "create table t (id int primary key, v text)",
            "create index t_v on t (v)",
            "insert into t select i, md5(i::text) from generate_series(1, 1000) i",
            "delete from t where id % 2 = 0",
            "vacuum full t",
            "cluster t using t_v",
            "reindex table t",
        ),
        look="select pg_relation_filenode('t'), pg_relation_filenode('t_pkey'), pg_relation_size('t'),"
        " md5(string_agg(ctid || ':' || t::text, ',' order by id)) from t",
        primary=ROWS,
        refused=(
            ("vacuum full t", _RECOVERY % "VACUUM"),
            ("cluster t using t_v", _RECOVERY % "CLUSTER"),
            ("reindex table t", _RECOVERY % "REINDEX"),
        ),
        prepare=without_feedback,
    ),
    Experiment(
        rule="PGP-047",
        name="vacuumed",
        do=(
            "create extension if not exists pg_visibility schema public",
            "create extension if not exists amcheck schema public",
            "create table t (id int primary key, v text) with (autovacuum_enabled = off)",
            "insert into t select i, md5(i::text) from generate_series(1, 1000) i",
            "delete from t where id > 500",
            "vacuum (freeze) t",
        ),
        look="select (select relfrozenxid::text from pg_class where oid = 't'::regclass), pg_relation_size('t'),"
        " (select all_visible || ',' || all_frozen from pg_visibility_map_summary('t')),"
        " (select md5(string_agg(ctid || ':' || t::text, ',' order by id)) from t)",
        primary=ROWS,
        also=(("select bt_index_check('t_pkey')", [("",)]),),
        refused=(("vacuum t", _RECOVERY % "VACUUM"), ("analyze t", _RECOVERY % "ANALYZE")),
        prepare=without_feedback,
    ),
    Experiment(
        rule="PGP-048",
        name="hint_bits",
        do=(
            "create extension if not exists pageinspect schema public",
            "create table t (id int) with (autovacuum_enabled = off)",
            "insert into t select generate_series(1, 10)",
            "select count(*) from t",
        ),
        look="select count(*) from heap_page_items(get_raw_page('t', 0)) where t_infomask & 256 <> 0",
        primary=[(10,)],
        standby=[(0,)],
        promoted=[(0,)],
        also=(("select count(*) from t", [(10,)]),),
        later=(("select count(*) from t", [(10,)]),),
    ),
    Experiment(
        rule="PGP-048",
        name="hint_bits_after_checkpoint",
        do=(
            "create extension if not exists pageinspect schema public",
            "create table t (id int) with (autovacuum_enabled = off)",
            "insert into t values (1)",
            "checkpoint",
            "select count(*) from t",
        ),
        look="select count(*) from heap_page_items(get_raw_page('t', 0)) where t_infomask & 256 <> 0",
        primary=[(1,)],
    ),
    Experiment(
        rule="PGP-049",
        name="free_space_map",
        do=(
            "create extension if not exists pg_freespacemap schema public",
            "create table t (id int, v text) with (autovacuum_enabled = off)",
            "insert into t select i, repeat('x', 500) from generate_series(1, 1000) i",
            "delete from t where id % 3 = 0",
            "vacuum t",
            "insert into t select i, repeat('y', 500) from generate_series(1, 100) i",
        ),
        look="select sum(avail) from pg_freespace('t')",
        primary=ROWS,
        standby=ROWS,
        promoted=ROWS,
        also=(("select count(*) from t", [(767,)]),),
        later=(("insert into t values (0, 'z') returning id", [(0,)]),),
        prepare=without_feedback,
    ),
)

_INDEXED = (
    "create extension if not exists amcheck schema public",
    "create table t (id int, p point, a int[], r int4range)",
    "create index t_btree on t using btree (id)",
    "create index t_gist on t using gist (p)",
    "create index t_gin on t using gin (a) with (fastupdate = off)",
    "create index t_brin on t using brin (id)",
    "create index t_spgist on t using spgist (r)",
    "insert into t select i, point(i, i), array[i], int4range(i, i + 1) from generate_series(1, 1000) i",
)


_INDEXES: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-050",
        name="indexes",
        do=_INDEXED,
        look="set enable_seqscan = off;"
        " select (select count(*) from t where id between 5 and 8), (select count(*) from t where p ~= point(7, 7)),"
        " (select count(*) from t where a @> array[7]), (select count(*) from t where r @> 7)",
        primary=[(4, 1, 1, 1)],
        also=(("select bt_index_check('t_btree', true)", [("",)]),),
        later=(("select bt_index_check('t_btree', true)", [("",)]),),
    ),
    Experiment(
        rule="PGP-051",
        name="hash_index",
        do=(
            "create table t (id int)",
            "create index t_hash on t using hash (id)",
            "insert into t select generate_series(1, 1000)",
        ),
        look="set enable_seqscan = off; select count(*) from t where id = 7",
        primary=[(1,)],
    ),
    Experiment(
        rule="PGP-052",
        name="gin_pending",
        do=(
            "create extension if not exists pgstattuple schema public",
            "create table t (a int[]) with (autovacuum_enabled = off)",
            "create index t_gin on t using gin (a)",
            "insert into t select array[i] from generate_series(1, 500) i",
        ),
        look="select pending_pages, pending_tuples from pgstatginindex('t_gin')",
        primary=[(2, 500)],
        also=(("set enable_seqscan = off; select count(*) from t where a @> array[7]", [(1,)]),),
        refused=(
            (
                "select gin_clean_pending_list('t_gin')",
                "^55000: recovery is in progress, GIN pending list cannot be cleaned up during recovery",
            ),
        ),
    ),
    Experiment(
        rule="PGP-053",
        name="extension_indexes",
        do=(
            "create extension if not exists bloom schema public",
            "create extension if not exists vector schema public",
            "create table t (id int, e vector(2))",
            "create index t_bloom on t using bloom (id)",
            "create index t_hnsw on t using hnsw (e vector_l2_ops)",
            "insert into t select i, format('[%s, %s]', i, i)::vector from generate_series(1, 100) i",
        ),
        look="set enable_seqscan = off;"
        " select (select count(*) from t where id = 7), (select id from t order by e <-> '[7, 7]' limit 1)",
        primary=[(1, 7)],
    ),
    Experiment(
        rule="PGP-053",
        name="extension_index_without_library",
        do=(
            "create extension bloom schema public",
            "create table t (id int)",
            "create index t_bloom on t using bloom (id)",
            "insert into t select generate_series(1, 100)",
        ),
        look="select count(*) from t",
        primary=[(100,)],
        standby=Refusal('^58P01: could not access file "bloom": No such file or directory'),
        promoted=Refusal('^58P01: could not access file "bloom": No such file or directory'),
        prepare=without_libraries_on_the_standby,
    ),
)

EXPERIMENTS = (*_SEQUENCES, *_DEFINITIONS, *_MAINTENANCE, *_INDEXES)


def minimal_log() -> bool:
    """Write under wal_level = minimal while the standby is down, go back, and let the standby try to follow."""
    with fresh_pair() as pair:
        stop(pair, "b")
        pair.run("select pg_drop_replication_slot('hadrian_pair')")
        restart(pair, "a", {"wal_level": "minimal", "max_wal_senders": "0", "wal_keep_size": "'1GB'"})
        pair.run("create table unseen as select generate_series(1, 1000)")
        restart(pair, "a", {"wal_level": "replica", "max_wal_senders": "10"})
        pair.run("select pg_create_physical_replication_slot('hadrian_pair', true)")
        with contextlib.suppress(ProcessFailed):  # it may be down again before it is seen to be up
            start(pair, "b")
        wait(lambda: pair.embedded.postmaster("b") is None, "the standby to shut down")
        said = (pair.embedded.directory / "b.log").read_text()
        assert 'WAL was generated with "wal_level=minimal", cannot continue recovering' in said
        return False


SPECIALS = (
    Special(rule="PGP-054", name="preloaded", run=functools.partial(resource_manager, preloaded=True)),
    Special(rule="PGP-054", name="not_preloaded", run=functools.partial(resource_manager, preloaded=False)),
    Special(rule="PGP-055", name="minimal_log", run=minimal_log),
)
