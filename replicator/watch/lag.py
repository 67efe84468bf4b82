"""How far a standby is behind, in bytes and in seconds, from positions alone: no clock of a node is asked.

A standby that has a position has what the primary had when it was there. So the time it is behind is the age of the
oldest position that was seen on the primary and that the standby does not have yet: as exact as the primary is looked
at often, and right on an idle pair, where what is behind is nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from replicator.position import Lsn

_MOST = 4096  # positions that are remembered; of more than that, every other one is forgotten


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind.

    Attributes:
        bytes: of the log that the standby does not have yet.
        seconds: since the primary was where the standby is; 0 where it has all.
    """

    bytes: int
    seconds: float


class LagMeter:
    """Remembers when the primary came where."""

    def __init__(self) -> None:
        self._seen: deque[tuple[Lsn, float]] = deque()

    def measure(self, primary: Lsn, standby: Lsn, now: float) -> Lag:
        """Take both positions, the primary's asked for first, and a clock that never goes back."""
        if self._seen and primary < self._seen[-1][0]:  # another timeline
            self._seen.clear()
        if not self._seen or primary > self._seen[-1][0]:
            self._seen.append((primary, now))
        while self._seen and self._seen[0][0] <= standby:
            self._seen.popleft()
        if len(self._seen) > _MOST:
            self._seen = deque(one for number, one in enumerate(self._seen) if number % 2 == 0)
        behind = max(0, primary - standby)
        return Lag(behind, now - self._seen[0][1] if self._seen else 0.0)
