"""A table's rows as a snapshot reads them, packed or one by one: the same as the stream gives, values and types."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql as pgsql

from replicator.batch import CHANGE_FIELDS, python_values
from replicator.errors import TableUnfit
from replicator.position import Cursor, Lsn
from replicator.postgres import copy_rows, snapshot_plan
from replicator.postgres import snapshot as snapshots
from replicator.postgres.batches import Batches
from replicator.postgres.changed_keys import ChangedKeys
from replicator.postgres.connection import driver
from replicator.postgres.packed_rows import Packing
from replicator.postgres.snapshot import Begun, Snapshot, read_part
from replicator.postgres.snapshot_plan import plan
from replicator.postgres.type_catalog import TypeCatalog
from tests.fixtures.pair import Pair
from tests.fixtures.primary_slot import PrimarySlot
from tests.fixtures.typed_values import TYPES, columns_of, fill, make_types

_MIXED = {
    "id": "bigint primary key",
    "flag": "boolean",
    "small": "smallint not null",
    "ratio": "double precision",
    "price": "numeric(12, 4)",
    "word": "text",
    "data": "bytea",
    "moment": "timestamptz",
    "day": "date",
    "token": "uuid",
    "document": "jsonb",
    "words": "text[]",
}
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
_ROW = st.tuples(
    st.none() | st.booleans(),
    st.integers(-(2**15), 2**15 - 1),
    st.none() | st.floats(),
    st.none() | st.decimals(-99999999, 99999999, places=4),
    st.none() | _TEXT,
    st.none() | st.binary(max_size=30),
    st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    st.none() | st.dates(),
    st.none() | st.uuids(),
    st.none() | st.dictionaries(_TEXT, st.integers() | _TEXT | st.none(), max_size=3),
    st.none() | st.lists(st.none() | _TEXT, max_size=4),
)


class _Table(PrimarySlot):
    """A table and its slot, and its rows as a snapshot reads them."""

    def streamed(self) -> pa.Table:
        """Return the rows that were inserted since the last call, as the stream gives them."""
        read = Batches(Cursor(Lsn(0), 0), TypeCatalog(self.pair.primary))
        whole = pa.Table.from_batches(read.take(self.messages(take=True)))
        return whole.filter(pa.array([op == "insert" for op in whole["_op"].to_pylist()])).drop(
            [field.name for field in CHANGE_FIELDS]
        )

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Take a snapshot."""
        with self.pair.primary.connect() as holder:
            exported = holder.exec_driver_sql("select pg_export_snapshot()").scalar_one()
            with snapshots.session(self.pair.primary, exported) as connection:
                planned = plan(self.pair.primary, connection, self.name)
            begun = Begun(Lsn(0), 1, planned.marks, planned.part_blocks, planned.blocks)
            yield Snapshot(planned, begun, Lsn(0), 1, exported, ChangedKeys(planned, ()))

    def read(self) -> pa.Table:
        """Return the rows as a snapshot reads them."""
        with self.snapshot() as snapshot:
            parts = snapshot.plan.parts
            batches = [batch for part in parts for batch in read_part(self.pair.primary, snapshot, part)]
        return pa.Table.from_batches(batches, snapshot.plan.shape.row_schema)

    def copied(self) -> pa.Table:
        """Return the rows, read one by one."""
        with self.snapshot() as snapshot:
            shape = snapshot.plan.shape
            query = pgsql.SQL("select {} from {}").format(copy_rows.columns(shape), pgsql.Identifier(self.name))
            with snapshots.session(self.pair.primary, snapshot.exported) as connection:
                batches = list(copy_rows.copied(driver(connection), query, shape, "here"))
        return pa.Table.from_batches(batches, shape.row_schema)


def _check_same(read: pa.Table, streamed: pa.Table) -> None:
    for name in streamed.schema.names:
        found, expected = (table[name].combine_chunks() for table in (read, streamed))
        assert list(map(repr, python_values(found))) == list(map(repr, python_values(expected))), name
    assert read.schema.equals(streamed.schema, check_metadata=True)
    for batch in read.to_batches():
        batch.validate(full=True)


@pytest.fixture(scope="module")
def mixed(shared_pair: Pair) -> _Table:
    """Make a table that examples fill."""
    return _Table(shared_pair, "mixed", ", ".join(f"{name} {kind}" for name, kind in _MIXED.items()))


def test_every_type_is_read_as_the_stream_gives_it(shared_pair: Pair) -> None:
    """Each value of each type, NULL too, and the whole schema, packed and one by one."""
    make_types(shared_pair)
    table = _Table(shared_pair, "every", columns_of(list(TYPES)))
    fill(shared_pair, "every", list(TYPES))
    streamed = table.streamed()
    assert streamed.num_rows > 1
    _check_same(table.read(), streamed)
    _check_same(table.copied(), streamed)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_ROW, min_size=1, max_size=20))
def test_any_values_are_read_as_the_stream_gives_them(mixed: _Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Whatever stands beside whatever: no value takes another's place, and NULL is none."""
    mixed.pair.run("truncate mixed")
    with mixed.pair.primary.begin() as transaction, driver(transaction).cursor() as cursor:
        cursor.executemany(
            f"insert into mixed values ({', '.join(['%s'] * len(_MIXED))})",  # type: ignore[arg-type]
            [(number, *map(_parameter, row)) for number, row in enumerate(rows)],
        )
    streamed = mixed.streamed()
    assert streamed.num_rows == len(rows)
    _check_same(mixed.read(), streamed)
    _check_same(mixed.copied(), streamed)


def _parameter(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


_BLOCKS = 40  # a page of 8 kB has one row of these


@pytest.fixture
def long_rows(shared_pair: Pair) -> Iterator[_Table]:
    """Make a table with a row in each of its blocks, in parts of which each is read in several steps."""
    table = _Table(shared_pair, "long_rows", "id integer primary key, v text not null")
    shared_pair.run("alter table long_rows alter v set storage plain")
    shared_pair.run(f"insert into long_rows select i, repeat('x', 5000) from generate_series(1, {_BLOCKS}) as i")
    yield table
    shared_pair.run("select pg_drop_replication_slot('long_rows')")
    shared_pair.run("drop table long_rows")
    shared_pair.run("drop publication long_rows")


@pytest.mark.parametrize("cut", ["nowhere", "large", "too large"])
@pytest.mark.parametrize("part_blocks", [7, 2048])
def test_wherever_reading_goes_over_to_single_rows_each_is_read_once(
    long_rows: _Table, monkeypatch: pytest.MonkeyPatch, cut: str, part_blocks: int
) -> None:
    """In the blocks' order: where the rows come to be large, and where the server cannot pack them."""
    steps = 0

    def limited(self: Packing, *blocks: Any, **to_the_end: bool) -> pa.RecordBatch:
        nonlocal steps
        steps += 1
        if cut == "too large" and steps % 2 == 0:
            raise TableUnfit("a row is larger than the server can send")
        return read(self, *blocks, **to_the_end)

    read = Packing.read
    monkeypatch.setattr(Packing, "read", limited)
    monkeypatch.setattr(snapshots, "_FEW_BLOCKS", 2)
    monkeypatch.setattr(snapshots, "_MANY_BLOCKS", 3)
    monkeypatch.setattr(snapshots, "_LARGE_BYTES", 1000 if cut == "large" else 64 << 10)
    monkeypatch.setattr(snapshot_plan, "PART_BLOCKS", part_blocks)
    assert long_rows.read().column("id").to_pylist() == list(range(1, _BLOCKS + 1))
    parts = -(-_BLOCKS // part_blocks)
    assert steps == parts if cut == "large" else steps > parts


def test_rows_that_have_no_place_in_one_message_are_read_one_by_one(shared_pair: Pair) -> None:
    """The server refuses to join more than 1 GB: each row has its own message then."""
    table = _Table(shared_pair, "vast", "id integer primary key, v bytea not null")
    shared_pair.run(
        "insert into vast select i, convert_to(repeat('x', 64 << 20), 'UTF8') from generate_series(1, 17) i"
    )
    with table.snapshot() as snapshot:
        [part] = snapshot.plan.parts
        sizes = [batch.num_rows for batch in read_part(shared_pair.primary, snapshot, part)]
    assert sizes == [1] * 17


def test_a_column_that_may_yet_hold_null_is_not_taken_for_one_that_never_does(shared_pair: Pair) -> None:
    """A constraint that was not validated says nothing of the rows that were there before it."""
    table = _Table(shared_pair, "lax", "id integer primary key, v integer")
    shared_pair.run("insert into lax values (1, null), (2, 5)")
    shared_pair.run("alter table lax add constraint never not null v not valid")
    assert table.read().to_pylist() == [{"id": 1, "v": None}, {"id": 2, "v": 5}]


def test_names_that_the_query_uses_itself_are_the_tables(shared_pair: Pair) -> None:
    """Whatever table and columns are called, values and row filter are of those columns."""
    columns = 'start integer primary key, v0 integer not null, value integer, "Quo""ted" text, pack text'
    table = _Table(shared_pair, "series", columns, "where (start > 1)")
    shared_pair.run("""insert into series select i, 10 + i, 20 + i, 'q', '{v0}' from generate_series(1, 3) as i""")
    expected = [{"start": i, "v0": 10 + i, "value": 20 + i, 'Quo"ted': "q", "pack": "{v0}"} for i in (2, 3)]
    assert table.read().to_pylist() == expected


def test_an_empty_table_gives_no_rows(shared_pair: Pair) -> None:
    """Nothing, and no error."""
    table = _Table(shared_pair, "vacant", "id integer primary key, v text")
    assert table.read().num_rows == 0
