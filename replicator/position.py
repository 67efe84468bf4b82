"""Positions in a database's log, and what a failover does to them.

A server writes one log. Each byte of it has an address, the LSN, and the log forks when a standby is
promoted: the new timeline shares every byte before the fork and none after it. A `Cursor` is a point in a
feed's total order, so it is comparable with any other cursor of the same feed on any node that shares the history.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self

from replicator.errors import BadInput, TimelineForked

_TIMELINE = re.compile(r"[0-9]{1,10}")
_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_CURSOR = re.compile(r"([^+@]+)\+([0-9]{1,18})(?:@([0-9]{1,9}))?", re.ASCII)


class Lsn(int):
    """A byte address in the log, unsigned 64 bits, printed as PostgreSQL prints it: `16/B374D848`."""

    __slots__ = ()

    def __new__(cls, value: int | str) -> Self:
        """Take an integer or PostgreSQL's text form.

        Raises:
            BadInput: the text is not two hexadecimal halves, or the number does not fit 64 bits.
        """
        if isinstance(value, str):
            match = _LSN.fullmatch(value)
            if match is None:
                raise BadInput(f"not a log position: {value!r}", hint="write it as 16/B374D848")
            value = int(match[1], 16) << 32 | int(match[2], 16)
        if not 0 <= value < 1 << 64:
            raise BadInput(f"a log position has 64 bits, {value} does not fit")
        return super().__new__(cls, value)

    def __str__(self) -> str:
        return f"{self >> 32:X}/{self & 0xFFFFFFFF:X}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A point between two rows of a feed.

    With `seq` 0, every transaction whose commit record ends at or before `lsn` has been consumed. With `seq` k > 0,
    so have the first k rows of the transaction whose commit record begins at `lsn`. A commit record ends behind its
    begin, so cursors of both kinds stand in one order. A feed's snapshot counts as its first transaction: it
    commits at 0 and ends at the slot's consistent point.

    Attributes:
        lsn: end of the last wholly consumed transaction, or where the one that is being consumed commits.
        seq: rows consumed of that one.
        timeline: where the reader was; not part of the order, since a position means the same on every
            timeline that shares it.
    """

    lsn: Lsn
    seq: int
    timeline: int = field(default=1, compare=False)

    @property
    def position(self) -> tuple[Lsn, int]:
        """LSN and number, which decide the order."""
        return self.lsn, self.seq

    def __str__(self) -> str:
        """Return `LSN+seq`, and `@timeline` behind it unless that is the first."""
        return f"{self.lsn}+{self.seq}" + (f"@{self.timeline}" if self.timeline != 1 else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form back; without a timeline it is of the first.

        Raises:
            BadInput: not of that form.
        """
        hint = "write it as 16/B374D848+0, with @2 behind it on timeline 2"
        match = _CURSOR.fullmatch(text)
        if match is None or match[3] == "0":
            raise BadInput(f"not a cursor: {text!r}", hint=hint)
        try:
            return cls(Lsn(match[1]), int(match[2]), int(match[3] or 1))
        except BadInput:
            raise BadInput(f"not a cursor: {text!r}", hint=hint) from None


@dataclass(frozen=True, slots=True)
class TimelineHistory:
    """The forks that lead to a server's current timeline.

    Attributes:
        timeline: the current one.
        forks: (parent timeline, LSN at which its child began), oldest first.
    """

    timeline: int
    forks: tuple[tuple[int, Lsn], ...] = ()

    @classmethod
    def parse(cls, timeline: int, content: str) -> TimelineHistory:
        """Read a `.history` file: `parent<TAB>lsn<TAB>reason` a line, `#` comments.

        Source: PostgreSQL, src/backend/access/transam/timeline.c, readTimeLineHistory.

        Raises:
            BadInput: a line is not of that form.
        """
        forks = []
        for line in content.splitlines():
            text = line.partition("#")[0].strip()
            if not text:
                continue
            parts = text.split(None, 2)
            if len(parts) < 2 or not _TIMELINE.fullmatch(parts[0]):
                raise BadInput(f"not a timeline history line: {line!r}")
            forks.append((int(parts[0]), Lsn(parts[1])))
        return cls(timeline, tuple(forks))

    def at(self, lsn: Lsn, seq: int) -> int:
        """Return the timeline of a cursor's position: the first that has every byte it has consumed."""
        return next((parent for parent, fork in self.forks if not _is_past(lsn, seq, fork)), self.timeline)

    def fork_of(self, timeline: int) -> Lsn | None:
        """Return where `timeline` was left, or None if it is the current one or no ancestor of it."""
        return dict(self.forks).get(timeline)

    def check(self, cursor: Cursor) -> None:
        """Check that what `cursor` has seen happened on this timeline too.

        Raises:
            TimelineForked: it lies past the fork, or on a timeline that is no ancestor.
        """
        if cursor.timeline == self.timeline:
            return
        fork = self.fork_of(cursor.timeline)
        if fork is None:
            raise TimelineForked(
                f"timeline {self.timeline} does not descend from timeline {cursor.timeline}, where cursor {cursor} is",
                fork_lsn=fork,
                cursor=cursor,
            )
        if _is_past(cursor.lsn, cursor.seq, fork):
            raise TimelineForked(
                f"cursor {cursor} of timeline {cursor.timeline} lies past the fork at {fork}: "
                f"timeline {self.timeline} never had those rows",
                fork_lsn=fork,
                cursor=cursor,
            )


def _is_past(lsn: Lsn, seq: int, fork: Lsn) -> bool:
    """Whether a position has seen more than lies before a fork: a record that begins before it lies before it whole."""
    return lsn > fork or (seq > 0 and lsn == fork)
