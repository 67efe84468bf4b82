"""Experiments on rows and what holds them, under physical replication."""

from __future__ import annotations

from tests.fixtures.defects import configure
from tests.fixtures.pair import Pair
from tests.rules.experiment import ROWS, Experiment, Refusal

_UNREADABLE = "^0A000: cannot access temporary or unlogged relations during recovery"
_READ_ONLY = "^25006: cannot execute %s in a read-only transaction"


def quote_everything_on_the_standby(pair: Pair) -> None:
    """Give the standby a setting of its own that an immutable function heeds."""
    configure(pair, "b", "quote_all_identifiers", "on")


_LOGGED_DATA: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-012",
        name="row_change",
        do=(
            "create table t (id int primary key, v text)",
            "insert into t select i, 'v' || i from generate_series(1, 100) i",
            "update t set v = 'changed' where id <= 10",
            "delete from t where id > 90",
            (
                "merge into t using (values (1), (1000)) s (id) on t.id = s.id"
                " when matched then update set v = 'merged' when not matched then insert values (s.id, 'merged')"
            ),
            "begin; insert into t values (2000, 'rolled back'); rollback",
        ),
        look="select count(*), md5(string_agg(t.ctid || ':' || t.xmin || ':' || t::text, ',' order by id)) from t",
        primary=ROWS,
        also=(("select count(*), count(*) filter (where v = 'merged'), max(id) from t", [(91, 2, 1000)]),),
        refused=(("insert into t values (0)", _READ_ONLY % "INSERT"),),
    ),
    Experiment(
        rule="PGP-013",
        name="copy_from",
        do=(
            "create table t (id int)",
            "copy t from program 'seq 1 1000'",
        ),
        look="select count(*), sum(id) from t",
        primary=[(1000, 500500)],
        refused=(("copy t from program 'seq 1'", "^25006: cannot execute COPY during recovery"),),
    ),
    Experiment(
        rule="PGP-014",
        name="truncated",
        do=(
            "create table t (id int generated always as identity)",
            "create table u (id int)",
            "insert into t select from generate_series(1, 100)",
            "insert into u values (1)",
            "truncate t, u restart identity",
            "insert into t default values",
        ),
        look="select (select string_agg(id::text, ',') from t), (select count(*) from u), pg_relation_filenode('t')",
        primary=ROWS,
        also=(("select (select string_agg(id::text, ',') from t), (select count(*) from u)", [("1", 0)]),),
        refused=(("truncate u", _READ_ONLY % "TRUNCATE TABLE"),),
    ),
    Experiment(
        rule="PGP-015",
        name="volatile_value",
        do=(
            (
                "create table t (id int, r float8 default random(), c timestamptz default clock_timestamp(),"
                " u uuid default gen_random_uuid())"
            ),
            "insert into t select generate_series(1, 300)",
        ),
        look="select count(distinct u), md5(string_agg(t::text, ',' order by id)) from t",
        primary=ROWS,
        also=(("select count(distinct u) from t", [(300,)]),),
    ),
    Experiment(
        rule="PGP-016",
        name="stored_generated",
        do=("create table t (a int, b int generated always as (a * 2) stored)", "insert into t values (1), (21)"),
        look="select a, b from t order by a",
        primary=[(1, 2), (21, 42)],
    ),
    Experiment(
        rule="PGP-017",
        name="virtual_generated",
        do=("create table t (a int, b int generated always as (a * 2) virtual)", "insert into t values (1), (21)"),
        look="select a, b from t order by a",
        primary=[(1, 2), (21, 42)],
    ),
    Experiment(
        rule="PGP-017",
        name="virtual_generated_of_a_setting",
        do=(
            "create table t (a text, b text generated always as (quote_ident(a)) virtual)",
            "insert into t values ('plain')",
        ),
        look="select b from t",
        primary=[("plain",)],
        standby=[('"plain"',)],
        promoted=[('"plain"',)],
        prepare=quote_everything_on_the_standby,
    ),
    Experiment(
        rule="PGP-024",
        name="set_logged",
        do=(
            "create unlogged table u (id int)",
            "insert into u select generate_series(1, 100)",
            "alter table u set logged",
        ),
        look="select count(*), sum(id) from u",
        primary=[(100, 5050)],
    ),
    Experiment(
        rule="PGP-029",
        name="materialized_view",
        do=(
            "create table t (id int)",
            "insert into t values (1), (2)",
            "create materialized view mv as select * from t",
            "insert into t values (3)",
        ),
        look="select count(*) from mv",
        primary=[(2,)],
        refused=(("refresh materialized view mv", _READ_ONLY % "REFRESH MATERIALIZED VIEW"),),
    ),
    Experiment(
        rule="PGP-030",
        name="refresh",
        do=(
            "create table t (id int)",
            "create materialized view mv as select * from t",
            "create unique index on mv (id)",
            "insert into t values (1), (2)",
            "refresh materialized view mv",
            "insert into t values (3)",
            "refresh materialized view concurrently mv",
        ),
        look="select count(*) from mv",
        primary=[(3,)],
        refused=(("refresh materialized view mv", _READ_ONLY % "REFRESH MATERIALIZED VIEW"),),
    ),
    Experiment(
        rule="PGP-031",
        name="large_object",
        do=("select lo_from_bytea(4711, 'abc')", "select lo_put(4711, 3, 'def')"),
        look="select convert_from(lo_get(4711), 'UTF8')",
        primary=[("abcdef",)],
        refused=(
            ("select lo_put(4711, 0, 'x')", "^25006: cannot execute lo_put"),
            ("select lo_unlink(4711)", "^25006: cannot execute lo_unlink"),
            ("select lo_create(0)", "^25006: cannot execute lo_create"),
        ),
    ),
    Experiment(
        rule="PGP-032",
        name="table_without_key",
        do=(
            "create table t (a int, b int)",
            "insert into t values (1, 1), (1, 1), (2, 2)",
            "delete from t where a = 2",
        ),
        look="select a, b from t",
        primary=[(1, 1), (1, 1)],
    ),
    Experiment(
        rule="PGP-009",
        name="published_table",
        do=(
            "create table t (a int)",
            "insert into t values (1)",
            "create publication without_identity for table t",
        ),
        look="update t set a = 2",
        primary=Refusal('^55000: cannot update table "t" because it does not have a replica identity'),
        standby=Refusal(_READ_ONLY % "UPDATE"),
        also=(("select pubname from pg_publication where pubname = 'without_identity'", [("without_identity",)]),),
    ),
    Experiment(
        rule="PGP-037",
        name="logical_message",
        do=(
            "create extension if not exists pg_walinspect schema public",
            "create table mark as select pg_current_wal_insert_lsn() as before",
            "select pg_logical_emit_message(true, 'hadrian', 'in the log', true)",
            "create table until as select pg_current_wal_insert_lsn() as after",
        ),
        look="select count(*) from pg_get_wal_records_info((select before from mark), (select after from until))"
        " where resource_manager = 'LogicalMessage' and description like '%hadrian%'",
        primary=[(1,)],
        refused=(
            (
                "select pg_logical_emit_message(true, 'hadrian', 'x')",
                "^XX000: cannot assign TransactionIds during recovery",
            ),
            (
                "select pg_logical_emit_message(false, 'hadrian', 'x')",
                "^XX000: cannot make new WAL entries during recovery",
            ),
        ),
    ),
)

_UNLOGGED: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-001",
        name="unlogged_table",
        do=("create unlogged table u (id int)", "insert into u select generate_series(1, 100)"),
        look="select count(*) from u",
        primary=[(100,)],
        standby=Refusal(_UNREADABLE),
        promoted=[(0,)],
        also=(("select count(*) from pg_class where oid = 'u'::regclass", [(1,)]),),
    ),
    Experiment(
        rule="PGP-018",
        name="unlogged_row_change",
        do=(
            "create unlogged table u (id int primary key, v text)",
            "insert into u values (1, 'a'), (2, 'b'), (3, 'c')",
            "update u set v = 'changed' where id = 1",
            "delete from u where id = 3",
        ),
        look="select id, v from u order by id",
        primary=[(1, "changed"), (2, "b")],
        standby=Refusal(_UNREADABLE),
        promoted=[],
    ),
    Experiment(
        rule="PGP-019",
        name="unlogged_index",
        do=(
            "create extension if not exists amcheck schema public",
            "create unlogged table u (id int)",
            "insert into u select generate_series(1, 1000)",
            "create index u_id on u (id)",
            "set enable_seqscan = off",
        ),
        look="select count(*) from u where id = 5",
        primary=[(1,)],
        standby=Refusal(_UNREADABLE),
        promoted=[(0,)],
        also=(("select relpersistence::text, pg_relation_size(oid) from pg_class where relname = 'u_id'", [("u", 0)]),),
        later=(
            ("select indisvalid from pg_index where indexrelid = 'u_id'::regclass", [(True,)]),
            ("select bt_index_check('u_id')", [("",)]),
        ),
    ),
    Experiment(
        rule="PGP-002",
        name="unlogged_partition",
        do=(
            "create table p (id int) partition by range (id)",
            "create table p_low partition of p for values from (0) to (5)",
            "create unlogged table p_high partition of p for values from (5) to (10)",
            "insert into p select generate_series(2, 7)",
        ),
        look="select count(*) from p",
        primary=[(6,)],
        standby=Refusal(_UNREADABLE),
        promoted=[(3,)],
        also=(("select count(*) from p where id < 5", [(3,)]),),
    ),
    Experiment(
        rule="PGP-002",
        name="unlogged_child",
        do=(
            "create table parent (id int)",
            "create unlogged table child () inherits (parent)",
            "insert into parent values (1)",
            "insert into child values (2), (3)",
        ),
        look="select count(*) from parent",
        primary=[(3,)],
        standby=Refusal(_UNREADABLE),
        promoted=[(1,)],
        also=(("select count(*) from only parent", [(1,)]),),
    ),
    Experiment(
        rule="PGP-020",
        name="unlogged_partitioned",
        do=(),
        look="create unlogged table p (id int) partition by range (id)",
        primary=Refusal("^0A000: partitioned tables cannot be unlogged"),
        standby=Refusal(_READ_ONLY % "CREATE TABLE"),
    ),
    Experiment(
        rule="PGP-020",
        name="partitioned_set_unlogged",
        do=("create table p (id int) partition by range (id)",),
        look="alter table p set unlogged",
        primary=Refusal('^42809: ALTER action SET UNLOGGED cannot be performed on relation "p"'),
        standby=Refusal(_READ_ONLY % "ALTER TABLE"),
    ),
    Experiment(
        rule="PGP-021",
        name="unlogged_reference",
        do=("create unlogged table u (id int primary key)",),
        look="create table t (id int references u)",
        primary=Refusal("^42P16: constraints on permanent tables may reference only permanent tables"),
        standby=Refusal(_READ_ONLY % "CREATE TABLE"),
    ),
    Experiment(
        rule="PGP-022",
        name="unlogged_referencing",
        do=(
            "create table t (id int primary key)",
            "create unlogged table u (id int references t)",
            "insert into t values (1), (2)",
            "insert into u values (1)",
        ),
        look="select t.id, u.id from t left join u using (id) order by 1",
        primary=[(1, 1), (2, None)],
        standby=Refusal(_UNREADABLE),
        promoted=[(1, None), (2, None)],
    ),
    Experiment(
        rule="PGP-023",
        name="unlogged_materialized_view",
        do=(),
        look="create unlogged materialized view mv as select 1",
        primary=Refusal("^0A000: materialized views cannot be unlogged"),
    ),
    Experiment(
        rule="PGP-025",
        name="set_unlogged",
        do=(
            "create table t (id int)",
            "insert into t select generate_series(1, 100)",
            "alter table t set unlogged",
        ),
        look="select count(*) from t",
        primary=[(100,)],
        standby=Refusal(_UNREADABLE),
        promoted=[(0,)],
    ),
    Experiment(
        rule="PGP-026",
        name="set_unlogged_referenced",
        do=("create table fkp (id int primary key)", "create table fkc (id int references fkp)"),
        look="alter table fkp set unlogged",
        primary=Refusal('^42P16: could not change table "fkp" to unlogged because it references logged table "fkc"'),
        standby=Refusal(_READ_ONLY % "ALTER TABLE"),
    ),
    Experiment(
        rule="PGP-027",
        name="temporary_table",
        do=("create temporary table held (id int)", "create temporary sequence held_sq"),
        look="select (select count(*) from pg_temp.held), (select last_value from pg_temp.held_sq)",
        primary=[(0, 1)],
        standby=Refusal('^42P01: relation "pg_temp.held" does not exist'),
        promoted=Refusal('^42P01: relation "pg_temp.held" does not exist'),
        also=(("select count(*) from pg_class where relname in ('held', 'held_sq')", [(2,)]),),
        later=(("select count(*) from pg_class where relname in ('held', 'held_sq')", [(2,)]),),
        refused=(
            ("create temporary table s (id int)", _READ_ONLY % "CREATE TABLE"),
            ("select 1 into temporary s", _READ_ONLY % "SELECT INTO"),
        ),
    ),
    Experiment(
        rule="PGP-028",
        name="temporary_row_change",
        do=("create temporary table s (id int)", "insert into s values (1), (2)"),
        look="select count(*) from pg_temp.s",
        primary=[(2,)],
        standby=Refusal('^42P01: relation "pg_temp.s" does not exist'),
        promoted=Refusal('^42P01: relation "pg_temp.s" does not exist'),
    ),
)

_ELSEWHERE: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-033",
        name="foreign_table_reachable",
        do=(
            "create extension if not exists file_fdw schema public",
            "create server both_have foreign data wrapper file_fdw",
            "create foreign table ft (line text) server both_have options (filename '/etc/passwd')",
        ),
        look="select count(*) > 0 from ft",
        primary=[(True,)],
    ),
    Experiment(
        rule="PGP-033",
        name="foreign_table_out_of_reach",
        do=(
            "create extension if not exists file_fdw schema public",
            "copy (select 'one') to program 'cat > only_here.csv'",
            "create server one_has foreign data wrapper file_fdw",
            "create foreign table ft (line text) server one_has options (filename 'only_here.csv')",
        ),
        look="select line from ft",
        primary=[("one",)],
        standby=Refusal('^58P01: could not open file "only_here.csv" for reading: No such file or directory'),
        promoted=Refusal('^58P01: could not open file "only_here.csv" for reading: No such file or directory'),
    ),
    Experiment(
        rule="PGP-034",
        name="foreign_row_change",
        do=(
            "create extension if not exists postgres_fdw schema public",
            "create table far (id int)",
            (
                "do $$ begin execute format("
                "'create server far_away foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L)',"
                " current_setting('unix_socket_directories'), current_setting('port'), current_database()); end $$"
            ),
            "create user mapping for public server far_away options (user 'postgres')",
            (
                "create foreign table ft (id int) server far_away"
                " options (schema_name 'foreign_row_change', table_name 'far')"
            ),
            "insert into ft values (1), (2)",
        ),
        look="select count(*) from ft",
        primary=[(2,)],
        promoted=Refusal('^08001: could not connect to server "far_away"'),
        refused=(("insert into ft values (3)", _READ_ONLY % "INSERT"),),
    ),
    Experiment(
        rule="PGP-035",
        name="server_file_read",
        do=("copy (select 'one') to program 'cat > read_here.csv'",),
        look="select pg_read_file('read_here.csv')",
        primary=[("one\n",)],
        standby=Refusal('^58P01: could not open file "read_here.csv" for reading: No such file or directory'),
        promoted=Refusal('^58P01: could not open file "read_here.csv" for reading: No such file or directory'),
    ),
    Experiment(
        rule="PGP-035",
        name="server_file_loaded",
        do=(
            "copy (select generate_series(1, 3)) to program 'cat > loaded_here.csv'",
            "create table t (id int)",
            (
                "do $$ begin execute format('copy t from %L', current_setting('data_directory') || '/loaded_here.csv');"
                " end $$"
            ),
        ),
        look="select count(*) from t",
        primary=[(3,)],
    ),
    Experiment(
        rule="PGP-036",
        name="file_output",
        do=("copy (select 'one') to program 'cat > written_here.csv'",),
        look="select pg_read_file('written_here.csv')",
        primary=[("one\n",)],
        standby=Refusal("^58P01"),
        promoted=Refusal("^58P01"),
        also=(
            ("copy (select 'two') to program 'cat > written_there.csv'", []),
            ("select pg_read_file('written_there.csv')", [("two\n",)]),
        ),
    ),
)

EXPERIMENTS = (*_LOGGED_DATA, *_UNLOGGED, *_ELSEWHERE)
