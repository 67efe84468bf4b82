"""A table's columns as its rows come, and their values as Arrow has them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from replicator.batch import CHANGE_FIELDS
from replicator.errors import FeedBroken, TableUnfit
from replicator.postgres.arrow_types import Catalog, Codec, codec
from replicator.postgres.tuples import BINARY, TEXT, Cells, Joined


class TextWanted(FeedBroken):
    """A value came in a binary form that is not read."""

    hint = "start the stream without the option binary"


@dataclass(frozen=True)
class Shape:
    """A table's columns as later tuples have them.

    Attributes:
        oid: the table's.
        table: its qualified name.
        columns: name, type OID and type modifier of each.
        catalog: asked for types that are not built in.
    """

    oid: int
    table: str
    columns: tuple[tuple[str, int, int], ...]
    catalog: Catalog

    @cached_property
    def codecs(self) -> tuple[Codec, ...]:
        """How each column is read."""
        return tuple(codec(oid, modifier, self.catalog) for _, oid, modifier in self.columns)

    @cached_property
    def row_schema(self) -> pa.Schema:
        """The table's columns alone. Raises: TableUnfit if one has the name of a column that every batch has."""
        taken = {field.name for field in CHANGE_FIELDS}
        fields = []
        for (name, _, _), reads in zip(self.columns, self.codecs, strict=True):
            if name in taken:
                raise TableUnfit(
                    f"{self.table}: column {name} has a name that a batch needs for itself",
                    hint=f"run: alter table {self.table} rename column {name} to ...",
                )
            fields.append(reads.field(name))
        return pa.schema(fields, metadata={"table": self.table})

    @cached_property
    def schema(self) -> pa.Schema:
        """The batches' schema."""
        return pa.schema([*self.row_schema, *CHANGE_FIELDS], metadata=self.row_schema.metadata)


def described(message: bytes, catalog: Catalog) -> Shape:
    """Return what a message of kind R describes. Raises: FeedBroken."""
    try:
        oid = int.from_bytes(message[1:5], "big")
        schema, name, rest = message[5:].split(b"\0", 2)
        (count,) = struct.unpack_from(">xH", rest)
        rest = rest[3:]
        columns = []
        for _ in range(count):
            column, rest = rest[1:].split(b"\0", 1)
            type_oid, modifier = struct.unpack_from(">Ii", rest)
            columns.append((column.decode(), type_oid, modifier))
            rest = rest[8:]
        table = f"{schema.decode() or 'pg_catalog'}.{name.decode()}"
    except (ValueError, struct.error) as error:
        raise FeedBroken("a replication message describes no table") from error
    if rest:
        raise FeedBroken(f"a replication message has {len(rest)} bytes too many")
    return Shape(oid, table, tuple(columns), catalog)


def column_values(joined: Joined, cells: Cells, column: tuple[str, int, int], reads: Codec, shape: Shape) -> pa.Array:
    """Return a column's values as Arrow's.

    Raises:
        TableUnfit: Arrow cannot hold one of them.
    """
    is_binary = cells.kinds == BINARY
    if is_binary.any() and (reads.from_binary is None or (cells.kinds == TEXT).any()):
        raise TextWanted(f"{shape.table}: column {column[0]} of type {reads.name} came in binary form")
    return converted(cells.values(joined), column[0], reads, shape, binary=bool(is_binary.any()))


def converted(array: pa.Array, column: str, reads: Codec, shape: Shape, *, binary: bool) -> pa.Array:
    """Return a column's values, bytes as they were sent, as Arrow's. Raises: TableUnfit."""
    try:
        if binary and reads.from_binary is not None:
            return reads.from_binary(array)
        return reads.from_text(_utf8(array, column, shape))
    except pa.ArrowInvalid as error:
        if pa.types.is_string(reads.arrow):
            raise _not_utf8(shape, column) from error
        raise TableUnfit(f"{shape.table}: a value of column {column} does not fit {reads.arrow}") from error
    except ValueError as error:
        raise TableUnfit(f"{shape.table}: column {column}: {error}") from error


def _utf8(array: pa.Array, column: str, shape: Shape) -> pa.Array:
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid as error:
        raise _not_utf8(shape, column) from error


def _not_utf8(shape: Shape, column: str) -> TableUnfit:
    return TableUnfit(
        f"{shape.table}: column {column} holds text that is not UTF-8",
        hint=f"correct the rows and create the feed again, or leave {column} out of the publication's column list",
    )
