"""Which Arrow type a column becomes, and how its values are read: by the type's OID and modifier.

| PostgreSQL | Arrow |
|---|---|
| `boolean`, `smallint`, `integer`, `bigint`, `oid`, `real`, `double precision` | `bool`, `int16`, `int32`, `int64`, `uint32`, `float`, `double` |
| `numeric(p, s)` | `decimal128`, from 39 digits on `decimal256`; NaN is refused |
| `numeric` without a precision, or with more than 76 digits | `string`: whatever was chosen would round some value |
| `date`, `time`, `timestamp`, `timestamptz` | `date32`, `time64[us]`, `timestamp[us]`, `timestamp[us, tz=UTC]` |
| `bytea`, `uuid` | `binary`, `uuid` |
| arrays of one dimension | `list` of the element's type |
| domains | what they are made from |
| all else: text, enums, JSON, `timetz`, `interval`, networks, ranges, money, composites | `string`, as PostgreSQL prints it |

An interval stays text because Parquet has no type for it and Arrow's own, in nanoseconds, ends at 292 years. Each field's
metadata names the PostgreSQL type.

Source: PostgreSQL 18 documentation, 8 "Data Types", 52.64 "pg_type".
"""  # noqa: E501 - a table's row is one line

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
from psycopg.postgres import types as builtin

from replicator.postgres import arrow_values as values
from replicator.postgres.arrow_values import Convert

_TYPE_KEY = "postgres_type"
_DEPTH = 32  # a domain over an array of a domain over ...: real ones have two or three


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What the catalog says of a type that is not built in.

    Attributes:
        name: as it is printed.
        base: OID of the type a domain is made from, or 0.
        base_modifier: the domain's modifier of that type.
        element: OID of an array's element type, or 0.
        delimiter: what stands between an array's elements.
    """

    name: str
    base: int = 0
    base_modifier: int = -1
    element: int = 0
    delimiter: str = ","


# The facts of a type by its OID; None if it is gone: its values are then text.
Catalog = Callable[[int], TypeFacts | None]


@dataclass(frozen=True, slots=True)
class Codec:
    """How a type's values become Arrow's. Both conversions take bytes with nulls and raise ValueError.

    Attributes:
        name: the PostgreSQL type.
        arrow: the Arrow type.
        from_text: from what the server prints, already known to be UTF-8.
        from_binary: from what its send function gives; None where only text can be read.
    """

    name: str
    arrow: pa.DataType
    from_text: Convert
    from_binary: Convert | None = None

    def field(self, column: str) -> pa.Field:
        """Return the Arrow field of a column."""
        return pa.field(column, self.arrow, metadata={_TYPE_KEY: self.name})


def codec(oid: int, modifier: int, catalog: Catalog) -> Codec:
    """Return how the values of a type are read.

    Args:
        oid: of the type.
        modifier: of the column, -1 if it has none.
        catalog: asked for types that are not built in.
    """
    return _codec(oid, modifier, catalog, _DEPTH)


def _codec(oid: int, modifier: int, catalog: Catalog, depth: int) -> Codec:
    info = builtin.get(oid)
    if info is not None and oid == info.oid:
        return _numeric(modifier) if info.name == "numeric" else _BUILT_IN.get(info.name) or _text(info.name)
    if info is not None:
        return _list(f"{info.name}[]", _codec(info.oid, modifier, catalog, depth - 1), info.delimiter)
    facts = catalog(oid) if depth else None
    if facts is None:
        return _text(f"type {oid}")
    if not facts.base and not facts.element:
        return _text(facts.name)
    if facts.base:
        made_from = _codec(facts.base, facts.base_modifier, catalog, depth - 1)
        return Codec(facts.name, made_from.arrow, made_from.from_text, made_from.from_binary)
    return _list(facts.name, _codec(facts.element, modifier, catalog, depth - 1), facts.delimiter)


def _text(name: str) -> Codec:
    return Codec(name, pa.string(), values.as_text)


def _list(name: str, element: Codec, delimiter: str) -> Codec:
    def from_text(array: pa.Array) -> pa.Array:
        return values.list_from_text(array, element.from_text, delimiter)

    return Codec(name, pa.list_(element.arrow), from_text)


def _numeric(modifier: int) -> Codec:
    if modifier < 4:
        return _text("numeric")
    precision = (modifier - 4) >> 16
    scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024  # eleven bits, signed
    name = f"numeric({precision},{scale})"
    # numeric(2, -3) holds 12000, numeric(2, 5) holds 0.00012: Arrow is to count the zeros too.
    digits, scale = (precision - scale, 0) if scale < 0 else (max(precision, scale), scale)
    if digits > 76:
        return _text(name)
    kind = pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale)
    return Codec(name, kind, values.decimal_from_text(kind))


def _number(name: str, kind: pa.DataType, wire: str) -> Codec:
    return Codec(name, kind, values.parsed(kind), values.numbers_from_binary(kind, wire))


def _instant(name: str, kind: pa.DataType) -> Codec:
    return Codec(name, kind, values.timestamp_from_text(kind), values.timestamp_from_binary(kind))


_BUILT_IN = {
    known.name: known
    for known in (
        Codec("bool", pa.bool_(), values.bool_from_text, values.bool_from_binary),
        _number("int2", pa.int16(), ">i2"),
        _number("int4", pa.int32(), ">i4"),
        _number("int8", pa.int64(), ">i8"),
        _number("oid", pa.uint32(), ">u4"),
        _number("float4", pa.float32(), ">f4"),
        _number("float8", pa.float64(), ">f8"),
        Codec("bytea", pa.binary(), values.bytes_from_hex, values.as_bytes),
        Codec("date", pa.date32(), values.date_from_text, values.date_from_binary),
        Codec("time", pa.time64("us"), values.time_from_text, values.time_from_binary),
        _instant("timestamp", pa.timestamp("us")),
        _instant("timestamptz", pa.timestamp("us", "UTC")),
        Codec("uuid", pa.uuid(), values.uuid_from_text, values.uuid_from_binary),
        Codec("jsonb", pa.string(), values.as_text, values.jsonb_from_binary),
        *(
            Codec(name, pa.string(), values.as_text, values.as_text)
            for name in ("text", "varchar", "bpchar", "name", "json")
        ),
    )
}
