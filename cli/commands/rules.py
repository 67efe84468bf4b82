"""`hadrian rules`: the tables of what replicates and what does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import click

from cli import render
from cli.options import examples, mode_option

if TYPE_CHECKING:
    from replicator.rule import Rule

_COLUMNS = ("id", "subject", "verdict", "severity", "proof", "remedy")


@click.command(epilog=examples("hadrian rules --mode postgres-logical", "hadrian rules --mode db2-hadr --format json"))
@mode_option
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="A table for people, JSON for programs, Markdown for a page.",
)
def command(mode: str, output: Literal["table", "json", "markdown"]) -> None:
    """Show what becomes of each class of operations and objects in one way of replicating.

    A rule is proven where an experiment on real servers shows it, and documented where it rests on the vendor's
    word. `hadrian explain RULE` shows one whole.
    """
    from replicator import engines
    from replicator.rule import Mode

    rules = engines.rules(Mode(mode))
    match output:
        case "json":
            render.as_json({"rules": [dataclasses.asdict(rule) for rule in rules]})
        case "markdown":
            render.line(page(Mode(mode), rules))
        case _:
            render.table("", _COLUMNS, [[getattr(rule, column) for column in _COLUMNS] for rule in rules])


def page(mode: str, rules: Iterable[Rule]) -> str:
    """Return a mode's table as a page: an overview, then each rule whole."""
    rules = list(rules)
    lines = [
        f"# What replicates: {mode}",
        "",
        f"Made by `hadrian rules --mode {mode} --format markdown`; the table itself is in the source.",
        "",
        "| rule | subject | verdict | severity | proof |",
        "|---|---|---|---|---|",
        *map(_row, rules),
    ]
    for rule in rules:
        lines += [
            "",
            f"## {rule.id}",
            "",
            f"**{_prose(rule.subject)}**: {rule.verdict}",
            "",
            f"- when: {_prose(rule.condition)}",
            f"- the standby now: {_prose(rule.standby_now)}",
            f"- after takeover: {_prose(rule.after_takeover)}",
            f"- remedy: {_prose(rule.remedy)}",
            f"- since: {rule.since}",
            f"- source: {_prose(rule.source)}",
        ]
    return "\n".join(lines)


def _row(rule: Rule) -> str:
    cells = (f"[{rule.id}](#{rule.id.lower()})", _cell(rule.subject), rule.verdict, rule.severity, rule.proof)
    return f"| {' | '.join(cells)} |"


def _prose(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")
