"""The statements of the experiments that prove the rules, rehearsed as scripts: lint and rehearsal agree on each."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from replicator.rehearse import Rehearsal
from tests.fixtures.stage import rehearsed
from tests.rules.experiment import Experiment, as_made

_MODULES = sorted((Path(__file__).parents[1] / "rules").glob("physical*.py"))


def experiments() -> list[Experiment]:
    """Return the experiments of physical replication that need no pair prepared for them."""
    found: dict[str, Experiment] = {}
    for path in _MODULES:
        values = vars(importlib.import_module(f"tests.rules.{path.stem}")).values()
        for collected in values:
            members = collected if isinstance(collected, tuple | list) else ()
            found |= {each.name: each for each in members if isinstance(each, Experiment) and each.prepare is as_made}
    return list(found.values())


def script(experiment: Experiment) -> str:
    """Return what an experiment does, as psql would be given it."""
    opening = (f"create schema {experiment.name}", f"set search_path = {experiment.name}, public")
    return "".join(f"{statement};\n" for statement in (*opening, *experiment.do))


@pytest.fixture(scope="module")
def rehearsal() -> Rehearsal:
    """Play every experiment and fail over."""
    return rehearsed((each.name, script(each)) for each in experiments())


def test_the_experiments_are_found() -> None:
    """The other tests look at something."""
    assert len(experiments()) >= 50


@pytest.mark.parametrize("name", [each.name for each in experiments()])
def test_lint_and_rehearsal_agree(rehearsal: Rehearsal, name: str) -> None:
    """What was seen of each statement bears out what its text had told."""
    lines = [line for line in rehearsal.lines if line.file == name]
    assert lines
    assert [(line.trial.statement, line.verdict, line.trial) for line in lines if not line.agrees] == []
