"""Which row versions two nodes that go on must share, on made-up histories that a faithful standby replays."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.comparison import Word
from replicator.postgres.verify.tuple_settling import Sight, concerned, judged
from replicator.postgres.verify.tuple_version import Snapshot, Version, explained, whole

_PLACES = ("(0,1)", "(0,2)", "(0,3)")


@dataclass(slots=True)
class _Tuple:
    xmin: int
    xmax: int = 0


@dataclass(slots=True)
class _History:
    """A primary whose commits reach the log before they are seen, and a standby that has replayed a part of the log.

    Each of the log's entries is what became of a transaction, with the tuples as they then were.
    """

    chance: random.Random
    following: int = 100
    tuples: dict[str, list[_Tuple]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)  # transactions that the primary shows as committed
    waiting: list[int] = field(default_factory=list)  # in the log, and not shown yet
    open: list[int] = field(default_factory=list)
    log: list[tuple[set[int], dict[str, list[tuple[int, int]]]]] = field(default_factory=list)

    def step(self) -> None:
        """Let something happen on the primary."""
        match self.chance.randrange(5):
            case 0:
                place = self.chance.choice(_PLACES)
                if self.shown(place, self.seen | set(self.waiting)) is None and not self._busy(place):
                    self.tuples.setdefault(place, []).append(_Tuple(self._begin()))
            case 1:
                place = self.chance.choice(_PLACES)
                live = self.shown(place, self.seen)
                if live is not None and not self._busy(place):
                    live.xmax = self._begin()
            case 2 if self.open:
                xid = self.open.pop(self.chance.randrange(len(self.open)))
                self.waiting.append(xid)
                committed = self.seen | set(self.waiting)
                self.log.append((committed, {p: [(t.xmin, t.xmax) for t in ts] for p, ts in self.tuples.items()}))
            case 3 if self.open:
                self.open.pop(self.chance.randrange(len(self.open)))  # rolled back
            case 4 if self.waiting:
                self.seen.add(self.waiting.pop(0))

    def _begin(self) -> int:
        self.following += 1
        self.open.append(self.following)
        return self.following

    def _busy(self, place: str) -> bool:
        running = {*self.open, *self.waiting}
        return any(one.xmin in running or one.xmax in running for one in self.tuples.get(place, ()))

    def shown(self, place: str, committed: set[int]) -> _Tuple | None:
        """Return the tuple that a snapshot shows at a place."""
        live = [one for one in self.tuples.get(place, ()) if one.xmin in committed and one.xmax not in committed]
        return live[-1] if live else None

    def on_primary(self) -> dict[str, Version | None]:
        """Return what the primary shows."""
        tuples = {place: self.shown(place, self.seen) for place in _PLACES}
        return {place: None if one is None else Version(one.xmin, one.xmax, one.xmin) for place, one in tuples.items()}

    def on_standby(self, replayed: int) -> dict[str, Version | None]:
        """Return what a standby shows that has replayed so much of the log."""
        committed, tuples = self.log[replayed - 1] if replayed else (set[int](), dict[str, list[tuple[int, int]]]())
        found: dict[str, Version | None] = dict.fromkeys(_PLACES)
        for place, ones in tuples.items():
            for xmin, xmax in ones:
                if xmin in committed and xmax not in committed:
                    found[place] = Version(xmin, xmax, xmin)
        return found

    def running(self) -> set[int]:
        """Return what the primary says of transactions that run."""
        return {*self.open, *self.waiting}


def _rounds(seed: int, rounds: int) -> list[Word]:
    """Play a history and look at it in rounds; return what is found."""
    history = _History(random.Random(seed))
    for _ in range(40):
        history.step()
    before: dict[str, Sight] = {}
    running: set[int] = set()
    words: list[Word] = []
    for _ in range(rounds):
        here = history.on_primary()
        position = len(history.log)
        for _ in range(history.chance.randrange(6)):
            history.step()
        there = history.on_standby(history.chance.randint(position, len(history.log)))
        now = {place: (here[place], there[place]) for place in _PLACES}
        for place, sight in now.items():
            verdict = judged(before.get(place), sight, running)
            if verdict is not None:
                words.append(verdict[0])
        before = now
        running = history.running() & {xid for sight in now.values() for xid in concerned(sight)}
        for _ in range(history.chance.randrange(6)):
            history.step()
    return words


@given(seed=st.integers(0, 1 << 32))
def test_a_faithful_standby_is_never_called_different(seed: int) -> None:
    """Whatever commits, waits to be confirmed, rolls back or is deleted between the reads, nothing is proven of it."""
    assert Word.DIFFERENT not in _rounds(seed, rounds=8)


@given(seed=st.integers(0, 1 << 32))
def test_a_row_that_the_standby_lost_is_found(seed: int) -> None:
    """Once nothing more happens to a row, two rounds prove that the standby lacks it."""
    history = _History(random.Random(seed))
    for _ in range(60):
        history.step()
    history.seen |= {*history.waiting}
    history.waiting.clear()
    history.open.clear()
    here = history.on_primary()
    for place, version in here.items():
        if version is not None:
            assert judged((version, None), (version, None), set()) == (Word.DIFFERENT, "missing on the standby"), place


@pytest.mark.parametrize(
    ("before", "now", "running", "word"),
    [
        ((None, None), (None, None), (), Word.SETTLED),
        (None, (Version(5, 0, 7), Version(5, 9, 7)), (), Word.SETTLED),
        (None, (Version(5, 0, 7), None), (), None),
        ((Version(5, 0, 7), None), (Version(5, 0, 7), None), (), Word.DIFFERENT),
        ((Version(5, 0, 7), None), (Version(5, 9, 7), None), (), None),
        ((Version(5, 9, 7), None), (Version(5, 9, 7), None), (9,), None),
        ((Version(5, 9, 7), None), (Version(5, 9, 7), None), (), Word.DIFFERENT),
        ((None, Version(5, 0, 7)), (None, Version(5, 0, 7)), (5,), None),
        ((None, Version(5, 0, 7)), (None, Version(5, 8, 7)), (), Word.DIFFERENT),
        ((Version(5, 0, 7), Version(5, 0, 8)), (Version(5, 0, 7), Version(5, 0, 8)), (5,), Word.DIFFERENT),
        ((Version(5, 0, 7), Version(5, 0, 8)), (Version(5, 0, 7), Version(5, 0, 9)), (), None),
        ((Version(6, 0, 7), Version(5, 0, 7)), (Version(6, 0, 7), Version(5, 0, 7)), (5,), None),
        ((Version(5, 0, None, "x"),) * 2, (Version(5, 0, None, "x"),) * 2, (), Word.UNSETTLED),
        ((Version(5, 0, 7), Version(5, 0, None, "x")),) * 2 + ((), Word.DIFFERENT),
    ],
)
def test_each_case_has_its_word(before: Sight | None, now: Sight, running: tuple[int, ...], word: Word | None) -> None:
    """Two rounds that agree prove a difference, unless a transaction that concerns the row still ran between them."""
    verdict = judged(before, now, running)
    assert (verdict and verdict[0]) == word


@given(xid=st.integers(0, (1 << 64) - 2), later=st.integers(1, 1 << 32))
def test_a_number_is_made_whole_wherever_the_count_has_come_to(xid: int, later: int) -> None:
    """A transaction is found again from its lower 32 bits and any that came up to a whole round after it."""
    assert whole(xid % (1 << 32), xid + later) == xid


def test_snapshots_explain_only_what_they_are_certain_of() -> None:
    """The standby's names no running transaction, so what it may have seen is not explained by it."""
    primary, standby = Snapshot.parse("90:110:95,100"), Snapshot.parse("90:105:")
    assert standby.running == frozenset()
    assert explained(Version(105, 0, 1), None, primary, standby) == "inserted behind what the standby had replayed"
    assert not explained(Version(104, 0, 1), None, primary, standby)
    assert explained(None, Version(100, 0, 1), primary, standby) == "committed behind the primary's snapshot"
    assert explained(None, Version(111, 0, 1), primary, Snapshot.parse("90:112:"))
    assert not explained(None, Version(101, 0, 1), primary, standby)
    assert not explained(Version(105, 0, 1), Version(105, 0, 2), primary, standby)
    assert not explained(Version(2, 0, 1), None, Snapshot.parse("0:3:"), Snapshot.parse("0:2:"))  # frozen, long ago
    assert not explained(Version(60, 0, 1), None, Snapshot.parse("0:4294967396:"), Snapshot.parse("0:4294967390:"))
    assert explained(Version(94, 0, 1), None, Snapshot.parse("0:4294967396:"), Snapshot.parse("0:4294967390:"))
