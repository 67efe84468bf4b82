"""A feed's changes in their total order: the snapshot's rows by key, then the stream by commit.

Reading is restartable at any cursor and gives the same changes each time: the snapshot is kept, and the log is
the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, Self

from replicator.change import Change, Op
from replicator.feed.definition import Definition
from replicator.position import Cursor, Lsn

Row = Mapping[str, str | None]


class Source(Protocol):
    """A stream of changes. `read` and `confirm` in any order, `close` last; none after it."""

    def read(self, timeout_s: float) -> Change | None:
        """Return the next change, or None if none came in time."""
        ...

    def confirm(self, cursor: Cursor) -> None:
        """Allow what lies before the cursor to be forgotten. Idempotent; going back has no effect."""
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
    """

    def __init__(
        self, definition: Definition, snapshot: Snapshot, connect: Callable[[Cursor], Source], after: Cursor
    ) -> None:
        self._end = Cursor(definition.start, 0, definition.timeline)
        self._connect = connect
        self._stream: Source | None = None
        self._stream_from = max(after, self._end)
        in_snapshot = after < self._end and len(snapshot) > 0
        self._rows = self._snapshot(snapshot, after.seq) if in_snapshot else iter(())

    def _snapshot(self, snapshot: Snapshot, first: int) -> Iterator[Change]:
        last = len(snapshot)
        for number, row in enumerate(snapshot.rows(first), first + 1):
            after = Cursor(Lsn(0), number, self._end.timeline) if number < last else self._end
            yield Change(Op.SNAPSHOT, row, after)

    def read(self, timeout_s: float) -> Change | None:
        """Return the next change, or None if none was committed in time.

        Raises:
            NodeLost: the node that is read from went away.
            FeedBroken: the log no longer holds what follows.
        """
        change = next(self._rows, None)
        return change if change is not None else self._source().read(timeout_s)

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
