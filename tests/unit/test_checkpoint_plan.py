"""The trade between checkpoints and replay: what follows from the figures, whatever they are."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.checkpoint_plan import Figures, optimum_s, trades

_FIGURES = Figures(
    every=50, rows_per_step=8, steps=900, pace_s=2.0, step_s=0.5, journal_bytes=200.0, log_bytes=3200.0,
    checkpoints=18, checkpoint_bytes=50_000.0, checkpoint_s=4.0,
)  # fmt: skip


def test_an_interval_comes_to_what_the_formulas_say() -> None:
    """With a step every 2 s and a checkpoint of 50 kB every 50 steps, 2 kB a step are left for who else writes."""
    shown = {trade.every: trade for trade in trades(_FIGURES, mtbf_s=10_000.0)}
    assert [every for every, trade in shown.items() if trade.best] == [140], "280 s, of 2 s each"
    one = shown[100]
    assert one.checkpoint_bytes_per_hour == 3600 * 50_000 / 200
    assert one.journal_bytes_per_hour == 3600 * 200 / 2
    assert (one.replay_s, one.longest_replay_s) == (0.5 * (50 + 2), 0.5 * (100 + 2))
    assert one.rows_kept == 800
    assert one.log_kept_bytes == 100 * (2000 + 200) + 50_000
    assert one.lost_share == pytest.approx(4 / 200 + 26 / 10_000)


@given(
    every=st.integers(1, 100_000),
    pace_s=st.floats(1e-3, 1e4),
    checkpoint_s=st.floats(0, 1e4),
    log_bytes=st.none() | st.floats(0, 1e9),
    mtbf_s=st.none() | st.floats(60, 1e8),
)
def test_fewer_checkpoints_log_less_and_leave_more_to_replay(
    every: int, pace_s: float, checkpoint_s: float, log_bytes: float | None, mtbf_s: float | None
) -> None:
    """From each row to the next; the interval in force is among them once, and the best where there is one."""
    figures = dataclasses.replace(_FIGURES, every=every, pace_s=pace_s, checkpoint_s=checkpoint_s, log_bytes=log_bytes)
    shown = trades(figures, mtbf_s)
    for shorter, longer in itertools.pairwise(shown):
        assert shorter.every < longer.every
        assert shorter.checkpoint_bytes_per_hour > longer.checkpoint_bytes_per_hour
        assert shorter.replay_s < longer.replay_s
        assert shorter.rows_kept < longer.rows_kept
    assert [one.every for one in shown if one.in_force] == [every]
    assert sum(one.best for one in shown) == (mtbf_s is not None)
    assert all((one.log_kept_bytes is None) == (log_bytes is None) for one in shown)
    assert {1, 5, 10, 50, 100} <= {one.every for one in shown}


@given(checkpoint_s=st.floats(0.01, 100), mtbf_s=st.floats(1e5, 1e8))
def test_the_best_interval_loses_less_than_those_beside_it(checkpoint_s: float, mtbf_s: float) -> None:
    """Daly's estimate stands at the minimum of Young's cost where checkpoints are short, and never above M."""
    best = optimum_s(checkpoint_s, mtbf_s)

    def cost(work_s: float) -> float:
        return checkpoint_s / work_s + work_s / (2 * mtbf_s)

    assert cost(best) <= min(cost(best / 2), cost(2 * best))
    assert best == pytest.approx(math.sqrt(2 * checkpoint_s * mtbf_s), rel=0.05)
    assert optimum_s(2 * mtbf_s, mtbf_s) == mtbf_s
