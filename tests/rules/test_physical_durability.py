"""Commits: the promoted standby has those that the rules promise, and not those they give up."""

from __future__ import annotations

import pytest

from replicator.postgres.rules.physical_durability import RULES
from replicator.rule import Rule
from tests.rules.experiment import Bench, Special
from tests.rules.physical_durability import EXPERIMENTS, SPECIALS


@pytest.fixture(scope="module")
def bench() -> Bench:
    """Make the experiments of this module once."""
    return Bench(EXPERIMENTS, SPECIALS)


@pytest.mark.parametrize("special", SPECIALS, ids=lambda special: special.name)
def test_a_commit_ends_as_the_rule_claims(bench: Bench, special: Special) -> None:
    """What is answered, shown and kept at each level is what was asserted of it."""
    bench.kept(special)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_verdict_is_what_was_seen(bench: Bench, rule: Rule) -> None:
    """A rule's verdict follows from its experiments, and no other verdict would pass."""
    bench.check_verdict(rule)
