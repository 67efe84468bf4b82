"""A feed's changes in their total order: the snapshot's rows by key, then the stream by commit.

Reading is restartable at any cursor and gives the same changes each time: the snapshot is kept, and the log is
the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, Self

from replicator.change import Change, Op
from replicator.errors import BadInput, FeedBroken
from replicator.feed.definition import Definition
from replicator.position import Cursor, Lsn

Row = Mapping[str, str | None]
_WAIT_S = 0.2


class Source(Protocol):
    """A stream of changes. `read` and `confirm` in any order, `close` last; none after it."""

    def read(self, timeout_s: float) -> Change | None:
        """Return the next change, or None if none came in time."""
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

    def rows(self, start: int) -> Iterator[Row]:
        """Yield the rows from number `start` on."""
        ...


def start() -> Cursor:
    """Return the cursor before a feed's first row."""
    return Cursor(Lsn(0), 0)


class Feed:
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
        self._rows: Iterator[Row] | None = None

    def read(self, timeout_s: float) -> Change | None:
        """Return the next change, or None if none was committed in time.

        Raises:
            NodeLost: the node that is read from went away.
            FeedBroken: the log no longer holds what follows.
        """
        if self._number < self._last:
            return self._read_snapshot()
        return self._source().read(timeout_s)

    def read_until(self, end: Lsn) -> Iterator[Change]:
        """Yield what was committed before `end`, whole transactions, waiting for the node to get there.

        Close the feed then: a change that lies behind may have been passed over.

        Raises: as `read`.
        """
        last = Cursor(end, 0)
        within = self._stream_from.seq > 0
        while True:
            reached = self._stream.reached if self._stream is not None else Lsn(0)
            change = self.read(_WAIT_S)
            if change is None:
                if reached >= end:
                    return
                continue
            if not within and change.op is not Op.SNAPSHOT and change.after > last:
                return
            within = change.after.seq > 0
            yield change

    def _read_snapshot(self) -> Change:
        rows = self._rows if self._rows is not None else self._snapshot.rows(self._number)
        # Forgotten until the row is here: after an error an iterator is at its end, and the next read starts a new one.
        self._rows = None
        row = next(rows, None)
        if row is None:
            raise FeedBroken(f"the snapshot has {self._number} rows, its record says {self._last}")
        self._rows = rows
        self._number += 1
        after = Cursor(Lsn(0), self._number, self._end.timeline) if self._number < self._last else self._end
        return Change(Op.SNAPSHOT, row, after)

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
