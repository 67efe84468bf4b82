"""Which rows changed since a snapshot began that was cut off: the keys that the log names.

The exported snapshot dies with the session that exported it. What was read in it up to then, in whole ranges of
blocks, is kept, and gone on with in a new snapshot. Let the first begin at L1, the new one at L2, and K be the keys of
all rows that were inserted, updated or deleted by transactions that committed in between, before and behind each
change. The table as it stands at L2 is then

    the rows kept at L1 whose key is not in K
    and the rows of the other ranges, read at L2, whose key is not in K
    and the rows at L2 whose key is in K, read by key.

None is missed and none comes twice. A row whose key is in K comes by key, and only so. One whose key is not was
touched by no transaction in between, so it is the same row version at L1 and at L2: in the same block, hence in one
range, and equal whichever snapshot read that. (A block never changes under a row version but when the table is
rewritten, which `Plan.marks` and the tables' files tell.) The same holds when that is cut off too and a third snapshot
follows: K then begins at L1 again, and holds more than is needed for the ranges read at L2, which does no harm: K may
always be larger.

The changes are read from a copy of the feed's own slot, which has every one since L1.

Source: PostgreSQL 18 documentation, 9.28.6 "Replication Management Functions", 54.9 "Logical Replication Message
Formats".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from psycopg import sql as pgsql

from replicator import sql
from replicator.errors import FeedBroken
from replicator.position import Lsn
from replicator.postgres import copy_rows, slot_state
from replicator.postgres import slot as slots
from replicator.postgres.connection import Server
from replicator.postgres.shape import described
from replicator.postgres.snapshot_plan import Plan, Stale, row_filter, server_sql
from replicator.postgres.tuples import TEXT, Cells, Joined

MOST = 500_000  # keys: with more, the table is as soon read again
_MESSAGES = 100_000
_ASKED = 5_000  # keys a query
_RELATION, _INSERT, _UPDATE, _DELETE = b"RIUD"
_OLD, _KEY = b"OK"
_CHANGES = sql.load("postgres/feed/slot_changes")


class ChangedKeys:
    """Keys of a table's rows, as its log has them.

    Args:
        plan: the table's.
        keys: a text a key column.
    """

    def __init__(self, plan: Plan, keys: Sequence[tuple[str, ...]]) -> None:
        self._plan = plan
        self._keys = keys
        self._places = [plan.shape.row_schema.get_field_index(name) for name in plan.table.key]
        texts = zip(*keys, strict=True) if keys else ((),) * len(self._places)
        self._values = [
            plan.shape.codecs[place].from_text(pa.array(column, pa.string()))
            for place, column in zip(self._places, texts, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._keys)

    def without(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows whose key is none of these."""
        if not self._keys:
            return rows
        codes = np.zeros(len(self) + rows.num_rows, np.int64)
        for place, values in zip(self._places, self._values, strict=True):
            found = pa.concat_arrays([_plain(values), _plain(rows.column(place))]).dictionary_encode()
            _, codes = np.unique(codes * len(found.dictionary) + found.indices.to_numpy(), return_inverse=True)
        return rows.filter(pa.array(~np.isin(codes[len(self) :], codes[: len(self)])))

    def queries(self) -> Iterator[pgsql.Composed]:
        """Yield queries for the rows that have these keys, each of which comes in one of them."""
        plan = self._plan
        names = [pgsql.Identifier(f"k{number}") for number in range(len(self._places))]
        casts = [
            pgsql.SQL("{}::{}").format(name, server_sql(plan.types[place]))
            for name, place in zip(names, self._places, strict=True)
        ]
        for start in range(0, len(self), _ASKED):
            asked = zip(*self._keys[start : start + _ASKED], strict=True)
            arrays = [pgsql.SQL("{}::text[]").format(pgsql.Literal(list(column))) for column in asked]
            yield pgsql.SQL(
                "select {columns} from {rows} where {row_filter} and ({key}) in"
                " (select {casts} from unnest({arrays}) as changed ({names}))"
            ).format(
                columns=copy_rows.columns(plan.shape),
                rows=plan.rows,
                row_filter=row_filter(plan.table),
                key=pgsql.SQL(", ").join(map(pgsql.Identifier, plan.table.key)),
                casts=pgsql.SQL(", ").join(casts),
                arrays=pgsql.SQL(", ").join(arrays),
                names=pgsql.SQL(", ").join(names),
            )


def find(source: Server, slot: str, publication: str, plan: Plan, upto: Lsn) -> ChangedKeys:
    """Return the keys of all rows that were changed by what committed behind the slot's beginning and before `upto`.

    Raises:
        Stale: there are too many of them, or the log does not tell them.
    """
    if not plan.tells or any(pa.types.is_nested(plan.shape.row_schema.field(name).type) for name in plan.table.key):
        raise Stale(f"the log does not tell every key of {plan.table.name}")
    keys: set[tuple[str, ...]] = set()
    try:
        for messages in _messages(source, slot, publication, upto):
            keys.update(_keys(Joined(messages, 0), plan))
            if len(keys) > MOST:
                raise Stale(f"more than {MOST:,} rows of {plan.table.name} have changed since it was begun")
    except FeedBroken as error:
        raise Stale(str(error)) from error
    return ChangedKeys(plan, sorted(keys))


def _messages(source: Server, slot: str, publication: str, upto: Lsn) -> Iterator[list[bytes]]:
    copy = slots.passing_name()
    with source.autocommit() as connection:
        try:
            connection.execute(sql.load("postgres/feed/read_settings"), {"local": False})
            connection.execute(sql.load("postgres/feed/copy_slot_for_session"), {"slot": slot, "copy": copy})
            parameters = {
                "slot": copy,
                "publications": pgsql.Identifier(publication).as_string(None),
                "upto": str(upto),
                "count": _MESSAGES,
            }
            behind = Lsn(0)
            while behind < upto:
                messages = [bytes(data) for data in connection.execute(_CHANGES, parameters).scalars()]
                if not messages:
                    return
                yield messages
                behind = slot_state.look(source, copy).confirmed or upto
        finally:
            connection.invalidate()  # the copy goes with the session, so that must not go back to the pool


def _keys(joined: Joined, plan: Plan) -> Iterator[tuple[str, ...]]:
    """Yield the keys of the rows that these messages name: of an update the old one, where it is sent, and the new."""
    for index in np.flatnonzero(joined.kinds == _RELATION).tolist():
        shape = described(joined.message(index), plan.shape.catalog)
        # A partition's columns come too, beside those of the table whose rows are published.
        if shape.oid == plan.shape.oid and shape != plan.shape:
            raise Stale(f"{plan.table.name} was altered since it was begun")
    rows = np.flatnonzero(np.isin(joined.kinds, (_INSERT, _UPDATE, _DELETE)))
    rows = rows[joined.number(joined.starts[rows] + 1, 4) == plan.shape.oid]
    starts, ends = joined.starts[rows] + 6, joined.ends[rows]
    marks = joined.byte(starts - 1)
    first, behind = joined.tuples(starts, ends, len(plan.shape.columns))
    yield from _texts(joined, first, plan)
    two = (joined.kinds[rows] == _UPDATE) & ((marks == _OLD) | (marks == _KEY))
    second, _ = joined.tuples(behind[two] + 1, ends[two], len(plan.shape.columns))
    yield from _texts(joined, second, plan)


def _texts(joined: Joined, columns: Sequence[Cells], plan: Plan) -> Iterator[tuple[str, ...]]:
    key = [columns[plan.shape.row_schema.get_field_index(name)] for name in plan.table.key]
    if not all((cells.kinds == TEXT).all() for cells in key):
        raise Stale(f"the log does not tell every key of {plan.table.name}")
    try:
        texts = [cells.values(joined).cast(pa.string()).to_pylist() for cells in key]
    except pa.ArrowInvalid as error:
        raise Stale(f"{plan.table.name} has keys that are not UTF-8") from error
    return zip(*texts, strict=True)


def _plain(values: pa.Array) -> pa.Array:
    return values.storage if isinstance(values, pa.ExtensionArray) else values
