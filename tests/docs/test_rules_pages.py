"""The pages under docs/rules are what the tables say today."""

from __future__ import annotations

import re

import pytest

from cli.commands.rules import page
from cli.options import MODES
from replicator import engines
from replicator.rule import Mode
from tests.fixtures.command import ROOT

_FOLDER = ROOT / "docs/rules"


def test_the_options_of_the_command_line_are_the_modes() -> None:
    """None is forgotten, none is made up."""
    assert set(MODES) == set(Mode)


@pytest.mark.parametrize("mode", Mode)
def test_a_page_is_made_from_its_table(mode: Mode) -> None:
    """`make docs` writes them anew."""
    assert (_FOLDER / f"{mode}.md").read_text(encoding="utf-8") == f"{page(mode, engines.rules(mode))}\n"


def test_contradictions_name_rules_that_are_there() -> None:
    """Each of them, at least one of them."""
    named = set(re.findall(r"\b[A-Z]{3}-\d{3}\b", (_FOLDER / "contradictions.md").read_text(encoding="utf-8")))
    assert named
    assert named <= {rule.id for mode in Mode for rule in engines.rules(mode)}
