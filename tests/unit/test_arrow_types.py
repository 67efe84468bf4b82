"""Values of each type from text and binary form: exact or refused."""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.postgres.arrow_types import Codec, TypeFacts, codec

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_BOOL, _BYTEA, _INT8, _INT2, _INT4, _TEXT, _OID, _XML, _FLOAT4, _FLOAT8 = 16, 17, 20, 21, 23, 25, 26, 142, 700, 701
_DATE, _TIME, _TIMESTAMP, _TIMESTAMPTZ, _INTERVAL, _NUMERIC, _UUID, _JSONB = (
    1082,
    1083,
    1114,
    1184,
    1186,
    1700,
    2950,
    3802,
)
_INT4S, _TEXTS, _BOXES, _TIMESTAMPS = 1007, 1009, 1020, 1115
_MOOD, _MOODS, _AMOUNT, _AMOUNTS, _LISTS, _LIST, _GONE = range(20000, 20007)
_FACTS = {
    _MOOD: TypeFacts("mood"),
    _MOODS: TypeFacts("mood[]", element=_MOOD),
    _AMOUNT: TypeFacts("amount", base=_NUMERIC, base_modifier=(9 << 16 | 2) + 4),
    _AMOUNTS: TypeFacts("amount[]", element=_AMOUNT),
    _LIST: TypeFacts("list", base=_INT4S),
    _LISTS: TypeFacts("list[]", element=_LIST),
}
_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1
_US = dt.timedelta(microseconds=1)


def _codec(oid: int, modifier: int = -1) -> Codec:
    return codec(oid, modifier, _FACTS.get)


def _from_text(oid: int, *texts: str | None, modifier: int = -1) -> pa.Array:
    reads = _codec(oid, modifier)
    read = reads.from_text(pa.array(texts, pa.string()))
    read.validate(full=True)
    assert read.type == reads.arrow
    return read


def _from_binary(oid: int, *sent: bytes | None) -> pa.Array:
    reads = _codec(oid)
    assert reads.from_binary is not None
    read = reads.from_binary(pa.array(sent, pa.binary()))
    read.validate(full=True)
    assert read.type == reads.arrow
    return read


def _modifier(precision: int, scale: int) -> int:
    return (precision << 16 | scale & 0x7FF) + 4


@pytest.mark.parametrize(
    ("oid", "modifier", "kind"),
    [
        (_NUMERIC, -1, pa.string()),
        (_NUMERIC, _modifier(38, 10), pa.decimal128(38, 10)),
        (_NUMERIC, _modifier(39, 0), pa.decimal256(39, 0)),
        (_NUMERIC, _modifier(77, 0), pa.string()),
        (_NUMERIC, _modifier(3, 5), pa.decimal128(5, 5)),
        (_NUMERIC, _modifier(2, -3), pa.decimal128(5, 0)),
        (_NUMERIC, _modifier(2, -80), pa.string()),
        (_AMOUNT, -1, pa.decimal128(9, 2)),
        (_AMOUNTS, -1, pa.list_(pa.decimal128(9, 2))),
        (_LISTS, -1, pa.list_(pa.list_(pa.int32()))),
        (_MOOD, -1, pa.string()),
        (_MOODS, -1, pa.list_(pa.string())),
        (_GONE, -1, pa.string()),
        (_XML, -1, pa.string()),
        (_INTERVAL, -1, pa.string()),
        (_UUID, -1, pa.uuid()),
        (_TIMESTAMPTZ, 4, pa.timestamp("us", "UTC")),
    ],
)
def test_a_type_and_its_modifier_decide_the_arrow_type(oid: int, modifier: int, kind: pa.DataType) -> None:
    """What no Arrow type can hold without loss is text."""
    assert _codec(oid, modifier).arrow == kind


@pytest.mark.parametrize(
    ("oid", "name"),
    [(_INT8, "int8"), (_INT4S, "int4[]"), (_AMOUNT, "amount"), (_MOOD, "mood"), (_GONE, "type 20006")],
)
def test_a_field_names_its_postgresql_type(oid: int, name: str) -> None:
    """Text of JSON, of an enum and of an interval can be told apart."""
    assert _codec(oid).field("c").metadata == {b"postgres_type": name.encode()}


@_PATIENT
@given(st.lists(st.none() | st.binary(max_size=20)))
def test_bytes_in_hexadecimal_are_the_bytes(values: list[bytes | None]) -> None:
    """Empty values and NULLs keep their places."""
    assert _from_text(_BYTEA, *(None if one is None else f"\\x{one.hex()}" for one in values)).to_pylist() == values
    assert _from_binary(_BYTEA, *values).to_pylist() == values


@_PATIENT
@given(st.lists(st.none() | st.uuids()))
def test_uuids_are_the_same_in_both_forms(values: list[uuid.UUID | None]) -> None:
    """With dashes or as 16 bytes, NULLs in between."""
    assert _from_text(_UUID, *(None if one is None else str(one) for one in values)).to_pylist() == values
    assert _from_binary(_UUID, *(None if one is None else one.bytes for one in values)).to_pylist() == values


@_PATIENT
@given(st.lists(st.none() | st.datetimes(), min_size=1), st.booleans())
def test_timestamps_are_read_to_the_microsecond(values: list[dt.datetime | None], odd: bool) -> None:
    """Arrow's parser and the one for odd years agree with the calendar, and with the binary form."""
    texts = [None if one is None else one.isoformat(" ") for one in values]
    with_odd = [*texts, "infinity"] if odd else texts
    assert _from_text(_TIMESTAMP, *with_odd).slice(0, len(values)).to_pylist() == values
    since_2000 = [None if one is None else (one - dt.datetime(2000, 1, 1)) // _US for one in values]  # noqa: DTZ001
    sent = [None if one is None else struct.pack(">q", one) for one in since_2000]
    assert _from_binary(_TIMESTAMP, *sent).to_pylist() == values


@_PATIENT
@given(st.lists(st.none() | st.dates(), min_size=1), st.booleans())
def test_dates_are_read_to_the_day(values: list[dt.date | None], odd: bool) -> None:
    """As timestamps."""
    texts = [None if one is None else str(one) for one in values]
    with_odd = [*texts, "infinity"] if odd else texts
    assert _from_text(_DATE, *with_odd).slice(0, len(values)).to_pylist() == values
    sent = [None if one is None else struct.pack(">i", (one - dt.date(2000, 1, 1)).days) for one in values]
    assert _from_binary(_DATE, *sent).to_pylist() == values


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("infinity", _INT64_MAX),
        ("-infinity", -_INT64_MAX - 1),
        ("2000-01-01 00:00:00+05:30", 946684800_000000 - 19800_000000),
        ("2000-01-01 00:00:00-00:53:28", 946684800_000000 + 3208_000000),
        ("10000-01-01 00:00:00+00", 253402300800_000000),
        ("0001-12-31 23:59:59.5+00 BC", -62135596800_000000 - 500000),
        ("294247-01-10 04:00:54.775806+00", _INT64_MAX - 1),
    ],
)
def test_odd_timestamps_have_their_place(text: str, microseconds: int) -> None:
    """Any zone, years of five digits or before Christ, and the infinities, beside ordinary ones."""
    read = _from_text(_TIMESTAMPTZ, "2000-01-01 00:00:00+00", text, None).view(pa.int64())
    assert read.to_pylist() == [946684800_000000, microseconds, None]


def test_infinite_binary_timestamps_are_the_ends_of_their_type() -> None:
    """As in text, and the last microsecond that fits is not taken for them."""
    ends = [_INT64_MAX, -_INT64_MAX - 1, _INT64_MAX - 946684800_000000 - 1]
    read = _from_binary(_TIMESTAMP, *(struct.pack(">q", end) for end in ends)).view(pa.int64())
    assert read.to_pylist() == [_INT64_MAX, -_INT64_MAX - 1, _INT64_MAX - 1]
    days = _from_binary(_DATE, struct.pack(">i", _INT32_MAX), struct.pack(">i", -_INT32_MAX - 1)).view(pa.int32())
    assert days.to_pylist() == [_INT32_MAX, -_INT32_MAX - 1]


@_PATIENT
@given(st.lists(st.none() | st.times(), min_size=1))
def test_times_are_read_to_the_microsecond(values: list[dt.time | None]) -> None:
    """In both forms."""
    assert _from_text(_TIME, *(None if one is None else str(one) for one in values)).to_pylist() == values
    midnight = dt.datetime(2000, 1, 1)  # noqa: DTZ001
    since = [None if one is None else (dt.datetime.combine(midnight, one) - midnight) // _US for one in values]
    sent = [None if one is None else struct.pack(">q", one) for one in since]
    assert _from_binary(_TIME, *sent).to_pylist() == values


@pytest.mark.parametrize(
    ("oid", "form", "values"),
    [
        (_INT2, ">h", [-(2**15), 0, 2**15 - 1]),
        (_INT4, ">i", [-(2**31), 0, 2**31 - 1]),
        (_INT8, ">q", [-(2**63), 0, 2**63 - 1]),
        (_OID, ">I", [0, 2**32 - 1]),
        (_FLOAT4, ">f", [-0.5, 2.0**127, float("inf")]),
        (_FLOAT8, ">d", [-0.1, 1.7976931348623157e308, float("-inf")]),
    ],
)
def test_numbers_are_the_same_in_both_forms(oid: int, form: str, values: Sequence[float]) -> None:
    """To the last bit, with NULLs in between."""
    with_null = [*values[:1], None, *values[1:]]
    assert _from_text(oid, *(None if one is None else str(one) for one in with_null)).to_pylist() == with_null
    sent = [None if one is None else struct.pack(form, one) for one in with_null]
    assert _from_binary(oid, *sent).to_pylist() == with_null


def test_what_is_not_a_number_stays_so() -> None:
    """A float's NaN is not NULL."""
    assert str(_from_text(_FLOAT8, "NaN", None).to_pylist()) == "[nan, None]"


@_PATIENT
@given(st.lists(st.none() | st.decimals(-(10**7), 10**7, places=2)))
def test_decimals_are_exact(values: list[Decimal | None]) -> None:
    """No digit is rounded."""
    texts = [None if one is None else f"{one:f}" for one in values]
    assert _from_text(_NUMERIC, *texts, modifier=_modifier(10, 2)).to_pylist() == values


def _literal(elements: Sequence[str | None], *, quote_all: bool) -> str:
    """Write an array as the server does: quotes where it needs them."""
    parts = []
    for element in elements:
        if element is None:
            parts.append("NULL")
        elif quote_all or not element or element.upper() == "NULL" or set(element) & set('{},"\\ \t\n\r\v\f'):
            parts.append('"' + element.replace("\\", "\\\\").replace('"', '\\"') + '"')
        else:
            parts.append(element)
    return "{" + ",".join(parts) + "}"


_elements = st.none() | st.sampled_from(["", "NULL", "null", "a,b", "{}", '"', "\\"]) | st.text('abN,{}"\\ \né')


@_PATIENT
@given(st.lists(st.none() | st.lists(_elements, max_size=4), max_size=4), st.booleans())
def test_arrays_of_text_keep_every_element(arrays: list[list[str | None] | None], quote_all: bool) -> None:
    """Quotes, backslashes, commas, the word NULL, empty texts and empty arrays."""
    texts = [None if one is None else _literal(one, quote_all=quote_all) for one in arrays]
    assert _from_text(_TEXTS, *texts).to_pylist() == arrays


@_PATIENT
@given(st.lists(st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=4), max_size=4))
def test_arrays_of_numbers_are_lists_of_numbers(arrays: list[list[int | None] | None]) -> None:
    """Without quotes there is no loop, and the result is the same."""
    texts = [
        None if one is None else _literal([None if n is None else str(n) for n in one], quote_all=False)
        for one in arrays
    ]
    assert _from_text(_INT4S, *texts).to_pylist() == arrays
    assert _from_text(_INT4S, *texts, "[5:6]={1,2}").to_pylist() == [*arrays, [1, 2]]


def test_elements_stand_between_their_types_delimiter() -> None:
    """Boxes have commas inside."""
    assert _from_text(_BOXES, "{(1,1),(0,0);(2,2),(1,1)}").to_pylist() == [["(1,1),(0,0)", "(2,2),(1,1)"]]


def test_a_domain_over_an_array_can_be_an_element() -> None:
    """The elements are arrays in quotes, so that each has its own length."""
    assert _from_text(_LISTS, '{"{1,2}","{}",NULL}', "{}", None).to_pylist() == [[[1, 2], [], None], [], None]


@pytest.mark.parametrize(
    ("oid", "modifier", "text", "reason"),
    [
        (_INT4S, -1, "{{1,2},{3,4}}", "several dimensions"),
        (_NUMERIC, _modifier(5, 2), "NaN", "NaN has no place"),
        (_NUMERIC, _modifier(5, 2), "1.255", "data loss"),
        (_TIME, -1, "24:00:00", "24:00:00 has no place"),
        (_TIMESTAMP, -1, "294247-01-10 04:00:54.775807", "behind the last"),
        (_TIMESTAMP, -1, "25/11/2026 10:00", "datestyle must be ISO"),
        (_DATE, -1, "11/25/2026", "datestyle must be ISO"),
        (_BYTEA, -1, "a\\000", "bytea_output must be hex"),
        (_BYTEA, -1, "\\x0g", "not in hexadecimal"),
        (_UUID, -1, "a0eebc99-9c0b", "16 bytes"),
        (_INT4, -1, "2147483648", "int32"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(oid: int, modifier: int, text: str, reason: str) -> None:
    """It is never rounded, cut or made NULL."""
    with pytest.raises(ValueError, match=reason):
        _from_text(oid, text, modifier=modifier)


@pytest.mark.parametrize(
    ("oid", "sent", "reason"),
    [
        (_INT8, b"\0" * 4, "8 bytes"),
        (_BOOL, b"", "1 bytes"),
        (_UUID, b"\0" * 15, "16 bytes"),
        (_TIME, struct.pack(">q", 86_400_000_000), "24:00:00 has no place"),
        (_TIMESTAMP, struct.pack(">q", 2**63 - 1 - 946_684_800_000_000), "behind the last"),
        (_JSONB, b"\2{}", "unknown version"),
        (_TEXT, b"\xff", "UTF8"),
    ],
)
def test_a_binary_value_that_does_not_fit_is_refused(oid: int, sent: bytes, reason: str) -> None:
    """As in text."""
    with pytest.raises(ValueError, match=reason):
        _from_binary(oid, sent, None)
