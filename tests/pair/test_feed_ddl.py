"""A table that changes while its stream is read: its columns, its name, its end, what its publication publishes."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from replicator.errors import BadInput, TableUnfit
from replicator.postgres import slot as slots
from replicator.postgres import topology
from tests.fixtures.pair import Pair
from tests.fixtures.tap import Row, Tap, as_reference, behind, rest, rows_of


def _shapes(batches: Sequence[pa.RecordBatch]) -> list[tuple[str, tuple[str, ...]]]:
    return [(batch.schema.metadata[b"table"].decode(), tuple(batch.schema.names[:-5])) for batch in batches]


def _values(rows: Sequence[Row]) -> list[list[object]]:
    return [[row["_op"], *(value for name, value in row.items() if name[0] != "_")] for row in rows]


@pytest.mark.parametrize(
    ("name", "change", "columns", "row"),
    [
        ("added", "alter table added add n integer default 5", ["id", "v", "n"], [2, "b", 5]),
        ("dropped", "alter table dropped drop v, add w text default 'b'", ["id", "w"], [2, "b"]),
        (
            "retyped",
            "alter table retyped alter v drop default, alter v type integer using 2, alter v set default 3",
            ["id", "v"],
            [2, 3],
        ),
        ("renamed", "alter table renamed rename v to w", ["id", "w"], [2, "b"]),
    ],
)
def test_another_shape_begins_another_batch(
    shared_pair: Pair, name: str, change: str, columns: list[str], row: list[object]
) -> None:
    """Rows before the change have the old columns and rows behind it the new ones, also in one transaction."""
    tap = Tap(shared_pair, name, "id bigint primary key, v text default 'b'")
    with tap.stream() as stream:
        shared_pair.run(f"insert into {name} values (1, 'a')")
        shared_pair.run(f"begin; insert into {name} values (7, 'a'); {change}; insert into {name} values (2); commit")
        shared_pair.run(f"insert into {name} values (3)")
        batches = list(rest(stream, shared_pair.primary))
    former, latter = dict.fromkeys(batch.schema for batch in batches)
    assert (former.names[:-5], latter.names[:-5]) == (["id", "v"], columns)
    rows = rows_of(batches)
    assert _values(rows) == [["insert", 1, "a"], ["insert", 7, "a"], ["insert", *row], ["insert", 3, *row[1:]]]
    assert [(r["_op"], r["_lsn"], r["_seq"]) for r in rows] == [change[:3] for change in tap.reference()]
    # What was read before reads the same afterwards, from each cursor.
    for place, one in enumerate(rows):
        assert tap.rows(behind(one)) == rows[place + 1 :]


def test_a_renamed_table_goes_on(shared_pair: Pair) -> None:
    """The rows of the new name follow those of the old; a batch says which it is."""
    tap = Tap(shared_pair, "former")
    with tap.stream() as stream:
        shared_pair.run("insert into former values (1)")
        shared_pair.run("alter table former rename to latter")
        shared_pair.run("insert into latter values (2)")
        shared_pair.run("create schema elsewhere")
        shared_pair.run("alter table latter set schema elsewhere")
        shared_pair.run("insert into elsewhere.latter values (3)")
        batches = list(rest(stream, shared_pair.primary))
    assert _shapes(batches) == [(name, ("id", "v")) for name in ("public.former", "public.latter", "elsewhere.latter")]
    assert [row["id"] for row in rows_of(batches)] == [1, 2, 3]
    assert [row["id"] for row in tap.rows()] == [1, 2, 3]


def test_a_dropped_table_gives_what_it_had(shared_pair: Pair) -> None:
    """Its rows until then come, also in one transaction with its end; a new reader is refused."""
    tap = Tap(shared_pair, "doomed")
    with tap.stream() as stream:
        shared_pair.run("insert into doomed values (1)")
        shared_pair.run("begin; insert into doomed values (2); drop table doomed; commit")
        shared_pair.run("create table doomed (id bigint primary key)")
        shared_pair.run("insert into doomed values (3)")
        assert [row["id"] for row in rows_of(list(rest(stream, shared_pair.primary)))] == [1, 2]
    with pytest.raises(BadInput, match="publication doomed has 0 tables"):
        tap.stream()


def test_truncation_comes_in_its_place(shared_pair: Pair) -> None:
    """Also with several tables, by cascade, and beside rows in one transaction: once each time, of our table only."""
    tap = Tap(shared_pair, "emptied")
    shared_pair.run("create table beside (id bigint primary key)")
    shared_pair.run("create table above (id bigint primary key)")
    shared_pair.run("alter table emptied add foreign key (id) references above")
    shared_pair.run("insert into above select generate_series(1, 9)")
    with tap.stream() as stream:
        shared_pair.run("insert into emptied values (1, 'a')")
        shared_pair.run("truncate beside, emptied restart identity")
        shared_pair.run(
            "begin; insert into emptied values (2, 'b'); truncate emptied; insert into emptied values (3, 'c'); commit"
        )
        shared_pair.run("truncate above cascade")
        shared_pair.run("truncate beside")
        rows = rows_of(list(rest(stream, shared_pair.primary)))
    assert list(map(as_reference, rows)) == tap.reference()
    empty = ["truncate", None, None]
    assert _values(rows) == [
        ["insert", 1, "a"], empty, ["insert", 2, "b"], empty, ["insert", 3, "c"], empty,
    ]  # fmt: skip


def test_a_publication_that_is_altered_counts_from_then_on(shared_pair: Pair) -> None:
    """Another list of columns, another filter: what was committed before has the old ones."""
    tap = Tap(shared_pair, "chosen", "id bigint primary key, v text, w text")
    shared_pair.run("alter publication chosen set (publish = 'insert')")
    shared_pair.run("alter table chosen replica identity default")
    with tap.stream() as stream:
        shared_pair.run("insert into chosen values (1, 'a', 'x')")
        shared_pair.run("alter publication chosen set table chosen (id, w)")
        shared_pair.run("insert into chosen values (2, 'b', 'y')")
        shared_pair.run("alter publication chosen set table chosen (id, v) where (id > 3)")
        shared_pair.run("insert into chosen values (3, 'c', 'z'), (4, 'd', 'z')")
        batches = list(rest(stream, shared_pair.primary))
    assert _values(rows_of(batches)) == [["insert", 1, "a", "x"], ["insert", 2, "y"], ["insert", 4, "d"]]
    assert [names for _, names in _shapes(batches)] == [("id", "v", "w"), ("id", "w"), ("id", "v")]


def test_a_row_filter_moves_rows_in_and_out(shared_pair: Pair) -> None:
    """An update that makes a row fit comes as an insert, one that makes it unfit as a delete with its key."""
    shared_pair.run("create table filtered (id bigint primary key, v integer not null)")
    shared_pair.run("create unique index filtered_identity on filtered (id, v)")
    shared_pair.run("alter table filtered replica identity using index filtered_identity")
    shared_pair.run("create publication filtered for table filtered where (v > 10)")
    tap = Tap(shared_pair, "filtered", None)
    shared_pair.run("insert into filtered values (1, 5), (2, 20)")
    shared_pair.run("update filtered set v = 30 where id = 1")
    shared_pair.run("update filtered set v = 40 where id = 1")
    shared_pair.run("update filtered set v = 1 where id = 2")
    assert _values(tap.rows()) == [["insert", 2, 20], ["insert", 1, 30], ["update", 1, 40], ["delete", 2, 20]]


def test_generated_columns_come_where_they_are_published(shared_pair: Pair) -> None:
    """Stored ones, if the publication says so; else the batch has not the column."""
    for name, options, columns in (
        ("generated", "with (publish_generated_columns = stored)", ["id", "twice"]),
        ("ungenerated", "", ["id"]),
    ):
        shared_pair.run(
            f"create table {name} (id bigint primary key, twice bigint generated always as (id * 2) stored)"
        )
        shared_pair.run(f"create publication {name} for table {name} {options}")
        tap = Tap(shared_pair, name, None)
        shared_pair.run(f"insert into {name} values (4)")
        (batch,) = tap.batches()
        assert batch.schema.names[:-5] == columns
        assert _values(rows_of([batch])) == [["insert", 4, 8][: len(columns) + 1]]


def test_partitions_come_as_their_root(shared_pair: Pair) -> None:
    """With publish_via_partition_root all rows are the root's, also of a later partition, and a row that moves."""
    shared_pair.run("create table parted (id bigint, v integer, primary key (id, v)) partition by list (v)")
    shared_pair.run("create table parted_1 partition of parted for values in (1)")
    shared_pair.run("create table parted_2 (v integer not null, id bigint not null)")
    shared_pair.run("alter table parted attach partition parted_2 for values in (2)")
    shared_pair.run("create publication parted for table parted with (publish_via_partition_root)")
    tap = Tap(shared_pair, "parted", None)
    shared_pair.run("insert into parted values (1, 1), (2, 2)")
    shared_pair.run("create table parted_3 partition of parted for values in (3)")
    shared_pair.run("insert into parted_3 values (3, 3)")
    shared_pair.run("update parted set v = 2 where id = 1")
    shared_pair.run("truncate parted")
    batches = tap.batches()
    assert {name for name, _ in _shapes(batches)} == {"public.parted"}
    assert _values(rows_of(batches)) == [
        ["insert", 1, 1], ["insert", 2, 2], ["insert", 3, 3], ["delete", 1, 1], ["insert", 1, 2],
        ["truncate", None, None],
    ]  # fmt: skip


_REFUSED = {
    "split": (
        ["create table split (id bigint primary key) partition by list (id)",
         "create table split_1 partition of split for values in (1)",
         "create publication split for table split"],
        "publishes the partitions of public.split", "alter publication split set (publish_via_partition_root = true)"),
    "several": (
        ["create table several_1 (id bigint primary key)", "create table several_2 (id bigint primary key)",
         "create publication several for table several_1, several_2"],
        "publication several has 2 tables", "create publication several for table"),
    "nothing": (
        ["create table nothing (id bigint primary key)", "alter table nothing replica identity nothing",
         "create publication nothing for table nothing"],
        "has replica identity nothing", "alter table public.nothing replica identity default"),
    "keyless": (
        ["create table keyless (id bigint)", "create publication keyless for table keyless"],
        "has no primary key", "alter table public.keyless add primary key"),
    "wide": (
        ["create table wide (id bigint primary key, v text)", "create publication wide for table wide"],
        "may store values out of line", "alter table public.wide replica identity full"),
}  # fmt: skip


@pytest.mark.parametrize("name", _REFUSED)
def test_what_cannot_be_fed_is_refused_with_what_to_run(shared_pair: Pair, name: str) -> None:
    """Before a row of it is read, and before one is lost."""
    statements, message, hint = _REFUSED[name]
    for statement in statements:
        shared_pair.run(statement)
    with pytest.raises((BadInput, TableUnfit), match=message) as raised:
        slots.published_table(shared_pair.primary, name)
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("name", "statements", "key"),
    [
        ("entire", ["alter table {} replica identity full"], ("id",)),
        ("keyed", ["create unique index on {0} (n)", "alter table {0} replica identity using index {0}_n_idx"], ("n",)),
        ("inserted", ["alter table {} replica identity nothing"], ("id",)),
    ],
)
def test_what_tells_rows_apart_is_the_tables_key(
    shared_pair: Pair, name: str, statements: list[str], key: tuple[str, ...]
) -> None:
    """Of an index that is the replica identity its columns, else the primary key; with none, inserts alone may flow."""
    shared_pair.run(f"create table {name} (id bigint primary key, n integer not null)")
    for statement in statements:
        shared_pair.run(statement.format(name))
    publish = "with (publish = 'insert, truncate')" if name == "inserted" else ""
    shared_pair.run(f"create publication {name} for table {name} {publish}")
    topology.wait_replayed(shared_pair.standby, topology.committed(shared_pair.primary))
    assert slots.published_table(shared_pair.standby, name).key == key
    tap = Tap(shared_pair, name, None)
    shared_pair.run(f"insert into {name} values (1, 10)")
    shared_pair.run(f"update {name} set n = 11")
    shared_pair.run(f"delete from {name}")
    expected = {
        "entire": [["insert", 1, 10], ["update", 1, 11], ["delete", 1, 11]],
        "keyed": [["insert", 1, 10], ["update", 1, 11], ["delete", None, 11]],
        "inserted": [["insert", 1, 10]],
    }
    assert _values(tap.rows()) == expected[name]
