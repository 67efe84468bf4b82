"""Rows and publications under logical replication: each rule does what it says, on a real publisher and subscriber."""

from __future__ import annotations

import pytest

from replicator.postgres.rules import logical_publication, logical_rows
from replicator.rule import Rule
from tests.rules.logical_experiment import Experiment, LogicalBench, Trial
from tests.rules.logical_publication import EXPERIMENTS as PUBLICATION
from tests.rules.logical_rows import EXPERIMENTS as ROWS
from tests.rules.logical_unlogged import EXPERIMENTS as UNLOGGED

EXPERIMENTS = (*ROWS, *UNLOGGED, *PUBLICATION)
RULES = (*logical_rows.RULES, *logical_publication.RULES)


@pytest.fixture(scope="module")
def bench() -> LogicalBench:
    """Make the experiments of this module once."""
    return LogicalBench(EXPERIMENTS)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_both_servers_answer_as_the_rule_claims(bench: LogicalBench, experiment: Experiment | Trial) -> None:
    """The publisher, its subscriber and the subscriber left alone say what the experiment expects of them."""
    bench.outcome(experiment).check()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_verdict_is_what_was_seen(bench: LogicalBench, rule: Rule) -> None:
    """A rule's verdict follows from its experiments, and no other verdict would pass."""
    bench.check_verdict(rule)
