"""Sequences on a standby, which may be ahead of the primary's by design.

A sequence is logged every 32 values and not for each: the log says how far it may go until it is logged again, and
that is what a standby has. So a standby's value lies between the primary's and 32 steps ahead of it; a standby that is
behind would give numbers after a takeover that were given before.

What shows that a value is not just on its way is that the primary's stands still: a value has no version, so it must
have stood still three times, and the standby's must have been out of its bounds each time.

Source: PostgreSQL, src/backend/commands/sequence.c, SEQ_LOG_VALS and nextval_internal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from replicator.comparison import Compared, Request, Suspect, What, Word
from replicator.postgres.verify import rounds
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.rule import Unseen
from replicator.settling import Sight

_LOGGED_AHEAD = 32
_LOOKS = 3


def compare(couple: Couple, request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare every logged sequence. Raises: NodeUnreachable, NodeLost."""
    hidden: dict[str, list[str]] = {}

    def read(node: Reader, _names: Collection[str] | None) -> rounds.Sights:
        rows = node.ask("verify/sequences")
        hidden[node.where] = sorted({row.schema for row in rows if row.hidden})
        return {row.object: Sight(row.value, State(row.value, row.step)) for row in rows if not row.hidden}

    yield from rounds.compare(couple, request, rounds.Things(What.SEQUENCES, "sequences", read, Bounds))
    for where, schemas in hidden.items():
        if schemas:
            grant = f"grant select on all sequences in schema {', '.join(schemas)} to the role"
            yield Unseen("values of sequences", where, "permission denied", grant)


@dataclass(frozen=True, slots=True)
class State:
    """How far a sequence has gone on one node.

    Attributes:
        value: the last that was given, or logged; None before the first.
        step: by which it goes on.
    """

    value: int | None
    step: int

    @property
    def progress(self) -> float | int:
        """The value, so that more is later."""
        if self.value is None:
            return float("-inf")
        return self.value if self.step > 0 else -self.value


class Bounds:
    """Judges one sequence: see the module."""

    def __init__(self) -> None:
        self._primary: State | None = None
        self._standby: State | None = None
        self._rounds = 0
        self._still = 0

    def see_primary(self, seen: Sight | None, *, clear: bool) -> Word:  # noqa: ARG002 - a value waits for no commit
        """Begin a round, and judge the one before: in between, the standby had to be in bounds."""
        before, self._primary = self._primary, _state(seen)
        self._rounds += 1
        if self._rounds == 1:
            return Word.UNSETTLED
        if _within(before, self._primary, self._standby):
            return Word.SETTLED
        self._still = self._still + 1 if before == self._primary else 0
        return Word.DIFFERENT if self._still >= _LOOKS else Word.UNSETTLED

    def see_follower(self, seen: Sight | None) -> Word:
        """End a round."""
        self._standby = _state(seen)
        same = _within(self._primary, self._primary, self._standby)
        return Word.SETTLED if same else Word.UNSETTLED

    def said(self) -> str:
        """Return how the two stand to each other."""
        here, there = self._primary, self._standby
        if here is None or there is None:
            return f"is on the {'standby' if here is None else 'primary'} only"
        if there.progress < here.progress:
            return f"stands at {_told(there)}, behind the primary's {_told(here)}: it will give numbers twice"
        return f"stands at {_told(there)}, further ahead of the primary's {_told(here)} than the log says"

    def values(self) -> tuple[Mapping[str, str | None] | None, Mapping[str, str | None] | None]:
        """Return the last values."""
        here, there = (None if one is None else {"last_value": _told(one)} for one in (self._primary, self._standby))
        return here, there


def _state(seen: Sight | None) -> State | None:
    return seen.content if seen is not None and isinstance(seen.content, State) else None


def _within(first: State | None, last: State | None, standby: State | None) -> bool:
    """Whether a standby may have shown this between two looks at the primary."""
    if first is None or last is None or standby is None:
        return first is None and last is None and standby is None
    ahead = 0 if standby.value is None else _LOGGED_AHEAD * abs(last.step)
    ordered = sorted((first.progress, last.progress))
    return ordered[0] <= standby.progress <= ordered[1] + ahead


def _told(state: State) -> str:
    return "no value" if state.value is None else str(state.value)
