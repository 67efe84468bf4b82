"""No rule without an experiment, and no experiment without its rule."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from replicator.postgres.rules import logical, physical
from replicator.rule import Proof, Rule

RULES: tuple[Rule, ...] = (*physical.RULES, *logical.RULES)


def benches() -> list[ModuleType]:
    """Return the modules of this folder that hold experiments."""
    names = [path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("test_")]
    modules = [importlib.import_module(f"tests.rules.{name}") for name in sorted(names)]
    return [module for module in modules if hasattr(module, "EXPERIMENTS")]


BENCHES = benches()
TRIED = {each.rule for module in BENCHES for each in (*module.EXPERIMENTS, *getattr(module, "SPECIALS", ()))}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_an_experiment(rule: Rule) -> None:
    """What is called proven has been tried on real servers."""
    assert rule.proof is Proof.PROVEN
    assert rule.id in TRIED


def test_an_experiment_names_a_rule_that_exists() -> None:
    """A misspelt id would prove nothing."""
    assert {rule.id for rule in RULES} >= TRIED


@pytest.mark.parametrize("module", BENCHES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_no_two_experiments_of_a_module_share_a_name(module: ModuleType) -> None:
    """They share a database, and each has the schema of its name."""
    names = [each.name for each in (*module.EXPERIMENTS, *getattr(module, "SPECIALS", ()))]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("module", BENCHES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_experiments_of_a_module_are_run(module: ModuleType) -> None:
    """Beside the modules of experiments stand the tests that make them."""
    tests = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert any(f"from {module.__name__} import" in text for text in tests)
