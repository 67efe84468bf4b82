"""Statements judged by the tables: verdicts, what a remark accepts, and rules for all that a reader can name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replicator import engines
from replicator.lint import Judgement, explain, lint
from replicator.postgres.subject import Subject
from replicator.rule import Mode, Severity, Verdict
from tests.fixtures.command import ROOT

_READERS = ("classify", "functions", "row_statements", "schema_statements", "meta_commands")


def judge(script: str, mode: Mode = Mode.POSTGRES_PHYSICAL) -> list[Judgement]:
    """Judge one script."""
    return list(lint([("a.sql", script)], mode))


@pytest.mark.parametrize("mode", [Mode.POSTGRES_PHYSICAL, Mode.POSTGRES_LOGICAL])
def test_every_subject_that_a_statement_can_touch_has_a_rule(mode: Mode) -> None:
    """No statement is without a verdict for want of a row in a table."""
    texts = [(ROOT / f"replicator/postgres/language/{name}.py").read_text(encoding="utf-8") for name in _READERS]
    named = {Subject[name] for text in texts for name in re.findall(r"\bSubject\.([A-Z_]+)", text)}
    assert len(named) > 50
    assert named <= {rule.subject for rule in engines.rules(mode)}


@pytest.mark.parametrize(
    ("sql", "physical", "logical"),
    [
        ("select 1", Verdict.NONE, Verdict.NONE),
        ("set work_mem = '1MB'", Verdict.NONE, Verdict.NONE),
        ("insert into t values (1)", Verdict.REPLICATED, Verdict.CONDITIONAL),
        ("truncate t", Verdict.REPLICATED, Verdict.CONDITIONAL),
        ("create table t (a int)", Verdict.REPLICATED, Verdict.NOT_REPLICATED),
        ("create unlogged table t (a int)", Verdict.NOT_REPLICATED, Verdict.NOT_REPLICATED),
        ("create temp table t (a int)", Verdict.NOT_REPLICATED, Verdict.NOT_REPLICATED),
        ("create extension hstore", Verdict.CONDITIONAL, Verdict.NOT_REPLICATED),
        ("alter system set work_mem = '1MB'", Verdict.NOT_REPLICATED, Verdict.NOT_REPLICATED),
        ("select nextval('s')", Verdict.REPLICATED, Verdict.NOT_REPLICATED),
        ("select lo_create(1)", Verdict.REPLICATED, Verdict.NOT_REPLICATED),
        ("notify c", Verdict.NOT_REPLICATED, Verdict.NOT_REPLICATED),
        ("select somebody()", Verdict.UNKNOWN, Verdict.UNKNOWN),
        ("selec 1", Verdict.UNKNOWN, Verdict.UNKNOWN),
        ("do $$ begin if true then notify c; end if; end $$", Verdict.CONDITIONAL, Verdict.CONDITIONAL),
        (
            "do $$ begin notify c; execute current_setting('a.b'); end $$",
            Verdict.NOT_REPLICATED,
            Verdict.NOT_REPLICATED,
        ),
        ("do $$ begin execute current_setting('a.b'); end $$", Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_a_verdict_is_that_of_what_costs_most(sql: str, physical: Verdict, logical: Verdict) -> None:
    """In either mode."""
    assert [one.verdict for one in judge(sql)] == [physical]
    assert [one.verdict for one in judge(sql, Mode.POSTGRES_LOGICAL)] == [logical]


def test_a_judgement_says_what_happens_and_what_to_do() -> None:
    """The rule's sentence about the very object, its remedy, its cost."""
    (one,) = judge("create unlogged table app.queue (id int)")
    assert one.rule is not None
    assert one.rule.id == "PGP-001"
    assert one.message == "app.queue is unlogged: after takeover it has 0 rows"
    assert one.severity is Severity.LOST
    assert one.remedy == one.rule.remedy


def test_what_happens_in_a_case_only_says_in_which() -> None:
    """A function is replicated, what it will do may not be."""
    (one,) = judge("create function f() returns void language sql as 'notify c'")
    assert one.verdict is Verdict.CONDITIONAL
    assert one.message.startswith("when f is called: ")


def test_a_syntax_error_is_named_and_the_rest_is_read() -> None:
    """It counts as what the server would refuse."""
    broken, last = judge("selec 1;\nnotify c;")
    assert broken.error
    assert broken.severity is Severity.REFUSED
    assert "line 1, column 1" in broken.message
    assert last.verdict is Verdict.NOT_REPLICATED


@pytest.mark.parametrize(
    ("remark", "reason"),
    [
        ("-- hadrian: allow PGP-001 a cache, made again at start", "a cache, made again at start"),
        ("-- hadrian: allow PGP-001", ""),
        ("-- hadrian: allow PGP-002 another rule", ""),
        ("-- hadrian: forbid PGP-001 nonsense", ""),
        ("-- allow PGP-001 without the name", ""),
    ],
)
def test_a_remark_accepts_its_rule_with_a_reason(remark: str, reason: str) -> None:
    """The verdict stays; only the reason stands beside it."""
    (one,) = judge(f"{remark}\ncreate unlogged table t (a int);")
    assert one.allowed == reason
    assert one.verdict is Verdict.NOT_REPLICATED


def test_scripts_are_read_in_the_order_in_which_they_run() -> None:
    """What one makes is known in the next."""
    judged = list(
        lint([("1.sql", "create unlogged table t (a int)"), ("2.sql", "delete from t")], Mode.POSTGRES_PHYSICAL)
    )
    assert [(one.file, one.verdict) for one in judged] == [
        ("1.sql", Verdict.NOT_REPLICATED),
        ("2.sql", Verdict.NOT_REPLICATED),
    ]


def test_an_explanation_names_every_rule_that_is_touched() -> None:
    """Not only the one that decides."""
    ((judgement, touched),) = explain("insert into t values (nextval('s'))", Mode.POSTGRES_LOGICAL)
    assert judgement.rule in [rule for rule, _ in touched]
    assert [rule.subject for rule, _ in touched] == [Subject.ROW_CHANGE, Subject.SEQUENCE_ADVANCE]


def test_the_projects_own_scripts_are_judged_without_a_doubt() -> None:
    """Hadrian's migrations hold nothing that a standby would lack, and nothing that cannot be read."""
    scripts = [(path.name, path.read_text()) for path in sorted(Path(ROOT / "sql/postgres/migrations").glob("*.sql"))]
    assert {one.verdict for one in lint(scripts, Mode.POSTGRES_PHYSICAL)} <= {Verdict.REPLICATED, Verdict.NONE}
