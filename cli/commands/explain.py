"""`hadrian explain`: one rule whole, or why a statement gets its verdict."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import click

from cli import render
from cli.options import Output, examples, format_option, mode_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.rule import Rule

_RULE = re.compile(r"[A-Za-z]{3}-\d{3}")
_FIELDS = (
    *("id", "mode", "subject", "verdict", "severity", "condition", "standby_now", "after_takeover"),
    *("remedy", "since", "source", "proof"),
)


@click.command(
    epilog=examples(
        "hadrian explain PGP-001",
        'hadrian explain "create unlogged table queue (id int)"',
        'hadrian explain --mode db2-hadr "alter table t activate not logged initially"',
    )
)
@click.argument("subject", metavar='[RULE|"SQL"]', required=False)
@mode_option
@format_option
def command(subject: str | None, mode: str, output: Output) -> None:
    """Show one rule whole, or the verdict of a statement and every rule that it touches.

    A rule is found by its name in whichever mode it belongs to; a statement is judged by the rules of --mode. Without
    either, the names of the mode's rules are listed.
    """
    if subject is None:
        _list(mode, output)
    elif _RULE.fullmatch(subject.strip()):
        _show_rule(_find(subject.strip().upper()), output)
    else:
        _show_statements(subject, mode, output)


def _list(mode: str, output: Output) -> None:
    from replicator import engines
    from replicator.rule import Mode

    rules = sorted((rule.id, rule.subject) for rule in engines.rules(Mode(mode)))
    if output == "json":
        render.as_json(dict(rules))
    else:
        render.table("", ("rule", "subject"), rules)


def _find(name: str) -> Rule:
    from replicator import engines
    from replicator.rule import Mode

    for mode in Mode:
        for rule in engines.rules(mode):
            if rule.id == name:
                return rule
    raise BadInput(f"there is no rule {name}", hint="list them: hadrian rules --mode MODE")


def _show_rule(rule: Rule, output: Output) -> None:
    if output == "json":
        render.as_json(dataclasses.asdict(rule))
    else:
        render.table("", ("", rule.id), [(name.replace("_", " "), getattr(rule, name)) for name in _FIELDS[1:]])


def _show_statements(text: str, mode: str, output: Output) -> None:
    from replicator.lint import explain
    from replicator.rule import Mode

    explained = list(explain(text, Mode(mode)))
    if not explained:
        raise BadInput(
            "there is no statement in it", hint='write it as one argument: hadrian explain "create table ..."'
        )
    if output == "json":
        render.as_json({"statements": [_fields(judgement, touched) for judgement, touched in explained]})
        return
    for judgement, touched in explained:
        render.line(" ".join(judgement.statement.text.split()))
        render.line(f"  {judgement.verdict}{': ' + judgement.message if judgement.message else ''}")
        for rule, sentence in touched:
            render.line("")
            render.line(f"  {rule.id} {rule.subject}: {rule.verdict}")
            for label, value in (
                ("", sentence),
                ("when: ", rule.condition),
                ("the standby now: ", rule.standby_now),
                ("after takeover: ", rule.after_takeover),
                ("remedy: ", rule.remedy),
                ("source: ", rule.source),
            ):
                render.line(f"    {label}{value}")


def _fields(judgement: Any, touched: list[tuple[Rule, str]]) -> dict[str, Any]:
    return {
        "sql": judgement.statement.text,
        "verdict": judgement.verdict,
        "message": judgement.message,
        "rules": [{**dataclasses.asdict(rule), "message": sentence} for rule, sentence in touched],
    }
