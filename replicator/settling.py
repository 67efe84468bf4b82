"""Whether a row that did not look the same is different, on two nodes that both go on: no engine named.

The two are never read at one moment, so a row that is being written to looks different at first. It is read in rounds:
the primary first, then a position of the primary's log behind that, then, once the follower has come to the position,
the follower. Two things are then known of a row version that the primary showed unchanged at both ends of a round:
nothing was written to the row in between, and the follower, which was asked in between, had everything that was
written before. So

- the follower showed the same as the primary in the read before or in the read behind it: *settled*;
- the primary showed the very same version in both, and the follower something else, or nothing: *different*;
- the primary showed no row at the beginning of two rounds, and the follower the very same version at the end of both:
  it outlived a position by which it would have been deleted, so it is *different*;
- anything else: another round, and *unsettled* when time runs out.

A value that two versions share proves nothing, which is why a version has an identity of its own. And a follower may be
ahead: a commit is in the log before it is seen on the primary, for as long as a synchronous standby lets it wait. So
nothing is proven while a transaction that was open when the follower was read may be such a one, but of a row that
nobody has touched.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from replicator.comparison import Word

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Sight:
    """A row as a node showed it.

    Attributes:
        version: what is another after each write to the row.
        content: what must be the same on both nodes.
        touched: whether a transaction that is not seen yet may have changed or deleted it.
    """

    version: Hashable
    content: Hashable
    touched: bool = True


class Doubt:
    """What is known so far of one row.

    Attributes:
        primary: the row there as it was last seen, None if there was none.
        follower: the same on the node that follows.
    """

    __slots__ = ("_rounds", "_still", "follower", "primary")

    def __init__(self) -> None:
        self.primary: Sight | None = None
        self.follower: Sight | None = None
        self._rounds = 0
        self._still = False

    def see_primary(self, seen: Sight | None, *, clear: bool) -> Word:
        """Begin a round, and judge the one before.

        Args:
            seen: the row, None if there is none.
            clear: whether every commit that was in the log when the follower was read is seen by now.
        """
        before, self.primary = self.primary, seen
        if not self._rounds:
            return Word.UNSETTLED
        sure = clear or (seen is not None and not seen.touched)
        self._still = sure and _version(seen) == _version(before)
        if _content(seen) == _content(self.follower):
            return Word.SETTLED
        return Word.DIFFERENT if self._still and seen is not None else Word.UNSETTLED

    def see_follower(self, seen: Sight | None) -> Word:
        """End a round: the follower has come to a position behind what the primary showed."""
        before, self.follower = self.follower, seen
        self._rounds += 1
        if _content(seen) == _content(self.primary):
            return Word.SETTLED
        outlived = seen is not None and before is not None and seen.version == before.version
        return Word.DIFFERENT if self._still and self.primary is None and outlived else Word.UNSETTLED


def _version(seen: Sight | None) -> Hashable:
    return None if seen is None else seen.version


def _content(seen: Sight | None) -> Hashable:
    return None if seen is None else seen.content


class Nodes(Protocol[Key]):
    """The two nodes, as rounds look at them. Each call may take a while, and none changes anything."""

    def primary(self, keys: Collection[Key]) -> tuple[Mapping[Key, Sight], bool]:
        """Return those of the rows that the primary has, and whether all commits are seen: `Doubt.see_primary`."""
        ...

    def has_caught_up(self, deadline: float) -> bool:
        """Wait until the follower has what the primary had last shown; return whether it came to that in time."""
        ...

    def follower(self, keys: Collection[Key]) -> Mapping[Key, Sight]:
        """Return those of the rows that the follower has."""
        ...


def judged(keys: Iterable[Key], nodes: Nodes[Key], deadline: float) -> Iterator[tuple[Key, Word, Doubt]]:
    """Look at rows in rounds; yield each with what became of it, at last those that the time did not suffice for."""
    doubts = {key: Doubt() for key in keys}
    while doubts:
        seen, clear = nodes.primary(doubts.keys())
        yield from _taken(doubts, {key: one.see_primary(seen.get(key), clear=clear) for key, one in doubts.items()})
        if not doubts or not nodes.has_caught_up(deadline):
            break
        seen = nodes.follower(doubts.keys())
        yield from _taken(doubts, {key: one.see_follower(seen.get(key)) for key, one in doubts.items()})
        if time.monotonic() >= deadline:
            break
    for key, doubt in doubts.items():
        yield key, Word.UNSETTLED, doubt


def _taken(doubts: dict[Key, Doubt], words: Mapping[Key, Word]) -> Iterator[tuple[Key, Word, Doubt]]:
    for key, word in words.items():
        if word is not Word.UNSETTLED:
            yield key, word, doubts.pop(key)
