"""Names and columns of the tables that are read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A schema-qualified table name, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a feed sees it.

    Attributes:
        name: its qualified name.
        columns: published columns, in order.
        key: columns of the primary key, in key order.
        row_filter: the publication's predicate, as the server prints it, or None.
    """

    name: TableName
    columns: tuple[str, ...]
    key: tuple[str, ...]
    row_filter: str | None = None
