"""When a checkpoint may be relied on: once every standby that was asked for has replayed its commit.

Only then may the slot forget the rows before it. A checkpoint that dies with the primary must leave a database
in which an older checkpoint *and the rows since* can still be had.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Sequence
from dataclasses import dataclass

from replicator.database import Database
from replicator.errors import NodeLost, TimelineForked
from replicator.position import Cursor, Lsn

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Durable:
    """A checkpoint's commit that every standby has replayed.

    Attributes:
        step: the checkpoint's.
        cursor: what its run may confirm now.
        commit_lsn: a position behind its commit.
        waited_s: seconds between commit and the look that found it replayed.
    """

    step: int
    cursor: Cursor
    commit_lsn: Lsn
    waited_s: float


class Durability:
    """Follows checkpoints until they are durable.

    Args:
        standbys: every one of these must have replayed a commit. None at all means that the primary's own
            flush is all there is.
    """

    def __init__(self, standbys: Sequence[Database]) -> None:
        self._standbys = standbys
        self._waiting: collections.deque[tuple[int, Cursor, Lsn, float]] = collections.deque()
        self._timelines: list[int] = []

    def follow(self, step: int, cursor: Cursor, commit_lsn: Lsn) -> None:
        """Begin to follow a checkpoint whose transaction has committed before `commit_lsn`."""
        self._waiting.append((step, cursor, commit_lsn, time.monotonic()))

    def poll(self) -> list[Durable]:
        """Return the checkpoints that have become durable since the last call, oldest first.

        Call it before the first checkpoint too: it then sees which timeline the standbys follow.

        Raises:
            NodeLost, NodeUnreachable: a standby does not answer, or took over before it had replayed a commit.
        """
        if not self._timelines:
            self._timelines = [standby.timeline_history().timeline for standby in self._standbys]
        if not self._waiting:
            return []
        safe = min((standby.replayed() for standby in self._standbys), default=self._waiting[-1][2])
        done = []
        while self._waiting and self._waiting[0][2] <= safe:
            step, cursor, lsn, since = self._waiting[0]
            self._check_timelines(step, lsn)
            self._waiting.popleft()
            done.append(Durable(step, cursor, lsn, time.monotonic() - since))
        return done

    def _check_timelines(self, step: int, lsn: Lsn) -> None:
        # A standby that was promoted writes past any position of the old primary without ever having its commits.
        for standby, timeline in zip(self._standbys, self._timelines, strict=True):
            try:
                standby.timeline_history().check(Cursor(lsn, 0, timeline))
            except TimelineForked as error:
                raise NodeLost(f"{standby.where} took over before it had checkpoint {step}") from error

    def wait(self, timeout_s: float) -> list[Durable]:
        """Wait until every followed checkpoint is durable and return them.

        Raises:
            NodeLost: a standby did not replay the newest one in time.
        """
        deadline = time.monotonic() + timeout_s
        done = self.poll()
        while self._waiting:
            if time.monotonic() > deadline:
                step, _, lsn, _ = self._waiting[0]
                raise NodeLost(
                    f"checkpoint {step} (commit before {lsn}) is not on every standby after {timeout_s:.0f} s"
                )
            time.sleep(_POLL_S)
            done += self.poll()
        return done
