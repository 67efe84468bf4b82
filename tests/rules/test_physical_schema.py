"""Sequences, schema, indexes and maintenance under physical replication: each rule does what it says."""

from __future__ import annotations

import pytest

from replicator.postgres.rules.physical_schema import RULES
from replicator.rule import Rule
from tests.rules.experiment import Bench, Experiment, Special
from tests.rules.physical_schema import EXPERIMENTS, SPECIALS


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Make the experiments of this module once."""
    return Bench(EXPERIMENTS, SPECIALS)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_node_answers_as_the_rule_claims(bench: Bench, experiment: Experiment) -> None:
    """The primary, its standby and the promoted standby say what the experiment expects of them."""
    bench.outcome(experiment).check()


@pytest.mark.parametrize("special", SPECIALS, ids=lambda special: special.name)
def test_what_needs_hands_ends_as_the_rule_claims(bench: Bench, special: Special) -> None:
    """A standby that is stopped, and cannot follow any more, ends as was asserted of it."""
    bench.kept(special)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_verdict_is_what_was_seen(bench: Bench, rule: Rule) -> None:
    """A rule's verdict follows from its experiments, and no other verdict would pass."""
    bench.check_verdict(rule)
