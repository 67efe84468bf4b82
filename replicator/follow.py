"""A feed as its readers have it: on whichever node can give it, and on another once that one is gone.

A node that is lost is waited for with growing pauses, up to a bound, and every node named is a candidate each time:
the newest timeline's standbys first, of these the first that keeps the slot from the cursor on. A cursor that has seen
what the newest timeline never had ends the reading with TimelineForked, and nothing behind the fork is handed out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Self

import pyarrow as pa

from replicator.change import Change
from replicator.errors import (
    ArtifactMissing,
    BadInput,
    HadrianError,
    NodeLost,
    NodeUnreachable,
    SlotInUse,
    TakeoverTimedOut,
)
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import Reader, start
from replicator.position import Cursor, Lsn
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.connection import nodes_of
from replicator.reading import Seen, log_end, newest, open_reader, source
from replicator.topology import Role

PATIENCE_S = 300.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_WAIT_S = 1.0
_ASK_S = 1.0
# What passes by itself, and how long it may take: a reader that was killed holds its slot until the server notices,
# and a standby may have still to replay a snapshot that was just made.
_PASSING = (SlotInUse, ArtifactMissing)
_PASSING_S = 10.0
_RETRIED = (NodeLost, NodeUnreachable, *_PASSING)


class Feed:
    """A feed, read on behind a cursor.

        with Feed("docs", ["postgresql://a/app", "postgresql://b/app"]) as feed:
            for batch in feed.batches():
                ...
            feed.confirm(feed.cursor())  # once what was read is kept for good

    Args:
        name: the feed's.
        nodes: URL of every node that may have its slot; one URL may name several hosts.
        after: where to go on; None for the beginning.
        slot: read another slot that keeps the same rows, instead of the feed's own.
        aside: read a copy of the slot that goes with the session: the slot itself neither moves nor is taken.
        patience_s: how long to wait for a node to take over.
    """

    def __init__(
        self,
        name: str,
        nodes: Sequence[str],
        *,
        after: Cursor | None = None,
        slot: str | None = None,
        aside: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._name = name
        self._nodes = [PostgresDatabase(node) for url in nodes for node in nodes_of(url)]
        self._after = after or start()
        self._slot = slot
        self._aside = aside
        self._patience_s = patience_s
        self._reader: Reader | None = None
        self._asked = 0.0
        self._lost_since: float | None = None
        self._pause_s = _FIRST_PAUSE_S

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """Return the next changes, or None if none was committed in time, or a node was lost and none took over yet.

        Raises:
            TimelineForked: the cursor has seen rows that the newest timeline never had.
            FeedBroken: no node keeps what follows the cursor.
            TakeoverTimedOut: no node took over in time.
            BadInput: no such feed, or no such cursor of it.
            NotConfigured: with `aside`, if somebody reads the slot or the server cannot copy one.
            SlotInUse: somebody else reads the slot.
        """
        try:
            reader = self._opened()
            batch = reader.read(timeout_s)
        except _RETRIED as lost:
            self._lose(lost)
            return None
        self._lost_since = None
        if time.monotonic() > self._asked + _ASK_S:
            with contextlib.suppress(*_RETRIED):  # the batch is here: the next read will notice
                reader.cursor()  # so that it is right if the node is promoted and then lost
            self._asked = time.monotonic()
        return batch

    def batches(self, *, follow: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the changes: those committed before the call, or with `follow` without an end. Raises: as `read`."""
        while follow:
            if (batch := self.read(_WAIT_S)) is not None:
                yield batch
        end = self._log_end()
        while True:
            try:
                yield from self._opened().read_until(end)
            except _RETRIED as lost:
                self._lose(lost)
            else:
                break
        self.cursor()
        self._leave()  # what lies behind the end may have been passed over

    def changes(self, batch: pa.RecordBatch) -> Iterator[Change]:
        """Return the changes of the batch that was read last, one by one, each with its cursor. Raises: as `read`."""
        while True:
            try:
                return self._opened().changes(batch)
            except _RETRIED as lost:
                self._lose(lost)

    def cursor(self) -> Cursor:
        """Return the cursor behind what was read; it moves on with the log where that holds nothing for us.

        Raises: as `read`, where a node was promoted and lost since.
        """
        if self._reader is not None:
            try:
                return self._reader.cursor()
            except _RETRIED as lost:
                self._lose(lost)
        return self._after

    def confirm(self, cursor: Cursor) -> None:
        """Allow what lies before the cursor to be forgotten: call it when what was read is kept for good.

        It moves the slot that is read; the others follow with `spare.advance`.
        """
        try:
            self._opened().confirm(cursor)
        except _RETRIED as lost:
            self._lose(lost)  # the next one does as well

    def close(self) -> None:
        """End the session. Idempotent."""
        self._leave()
        for node in self._nodes:
            node.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _opened(self) -> Reader:
        if self._reader is None:
            self._reader = self._open()
        return self._reader

    def _open(self) -> Reader:
        seen = self._seen()
        definition = self._definition(seen)
        begin = max(Cursor(definition.start, 0, definition.timeline), self._after)
        node = source(definition, seen, begin, slot=self._slot, all_answer=len(seen) == len(self._nodes))
        return open_reader(definition, node, self._after, nodes=self._nodes, slot=self._slot, aside=self._aside)

    def _seen(self) -> Seen:
        if not (seen := topology.reachable(self._nodes)):
            raise NodeUnreachable(f"none of {', '.join(node.where for node in self._nodes)} answers")
        return seen

    def _definition(self, seen: Seen) -> Definition:
        for node, _ in newest(seen):
            if (definition := definitions.find(node, self._name)) is not None:
                return definition
        if len(seen) < len(self._nodes) and all(node.role is Role.STANDBY for _, node in seen):
            raise NodeLost(
                f"no node that answers ({', '.join(node.where for node, _ in seen)}) has heard of feed {self._name} yet"
            )
        raise BadInput(
            f"{newest(seen)[0][0].where} has no feed {self._name}", hint="list what is there: hadrian feed list"
        )

    def _log_end(self) -> Lsn:
        while True:
            try:
                seen = self._seen()
                return log_end(self._definition(seen), seen)
            except _RETRIED as lost:
                self._lose(lost)

    def _lose(self, lost: HadrianError) -> None:
        """Leave a node that is gone, and wait a little; give up when it takes too long."""
        self._leave()
        now = time.monotonic()
        if self._lost_since is None:
            self._lost_since, self._pause_s = now, _FIRST_PAUSE_S
        passed_s = now - self._lost_since
        if isinstance(lost, _PASSING) and passed_s > _PASSING_S:
            raise lost
        if passed_s > self._patience_s:
            raise TakeoverTimedOut(f"{lost}, for {self._patience_s:.0f} s") from lost
        time.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _leave(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            self._after = reader.known_cursor()
            reader.close()
