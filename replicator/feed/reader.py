"""A feed's changes in their total order: the snapshot's rows as they were kept, then the stream by commit.

Reading is restartable at any cursor and gives the same changes each time: the snapshot is kept, and the log is
the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, Self

import numpy as np
import pyarrow as pa

from replicator.batch import changes, last_position
from replicator.change import Change
from replicator.errors import BadInput, FeedBroken
from replicator.feed.definition import Definition
from replicator.position import Cursor, Lsn, TimelineHistory

_WAIT_S = 0.2


class Source(Protocol):
    """A stream of changes. `close` last; none after it, the others in any order."""

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """Return the next changes, at least one, or None if none came in time."""
        ...

    def history(self) -> TimelineHistory:
        """Return the forks that led to the timeline that the node is on now."""
        ...

    def confirm(self, cursor: Cursor) -> None:
        """Allow what lies before the cursor to be forgotten. Idempotent; going back has no effect."""
        ...

    @property
    def reached(self) -> Lsn:
        """Where the node is: a `read` that came later and gave None means that no change before it is left."""
        ...

    def close(self) -> None:
        """End the session. Idempotent."""
        ...


class Snapshot(Protocol):
    """A feed's kept snapshot."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def batches(self, start: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows from number `start` on, each with its cursor."""
        ...


def start() -> Cursor:
    """Return the cursor before a feed's first row."""
    return Cursor(Lsn(0), 0)


class Reader:
    """Reads on after a cursor.

    Args:
        definition: what to read.
        snapshot: its kept rows.
        connect: opens the stream at a cursor; called once, when it is first needed or `confirm`ed.
        after: where to go on.

    Raises:
        BadInput: the cursor names no point of the feed: it lies before its start, and not in its snapshot.
    """

    def __init__(
        self, definition: Definition, snapshot: Snapshot, connect: Callable[[Cursor], Source], after: Cursor
    ) -> None:
        self._end = Cursor(definition.start, 0, definition.timeline)
        self._connect = connect
        self._stream: Source | None = None
        self._stream_from = max(after, self._end)
        self._snapshot = snapshot
        self._last = len(snapshot)
        if after < self._end and (after.lsn > 0 or after.seq >= max(self._last, 1)):
            raise BadInput(f"feed {definition.name} has no cursor {after}", hint="take one that it gave")
        self._number = after.seq if after < self._end else self._last
        self._position = after.position if self._number < self._last else self._stream_from.position
        self._history = TimelineHistory(self._stream_from.timeline)
        self._rows: Iterator[pa.RecordBatch] | None = None

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """Return the next changes, or None if none was committed in time.

        Raises:
            NodeLost: the node that is read from went away.
            FeedBroken: the log no longer holds what follows.
        """
        if self._number < self._last:
            batch = self._read_snapshot()
        else:
            source = self._source()
            reached = source.reached
            batch = source.read(timeout_s)
            if batch is None and self._position[1] == 0:
                self._position = max(self._position, (reached, 0))
        if batch is not None:
            self._position = last_position(batch)
        return batch

    def read_until(self, end: Lsn) -> Iterator[pa.RecordBatch]:
        """Yield what was committed before `end`, whole transactions, waiting for the node to get there.

        Close the feed then: a change that lies behind may have been passed over.

        Raises: as `read`.
        """
        while (inside := self._number < self._last or self._position[1] > 0) or self._position < (end, 0):
            batch = self.read(_WAIT_S)
            if batch is None:
                continue
            count = _whole_transactions(batch, end, inside=inside)
            if count:
                yield batch.slice(0, count)
            if count < batch.num_rows:
                return

    def cursor(self) -> Cursor:
        """Return the cursor behind all that was read; it moves on with the log where nothing in it is for us.

        Raises:
            NodeLost, NodeUnreachable: the node cannot say on which timeline it is.
        """
        self._ask_timeline()
        return self.known_cursor()

    def known_cursor(self) -> Cursor:
        """Return the same cursor without asking the node: if that was promoted meanwhile, with the older timeline."""
        return Cursor(*self._position, self._timeline_at(*self._position))

    def changes(self, batch: pa.RecordBatch) -> Iterator[Change]:
        """Return the changes of a batch that was read, one by one. Raises: as `cursor`."""
        self._ask_timeline()
        return changes(batch, self._timeline_at)

    def _ask_timeline(self) -> None:
        # Behind the read: a standby goes on streaming when it is promoted.
        if self._stream is not None:
            self._history = self._stream.history()

    def _timeline_at(self, lsn: Lsn, seq: int) -> int:
        return self._end.timeline if (lsn, seq) <= self._end.position else self._history.at(lsn, seq)

    def _read_snapshot(self) -> pa.RecordBatch:
        rows = self._rows if self._rows is not None else self._snapshot.batches(self._number)
        # Forgotten until the rows are here: after an error an iterator is at its end, and the next read starts another.
        self._rows = None
        batch = next(rows, None)
        if batch is None:
            raise FeedBroken(f"the snapshot has {self._number} rows, its record says {self._last}")
        self._rows = rows
        self._number += batch.num_rows
        return batch

    def confirm(self, cursor: Cursor) -> None:
        """Allow the rows before `cursor` to be forgotten: call it when a checkpoint that has them is durable."""
        if cursor > self._end:
            self._source().confirm(cursor)

    def _source(self) -> Source:
        if self._stream is None:
            self._stream = self._connect(self._stream_from)
        return self._stream

    def close(self) -> None:
        """End the session."""
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _whole_transactions(batch: pa.RecordBatch, end: Lsn, *, inside: bool) -> int:
    """Return how many rows a batch has of transactions that commit before `end`; `inside` one it begins in such."""
    lsn, seq = (batch.column(name).to_numpy() for name in ("_lsn", "_seq"))
    count = int(np.searchsorted(lsn, np.uint64(end)))
    if count < len(lsn) and (lsn[count], seq[count]) == (end, 0):
        count += 1
    if inside if count == 0 else seq[count - 1] > 0:
        ends = np.flatnonzero(seq[count:] == 0)
        count += int(ends[0]) + 1 if len(ends) else len(lsn) - count
    return count
