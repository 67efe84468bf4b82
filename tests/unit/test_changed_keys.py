"""Rows whose key has changed are left out of what was kept, and no others, whatever the key is made of."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from psycopg.postgres import types as builtin

from replicator.postgres.arrow_types import TypeFacts
from replicator.postgres.changed_keys import ChangedKeys
from replicator.postgres.shape import Shape
from replicator.postgres.snapshot_plan import Plan
from replicator.schema import Table, TableName

# Texts that a key's column may have, by its type: few, so that keys share some of them.
_TEXTS = {
    "int8": ["-1", "0", "9223372036854775807"],
    "text": ["", "a", "A", "é"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "timestamptz": ["2026-11-25 01:02:03.4+00", "2026-11-25 01:02:03.400001+00", "infinity"],
    "date": ["2026-11-25", "0044-03-15 BC"],
    "float8": ["0.1", "0.10000000000000002", "Infinity"],
    "bytea": ["\\x", "\\x00", "\\x0000"],
    "bool": ["t", "f"],
    "numeric": ["1.0", "1.00", "NaN"],
    "interval": ["1 day", "24:00:00"],
}


def _no_facts(_: int) -> TypeFacts | None:
    return None


def _plan(kinds: list[str]) -> Plan:
    columns = tuple((f"c{number}", builtin[kind].oid, -1) for number, kind in enumerate(kinds))
    names = tuple(name for name, _, _ in columns)
    shape = Shape(1, "public.t", (*columns, ("v", builtin["text"].oid, -1)), _no_facts)
    table = Table(TableName("public", "t"), (*names, "v"), tuple(reversed(names)))
    return Plan(table, shape, (*kinds, "text"), (), (), 1, tells=True, marks="")


@given(st.data())
def test_exactly_the_rows_with_these_keys_are_left_out(data: st.DataObject) -> None:
    """Keys of one column or of several, of any types, in another order than the table's columns."""
    kinds = data.draw(st.lists(st.sampled_from(sorted(_TEXTS)), min_size=1, max_size=3))
    one = st.tuples(*(st.sampled_from(_TEXTS[kind]) for kind in kinds))
    plan = _plan(kinds)
    rows = data.draw(st.lists(one, max_size=8, unique=True))
    keys = data.draw(st.lists(one.map(lambda row: row[::-1]), max_size=8, unique=True))
    texts = (
        [*zip(*rows, strict=True), [str(number) for number in range(len(rows))]] if rows else [[]] * (len(kinds) + 1)
    )
    arrays = [
        reads.from_text(pa.array(column, pa.string())) for reads, column in zip(plan.shape.codecs, texts, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(arrays, schema=plan.shape.row_schema)
    left = ChangedKeys(plan, keys).without(batch)
    assert left.schema.equals(batch.schema, check_metadata=True)
    assert left.column("v").to_pylist() == [str(place) for place, row in enumerate(rows) if row[::-1] not in keys]
