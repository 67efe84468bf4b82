"""Batches of changes: Arrow record batches that carry, beside a table's columns, what happened to each row and where.

Every source of every engine gives the same form:

    columns         the row as it was inserted or left by an update; of a deleted row its key; of a truncate nothing
    _op             snapshot, insert, update, delete or truncate
    _lsn, _seq      the cursor right behind the change, but for the timeline, which is known when it is asked for
    _xid            the transaction, where there is one
    _commit_time    when it committed, where that is known
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import json
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from replicator.change import Change, Op
from replicator.position import Cursor, Lsn

OPS = tuple(Op)
OP_NAMES = pa.array([str(op) for op in OPS])

# What every batch has behind the table's columns.
CHANGE_FIELDS = (
    pa.field("_op", pa.dictionary(pa.int8(), pa.string()), nullable=False),
    pa.field("_lsn", pa.uint64(), nullable=False),
    pa.field("_seq", pa.uint64(), nullable=False),
    pa.field("_xid", pa.uint32()),
    pa.field("_commit_time", pa.timestamp("us", "UTC")),
)
_WIDTH = len(CHANGE_FIELDS)


def with_changes(rows: pa.RecordBatch, *change_columns: pa.Array) -> pa.RecordBatch:
    """Put what happened, one array for each of `CHANGE_FIELDS`, behind a table's columns."""
    schema = pa.schema([*rows.schema, *CHANGE_FIELDS], metadata=rows.schema.metadata)
    return pa.RecordBatch.from_arrays([*rows.columns, *change_columns], schema=schema)


def row_columns(batch: pa.RecordBatch) -> list[str]:
    """Return the names of the table's own columns."""
    return list(batch.schema.names[:-_WIDTH])


def last_position(batch: pa.RecordBatch) -> tuple[Lsn, int]:
    """Return LSN and number of the cursor right behind a batch, which has rows."""
    last = batch.num_rows - 1
    return Lsn(batch.column("_lsn")[last].as_py()), batch.column("_seq")[last].as_py()


def changes(batch: pa.RecordBatch, timeline_at: Callable[[Lsn, int], int]) -> Iterator[Change]:
    """Yield a batch's changes one by one, as Python values.

    Args:
        batch: of the form above.
        timeline_at: names the timeline of a cursor's LSN and number.
    """
    names = row_columns(batch)
    columns = [python_values(column) for column in batch.columns[:-_WIDTH]]
    positions = (batch.column(name).to_pylist() for name in ("_op", "_lsn", "_seq"))
    for index, (op, lsn, seq) in enumerate(zip(*positions, strict=True)):
        values = {} if op == Op.TRUNCATE else {name: column[index] for name, column in zip(names, columns, strict=True)}
        yield Change(Op(op), values, Cursor(Lsn(lsn), seq, timeline_at(Lsn(lsn), seq)))


def python_values(column: pa.Array) -> list[Any]:
    """Return a column as Python values; what its calendar lacks is text."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except (OverflowError, ValueError):  # Python's calendar ends before Arrow's
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        bits = 31 if pa.types.is_date32(scalar.type) else 63
        if scalar.value in ((1 << bits) - 1, -1 << bits):  # as PostgreSQL's infinities come
            return "infinity" if scalar.value > 0 else "-infinity"
        return scalar.cast(pa.string()).as_py()


def as_json(value: Any) -> Any:
    """Return a value as JSON has it: what JSON lacks becomes its text, and bytes become hexadecimal digits."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # NaN, Infinity
    return str(value) if isinstance(value, decimal.Decimal | uuid.UUID) else value


def rows_digest(changes: Iterable[Change]) -> bytes:
    """SHA-256 over the changes' operations and values, in order: 32 bytes."""
    digest = hashlib.sha256()
    for change in changes:
        digest.update(json.dumps([change.op, as_json(change.values)], sort_keys=True).encode() + b"\n")
    return digest.digest()
