"""Judges of what has a name: never different on a standby that replays; different where it stays otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.comparison import Word
from replicator.postgres.verify.rounds import Judge, Thrice, Versioned
from replicator.postgres.verify.sequences import Bounds, State
from replicator.settling import Sight

# When the primary is looked at, when the standby, and how much of what is between it has: in steps of a history.
looks = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12)


def judged(
    judge: Judge, history: list[Sight | None], standby: list[Sight | None], times: list[tuple[int, int, int]]
) -> set[Word]:
    """Look at both in turns, the standby never behind what the primary showed; return all that was said."""
    said: set[Word] = set()
    now = 0
    for pause, later, more in times:
        now = min(now + pause, len(history) - 1)
        said.add(judge.see_primary(history[now], clear=True))
        shown = min(now + min(later, more), len(history) - 1)
        said.add(judge.see_follower(standby[shown]))
        now = min(now + later, len(history) - 1)
    return said


@pytest.mark.parametrize("kind", [Versioned, Thrice])
@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=40), looks)
def test_a_definition_that_is_replayed_is_never_different(
    kind: type[Versioned], texts: list[str | None], times: list[tuple[int, int, int]]
) -> None:
    """Whatever it was changed to, and back, and however late or early the standby is: no difference."""
    history = [None if text is None else Sight(number, text) for number, text in enumerate(texts)]
    assert Word.DIFFERENT not in judged(kind(), history, history, times)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=40), st.data(), looks)
def test_a_sequence_that_is_replayed_is_never_different(
    steps: list[int], data: st.DataObject, times: list[tuple[int, int, int]]
) -> None:
    """As it counts, the standby shows what is logged: the value or up to 32 steps ahead."""
    values = [sum(steps[: number + 1]) for number in range(len(steps))]
    ahead = data.draw(st.lists(st.integers(0, 32), min_size=len(values), max_size=len(values)))
    history: list[Sight | None] = [Sight(value, State(value, 1)) for value in values]
    logged: list[Sight | None] = [Sight(0, State(value + more, 1)) for value, more in zip(values, ahead, strict=True)]
    assert Word.DIFFERENT not in judged(Bounds(), history, logged, times)


@pytest.mark.parametrize(
    ("judge", "here", "there", "rounds"),
    [
        (Versioned(), Sight(1, "a"), Sight(1, "b"), 2),
        (Versioned(), Sight(1, "a"), None, 2),
        (Versioned(), None, Sight(1, "a"), 2),
        (Thrice(), Sight(1, "a"), Sight(1, "b"), 4),
        (Thrice(), None, Sight(1, "a"), 4),
        (Bounds(), Sight(9, State(9, 1)), Sight(8, State(8, 1)), 4),
        (Bounds(), Sight(9, State(9, 1)), Sight(9, State(42, 1)), 4),
        (Bounds(), Sight(9, State(9, -1)), Sight(9, State(10, -1)), 4),
        (Bounds(), Sight(9, State(9, 1)), Sight(9, State(None, 1)), 4),
        (Bounds(), Sight(9, State(9, 1)), None, 4),
    ],
)
def test_what_stays_otherwise_is_different(judge: Judge, here: Sight | None, there: Sight | None, rounds: int) -> None:
    """It is proven in so many rounds, and in none before."""
    said = [judged(judge, [here], [there], [(0, 0, 0)]) for _ in range(rounds)]
    assert Word.DIFFERENT in said[-1]
    assert not any(Word.DIFFERENT in words for words in said[:-1])


def test_rounds_that_are_not_on_end_do_not_add_up() -> None:
    """Looking the same way now and then proves nothing of what changes in between."""
    judge = Thrice()
    for _ in range(8):
        for version in (1, 1, 2):  # the primary's look again is another version every third time
            assert judge.see_primary(Sight(version, "a"), clear=True) is not Word.DIFFERENT
            assert judge.see_follower(Sight(0, "b")) is not Word.DIFFERENT
