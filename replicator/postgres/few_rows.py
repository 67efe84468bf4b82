"""A few messages to Arrow record batches, one by one: to look for all places at once takes as long as thirty rows do.

What is out of the ordinary is left to `batches`, which knows all that there is and what to say of it.
"""

from __future__ import annotations

import itertools
import operator
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from replicator.batch import CHANGE_FIELDS, OP_NAMES, OPS
from replicator.change import Op
from replicator.postgres.arrow_values import EPOCH_US, fixed
from replicator.postgres.shape import Shape, converted
from replicator.postgres.tuples import BINARY, NULL, TEXT, UNCHANGED

MOST_MESSAGES = 16

_BEGIN, _COMMIT, _INSERT, _UPDATE, _DELETE = b"BCIUD"
_NEW, _OLD, _KEY = b"NOK"
_OPS = {kind: OPS.index(op) for kind, op in ((_INSERT, Op.INSERT), (_UPDATE, Op.UPDATE), (_DELETE, Op.DELETE))}
_BEGUN = struct.Struct(">QqI")  # where it commits, when, its number
_ENDED = struct.Struct(">BQQq")  # flags, where it commits, where it ends, when
_LEFT_ALONE = (UNCHANGED, None)
_OP, *_OTHERS = (field.type for field in CHANGE_FIELDS)

_Value = tuple[int, bytes | None]  # the form it came in, and its bytes


class _OutOfTheOrdinary(Exception):
    """To be left to whoever knows all of it."""


@dataclass(slots=True)
class _Row:
    """A change: what happened, to which table, its values, the cursor behind it, and its transaction."""

    op: int
    oid: int
    values: list[_Value]
    lsn: int
    seq: int
    xid: int
    commit_time: int


def few_rows(messages: Sequence[bytes], skip: int, shapes: Mapping[int, Shape]) -> list[pa.RecordBatch] | None:
    """Return the changes of some whole transactions, in batches; None where anything about them is out of the ordinary.

    Args:
        messages: as the server sent them.
        skip: bytes at the front of each that are not the message's.
        shapes: of the tables that were described.

    Raises:
        TableUnfit: Arrow cannot hold a value.
    """
    try:
        rows = list(_rows(messages, skip))
        runs = itertools.groupby(rows, key=operator.attrgetter("oid"))
        return [_batch(list(run), shapes[oid]) for oid, run in runs]
    except (_OutOfTheOrdinary, struct.error, IndexError, KeyError, ValueError):
        return None


def _rows(messages: Sequence[bytes], skip: int) -> Iterator[_Row]:
    first = skip + 1
    row: _Row | None = None
    commit_lsn = commit_time = xid = seq = 0
    is_open = False
    for message in messages:
        kind = message[skip]
        if kind in _OPS and is_open:
            if row is not None:
                yield row
            seq += 1
            oid = int.from_bytes(message[first : first + 4], "big")
            row = _Row(_OPS[kind], oid, _values(message, kind, first + 4), commit_lsn, seq, xid, commit_time)
        elif kind == _BEGIN and not is_open and len(message) == first + _BEGUN.size:
            commit_lsn, commit_time, xid = _BEGUN.unpack_from(message, first)
            commit_time += EPOCH_US
            is_open, seq = True, 0
        elif kind == _COMMIT and is_open and len(message) == first + _ENDED.size:
            if row is not None:
                row.lsn, row.seq = _ENDED.unpack_from(message, first)[2], 0
                yield row
                row = None
            is_open = False
        else:
            raise _OutOfTheOrdinary
    if is_open:
        raise _OutOfTheOrdinary


def _values(message: bytes, kind: int, place: int) -> list[_Value]:
    """Return the values of a new row, or of an old one that was deleted."""
    mark = message[place]
    values, end = _tuple(message, place + 1)
    has_old = mark in (_OLD, _KEY)
    if kind == _UPDATE and has_old:
        if message[end] != _NEW:
            raise _OutOfTheOrdinary
        old = values
        values, end = _tuple(message, end + 1)
        if mark == _OLD:  # a key comes with NULL for all that is not key: it supplies no value
            values = [theirs if mine == _LEFT_ALONE else mine for mine, theirs in zip(values, old, strict=True)]
    elif has_old != (kind == _DELETE) or not (has_old or mark == _NEW):
        raise _OutOfTheOrdinary
    if end != len(message) or _LEFT_ALONE in values:
        raise _OutOfTheOrdinary
    return values


def _tuple(message: bytes, place: int) -> tuple[list[_Value], int]:
    width = int.from_bytes(message[place : place + 2], "big")
    place += 2
    values: list[_Value] = []
    for _ in range(width):
        form = message[place]
        if form in (BINARY, TEXT):
            begin = place + 5
            place = begin + int.from_bytes(message[place + 1 : begin], "big")
            values.append((form, message[begin:place]))
        elif form in (NULL, UNCHANGED):
            place += 1
            values.append((form, None))
        else:
            raise _OutOfTheOrdinary
    return values, place


def _batch(rows: Sequence[_Row], shape: Shape) -> pa.RecordBatch:
    columns = []
    if any(len(row.values) != len(shape.columns) for row in rows):
        raise _OutOfTheOrdinary
    for number, ((name, _, _), reads) in enumerate(zip(shape.columns, shape.codecs, strict=True)):
        forms = {row.values[number][0] for row in rows} - {NULL}
        if len(forms) > 1 or (BINARY in forms and reads.from_binary is None):
            raise _OutOfTheOrdinary
        array = pa.array([row.values[number][1] for row in rows], pa.binary())
        columns.append(converted(array, name, reads, shape, binary=BINARY in forms))
    ops = pa.DictionaryArray.from_arrays(fixed(_OP.index_type, np.array([row.op for row in rows], np.int8)), OP_NAMES)
    others = (
        np.array([row.lsn for row in rows], np.uint64),
        np.array([row.seq for row in rows], np.uint64),
        np.array([row.xid for row in rows], np.uint32),
        np.array([row.commit_time for row in rows], np.int64),
    )
    arrays = [*columns, ops, *itertools.starmap(fixed, zip(_OTHERS, others, strict=True))]
    return pa.RecordBatch.from_arrays(arrays, schema=shape.schema)
