"""The table of Db2's rules: complete, cited, unambiguous, and honest about what it rests on."""

from __future__ import annotations

import dataclasses
import re
import string

import pytest

from replicator.db2.rules import documents, hadr
from replicator.db2.subject import Subject
from replicator.rule import Mode, Proof, Rule, Severity, Verdict

_TOPIC = re.compile(
    r"IBM Db2 \d+\.\d documentation, [^;]+ \([crt]\d{7}\)(, [^;]+)?"
    r"|IBM Db2 \d+\.\d documentation, [^;()]+( \(topic [a-z-]+\))?"
    r"|IBM support, [^;]+|IBM Db2 HADR wiki, [^;]+"
)
_ANSWERS = {Verdict.REPLICATED, Verdict.NOT_REPLICATED, Verdict.CONDITIONAL}
RULES = hadr.RULES


def ids(rule: Rule) -> str:
    """Name a case by its rule."""
    return rule.id


def test_no_two_rules_share_an_id_or_a_subject() -> None:
    """An id stands for one rule, and an object falls under one rule of its mode."""
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert len({rule.subject for rule in RULES}) == len(RULES)


def test_every_subject_has_its_rule() -> None:
    """Whatever a statement is found to touch, the table says what becomes of it."""
    assert set(Subject) <= {rule.subject for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_every_field_of_a_rule_is_filled(rule: Rule) -> None:
    """A row with an empty cell would leave a reader without an answer."""
    for field in dataclasses.fields(rule):
        assert str(getattr(rule, field.name)).strip(), field.name
    assert re.fullmatch(r"DBH-\d{3}", rule.id)
    assert rule.mode is Mode.DB2_HADR
    assert rule.verdict in _ANSWERS


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_a_rule_cites_ibms_documents(rule: Rule) -> None:
    """What a rule says can be read up where IBM says it, and the rule claims no more than that it is documented."""
    for source in rule.source.split("; "):
        assert _TOPIC.fullmatch(source), source
    assert re.fullmatch(r"Db2 \d+\.\d+", rule.since)
    assert rule.proof is Proof.DOCUMENTED


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_a_message_names_the_object_and_ends_like_a_clause(rule: Rule) -> None:
    """A message is one line about one object, without a full stop."""
    fields = {name for _, name, _, _ in string.Formatter().parse(rule.message) if name}
    assert "object" in fields
    assert fields <= {"object", "detail"}
    for text in (rule.condition, rule.standby_now, rule.after_takeover, rule.message, rule.remedy):
        assert not text.endswith(".")
        assert "  " not in text


@pytest.mark.parametrize("rule", RULES, ids=ids)
def test_what_is_lost_or_wrong_is_not_called_replicated(rule: Rule) -> None:
    """Severity and verdict do not contradict each other."""
    if rule.severity in {Severity.LOST, Severity.WRONG_RESULTS}:
        assert rule.verdict is not Verdict.REPLICATED


def test_every_document_is_cited_by_a_rule() -> None:
    """The list of documents holds none that nobody needs."""
    titles = [value for name, value in vars(documents).items() if name.isupper()]
    assert [title for title in titles if not any(title in rule.source for rule in RULES)] == []
