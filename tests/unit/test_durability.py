"""Durability over standbys whose positions the test sets: nothing is durable before every one has replayed."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import BadInput, NodeLost
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.store.checkpoints import Checkpoint
from replicator.store.durability import Durability, Durable
from replicator.store.standbys import Reach, Wanted


class _Standby:
    """The calls that durability makes of a node."""

    def __init__(self, position: int = 0, name: str = "standby") -> None:
        self.where = name if name == "standby" else f"{name}:5432/app"
        self.name = name
        self.position = position
        self.away = False
        self.step = 0
        self.history = TimelineHistory(1)

    def known_as(self) -> str:
        """Return what the test set."""
        return f"{self.name}_app"

    def replayed(self) -> Lsn:
        """Return the position, and move on by `step`."""
        if self.away:
            raise NodeLost("away")
        self.position += self.step
        return Lsn(self.position)

    def timeline_history(self) -> TimelineHistory:
        """Return what the test set."""
        if self.away:
            raise NodeLost("away")
        return self.history


def _following(*commits: int, standbys: tuple[Any, ...], wanted: str = "all") -> Durability:
    durability = Durability(standbys, Wanted.parse(wanted))
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
    late = r"checkpoint 2 \(commit before 0/C8\) is on 0 of 1 standbys after 0 s: standby has .* 0/96, 50 bytes behind"
    with pytest.raises(NodeLost, match=late):
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


@settings(deadline=None)
@given(st.lists(st.integers(0, 100), max_size=4), st.sampled_from(["all", "any", "0", "1", "2", "3"]))
def test_a_checkpoint_is_durable_on_as_many_standbys_as_were_asked_for(positions: list[int], wanted: str) -> None:
    """Whichever standbys have replayed it: it is their number that counts, and one that is not there has nothing."""
    durability = _following(50, standbys=tuple(map(_Standby, positions)), wanted=wanted)
    needed = {"all": len(positions), "any": 1}.get(wanted) if not wanted.isdigit() else int(wanted)
    assert needed is not None
    assert bool(durability.poll()) == (sum(position >= 50 for position in positions) >= needed)


@pytest.mark.parametrize("name", ["slow", "slow:5432", "slow:5432/app", "slow_app", "slow , slow_app"])
def test_a_standby_is_named_as_a_dba_names_it(name: str) -> None:
    """By its host, with or without port and database, or by its application_name; the others do not count."""
    fast, slow = _Standby(1000, "fast"), _Standby(99, "slow")
    durability = _following(100, standbys=(fast, slow), wanted=name)
    assert durability.poll() == []
    fast.position, slow.position = 0, 100
    assert _steps(durability.poll()) == [1]


def test_a_standby_that_is_named_and_not_there_holds_every_checkpoint_back() -> None:
    """A run goes on, and nothing is confirmed; a command says who is there."""
    there = _Standby(1000, "there")
    durability = _following(100, standbys=(there,), wanted="there,gone")
    assert durability.poll() == []
    with pytest.raises(NodeLost, match="is on 1 of 2 standbys"):
        durability.wait(0)
    with pytest.raises(BadInput, match=r"standbys there, gone are wanted, and there are: there:5432/app"):
        Wanted.parse("there,gone").check([there])
    with pytest.raises(BadInput, match="1 standbys are wanted, and there are: none"):
        Wanted.parse("any").check([])


def test_a_standby_that_may_be_away_is_gone_on_without() -> None:
    """Of two any one will do: the other may go, and only when both are gone there is nobody to ask."""
    one, other = _Standby(100), _Standby(0)
    durability = _following(100, standbys=(one, other), wanted="any")
    other.away = True
    assert _steps(durability.poll()) == [1]
    durability.follow(2, Cursor(Lsn(2), 0), Lsn(200))
    one.away = True
    with pytest.raises(NodeLost, match="away"):
        durability.poll()


def test_one_that_was_away_and_took_over_has_nothing() -> None:
    """It comes back far ahead, on a timeline of its own, and is not counted."""
    one, other = _Standby(0), _Standby(0)
    other.away = True
    durability = Durability((one, other), Wanted(count=1))
    assert durability.poll() == []
    durability.follow(1, Cursor(Lsn(1), 0), Lsn(100))
    other.away, other.position, other.history = False, 1000, TimelineHistory(2, ((1, Lsn(60)),))
    durability._away.clear()  # its time is over
    assert durability.poll() == []


def test_a_position_of_another_timeline_proves_nothing() -> None:
    """A standby that is asked itself has a checkpoint if it is far enough and the checkpoint can be read there."""
    cursor, now = Cursor(Lsn(1), 0), dt.datetime.now(dt.UTC)
    checkpoint = Checkpoint("r", 1, 7, cursor, cursor, Lsn(100), 1, 1, now)
    readable = frozenset({(7, now)})
    assert Reach("b", "b", Lsn(100), 0, readable).has(checkpoint, Lsn(500))
    assert Reach("b", "b", Lsn(100), 0, None).has(checkpoint, Lsn(500))
    assert not Reach("b", "b", Lsn(99), 0, readable).has(checkpoint, Lsn(500))
    assert not Reach("b", "b", Lsn(900), 0, frozenset()).has(checkpoint, Lsn(500))
    assert not Reach("b", "b", None, None, readable).has(checkpoint, Lsn(500))


@pytest.mark.parametrize("text", ["", ",", "a,,b"])
def test_what_names_no_standby_is_refused(text: str) -> None:
    """One line says how to write it."""
    with pytest.raises(BadInput, match="not standbys"):
        Wanted.parse(text)
