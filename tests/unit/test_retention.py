"""What is kept of a run's checkpoints, and how one is named: without a database."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import BadInput
from replicator.store.reference import Reference
from replicator.store.retention import Keep, Standing, plan

_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_LOSSES = st.none() | st.floats(allow_nan=True)
_CHECKPOINTS = st.dictionaries(
    st.integers(0, 60), st.tuples(_LOSSES, st.lists(st.sampled_from("abc"), max_size=1)), min_size=1, max_size=20
).map(lambda made: [Standing(step, step, 1, _NOW, loss, tuple(tags)) for step, (loss, tags) in made.items()])
_KEEPS = st.builds(Keep, st.integers(1, 5), st.none() | st.integers(1, 7), st.integers(0, 4))


@given(_CHECKPOINTS, _KEEPS)
def test_what_a_rule_keeps_is_kept_and_nothing_else(checkpoints: list[Standing], keep: Keep) -> None:
    """The newest, each multiple, every tag, the lowest losses; in whatever order they are given."""
    decisions = plan(checkpoints, keep)
    steps = [decision.checkpoint.step for decision in decisions]
    assert steps == sorted((one.step for one in checkpoints), reverse=True)
    kept = {decision.checkpoint.step for decision in decisions if decision.reasons}
    newest = set(steps[: keep.last])
    multiples = {step for step in steps if keep.every and step % keep.every == 0}
    tagged = {one.step for one in checkpoints if one.tags}
    best = {decision.checkpoint.step for decision in decisions if "best" in decision.reasons}
    assert kept == newest | multiples | tagged | best
    told = {one.step: one.loss for one in checkpoints if one.loss is not None and not math.isnan(one.loss)}
    assert len(best) == min(keep.best, len(told))
    assert best <= told.keys()
    assert all(told[good] <= told[other] for good in best for other in told.keys() - best)


@given(_CHECKPOINTS, _KEEPS)
def test_pruning_again_removes_nothing(checkpoints: list[Standing], keep: Keep) -> None:
    """What is kept once is kept for good, as long as nothing new comes."""
    kept = [decision.checkpoint for decision in plan(checkpoints, keep) if decision.reasons]
    assert all(decision.reasons for decision in plan(kept, keep))


@pytest.mark.parametrize("keep", [Keep(0), Keep(-1), Keep(1, 0), Keep(1, None, -1)])
def test_the_newest_cannot_be_given_up(keep: Keep) -> None:
    """A run goes on from it."""
    with pytest.raises(BadInput, match="needs its newest checkpoint"):
        plan([], keep)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("drill", Reference("drill")),
        ("drill/0", Reference("drill", 0)),
        ("drill/40", Reference("drill", 40)),
        ("drill:v1.2", Reference("drill", None, "v1.2")),
    ],
)
def test_a_checkpoint_is_named_by_step_or_tag(text: str, reference: Reference) -> None:
    """And by the run alone, where the newest is meant."""
    assert Reference.parse(text) == reference


@pytest.mark.parametrize(
    "text", ["", "/4", "r/", "r/x", "r/-1", "r/4/5", "r:", "r:.a", "r:a/b", "r/9999999999", "r /4"]
)
def test_what_names_no_checkpoint_is_refused(text: str) -> None:
    """With the form in the hint."""
    with pytest.raises(BadInput):
        Reference.parse(text)
