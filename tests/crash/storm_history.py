"""Whether a feed's output is the committed history, told from an audit that the same transactions wrote.

The history holds of each transaction what it did to which row, in order, and the snapshot (xid8, `pg_snapshot`) that
its last statement saw. A snapshot that shows another transaction as committed was taken behind that one's commit
record and before its own transaction's. So the other comes first in the log, and must come first in the output;
transactions of one writer are always told apart by this, and those of two writers unless they were open at once.
Where two touched the same row they are told apart as well: the second waited for the first one's commit.

What the stream lacks must have gone into the feed's snapshot: the rows there are what these transactions, and no
others, leave behind. So a transaction that is lost, or comes in both, makes the snapshot differ.

Source: PostgreSQL 18 documentation, 9.27.9 "Transaction ID and Snapshot Information Functions", 67.1 "Transactions
and Identifiers".
"""

from __future__ import annotations

import bisect
import collections
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

_MOST = 8  # differences: one fault makes many


class Row(NamedTuple):
    """A row of the output: its cursor, its transaction (none in the snapshot), and what happened to which key."""

    lsn: int
    seq: int
    xid: int | None
    op: str
    key: int
    digest: str | None


class Operation(NamedTuple):
    """A row of the audit; a deleted row has no digest. In `number`'s order they were done, in every transaction."""

    number: int
    op: str
    key: int
    digest: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The transactions that a statement saw as ended: those below `end` that were not open."""

    end: int
    still_open: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `pg_snapshot`'s text, `xmin:xmax:xip,...`."""
        _, end, still_open = text.split(":")
        return cls(int(end), frozenset(map(int, filter(None, still_open.split(",")))))


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one transaction did, and what it saw last."""

    seen: Snapshot
    operations: tuple[Operation, ...]


History = Mapping[int, Transaction]  # by xid


def differences(output: Sequence[Row], history: History) -> list[str]:
    """Return how the output departs from the history, the first few differences; none if it does not."""
    return list(itertools.islice(_differences(output, history), _MOST))


def _differences(output: Sequence[Row], history: History) -> Iterator[str]:
    for before, after in itertools.pairwise(output):
        if (before.lsn, before.seq) >= (after.lsn, after.seq):
            yield f"{after} does not lie behind {before}"
    snapshot = [row for row in output if row.xid is None]
    stream = [row for row in output if row.xid is not None]
    if output[: len(snapshot)] != snapshot:
        yield "rows of the snapshot come behind the stream's"
    order: list[int] = []
    for xid, rows in itertools.groupby(stream, key=lambda row: row.xid or 0):
        yield from _transaction(xid, list(rows), history)
        order.append(xid)
    parts = collections.Counter(order)
    yield from (f"transaction {xid} comes in {count} parts" for xid, count in parts.items() if count > 1)
    before = [xid for xid in history if xid not in parts]
    streamed = [xid for xid in parts if xid in history]
    yield from _missing(before, streamed, history)
    yield from _order(streamed, history)
    yield from _snapshot(snapshot, itertools.chain.from_iterable(history[xid].operations for xid in before))


def _transaction(xid: int, rows: Sequence[Row], history: History) -> Iterator[str]:
    if xid not in history:
        yield f"transaction {xid} never committed: {rows[0]}"
        return
    given = [(row.op, row.key, row.digest) for row in rows]
    done = [(operation.op, operation.key, operation.digest) for operation in history[xid].operations]
    if given != done:
        at = next((index for index, pair in enumerate(zip(given, done, strict=False)) if pair[0] != pair[1]), "the end")
        yield f"transaction {xid} has {len(given)} rows, it did {len(done)} things; they differ from {at} on"
    if [row.seq for row in rows] != [*range(1, len(rows)), 0]:
        yield f"transaction {xid} is numbered {[row.seq for row in rows][:_MOST]}"


def _snapshot(rows: Sequence[Row], operations: Iterable[Operation]) -> Iterator[str]:
    left: dict[int, str | None] = {}
    for operation in sorted(operations):
        if operation.op == "delete":
            left.pop(operation.key, None)
        else:
            left[operation.key] = operation.digest
    given = {row.key: row.digest for row in rows}
    if len(given) < len(rows):
        yield "the snapshot has a key twice"
    for key in sorted(left.keys() | given.keys()):
        if left.get(key) != given.get(key):
            yield f"the snapshot has {given.get(key)} for {key}; what is not in the stream left {left.get(key)}"


def _missing(before: Iterable[int], streamed: Sequence[int], history: History) -> Iterator[str]:
    """Name what went into the snapshot by its absence, but saw one of the stream's transactions committed."""
    ordered = sorted(streamed)
    for xid in before:
        seen = history[xid].seen
        earlier = [other for other in ordered[: bisect.bisect_left(ordered, seen.end)] if other not in seen.still_open]
        if earlier:
            yield f"transaction {xid} is missing: it saw {earlier[-1]} committed"


def _order(streamed: Sequence[int], history: History) -> Iterator[str]:
    ordered = sorted(streamed)
    given: set[int] = set()
    first = 0  # of the ordered, by number, that is not given yet
    for xid in streamed:
        given.add(xid)
        while first < len(ordered) and ordered[first] in given:
            first += 1
        seen = history[xid].seen
        for later in ordered[first : bisect.bisect_left(ordered, seen.end)]:
            if later not in given and later not in seen.still_open:
                yield f"transaction {xid} saw {later} committed, which comes behind it"
