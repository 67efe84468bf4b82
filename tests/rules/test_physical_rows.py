"""Rows and what holds them under physical replication: each rule does what it says, on a real pair."""

from __future__ import annotations

import pytest

from replicator.postgres.rules.physical_rows import RULES
from replicator.rule import Rule
from tests.rules.experiment import Bench, Experiment
from tests.rules.physical_rows import EXPERIMENTS


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Make the experiments of this module once."""
    return Bench(EXPERIMENTS)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_node_answers_as_the_rule_claims(bench: Bench, experiment: Experiment) -> None:
    """The primary, its standby and the promoted standby say what the experiment expects of them."""
    bench.outcome(experiment).check()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_verdict_is_what_was_seen(bench: Bench, rule: Rule) -> None:
    """A rule's verdict follows from its experiments, and no other verdict would pass."""
    bench.check_verdict(rule)
