"""Queries in the way of replay: the standby ends them as the rules say, on real pairs."""

from __future__ import annotations

import pytest

from replicator.postgres.rules.physical_conflicts import RULES
from replicator.rule import Rule
from tests.rules.experiment import Bench, Special
from tests.rules.physical_conflicts import EXPERIMENTS, SPECIALS


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Make the experiments of this module once."""
    return Bench(EXPERIMENTS, SPECIALS)


@pytest.mark.parametrize("special", SPECIALS, ids=lambda special: special.name)
def test_a_conflict_ends_as_the_rule_claims(bench: Bench, special: Special) -> None:
    """The standby's session or slot ends with the words that the rule quotes."""
    bench.kept(special)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_verdict_is_what_was_seen(bench: Bench, rule: Rule) -> None:
    """A rule's verdict follows from its experiments, and no other verdict would pass."""
    bench.check_verdict(rule)
