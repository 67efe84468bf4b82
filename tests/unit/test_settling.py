"""When a row that looks different is: played against every order in which two nodes can be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from replicator.comparison import Word
from replicator.settling import Doubt, Sight

_CONTENTS = st.one_of(st.none(), st.integers(0, 2))  # few, so that values come back in other versions


@dataclass
class Follower:
    """A row on a node that applies the primary's writes in order, each after a while; a write makes a new version."""

    history: list[int | None]
    applied: int = 0
    row: Sight | None = None
    version: int = field(default=-1)

    def apply(self, upto: int) -> None:
        """Apply writes until the position is reached."""
        while self.applied < min(upto, len(self.history)):
            content = self.history[self.applied]
            self.version -= 1
            self.row = None if content is None else Sight(self.version, content)
            self.applied += 1


@dataclass
class Primary:
    """The same row where it is written: a commit is in the log before it is seen."""

    history: list[int | None]
    logged: int = 0
    shown: int = 0

    def write(self, count: int) -> None:
        """Let so many more commits come into the log."""
        self.logged = min(self.logged + count, len(self.history))

    def show(self, count: int) -> None:
        """Let so many more of them be seen."""
        self.shown = min(self.shown + count, self.logged)

    def seen(self) -> Sight | None:
        """Return the row as a reader sees it."""
        content = self.history[self.shown - 1] if self.shown else None
        return None if content is None else Sight(self.shown, content, touched=self.logged > self.shown)


_FEW = st.integers(0, 3)
STEPS = st.lists(st.tuples(_FEW, _FEW, _FEW, _FEW, _FEW), min_size=1, max_size=12)


@given(history=st.lists(_CONTENTS, max_size=30), steps=STEPS)
def test_a_follower_that_follows_is_never_called_different(
    history: list[int | None], steps: list[tuple[int, int, int, int, int]]
) -> None:
    """However its reads fall between the writes, and whatever values and deletions come back, it is not accused."""
    doubt, follower, primary, open_ = Doubt(), Follower(history), Primary(history), 0
    for before, shown, between, shown_between, ahead in steps:
        primary.write(before)
        primary.show(shown)
        assert doubt.see_primary(primary.seen(), clear=primary.shown >= open_) is not Word.DIFFERENT
        asked = primary.logged
        primary.write(between)  # while the follower comes to what was asked for
        primary.show(shown_between)
        follower.apply(min(asked + ahead, primary.logged))
        assert doubt.see_follower(follower.row) is not Word.DIFFERENT
        open_ = primary.logged


@given(before=_CONTENTS, after=_CONTENTS)
def test_rows_that_nobody_writes_to_are_judged_in_two_rounds(before: int | None, after: int | None) -> None:
    """What is the same is settled, and what is not is different, whichever node lacks the row."""
    doubt = Doubt()
    here = None if before is None else Sight("a", before)
    there = None if after is None else Sight("b", after)
    words = []
    for _ in range(2):
        words += [doubt.see_primary(here, clear=True), doubt.see_follower(there)]
    decided = next(word for word in words if word is not Word.UNSETTLED)
    assert decided is (Word.SETTLED if before == after else Word.DIFFERENT)


def test_a_row_that_is_written_to_all_the_time_is_never_judged_by_its_value() -> None:
    """The primary's row goes from one value to another and back; the follower's, which stands still, is no proof."""
    doubt = Doubt()
    for version in range(10):
        assert doubt.see_primary(Sight(version, "x"), clear=True) is Word.UNSETTLED
        assert doubt.see_follower(Sight("old", "y")) is Word.UNSETTLED


def test_a_row_that_nobody_has_touched_is_judged_while_others_are_written_to() -> None:
    """A transaction that takes its time puts off the proof for what it may have written, and for nothing else."""
    doubt = Doubt()
    assert doubt.see_primary(Sight(1, "x", touched=False), clear=False) is Word.UNSETTLED
    assert doubt.see_follower(None) is Word.UNSETTLED
    assert doubt.see_primary(Sight(1, "x", touched=False), clear=False) is Word.DIFFERENT
