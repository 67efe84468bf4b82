"""How far behind a standby is, from positions alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replicator.position import Lsn
from replicator.watch.lag import _MOST, Lag, LagMeter

steps = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0.1, 10)), max_size=40)


@given(steps)
def test_the_time_is_that_of_the_oldest_position_not_reached(moves: list[tuple[int, int, float]]) -> None:
    """Bytes are the difference; seconds are since the first look at which the primary was past the standby."""
    meter, primary, standby, now = LagMeter(), 0, 0, 0.0
    seen: list[tuple[int, float]] = []
    for written, replayed, pause in moves:
        primary, now = primary + written, now + pause
        standby = min(primary, standby + replayed)
        if not seen or primary > seen[-1][0]:
            seen.append((primary, now))
        missing = [at for position, at in seen if position > standby]
        assert meter.measure(Lsn(primary), Lsn(standby), now) == Lag(
            primary - standby, now - missing[0] if missing else 0.0
        )


def test_an_idle_pair_is_not_behind() -> None:
    """However long nothing happens, a standby that has all is zero bytes and zero seconds behind."""
    meter = LagMeter()
    assert meter.measure(Lsn(7), Lsn(7), 1) == Lag(0, 0)
    assert meter.measure(Lsn(7), Lsn(7), 9999) == Lag(0, 0)


def test_another_timeline_begins_anew() -> None:
    """A primary that is not as far as the last one was has taken over: nothing of the old positions is left."""
    meter = LagMeter()
    meter.measure(Lsn(100), Lsn(10), 1)
    assert meter.measure(Lsn(60), Lsn(10), 5) == Lag(50, 0)


def test_a_standby_that_stands_still_costs_no_memory() -> None:
    """Of many positions every other is forgotten, and never the oldest."""
    meter = LagMeter()
    for number in range(3 * _MOST):
        lag = meter.measure(Lsn(100 + number), Lsn(0), float(number))
    assert lag.seconds == 3 * _MOST - 1
    assert len(meter._seen) <= _MOST + 1
