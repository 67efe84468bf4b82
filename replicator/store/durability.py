"""When a checkpoint may be relied on: once the standbys that were asked for have replayed its commit.

Only then may the slot forget the rows before it. A checkpoint that dies with the primary must leave a database
in which an older checkpoint *and the rows since* can still be had.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from replicator.errors import NodeLost, NodeUnreachable, TimelineForked
from replicator.position import Cursor, Lsn
from replicator.store.standbys import ALL, Follower, Wanted

_POLL_S = 0.05
_RETRY_S = 5.0

Positions = Mapping[str, Lsn]
"""How far each standby has replayed, by its address."""


@dataclass(frozen=True, slots=True)
class Durable:
    """A checkpoint's commit that the standbys have replayed.

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
        standbys: that there are. None at all, where all are wanted, means that the primary's own flush is all there is.
        wanted: which of these must have replayed a commit. Where there are fewer, nothing becomes durable.
    """

    def __init__(self, standbys: Sequence[Follower], wanted: Wanted = ALL) -> None:
        self._there, self._wanted = standbys, wanted
        self._standbys: list[Follower] = []  # those that count, once they have been looked at
        self._needed = 0
        self._waiting: collections.deque[tuple[int, Cursor, Lsn, float]] = collections.deque()
        self._timelines: dict[Follower, int] = {}
        self._away: dict[Follower, float] = {}  # when one that did not answer is asked again

    def follow(self, step: int, cursor: Cursor, commit_lsn: Lsn) -> None:
        """Begin to follow a checkpoint whose transaction has committed before `commit_lsn`."""
        self._waiting.append((step, cursor, commit_lsn, time.monotonic()))

    def poll(self) -> list[Durable]:
        """Return the checkpoints that have become durable since the last call, oldest first.

        Call it before the first checkpoint too: it then sees which timeline the standbys follow.

        Raises:
            NodeLost, NodeUnreachable: too few standbys answer, or one took over before it had replayed a commit.
        """
        if not self._waiting and self._timelines:
            return []
        return self._done(self._replayed())

    def _replayed(self) -> dict[Follower, Lsn]:
        """Return how far each standby is, without those that do not answer and need not."""
        if not self._standbys:
            self._standbys, self._needed = self._wanted.among(self._there)
        replayed: dict[Follower, Lsn] = {}
        known = max(self._timelines.values(), default=None)
        for number, standby in enumerate(self._standbys, 1):
            spared = len(replayed) + len(self._standbys) - number >= self._needed
            if spared and time.monotonic() < self._away.get(standby, 0):
                continue
            try:
                if standby not in self._timelines:
                    self._timelines[standby] = self._timeline(standby, known)
                replayed[standby] = standby.replayed()
            except (NodeLost, NodeUnreachable):
                self._away[standby] = time.monotonic() + _RETRY_S
                if not spared:
                    raise
        return replayed

    def _timeline(self, standby: Follower, known: int | None) -> int:
        timeline = standby.timeline_history().timeline
        if known is not None and timeline > known:  # it was away when the others were looked at
            raise NodeLost(f"{standby.where} took over before it was looked at")
        return timeline

    def _done(self, replayed: Mapping[Follower, Lsn]) -> list[Durable]:
        done: list[Durable] = []
        if len(replayed) < self._needed:
            return done
        safe = sorted(replayed.values(), reverse=True)[self._needed - 1] if self._needed else None
        while self._waiting and (safe is None or self._waiting[0][2] <= safe):
            step, cursor, lsn, since = self._waiting[0]
            self._check_timelines(step, lsn, replayed)
            self._waiting.popleft()
            done.append(Durable(step, cursor, lsn, time.monotonic() - since))
        return done

    def _check_timelines(self, step: int, lsn: Lsn, replayed: Mapping[Follower, Lsn]) -> None:
        # A standby that was promoted writes past any position of the old primary without ever having its commits.
        for standby in (one for one, reached in replayed.items() if reached >= lsn):
            try:
                standby.timeline_history().check(Cursor(lsn, 0, self._timelines[standby]))
            except TimelineForked as error:
                raise NodeLost(f"{standby.where} took over before it had checkpoint {step}") from error

    def wait(self, timeout_s: float, told: Callable[[Positions], None] = lambda _: None) -> list[Durable]:
        """Wait until every followed checkpoint is durable and return them.

        Args:
            timeout_s: how long.
            told: called with how far the standbys are, again and again.

        Raises:
            NodeLost: not enough standbys replayed the newest one in time.
        """
        deadline = time.monotonic() + timeout_s
        done: list[Durable] = []
        while True:
            replayed = self._replayed()
            told({standby.where: lsn for standby, lsn in replayed.items()})
            done += self._done(replayed)
            if not self._waiting:
                return done
            if time.monotonic() > deadline:
                raise NodeLost(self._late(replayed, timeout_s))
            time.sleep(_POLL_S)

    def _late(self, replayed: Mapping[Follower, Lsn], timeout_s: float) -> str:
        step, _, lsn, _ = self._waiting[0]
        have = sum(reached >= lsn for reached in replayed.values())
        each = [f"{one.where} has replayed {at}, {max(0, lsn - at)} bytes behind" for one, at in replayed.items()]
        return (
            f"checkpoint {step} (commit before {lsn}) is on {have} of {self._needed} standbys after {timeout_s:.0f} s: "
            + ("; ".join(each) or "none is there")
        )
