"""Which tables a subscriber has from a publisher, and how the rows of each can be laid side by side.

The two are servers of their own: of different versions, on different machines, with tables of the same name whose
columns may lie in another order, be of another type or be more on the subscriber. So of each table is found out

- which columns the publications send. Where both nodes have a column of the same type that servers send as the same
  bytes, those bytes are compared, else what the type prints;
- by which key a row is found: the replica identity, else another unique index of columns that are sent and never NULL;
- whether that key has an order that both agree on, which an index of both has. Text in a language's order has none:
  two servers may come with two versions of the language's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from replicator.postgres.verify.reader import Reader


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is sent.

    Attributes:
        name: on both nodes.
        plain: whether its bytes are compared, and not what it prints.
        types: its type on the publisher, and on the subscriber.
    """

    name: str
    plain: bool
    types: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A table that the subscriber has from the publisher.

    Attributes:
        schema: unquoted.
        name: unquoted.
        object: both, quoted.
        columns: those that are compared.
        left_out: columns that are sent and cannot be compared, and why.
        key: those that a row is found by; empty where there is no such key.
        ordered: whether both nodes have the key in one order.
        row_filter: the publications' condition in the publisher's own words, `true` where every row is sent.
        filtered_there: whether the subscriber has all columns that the condition names.
        inserts, updates, deletes: whether those are sent; a truncation counts as a deletion.
        partitioned: whether the table is partitioned, on the publisher and on the subscriber.
        rows: the planner's estimate.
        size: in bytes, on the publisher.
        subscriptions: those that it comes by.
        slots: theirs on the publisher.
        ready: whether each of them has done its first copy.
    """

    schema: str
    name: str
    object: str
    columns: tuple[Column, ...]
    left_out: tuple[str, ...]
    key: tuple[Column, ...]
    ordered: bool
    row_filter: str
    filtered_there: bool
    inserts: bool
    updates: bool
    deletes: bool
    partitioned: tuple[bool, bool]
    rows: int
    size: int
    subscriptions: tuple[str, ...]
    slots: tuple[str, ...]
    ready: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """A published table that cannot be compared.

    Attributes:
        object: quoted and qualified.
        why: as a sentence goes on behind its name.
    """

    object: str
    why: str


def tables(publisher: Reader, subscriber: Reader) -> list[Subscribed | Absent]:
    """Return what the subscriber's subscriptions to this publisher are to have.

    Raises: as `Reader.ask`.
    """
    slots = {row.name for row in publisher.ask("catalog/feeding_slots")}
    bound = {row.name: row for row in subscriber.ask("verify/subscriptions") if row.slot in slots}
    known: dict[str, dict[str, bool]] = {}
    for row in subscriber.ask("verify/subscribed_relations"):
        if row.subscription in bound:
            known.setdefault(row.object, {})[row.subscription] = row.ready
    publications = sorted({name for row in bound.values() for name in row.publications})
    sent: dict[str, list[Row[Any]]] = {}
    for row in publisher.ask("verify/published_tables", publications=publications):
        sent.setdefault(row.object, []).append(row)
    asked = {
        "schemas": [rows[0].schema for rows in sent.values()],
        "names": [rows[0].name for rows in sent.values()],
    }
    facts = [_Facts.of(node, asked) for node in (publisher, subscriber)]
    found: list[Subscribed | Absent] = []
    for name, rows in sent.items():
        if name not in facts[1].columns:
            found.append(Absent(name, f"is not on the subscriber, {subscriber.where}"))
        elif name not in known:
            found.append(Absent(name, "is published, and no subscription knows it: refresh the subscription"))
        else:
            ready = known[name]
            found.append(_laid(rows, facts[0], facts[1], {one: str(bound[one].slot) for one in ready}, ready))
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    """What one node's catalog says of the tables, by object."""

    columns: dict[str, dict[str, Row[Any]]]
    keys: dict[str, list[Row[Any]]]

    @staticmethod
    def of(node: Reader, asked: dict[str, list[str]]) -> _Facts:
        columns: dict[str, dict[str, Row[Any]]] = {}
        for row in node.ask("verify/table_columns", **asked):
            columns.setdefault(row.object, {})[row.name] = row
        keys: dict[str, list[Row[Any]]] = {}
        for row in node.ask("verify/table_keys", **asked):
            keys.setdefault(row.object, []).append(row)
        return _Facts(columns, keys)


def _laid(
    rows: Sequence[Row[Any]], ours: _Facts, theirs: _Facts, slots: dict[str, str], ready: dict[str, bool]
) -> Subscribed:
    """Lay one table's descriptions side by side; several publications send what any of them sends."""
    table = rows[0].object
    here, there = ours.columns[table], theirs.columns[table]
    sent = [name for name in here if any(name in row.columns for row in rows)]
    columns, left_out = {}, []
    for name in sent:
        if name not in there or there[name].generated:
            left_out.append(f"{name}: {'generated' if name in there else 'not'} on the subscriber")
            continue
        types = here[name].type, there[name].type
        columns[name] = Column(name, here[name].plain and there[name].plain and types[0] == types[1], types)
    key, ordered = _key(columns, ours.keys.get(table, ()), theirs.keys.get(table, ()))
    filters = [row.row_filter for row in rows]
    row_filter = "true" if None in filters else " or ".join(f"({one})" for one in sorted(set(filters)))
    return Subscribed(
        schema=rows[0].schema,
        name=rows[0].name,
        object=table,
        columns=tuple(columns.values()),
        left_out=tuple(left_out),
        key=key,
        ordered=ordered,
        row_filter=row_filter,
        filtered_there=not any(name in row_filter for name in here if name not in there),
        inserts=any(row.inserts for row in rows),
        updates=any(row.updates for row in rows),
        deletes=any(row.deletes and row.truncates for row in rows),
        partitioned=(_partitioned(here.values()), _partitioned(there.values())),
        rows=rows[0].rows,
        size=rows[0].size,
        subscriptions=tuple(slots),
        slots=tuple(slots.values()),
        ready=all(ready.values()),
    )


def _partitioned(columns: Iterable[Row[Any]]) -> bool:
    return any(column.partitioned for column in columns)


def _key(
    columns: dict[str, Column], ours: Sequence[Row[Any]], theirs: Sequence[Row[Any]]
) -> tuple[tuple[Column, ...], bool]:
    """Return the publisher's best key whose columns are compared, and whether both nodes have it in one order."""
    for key in ours:
        if all(name in columns for name in key.columns):
            found = tuple(columns[name] for name in key.columns)
            same = any(other.columns == key.columns and other.ordered for other in theirs)
            return found, key.ordered and same and all(column.plain for column in found)
    return (), False
