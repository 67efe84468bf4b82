"""Experiments on rows and the tables that hold them, under logical replication."""

from __future__ import annotations

from tests.rules.experiment import SAME, Answer, Refusal
from tests.rules.logical_experiment import ABSENT, WHOLE, Couple, Experiment, Trial

_ITEMS = "create table items (id int primary key, label text)"
_FILL = "insert into items select id, 'label ' || id from generate_series(1, 5) id"
_ALL = "select id, label from items order by id"


def messages(couple: Couple) -> tuple[Answer, Answer]:
    """Decode a message as a consumer that asks for messages does, and as a subscription does."""
    name = "messages"
    couple.run("a", name, "create publication empty")
    couple.run("a", name, "select pg_create_logical_replication_slot('messages', 'pgoutput')")
    couple.run("a", name, "select pg_logical_emit_message(true, 'prefix', 'content')")
    peek = (
        "select count(*) from pg_logical_slot_peek_binary_changes('messages', null, null,"
        "'proto_version', '1', 'publication_names', 'empty' {}) where position('prefix'::bytea in data) > 0"
    )
    asked, unasked = (couple.ask("a", name, peek.format(word)) for word in (", 'messages', 'true'", ""))
    assert asked == [(1,)]
    assert "messages" not in couple.logged("a", r'START_REPLICATION SLOT "postgres" LOGICAL .*')
    return asked, unasked


def decoded_toast(couple: Couple) -> tuple[Answer, Answer]:
    """Decode an update that leaves a large value as it is: only the whole row as identity has the value in the log."""
    name = "decoded_toast"
    create = "create table items (id int primary key, n int, big text)"
    couple.run("a", name, create, "alter table items alter big set storage external")
    couple.run("a", name, "insert into items values (1, 1, repeat('x', 100000))")
    couple.run("a", name, "select pg_create_logical_replication_slot('decoded_toast', 'test_decoding')")
    couple.run("a", name, "update items set n = 2")
    couple.run("a", name, "alter table items replica identity full", "update items set n = 3")
    look = (
        "select data like '%unchanged-toast-datum%', length(data) > 100000 "
        "from pg_logical_slot_peek_changes('decoded_toast', null, null) where data like '%UPDATE%'"
    )
    assert couple.run("a", name, look) == [(True, False), (True, True)]
    return couple.ask("a", name, look), couple.ask("a", name, look)


EXPERIMENTS: tuple[Experiment | Trial, ...] = (
    Experiment(
        rule="PGL-001",
        name="published",
        both=(_ITEMS,),
        publication=WHOLE,
        do=(
            _FILL,
            "update items set label = 'new' where id = 2",
            "delete from items where id = 3",
            (
                "merge into items using (values (4), (9)) v (id) on items.id = v.id "
                "when matched then update set label = 'merged' when not matched then insert values (v.id, 'merged')"
            ),
        ),
        look=_ALL,
        publisher=[(1, "label 1"), (2, "new"), (4, "merged"), (5, "label 5"), (9, "merged")],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-001",
        name="update_left_out",
        both=(_ITEMS,),
        publication="for table items with (publish = 'insert')",
        do=("insert into items values (1, 'old')", "update items set label = 'new'"),
        look=_ALL,
        publisher=[(1, "new")],
        subscriber=[(1, "old")],
    ),
    Experiment(
        rule="PGL-001",
        name="rolled_back",
        both=(_ITEMS,),
        publication=WHOLE,
        do=("begin; insert into items values (1, 'never'); rollback",),
        look=_ALL,
        publisher=[],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-002",
        name="copied",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("copy items from program 'seq 1 100'",),
        look="select count(*), sum(id) from items",
        publisher=[(100, 5050)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-002",
        name="copied_unpublished",
        both=("create table items (id int)",),
        do=("copy items from program 'seq 1 100'",),
        look="select count(*) from items",
        publisher=[(100,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-003",
        name="truncated",
        both=(_ITEMS,),
        publication=WHOLE,
        do=(_FILL, "truncate items restart identity"),
        look=_ALL,
        publisher=[],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-003",
        name="truncate_left_out",
        both=("create table items (id int primary key)",),
        publication="for table items with (publish = 'insert, update, delete')",
        do=("insert into items values (1)", "truncate items"),
        look="select id from items",
        publisher=[],
        subscriber=[(1,)],
    ),
    Experiment(
        rule="PGL-003",
        name="truncate_referenced",
        both=("create table items (id int primary key)",),
        there=("create table orders (item int references items)",),
        publication="for table items",
        do=("insert into items values (1)", "truncate items"),
        look="select id from items",
        publisher=[],
        subscriber=[(1,)],
        alone=True,
        stops="cannot truncate a table referenced in a foreign key constraint",
    ),
    Experiment(
        rule="PGL-004",
        name="volatile",
        both=(
            (
                "create table items (id int, r float8 default random(), t timestamptz default clock_timestamp(), "
                "u uuid default gen_random_uuid())"
            ),
        ),
        publication=WHOLE,
        do=("insert into items select generate_series(1, 300)",),
        look="select count(*), md5(string_agg(r::text || extract(epoch from t) || u, ',' order by id)) from items",
        publisher=SAME,
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-005",
        name="stored_both",
        both=("create table items (id int, c int generated always as (id * 2) stored)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look="select id, c from items",
        publisher=[(1, 2)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-005",
        name="stored_here",
        here=("create table items (id int, c int generated always as (id * 2) stored)",),
        there=("create table items (id int, c int)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look="select id, c from items",
        publisher=[(1, 2)],
        subscriber=[(1, None)],
    ),
    Experiment(
        rule="PGL-005",
        name="stored_published",
        here=("create table items (id int, c int generated always as (id * 2) stored)",),
        there=("create table items (id int, c int)",),
        publication=f"{WHOLE} with (publish_generated_columns = stored)",
        do=("insert into items values (1)",),
        look="select id, c from items",
        publisher=[(1, 2)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-006",
        name="virtual_both",
        both=("create table items (id int, c int generated always as (id * 2))",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look="select id, c from items",
        publisher=[(1, 2)],
        subscriber=SAME,
        refused=(
            (
                "create publication of_virtual for table items (id, c)",
                '42P10: cannot use virtual generated column "c" in publication column list',
            ),
            (
                "create publication of_virtual with (publish_generated_columns = virtual)",
                'Valid values are "none" and "stored"',
            ),
        ),
    ),
    Experiment(
        rule="PGL-006",
        name="virtual_here",
        here=("create table items (id int, c int generated always as (id * 2))",),
        there=("create table items (id int, c int)",),
        publication=WHOLE,
        do=("insert into items values (1)",),
        look="select id, c from items",
        publisher=[(1, 2)],
        subscriber=[(1, None)],
    ),
    Experiment(
        rule="PGL-020",
        name="materialized_view",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1)", "create materialized view report as select * from items"),
        look="select count(*) from report",
        publisher=[(1,)],
        subscriber=ABSENT,
        refused=(("create publication of_view for table report", "not supported for materialized views"),),
    ),
    Experiment(
        rule="PGL-021",
        name="refreshed",
        both=("create table items (id int)", "create materialized view report as select * from items"),
        publication=WHOLE,
        do=("insert into items values (1)", "refresh materialized view report"),
        look="select count(*) from report",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-021",
        name="refreshed_concurrently",
        both=(
            "create table items (id int)",
            "create materialized view report as select * from items",
            "create unique index by_id on report (id)",
        ),
        publication=WHOLE,
        do=("insert into items values (1)", "refresh materialized view concurrently report"),
        look="select count(*) from report",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-022",
        name="large_object",
        both=("create table items (id int, content oid)",),
        publication=WHOLE,
        do=("insert into items values (1, lo_from_bytea(4711, 'abc'))",),
        look="select lo_get(content) from items",
        publisher=[(b"abc",)],
        subscriber=Refusal("42704: large object 4711 does not exist"),
    ),
    Experiment(
        rule="PGL-023",
        name="unchanged_toast",
        both=(
            "create table items (id int primary key, n int, big text)",
            "alter table items alter big set storage external",
        ),
        publication=WHOLE,
        do=("insert into items values (1, 1, repeat('x', 100000))", "update items set n = 2"),
        look="select n, length(big) from items",
        publisher=[(2, 100000)],
        subscriber=SAME,
    ),
    Trial(rule="PGL-023", name="decoded_toast", run=decoded_toast),
    Experiment(
        rule="PGL-024",
        name="changed_key",
        both=(_ITEMS,),
        publication=WHOLE,
        do=(_FILL, "update items set id = 10 where id = 2"),
        look="select id from items order by id",
        publisher=[(1,), (3,), (4,), (5,), (10,)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-025",
        name="foreign_table",
        do=(
            "create extension file_fdw",
            "create server files foreign data wrapper file_fdw",
            "create foreign table numbers (n int) server files options (program 'seq 1 3')",
        ),
        look="select count(*) from numbers",
        publisher=[(3,)],
        subscriber=ABSENT,
        refused=(("create publication of_foreign for table numbers", "not supported for foreign tables"),),
    ),
    Experiment(
        rule="PGL-026",
        name="foreign_changed",
        both=("create extension postgres_fdw", "create table remote (id int)"),
        here=(
            (
                "do $$ begin execute format('create server self foreign data wrapper postgres_fdw options (host %L, "
                "dbname %L)', current_setting('unix_socket_directories'), current_database()); end $$"
            ),
            "create user mapping for postgres server self options (user 'postgres')",
            (
                "create foreign table items (id int) server self options (schema_name 'foreign_changed', "
                "table_name 'remote')"
            ),
        ),
        there=("create table items (id int)",),
        do=("insert into items values (1)",),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-027",
        name="server_file",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("copy (select 7) to program 'cat > server_file.csv'", "copy items from program 'cat server_file.csv'"),
        look="select id, pg_read_file('server_file.csv') from items",
        publisher=[(7, "7\n")],
        subscriber=Refusal('58P01: could not open file "server_file.csv" for reading'),
    ),
    Experiment(
        rule="PGL-028",
        name="file_output",
        do=("copy (select 7) to program 'cat > file_output.csv'",),
        look="select count(*) from pg_ls_dir('.') file where file = 'file_output.csv'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Trial(rule="PGL-029", name="messages", run=messages),
)
