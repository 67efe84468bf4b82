"""Experiments on publications, subscriptions and slots."""

from __future__ import annotations

from tests.rules.experiment import SAME, Answer, Refusal
from tests.rules.logical_experiment import WHOLE, Couple, Experiment, Trial

_LEAVES = (
    "create table items (id int) partition by range (id)",
    "create table low partition of items for values from (0) to (5)",
    "create table high partition of items for values from (5) to (10)",
)
_DRAFTS = "create table items (id int primary key, draft boolean not null, label text)"


def decoded_without_key(couple: Couple) -> tuple[Answer, Answer]:
    """Decode a delete of a table without a replica identity, and of the same table with its whole row as identity."""
    name = "decoded"
    couple.run("a", name, "create table items (id int)", "insert into items values (41), (42)")
    couple.run("a", name, "select pg_create_logical_replication_slot('decoded', 'test_decoding')")
    couple.run("a", name, "delete from items where id = 41")
    couple.run("a", name, "alter table items replica identity full", "delete from items where id = 42")
    deleted = (
        "select substring(data from 'DELETE: (.*)') from pg_logical_slot_peek_changes('decoded', null, null) "
        "where data like '%DELETE%'"
    )
    without, full = couple.run("a", name, deleted)
    assert without == ("(no-tuple-data)",)
    assert full == ("id[integer]:42",)
    return [full], [without]


def created_and_refreshed(couple: Couple) -> tuple[Answer, Answer]:
    """Create a table with a key under FOR ALL TABLES, on the subscriber first, and refresh there."""
    name = "taken_on"
    couple.create_database(name)
    couple.run("a", name, "create publication taken_on for all tables")
    couple.subscribe(name, ["taken_on"])
    for node in ("b", "a"):
        couple.run(node, name, "create table items (id int primary key)")
    couple.run("a", name, "insert into items values (1)")
    couple.run("b", name, "alter subscription taken_on refresh publication")
    couple.ready(name)
    couple.run("a", name, "insert into items values (2)", "update items set id = 3 where id = 1")
    couple.caught_up(name)
    look = "select id from items order by id"
    return couple.ask("a", name, look), couple.ask("b", name, look)


def passed_on(couple: Couple) -> tuple[Answer, Answer]:
    """Give the publisher a subscription of its own: its rows are passed on, unless only rows of no origin are taken."""
    name = "chain"
    couple.create_database("chain_source")
    items = "create table items (id int)"
    couple.run("a", "chain_source", "create schema chain", "create table chain.items (id int)")
    couple.run("a", "chain_source", "create publication upstream for table chain.items")
    couple.run("a", "chain_source", "select pg_create_logical_replication_slot('upstream', 'pgoutput')")
    for node in ("a", "b"):
        couple.run(node, name, items)
    couple.run("a", name, "create publication chain for table items")
    couple.subscribe(name, ["chain"])
    couple.run(
        "a",
        name,
        f"create subscription upstream connection '{couple.source('chain_source')}' publication upstream "
        "with (copy_data = false, create_slot = false)",
    )
    for row, origin in ((1, "none"), (2, "any")):
        couple.run("a", "chain_source", f"insert into chain.items values ({row})")
        couple.caught_up("upstream", name)
        couple.run("b", name, f"alter subscription chain set (origin = {origin})")
    assert couple.ask("a", name, "select id from items order by id") == [(1,), (2,)]
    assert couple.ask("b", name, "select id from items order by id") == [(1,)]
    look = "select count(*) from pg_subscription where subname = 'upstream'"
    return couple.ask("a", name, look), couple.ask("b", name, look)


EXPERIMENTS: tuple[Experiment | Trial, ...] = (
    Experiment(
        rule="PGL-030",
        name="unpublished",
        both=("create table items (id int)",),
        do=("insert into items values (1)",),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-031",
        name="keyless",
        both=("create table items (id int, n int)",),
        publication="for table items with (publish = 'insert')",
        do=("insert into items values (1, 1), (2, 1)", "update items set n = 2", "delete from items where id = 1"),
        look="select id, n from items order by id",
        publisher=[(2, 2)],
        subscriber=[(1, 1), (2, 1)],
    ),
    Trial(rule="PGL-031", name="decoded", run=decoded_without_key),
    Experiment(
        rule="PGL-032",
        name="keyless_published",
        both=("create table items (id int, n int)",),
        publication=WHOLE,
        do=("insert into items values (0, 0)", "truncate items", "insert into items values (1, 1)"),
        look="select id, n from items",
        publisher=[(1, 1)],
        subscriber=SAME,
        refused=(
            ("update items set n = 2", "55000: .*does not have a replica identity and publishes updates"),
            ("delete from items", "55000: .*does not have a replica identity and publishes deletes"),
        ),
        after=("update items set n = 2 returning n", [(2,)]),
    ),
    Experiment(
        rule="PGL-032",
        name="keyless_full",
        both=("create table items (id int, n int)", "alter table items replica identity full"),
        publication=WHOLE,
        do=(
            "insert into items values (1, 1), (2, 2)",
            "update items set n = 3 where id = 1",
            "delete from items where id = 2",
        ),
        look="select id, n from items",
        publisher=[(1, 3)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-033",
        name="new_table",
        both=("create table old (id int primary key)",),
        publication="for all tables",
        do=("create table items (id int)", "insert into items values (1)", "insert into old values (1)"),
        look="select (select count(*) from old), to_regclass('items') is not null",
        publisher=[(1, True)],
        subscriber=[(0, False)],
        refused=(("update items set id = 2", "55000: .*does not have a replica identity and publishes updates"),),
        alone=True,
        stops='logical replication target relation "new_table.items" does not exist',
    ),
    Trial(rule="PGL-033", name="taken_on", run=created_and_refreshed),
    Experiment(
        rule="PGL-034",
        name="leaves",
        both=_LEAVES,
        publication="for table items",
        do=("insert into items select generate_series(2, 7)", "truncate high"),
        look="select id from items order by id",
        publisher=[(2,), (3,), (4,)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-034",
        name="by_way_of_the_root",
        here=_LEAVES,
        there=("create table items (id int)",),
        publication="for table items with (publish_via_partition_root)",
        do=("insert into items select generate_series(2, 7)", "truncate high"),
        look="select id from items order by id",
        publisher=[(2,), (3,), (4,)],
        subscriber=[(2,), (3,), (4,), (5,), (6,), (7,)],
    ),
    Experiment(
        rule="PGL-034",
        name="root_truncated",
        here=_LEAVES,
        there=("create table items (id int)",),
        publication="for table items with (publish_via_partition_root)",
        do=("insert into items select generate_series(2, 7)", "truncate items", "insert into items values (8)"),
        look="select id from items order by id",
        publisher=[(8,)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-034",
        name="later_leaf",
        both=("create table old (id int)", *_LEAVES[:2]),
        publication=WHOLE,
        do=("insert into items values (2)", _LEAVES[2], "insert into items values (7)", "insert into old values (1)"),
        look="select (select count(*) from items), (select count(*) from old)",
        publisher=[(2, 1)],
        subscriber=[(1, 0)],
        alone=True,
        stops='logical replication target relation "later_leaf.high" does not exist',
    ),
    Experiment(
        rule="PGL-035",
        name="filtered",
        both=("create table items (id int primary key, label text)",),
        publication="for table items where (id > 10)",
        do=("insert into items values (1, 'low'), (11, 'high'), (12, 'high')", "update items set id = 2 where id = 12"),
        look="select id from items order by id",
        publisher=[(1,), (2,), (11,)],
        subscriber=[(11,)],
    ),
    Experiment(
        rule="PGL-035",
        name="fits",
        both=("create table items (id int primary key, label text)",),
        publication="for table items where (id > 10)",
        do=("insert into items values (1, 'low'), (11, 'high')", "update items set id = 13 where id = 1"),
        look="select id, label from items order by id",
        publisher=[(11, "high"), (13, "low")],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-035",
        name="filtered_by_another_column",
        both=(_DRAFTS,),
        publication="for table items where (not draft)",
        look="select count(*) from items",
        publisher=[(0,)],
        subscriber=SAME,
        refused=(
            (
                "update items set label = 'new'",
                "Column used in the publication WHERE expression is not part of the replica identity",
            ),
        ),
    ),
    Experiment(
        rule="PGL-036",
        name="listed",
        both=("create table items (id int primary key, label text, note text default 'own')",),
        publication="for table items (id, label)",
        do=("insert into items values (1, 'one', 'told')", "update items set label = 'two'"),
        look="select id, label from items",
        publisher=[(1, "two")],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-036",
        name="unlisted",
        both=("create table items (id int primary key, label text, note text default 'own')",),
        publication="for table items (id)",
        do=("insert into items values (1, 'one', 'told')",),
        look="select id, label, note from items",
        publisher=[(1, "one", "told")],
        subscriber=[(1, None, "own")],
    ),
    Experiment(
        rule="PGL-037",
        name="inserts",
        both=("create table items (id int primary key)",),
        publication="for table items with (publish = 'insert')",
        do=("insert into items values (1), (2)",),
        look="select count(*) from items",
        publisher=[(2,)],
        subscriber=SAME,
    ),
    Experiment(
        rule="PGL-037",
        name="inserts_and_a_delete",
        both=("create table items (id int primary key)",),
        publication="for table items with (publish = 'insert, update')",
        do=("insert into items values (1), (2)", "delete from items where id = 2"),
        look="select count(*) from items",
        publisher=[(1,)],
        subscriber=[(2,)],
    ),
    Experiment(
        rule="PGL-038",
        name="publication",
        do=("create publication of_nothing",),
        look="select count(*) from pg_publication where pubname = 'of_nothing'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-039",
        name="subscription",
        do=("create subscription of_nothing connection 'dbname=x' publication p with (connect = false)",),
        look="select count(*) from pg_subscription where subname = 'of_nothing'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Trial(rule="PGL-039", name="chain", run=passed_on),
    Experiment(
        rule="PGL-040",
        name="origin",
        do=("select pg_replication_origin_create('elsewhere')",),
        look="select count(*) from pg_replication_origin where roname = 'elsewhere'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
    Experiment(
        rule="PGL-041",
        name="slot",
        do=("select pg_create_logical_replication_slot('consumer', 'pgoutput')",),
        look="select count(*) from pg_replication_slots where slot_name = 'consumer'",
        publisher=[(1,)],
        subscriber=[(0,)],
        after=(
            "select * from pg_logical_slot_get_binary_changes('consumer', null, null)",
            Refusal('42704: replication slot "consumer" does not exist'),
        ),
    ),
    Experiment(
        rule="PGL-042",
        name="failover_slot",
        do=("select pg_create_logical_replication_slot('failover', 'pgoutput', failover => true)",),
        look="select failover from pg_replication_slots where slot_name = 'failover'",
        publisher=[(True,)],
        subscriber=[],
        after=(
            "select * from pg_logical_slot_get_binary_changes('failover', null, null)",
            Refusal('42704: replication slot "failover" does not exist'),
        ),
    ),
    Experiment(
        rule="PGL-043",
        name="physical_slot",
        do=("select pg_create_physical_replication_slot('standby')",),
        look="select count(*) from pg_replication_slots where slot_name = 'standby'",
        publisher=[(1,)],
        subscriber=[(0,)],
    ),
)
