"""Experiments on unlogged and temporary tables, under logical replication."""

from __future__ import annotations

from tests.rules.experiment import SAME, Answer
from tests.rules.logical_experiment import ABSENT, WHOLE, Couple, Experiment, Trial


def copied_at_refresh(couple: Couple) -> tuple[Answer, Answer]:
    """Log a table under FOR ALL TABLES: rows come neither with that nor after it, and all of them at a refresh."""
    name = "relogged"
    couple.create_database(name)
    couple.run("a", name, "create unlogged table items (id int)", "insert into items values (1), (2)")
    couple.run("b", name, "create table items (id int)")
    couple.run("a", name, "create publication relogged for all tables")
    couple.subscribe(name, ["relogged"])
    couple.run("a", name, "alter table items set logged")
    couple.run("a", name, "insert into items values (3)")
    couple.caught_up(name)
    look = "select count(*) from items"
    answers = couple.ask("a", name, look), couple.ask("b", name, look)
    assert answers == ([(3,)], [(0,)])
    couple.run("b", name, f"alter subscription {name} refresh publication")
    couple.ready(name)
    assert couple.ask("b", name, look) == [(3,)]
    return answers


def copied_part(couple: Couple) -> tuple[Answer, Answer]:
    """Copy a partitioned table one of whose partitions is unlogged: its rows are copied, and never followed."""
    name = "parts"
    root = "create table items (id int) partition by range (id)"
    low = "create table low partition of items for values from (0) to (5)"
    high = "create {} table high partition of items for values from (5) to (10)"
    couple.run("a", name, root, low, high.format("unlogged"), "insert into items values (1), (6)")
    couple.run("b", name, root, low, high.format(""))
    couple.run("a", name, "create publication parts for table items")
    assert couple.ask("a", name, "select tablename from pg_publication_tables where pubname = 'parts'") == [
        ("low",),
        ("high",),
    ]
    couple.subscribe(name, ["parts"], copy=True)
    couple.ready(name)
    couple.run("a", name, "insert into items values (2), (7)")
    couple.caught_up(name)
    look = "select id from items order by id"
    copied = couple.ask("b", name, look)
    assert copied == [(1,), (2,), (6,)]
    return couple.ask("a", name, look), copied


EXPERIMENTS: tuple[Experiment | Trial, ...] = (
    Experiment(
        rule="PGL-007",
        name="unlogged_in_schema",
        here=("create unlogged table items (id int)",),
        there=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items select generate_series(1, 100)",),
        look="select count(*) from items",
        publisher=[(100,)],
        subscriber=[(0,)],
        refused=(
            (
                "create publication of_unlogged for table items",
                'cannot add relation "items" to publication, This operation is not supported for unlogged tables',
            ),
        ),
    ),
    Experiment(
        rule="PGL-007",
        name="unlogged_under_all_tables",
        here=("create unlogged table items (id int)",),
        there=("create table items (id int)",),
        publication="for all tables",
        do=("insert into items select generate_series(1, 100)",),
        look="select count(*) from items",
        publisher=[(100,)],
        subscriber=[(0,)],
        alone=True,
    ),
    Experiment(
        rule="PGL-008",
        name="unlogged_changed",
        here=("create unlogged table items (id int primary key, n int)", "insert into items values (1, 1), (2, 1)"),
        there=("create table items (id int primary key, n int)", "insert into items values (1, 1), (2, 1)"),
        publication=WHOLE,
        do=("update items set n = 2 where id = 1", "delete from items where id = 2"),
        look="select id, n from items order by id",
        publisher=[(1, 2)],
        subscriber=[(1, 1), (2, 1)],
    ),
    Experiment(
        rule="PGL-009",
        name="unlogged_index",
        both=("create unlogged table items (id int)",),
        do=("create index by_id on items (id)",),
        look="select relpersistence from pg_class where oid = to_regclass('by_id')",
        publisher=[("u",)],
        subscriber=[],
    ),
    Experiment(
        rule="PGL-010",
        name="unlogged_part",
        both=(
            "create table items (id int) partition by range (id)",
            "create table low partition of items for values from (0) to (5)",
        ),
        here=("create unlogged table high partition of items for values from (5) to (10)",),
        there=("create table high partition of items for values from (5) to (10)",),
        publication="for table items",
        do=("insert into items select generate_series(2, 7)",),
        look="select count(*) from items",
        publisher=[(6,)],
        subscriber=[(3,)],
    ),
    Experiment(
        rule="PGL-010",
        name="unlogged_child",
        both=("create table items (id int)",),
        here=("create unlogged table child () inherits (items)",),
        there=("create table child () inherits (items)",),
        publication=WHOLE,
        do=("insert into items values (1)", "insert into child values (2)"),
        look="select count(*) from items",
        publisher=[(2,)],
        subscriber=[(1,)],
    ),
    Experiment(
        rule="PGL-011",
        name="unlogged_partitioned",
        look="select to_regclass('items')",
        publisher=[(None,)],
        subscriber=SAME,
        refused=(
            ("create unlogged table items (id int) partition by range (id)", "partitioned tables cannot be unlogged"),
        ),
    ),
    Experiment(
        rule="PGL-012",
        name="unlogged_reference",
        here=("create unlogged table items (id int primary key)",),
        look="select to_regclass('orders')",
        publisher=[(None,)],
        subscriber=SAME,
        refused=(
            (
                "create table orders (item int references items)",
                "constraints on permanent tables may reference only permanent tables",
            ),
        ),
    ),
    Experiment(
        rule="PGL-013",
        name="unlogged_referencing",
        both=("create table items (id int primary key)",),
        here=("create unlogged table orders (item int references items)",),
        there=("create table orders (item int references items)",),
        publication=WHOLE,
        do=("insert into items values (1)", "insert into orders values (1)"),
        look="select (select count(*) from items), (select count(*) from orders)",
        publisher=[(1, 1)],
        subscriber=[(1, 0)],
    ),
    Experiment(
        rule="PGL-014",
        name="unlogged_materialized_view",
        look="select to_regclass('report')",
        publisher=[(None,)],
        subscriber=SAME,
        refused=(("create unlogged materialized view report as select 1", "materialized views cannot be unlogged"),),
    ),
    Trial(rule="PGL-015", name="relogged", run=copied_at_refresh),
    Experiment(
        rule="PGL-016",
        name="unlogged_later",
        both=("create table items (id int)",),
        publication=WHOLE,
        do=("insert into items values (1), (2)", "alter table items set unlogged", "insert into items values (3)"),
        look="select count(*) from items",
        publisher=[(3,)],
        subscriber=[(2,)],
    ),
    Experiment(
        rule="PGL-016",
        name="unlogged_unpublished",
        both=("create table items (id int)", "create table named (id int)"),
        here=("create publication names_it for table named",),
        do=("alter table items set unlogged",),
        look="select relpersistence from pg_class where oid = 'items'::regclass",
        publisher=[("u",)],
        subscriber=[("p",)],
        refused=(
            ("alter table named set unlogged", "cannot change table .named. to unlogged because it is part of a publ"),
        ),
    ),
    Experiment(
        rule="PGL-017",
        name="unlogged_referenced",
        both=("create table items (id int primary key)", "create table orders (item int references items)"),
        look="select relpersistence from pg_class where oid = 'items'::regclass",
        publisher=[("p",)],
        subscriber=SAME,
        refused=(("alter table items set unlogged", 'could not change table "items" to unlogged'),),
    ),
    Experiment(
        rule="PGL-018",
        name="temporary",
        do=("create temporary table scratch (id int)",),
        look="select count(*) from pg_class where relname = 'scratch'",
        publisher=[(1,)],
        subscriber=[(0,)],
        refused=(("create publication of_scratch for table scratch", "not supported for temporary tables"),),
    ),
    Experiment(
        rule="PGL-019",
        name="temporary_changed",
        do=("create temporary table draft (id int)", "insert into draft values (1)"),
        look="select count(*) from draft",
        publisher=[(1,)],
        subscriber=ABSENT,
    ),
    Trial(rule="PGL-010", name="parts", run=copied_part),
)
