"""Schema, state and commits under logical replication: each rule does what it says, on a real couple of servers."""

from __future__ import annotations

import pytest

from replicator.postgres.rules import logical_audit, logical_schema, logical_state
from replicator.rule import Rule
from tests.rules.logical_audit import EXPERIMENTS as AUDIT
from tests.rules.logical_experiment import Experiment, LogicalBench, Trial
from tests.rules.logical_schema import EXPERIMENTS as SCHEMA
from tests.rules.logical_state import EXPERIMENTS as STATE

EXPERIMENTS = (*SCHEMA, *AUDIT, *STATE)
RULES = (*logical_schema.RULES, *logical_audit.RULES, *logical_state.RULES)


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
