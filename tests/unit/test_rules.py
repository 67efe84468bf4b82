"""The tables of rules: complete, cited, and unambiguous."""

from __future__ import annotations

import dataclasses
import re
import string

import pytest

from replicator.postgres.rules.physical import RULES
from replicator.rule import Mode, Rule, Severity, Verdict

_VENDOR = re.compile(r"PostgreSQL \d+ documentation, \S.*")


def ids(rule: Rule) -> str:
    """Name a case by its rule."""
    return rule.id


def test_no_two_rules_share_an_id_or_a_subject() -> None:
    """An id stands for one rule, and an object falls under one rule of its mode."""
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert len({rule.subject for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_every_field_of_a_rule_is_filled(rule: Rule) -> None:
    """A row with an empty cell would leave a reader without an answer."""
    for field in dataclasses.fields(rule):
        assert str(getattr(rule, field.name)).strip(), field.name
    assert re.fullmatch(r"PGP-\d{3}", rule.id)
    assert rule.mode is Mode.POSTGRES_PHYSICAL


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_a_rule_cites_the_vendors_document_and_section(rule: Rule) -> None:
    """What a rule says can be read up where its vendor says it."""
    assert _VENDOR.fullmatch(rule.source)
    assert re.fullmatch(r"PostgreSQL \d+(\.\d+)?", rule.since)


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_a_message_names_the_object_and_ends_like_a_clause(rule: Rule) -> None:
    """A message is one line about one object, without a full stop."""
    fields = {name for _, name, _, _ in string.Formatter().parse(rule.message) if name}
    assert "object" in fields
    assert fields <= {"object", "detail"}
    assert not rule.message.endswith(".")


def test_findings_sort_by_what_they_cost_and_then_by_object() -> None:
    """The worst comes first, and equal severities are in the order of their objects."""
    lost, wrong = (
        dataclasses.replace(RULES[0], severity=severity) for severity in (Severity.LOST, Severity.WRONG_RESULTS)
    )
    found = [wrong.found("a", "n"), lost.found("c", "n"), lost.found("b", "n")]
    assert [finding.object for finding in sorted(found, key=lambda finding: finding.order)] == ["b", "c", "a"]
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3, 4]


def test_an_object_with_braces_in_its_name_keeps_them() -> None:
    """Only the rule's own text is a template."""
    rule = dataclasses.replace(RULES[0], message="{object} with {detail}", verdict=Verdict.CONDITIONAL)
    assert rule.found("{detail}", "n", "{object}").message == "{detail} with {object}"
