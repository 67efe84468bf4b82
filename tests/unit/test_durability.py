"""Durability over standbys whose positions the test sets: nothing is durable before every one has replayed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import NodeLost
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.store.durability import Durability, Durable


class _Standby:
    """The two calls that durability makes of a node."""

    def __init__(self, position: int = 0) -> None:
        self.where = "standby"
        self.position = position
        self.step = 0
        self.history = TimelineHistory(1)

    def replayed(self) -> Lsn:
        """Return the position, and move on by `step`."""
        self.position += self.step
        return Lsn(self.position)

    def timeline_history(self) -> TimelineHistory:
        """Return what the test set."""
        return self.history


def _following(*commits: int, standbys: tuple[Any, ...]) -> Durability:
    durability = Durability(standbys)
    assert durability.poll() == []
    for number, lsn in enumerate(commits, 1):
        durability.follow(number, Cursor(Lsn(number), 0), Lsn(lsn))
    return durability


def _steps(done: list[Durable]) -> list[int]:
    return [one.step for one in done]


def test_a_checkpoint_waits_for_the_slowest_standby() -> None:
    """One standby that has not replayed the commit is enough to hold it back, to the byte."""
    fast, slow = _Standby(1000), _Standby(99)
    durability = _following(100, standbys=(fast, slow))
    assert durability.poll() == []
    slow.position = 100
    (done,) = durability.poll()
    assert (done.step, done.cursor, done.commit_lsn) == (1, Cursor(Lsn(1), 0), Lsn(100))
    assert done.waited_s >= 0
    assert durability.poll() == []


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=6).map(sorted),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8),
)
def test_checkpoints_become_durable_in_order_and_never_early(commits: list[int], moves: list[tuple[int, int]]) -> None:
    """Whatever the standbys do, each poll returns exactly the commits that both have reached since the last."""
    standbys = (_Standby(), _Standby())
    durability = _following(*commits, standbys=standbys)
    seen: list[int] = []
    for one, other in moves:
        standbys[0].position = max(standbys[0].position, one)
        standbys[1].position = max(standbys[1].position, other)
        seen += _steps(durability.poll())
        reached = min(standby.position for standby in standbys)
        assert seen == [number for number, lsn in enumerate(commits, 1) if lsn <= reached]


def test_without_standbys_a_commit_is_durable_at_once() -> None:
    """Where there is no standby, the primary's own flush is all there is."""
    assert _steps(_following(100, 200, standbys=()).poll()) == [1, 2]


def test_waiting_returns_what_became_durable_meanwhile() -> None:
    """`wait` polls on until the last checkpoint is on the standby, and returns them all, oldest first."""
    standby = _Standby()
    durability = _following(100, 200, standbys=(standby,))
    standby.step = 70
    assert _steps(durability.wait(30)) == [1, 2]
    assert durability.wait(0) == []


def test_a_standby_that_stays_behind_is_named_by_step_and_position() -> None:
    """`wait` gives up in time, and says which checkpoint is missing and where its commit ends."""
    durability = _following(100, 200, standbys=(_Standby(150),))
    with pytest.raises(NodeLost, match=r"checkpoint 2 \(commit before 0/C8\) is not on every standby after 0 s"):
        durability.wait(0)


def test_a_promoted_standby_has_only_what_it_replayed() -> None:
    """A new primary writes past positions that it never had: beyond the fork nothing of the old one is durable."""
    standby = _Standby(50)
    durability = _following(40, 100, standbys=(standby,))
    standby.history, standby.position = TimelineHistory(2, ((1, Lsn(60)),)), 1000
    with pytest.raises(NodeLost, match="took over before it had checkpoint 2"):
        durability.poll()


def test_a_checkpoint_replayed_before_the_takeover_is_durable() -> None:
    """What was replayed before the fork is on the new timeline too."""
    standby = _Standby(50)
    durability = _following(40, 60, standbys=(standby,))
    standby.history, standby.position = TimelineHistory(2, ((1, Lsn(60)),)), 1000
    assert _steps(durability.poll()) == [1, 2]
