"""The journal as a feed's source, and its sealer; what makes both right stands in `replicator.journal`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from replicator.errors import FeedBroken, NodeLost, NodeUnreachable, TimelineForked
from replicator.journal import Journal
from replicator.position import Cursor, Lsn, TimelineHistory

_POLL_S = 0.05


def seal(journal: Journal) -> int:
    """Seal what is committed and not sealed yet, prune what is consumed, and return how many rows were sealed.

    It may be ended at any point, also by a kill: the next one finishes what this one began, and seals what came since
    when it is called again.

    Raises:
        BadInput: the node has no journal of that feed.
        NodeLost, NodeUnreachable: call it again, on the node that takes writes.
    """
    with journal.sealing() as transaction:
        number = transaction.newest() + 1
        if not transaction.filled(number):
            transaction.fill(number)
    with journal.sealing() as transaction:
        number = transaction.newest() + 1
        rows = transaction.filled(number)
        if rows:
            transaction.seal(number, rows)
        transaction.prune()
    return rows


def writable(journals: Sequence[Journal]) -> Journal:
    """Return the journal on the node that takes writes: of several that do, that of the newest timeline.

    Raises:
        NodeUnreachable: there is none that answers.
    """
    found: list[tuple[int, Journal]] = []
    for journal in journals:
        try:
            timeline = journal.writes_on()
        except (NodeLost, NodeUnreachable):
            journal.close()
            continue
        if timeline is not None:
            found.append((timeline, journal))
    if not found:
        raise NodeUnreachable(
            f"none of {', '.join(journal.where for journal in journals)} answers and takes writes",
            hint="promote a standby, or name the primary too",
        )
    return max(found, key=lambda pair: pair[0])[1]


class JournalSource:
    """The changes of a journal behind a cursor, as `feed.reader.Source` has them.

    Args:
        journal: on the node to read from.
        after: where to go on.
        primary: finds the journal on the node that takes writes, which is told what may be forgotten; None to tell
            nobody.
    """

    def __init__(self, journal: Journal, after: Cursor, primary: Callable[[], Journal] | None) -> None:
        self._journal = journal
        self._after = after
        self._position = after.position
        self._primary = primary
        self._is_ours = False

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """Return the next changes, at least one, or None if none was sealed in time.

        Raises:
            TimelineForked: the cursor has seen batches that this node's timeline never had.
            FeedBroken: what follows the cursor was confirmed, and is deleted.
            NodeLost, NodeUnreachable: the node that is read from went away.
        """
        deadline = time.monotonic() + timeout_s
        while (batch := self._next()) is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            time.sleep(min(left_s, _POLL_S))
        return batch

    def _next(self) -> pa.RecordBatch | None:
        self._is_ours = self._is_ours or self._check()
        if not self._is_ours:
            return None
        before, done = self._position
        seal = self._journal.seal(before + 1)
        batch = self._journal.rows(seal, done) if seal is not None else None
        if seal is None or batch is None or not _follows(batch, done, seal.rows):
            self._check_kept(before)
            return None
        last = done + batch.num_rows
        self._position = (Lsn(seal.number), 0) if last == seal.rows else (before, last)
        return batch

    def _check(self) -> bool:
        """Look whether the node has all that the cursor has seen; if not yet, return False."""
        newest = self._journal.newest()  # before the history, so that no fork below it is missed
        self._journal.history().check(self._after)
        if self._after.lsn < newest or self._after.position == (newest, 0):
            return True
        if self._journal.writes_on() is not None:
            raise TimelineForked(
                f"{self._journal.where}: cursor {self._after} has seen more than batch {newest}, the last that was "
                "made here: the others died with the node that made them",
                fork_lsn=newest,
                cursor=self._after,
            )
        return False

    def _check_kept(self, before: Lsn) -> None:
        confirmed = self._journal.confirmed()
        if confirmed > before:
            raise FeedBroken(
                f"{self._journal.where}: batch {before + 1} of the journal follows the cursor and may be deleted: "
                f"batches up to {confirmed} were confirmed",
                hint="go on at a later cursor, or create the feed again",
            )

    def history(self) -> TimelineHistory:
        """Return the forks that led to the timeline of the node, counted in seals."""
        return self._journal.history()

    @property
    def reached(self) -> Lsn:
        """The last batch that was read whole."""
        return self._position[0]

    def confirm(self, cursor: Cursor) -> None:
        """Allow batches that lie wholly before the cursor to be deleted; the sealer does it."""
        if self._primary is not None:
            self._primary().confirm(int(cursor.lsn))

    def close(self) -> None:
        """End the session. Idempotent."""
        self._journal.close()


def _follows(batch: pa.RecordBatch, done: int, rows: int) -> bool:
    """Whether the rows are those right behind the first `done`: a reader of what is not committed may miss some."""
    seq = np.asarray(batch.column("_seq"))
    expected = np.arange(done + 1, done + 1 + len(seq), dtype=np.uint64)
    expected[expected == rows] = 0
    return len(seq) > 0 and bool(np.array_equal(seq, expected))
