"""Values of one column, as PostgreSQL prints or sends them, to an Arrow array: whole columns, no loop over values.

A value that its Arrow type cannot hold is refused, never rounded or made up. Two things have no equal in Arrow and
are given one: the infinities of dates and timestamps become the largest and the smallest value that the type has
(no other value becomes these), and an array's lower bound is left out. A loop over values is made only for what is
rare: dates before Christ or after 9999, arrays with quotes.

Source: PostgreSQL 18 documentation, 8 "Data Types"; Apache Arrow, "Arrow Columnar Format".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its functions are made when it is imported, where no type checker sees them
Convert = Callable[[pa.Array], pa.Array]

_STRING = pa.string()
_EPOCH_DAYS = 10957  # from 1970 to 2000, which PostgreSQL counts from
_DAY_US = 86_400_000_000
EPOCH_US = _EPOCH_DAYS * _DAY_US
_INT32, _INT64 = np.iinfo(np.int32), np.iinfo(np.int64)

_MOMENT = re.compile(
    r"(?P<year>\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?: (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?"
    r"(?P<zone>[+-]\d\d(?::\d\d){0,2})?)?(?P<bc> BC)?"
)
_BOUNDS = re.compile(r"(?:\[[^]]*\])+=")

_NIBBLES = np.full(256, 255, np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _NIBBLES[np.frombuffer(_digits, np.uint8)] = np.arange(16, dtype=np.uint8)


def as_text(array: pa.Array) -> pa.Array:
    """Take the bytes as they are. Raises: ValueError if they are not UTF-8."""
    return array if array.type == _STRING else array.cast(_STRING)


def as_bytes(array: pa.Array) -> pa.Array:
    """Take the bytes as they are, text or not."""
    return array.cast(pa.binary())


def parsed(kind: pa.DataType) -> Convert:
    """Return a conversion by Arrow's own parser of that type, which is exact. Raises: ValueError."""

    def convert(array: pa.Array) -> pa.Array:
        return array.cast(kind)

    return convert


def bool_from_text(array: pa.Array) -> pa.Array:
    """Read `t` and `f`."""
    return pc.equal(array, "t")


def decimal_from_text(kind: pa.DataType) -> Convert:
    """Return a conversion to that decimal type. Raises: ValueError if a value is none, as NaN is not."""

    def convert(array: pa.Array) -> pa.Array:
        if _some(pc.equal(array, "NaN")):
            raise ValueError(f"NaN has no place in {kind}")
        return array.cast(kind)

    return convert


def date_from_text(array: pa.Array) -> pa.Array:
    """Read ISO dates, of any year, and the infinities."""
    try:
        return array.cast(pa.date32())
    except pa.ArrowInvalid:
        values = [None if text is None else _day(text) for text in array.to_pylist()]
        return pa.array(values, pa.int32()).view(pa.date32())


def timestamp_from_text(kind: pa.DataType) -> Convert:
    """Return a conversion of ISO timestamps, of any year, and the infinities, to that type. Raises: ValueError."""

    def convert(array: pa.Array) -> pa.Array:
        try:
            return array.cast(kind)
        except pa.ArrowInvalid:
            values = [None if text is None else _instant(text) for text in array.to_pylist()]
            return pa.array(values, pa.int64()).view(kind)

    return convert


def time_from_text(array: pa.Array) -> pa.Array:
    """Read times of a day. Raises: ValueError for 24:00:00, which Arrow has not."""
    if _some(pc.starts_with(array, "24")):
        raise ValueError("24:00:00 has no place in an Arrow time")
    instants = pc.binary_join_element_wise("1970-01-01", array, " ").cast(pa.timestamp("us"))
    return instants.view(pa.time64("us"))


def bytes_from_hex(array: pa.Array) -> pa.Array:
    r"""Read `\x6869`. Raises: ValueError for the older escape form."""
    if not _every(pc.starts_with(array, "\\x")):
        raise ValueError("bytes came in escape form, bytea_output must be hex")
    digits = pc.binary_replace_slice(array.cast(pa.binary()), 0, 2, b"")
    offsets, data = _packed(digits)
    return pa.Array.from_buffers(
        pa.binary(),
        len(array),
        [_validity(array), pa.py_buffer((offsets // 2).astype(np.int32)), pa.py_buffer(_unhex(data))],
    )


def uuid_from_text(array: pa.Array) -> pa.Array:
    """Read UUIDs with dashes. Raises: ValueError."""
    offsets, data = _packed(pc.replace_substring(array, "-", ""))
    lengths = offsets[1:] - offsets[:-1]
    return _uuids(array, _unhex(data), lengths // 2)


def uuid_from_binary(array: pa.Array) -> pa.Array:
    """Take 16 bytes as they are. Raises: ValueError."""
    offsets, data = _packed(array)
    return _uuids(array, data, offsets[1:] - offsets[:-1])


def _uuids(array: pa.Array, data: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> pa.Array:
    values = _spread(array, data, lengths, np.dtype("V16"))
    storage = pa.Array.from_buffers(pa.binary(16), len(array), [_validity(array), pa.py_buffer(values.view(np.uint8))])
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def numbers_from_binary(kind: pa.DataType, dtype: str) -> Convert:
    """Return a conversion of fixed-width big-endian numbers to that type. Raises: ValueError."""
    wire = np.dtype(dtype)

    def convert(array: pa.Array) -> pa.Array:
        return _fixed(array, kind, _wire(array, wire).astype(wire.newbyteorder("=")))

    return convert


def bool_from_binary(array: pa.Array) -> pa.Array:
    """Read a byte that is 0 or 1. Raises: ValueError."""
    return _fixed(array, pa.uint8(), _wire(array, np.dtype("u1"))).cast(pa.bool_())


def date_from_binary(array: pa.Array) -> pa.Array:
    """Read days since 2000, with the infinities. Raises: ValueError."""
    days = _wire(array, np.dtype(">i4")).astype(np.int64)
    finite = (days != _INT32.max) & (days != _INT32.min)
    return _fixed(array, pa.date32(), np.where(finite, days + _EPOCH_DAYS, days).astype(np.int32))


def timestamp_from_binary(kind: pa.DataType) -> Convert:
    """Return a conversion of microseconds since 2000, with the infinities, to that type. Raises: ValueError."""

    def convert(array: pa.Array) -> pa.Array:
        instants = _wire(array, np.dtype(">i8")).astype(np.int64)
        finite = (instants != _INT64.max) & (instants != _INT64.min)
        if (instants[finite] >= _INT64.max - EPOCH_US).any():
            raise ValueError("a timestamp lies behind the last that Arrow has in microseconds")
        return _fixed(array, kind, instants + np.where(finite, EPOCH_US, 0))

    return convert


def time_from_binary(array: pa.Array) -> pa.Array:
    """Read microseconds since midnight. Raises: ValueError for 24:00:00, which Arrow has not."""
    instants = _wire(array, np.dtype(">i8")).astype(np.int64)
    if (instants >= _DAY_US).any():
        raise ValueError("24:00:00 has no place in an Arrow time")
    return _fixed(array, pa.time64("us"), instants)


def jsonb_from_binary(array: pa.Array) -> pa.Array:
    """Take the text behind the version byte. Raises: ValueError for a version other than 1."""
    if not _every(pc.starts_with(array, b"\x01")):
        raise ValueError("jsonb came in a form of unknown version")
    return as_text(pc.binary_replace_slice(array, 0, 1, b""))


def list_from_text(array: pa.Array, convert: Convert, delimiter: str) -> pa.Array:
    """Read arrays of one dimension. Raises: ValueError for more: lists in lists are another Arrow type."""
    plain = pc.match_substring_regex(array, r'^\{[^{}"\\]*\}$')
    lists = _split(array, delimiter) if _every(plain) else _scan(array, delimiter)
    values = convert(lists.values)
    kind = pa.list_(values.type)
    return pa.Array.from_buffers(kind, len(lists), lists.buffers()[:2], offset=lists.offset, children=[values])


def _split(array: pa.Array, delimiter: str) -> pa.Array:
    inner = pc.utf8_slice_codeunits(array, 1, -1)
    lists = pc.split_pattern(inner, delimiter)
    # Nothing in braces is no element, but splits into one that is empty.
    lengths = pc.if_else(pc.equal(inner, ""), 0, pc.list_value_length(lists)).fill_null(0).to_numpy()
    offsets = np.zeros(len(array) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    flat = lists.flatten()
    flat = flat.filter(pc.not_equal(flat, ""))  # an empty text stands in quotes
    values = pc.if_else(pc.equal(flat, "NULL"), None, flat)
    return pa.Array.from_buffers(
        pa.list_(pa.string()), len(array), [_validity(array), pa.py_buffer(offsets)], children=[values]
    )


def _scan(array: pa.Array, delimiter: str) -> pa.Array:
    element = re.compile(rf'"((?:[^"\\]|\\.)*)"|([^{re.escape(delimiter)}{{}}"\\]+)', re.DOTALL)
    escaped = re.compile(r"\\(.)", re.DOTALL)

    def elements(text: str) -> list[str | None]:
        bounds = _BOUNDS.match(text)
        inner = text[bounds.end() if bounds else 0 :][1:-1]
        if inner.startswith("{"):
            raise ValueError("an array of several dimensions has no place in an Arrow list")
        found = []
        for quoted, bare in element.findall(inner):
            if bare:
                found.append(None if bare == "NULL" else bare)
            else:
                found.append(escaped.sub(r"\1", quoted) if "\\" in quoted else quoted)
        return found

    lists = [None if text is None else elements(text) for text in array.to_pylist()]
    return pa.array(lists, pa.list_(pa.string()))


def _day(text: str) -> int:
    if text in {"infinity", "-infinity"}:
        return int(_INT32.max if text == "infinity" else _INT32.min)
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("a date is not in ISO form, datestyle must be ISO")
    return _days(match)


def _instant(text: str) -> int:
    if text in {"infinity", "-infinity"}:
        return int(_INT64.max if text == "infinity" else _INT64.min)
    match = _MOMENT.fullmatch(text)
    if match is None or match["hour"] is None:
        raise ValueError("a timestamp is not in ISO form, datestyle must be ISO")
    seconds = int(match["hour"]) * 3600 + int(match["minute"]) * 60 + int(match["second"])
    if zone := match["zone"]:
        parts = [int(part) for part in zone[1:].split(":")]
        offset = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
        seconds -= offset if zone[0] == "+" else -offset
    fraction = int((match["fraction"] or "").ljust(6, "0"))
    instant = _days(match) * _DAY_US + seconds * 1_000_000 + fraction
    if instant >= _INT64.max:
        raise ValueError("a timestamp lies behind the last that Arrow has in microseconds")
    return instant


def _days(match: re.Match[str]) -> int:
    """Count days from 1970 in the Gregorian calendar, which PostgreSQL uses for all time."""
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    if match["bc"]:
        year = 1 - year
    year -= month <= 2  # years begin in March, so that the day too many is a year's last
    era_year = year % 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era_year * 365 + era_year // 4 - era_year // 100 + day_of_year
    return year // 400 * 146097 + days - 719468


def _some(conditions: pa.Array) -> bool:
    return bool(pc.any(conditions, min_count=0).as_py())


def _every(conditions: pa.Array) -> bool:
    """Whether all are true that are not NULL."""
    return bool(pc.all(conditions, min_count=0).as_py())


def _validity(array: pa.Array) -> pa.Buffer | None:
    return pc.is_valid(array).buffers()[1] if array.null_count else None


def _packed(array: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return where each value begins, and the last ends, in the bytes of all of them; nulls have none."""
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    if data_buffer is None:
        return offsets - offsets[0], np.empty(0, np.uint8)
    return offsets - offsets[0], np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]


def _wire(array: pa.Array, wire: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    offsets, data = _packed(array)
    return _spread(array, data, offsets[1:] - offsets[:-1], wire)


def _spread(
    array: pa.Array, data: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64], wire: np.dtype[np.generic]
) -> npt.NDArray[np.generic]:
    """Give each value its place, nulls too, which have no bytes."""
    valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else slice(None)
    if (lengths[valid] != wire.itemsize).any():
        raise ValueError(f"a value has not the {wire.itemsize} bytes of its type")
    if not array.null_count:
        return data.view(wire)
    values = np.zeros(len(array), wire)
    values[valid] = data.view(wire)
    return values


def _unhex(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    nibbles = _NIBBLES[data]
    if (nibbles == 255).any() or len(nibbles) % 2:
        raise ValueError("a value is not in hexadecimal form")
    pairs: npt.NDArray[np.uint8] = nibbles[0::2] * np.uint8(16) + nibbles[1::2]
    return pairs


def _fixed(array: pa.Array, kind: pa.DataType, values: npt.NDArray[np.generic]) -> pa.Array:
    return fixed(kind, values, _validity(array))


def fixed(kind: pa.DataType, values: npt.NDArray[Any], validity: pa.Buffer | None = None) -> pa.Array:
    """Return numbers as an array of a type that keeps them in the same form."""
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(np.ascontiguousarray(values))])
