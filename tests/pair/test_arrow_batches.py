"""Batches of real messages: every type as a query returns it, in either form, and a table that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from replicator.change import Op
from replicator.errors import TableUnfit
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.postgres.arrow_types import codec
from replicator.postgres.batches import Batches
from replicator.postgres.pgoutput import decode
from replicator.postgres.transactions import Transactions
from replicator.postgres.type_catalog import TypeCatalog
from tests.fixtures.pair import Pair
from tests.fixtures.primary_slot import PrimarySlot
from tests.fixtures.typed_values import TYPES, columns_of, fill, make_types

_START = Cursor(Lsn(0), 0)

_BINARY_TYPES = [
    *("boolean", "smallint", "integer", "bigint", "oid", "real", "double precision"),
    *("text", "varchar(5)", "char(5)", "name", "bytea", "uuid", "json", "jsonb"),
    *("date", "time", "timestamp", "timestamptz"),
]


@pytest.fixture(scope="module")
def types(shared_pair: Pair) -> Pair:
    """Make the types that are not built in."""
    make_types(shared_pair)
    return shared_pair


class _Slot(PrimarySlot):
    """A table and its slot, and what is read of that."""

    def batches(self, *, binary: bool = False) -> list[pa.RecordBatch]:
        """Return what is read of them."""
        read = Batches(_START, TypeCatalog(self.pair.primary)).take(self.messages(binary=binary))
        for batch in read:
            batch.validate(full=True)
        return read

    def table(self, *, binary: bool = False) -> pa.Table:
        """Return all batches together, which have one schema."""
        return pa.Table.from_batches(self.batches(binary=binary))

    def drop(self) -> None:
        """Let the slot go."""
        self.pair.run(f"select pg_drop_replication_slot('{self.name}')")


@pytest.fixture
def slot_of(types: Pair) -> Iterator[Callable[[str, str], _Slot]]:
    """Make tables with slots, which are dropped afterwards."""
    made: list[_Slot] = []

    def make(name: str, columns: str) -> _Slot:
        made.append(_Slot(types, name, columns))
        return made[-1]

    yield make
    for slot in made:
        slot.drop()


def _asked(kind: pa.DataType, value: str) -> str:
    """Return an expression for a value in terms that do without Arrow and the driver."""
    if pa.types.is_list(kind):
        return _asked_list(kind.value_type, value)
    if pa.types.is_date(kind):
        return f"case when isfinite({value}) then {value} - date '1970-01-01' else {_infinity(value, 31)} end"
    if pa.types.is_timestamp(kind):
        finite = f"(extract(epoch from {value}) * 1000000)::bigint"
        return f"case when isfinite({value}) then {finite} else {_infinity(value, 63)} end"
    if pa.types.is_string(kind):
        return f"case when {value} is not null then concat({value}) end"  # what the type prints: a cast cuts blanks
    if pa.types.is_decimal(kind):
        return f"{value}::numeric"  # the driver knows no domains
    return value


def _asked_list(kind: pa.DataType, value: str) -> str:
    if pa.types.is_list(kind):
        return f"to_jsonb({value})"
    return f"case when {value} is not null then array(select {_asked(kind, 'e')} from unnest({value}) e) end"


def _infinity(value: str, bits: int) -> str:
    return f"case {value} when 'infinity' then {2**bits - 1} when '-infinity' then -{2**bits - 1} - 1 end"


def _told(array: pa.Array) -> list[object]:
    """Return the values in the terms of `_asked`."""
    kind = array.type
    if pa.types.is_list(kind):
        values = iter(_told(array.flatten()))
        lengths = array.value_lengths().to_pylist()
        return [None if length is None else [next(values) for _ in range(length)] for length in lengths]
    if pa.types.is_date(kind):
        return list(array.view(pa.int32()).to_pylist())
    if pa.types.is_timestamp(kind):
        return list(array.view(pa.int64()).to_pylist())
    return list(array.to_pylist())


def _meant(kind: pa.DataType, value: object) -> object:
    """Return what the driver gave as Arrow keeps it: single precision."""
    return pa.scalar(value, kind).as_py() if pa.types.is_float32(kind) else value


def _check_against_query(slot: _Slot, kinds: list[str], read: pa.Table) -> None:
    assert read.num_rows > 1
    for number, kind in enumerate(kinds):
        column = read.column(f"c{number}").combine_chunks()
        rows = slot.pair.run(f"select {_asked(column.type, f'c{number}')} from {slot.name} order by row_id")
        queried = [_meant(column.type, value) for (value,) in rows]
        assert list(map(repr, _told(column))) == list(map(repr, queried)), kind


def test_every_type_is_read_as_a_query_returns_it(slot_of: Callable[[str, str], _Slot]) -> None:
    """Each value of each type, NULL too, in its Arrow type and exactly the server's."""
    kinds = list(TYPES)
    slot = slot_of("every_type", columns_of(kinds))
    fill(slot.pair, slot.name, kinds)
    _check_against_query(slot, kinds, slot.table())


def test_binary_form_gives_the_same_values_as_text(types: Pair, slot_of: Callable[[str, str], _Slot]) -> None:
    """The types that are read in binary form come out the same, and are the ones that say so."""
    slot = slot_of("binary_types", columns_of(_BINARY_TYPES))
    fill(slot.pair, slot.name, _BINARY_TYPES)
    _check_against_query(slot, _BINARY_TYPES, slot.table(binary=True))
    oids = types.run(
        "select atttypid::bigint, atttypmod from pg_attribute "
        "where attrelid = 'binary_types'::regclass and attnum > 0 order by attnum"
    )
    catalog = TypeCatalog(types.primary)
    assert all(codec(int(str(oid)), int(str(modifier)), catalog).from_binary for oid, modifier in oids)


def test_infinite_dates_are_the_ends_of_their_type(types: Pair, slot_of: Callable[[str, str], _Slot]) -> None:
    """Infinity is the largest value and minus infinity the smallest, in either form; no other value is taken for it."""
    slot = slot_of("infinite", "row_id integer primary key, c0 date, c1 timestamp, c2 timestamptz")
    types.run("insert into infinite values (1, 'infinity', 'infinity', 'infinity'), (2, null, null, null)")
    types.run("insert into infinite values (3, '-infinity', '-infinity', '-infinity')")
    for binary in (False, True):
        _check_against_query(slot, ["date", "timestamp", "timestamptz"], slot.table(binary=binary))


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("numeric(5, 2)", "'NaN'", "NaN has no place in decimal128"),
        ("time", "'24:00'", "24:00:00 has no place in an Arrow time"),
        ("timestamp", "'294276-12-31'", "lies behind the last that Arrow has"),
        ("integer[]", "'{{1,2},{3,4}}'", "an array of several dimensions"),
        ("integer[]", "'[0:0][0:1]={{1,2}}'", "an array of several dimensions"),
    ],
)
def test_a_value_without_a_place_in_arrow_is_refused(
    types: Pair, slot_of: Callable[[str, str], _Slot], kind: str, value: str, reason: str
) -> None:
    """It is neither rounded nor left out: table, column and reason are named."""
    slot = slot_of(f"refused_{len(reason)}_{len(value)}", f"row_id integer primary key, v {kind}")
    types.run(f"insert into {slot.name} values (1, {value})")
    with pytest.raises(TableUnfit, match=rf"public\.{slot.name}: column v: .*{reason}"):
        slot.batches()


def test_the_changes_of_a_live_table_are_those_of_the_reference(
    types: Pair, slot_of: Callable[[str, str], _Slot]
) -> None:
    """Updates that leave long values alone, deletes, truncation and altered columns, as the server sends them."""
    slot = slot_of("live", "id integer primary key, v text, long text")
    types.run("alter table live alter long set storage external")
    types.run("insert into live select n, 'v' || n, repeat(n::text, 5000) from generate_series(1, 9) as n")
    types.run("update live set v = 'new' where id < 4")
    types.run("begin; delete from live where id = 1; savepoint s; delete from live; rollback to s; commit")
    types.run("alter table live add extra numeric(5, 2) default 1.5")
    types.run("update live set v = null where id = 5")
    types.run("alter table live rename v to w")
    types.run("alter table live alter w type integer using 7, drop extra")
    types.run("update live set w = 8 where id = 6")
    types.run("truncate live")
    messages = slot.messages()
    transactions = Transactions(_START, TimelineHistory(1))
    expected = [change for message in messages for change in transactions.take(decode(message))]
    found = [row for batch in slot.batches() for row in batch.to_pylist()]
    assert [(row["_op"], row["_lsn"], row["_seq"]) for row in found] == [
        (change.op, change.after.lsn, change.after.seq) for change in expected
    ]
    for row, change in zip(found, expected, strict=True):
        if change.op is not Op.TRUNCATE:
            texts = {name: None if value is None else str(value) for name, value in row.items() if name[0] != "_"}
            assert texts == change.values
    shapes = [batch.schema.names[:-5] for batch in slot.batches()]
    assert shapes == [["id", "v", "long"], ["id", "v", "long", "extra"], ["id", "w", "long"]]
    assert {len(row["long"] or "") for row in found if row["_op"] == Op.UPDATE} == {5000}
