"""`hadrian lint`: what a script does that a standby would not have, statement by statement, before it runs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from cli import render
from cli.options import examples, mode_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.lint import Judgement

_SUFFIXES = frozenset({".sql", ".psql", ".pgsql", ".ddl", ".db2", ".clp"})
_COLUMNS = ("place", "verdict", "severity", "rule", "message", "remedy")

# What --fail-on names, the worst first; a finding of a level or a worse one fails.
LEVELS = ("lost", "wrong-results", "stale", "refused", "unknown", "fine")
_PLACE = {level: place for place, level in enumerate(LEVELS)}


@click.command(
    epilog=examples(
        "hadrian lint migrations/",
        "hadrian lint --mode db2-hadr --all --format json schema.ddl",
        "git diff --name-only '*.sql' | xargs hadrian lint --format github",
        "hadrian lint - < migration.sql",
    )
)
@click.argument("paths", metavar="FILE|DIR|-...", nargs=-1, required=True)
@mode_option
@click.option("--all", "everything", is_flag=True, help="Show every statement, those in order and the allowed too.")
@click.option(
    "--fail-on",
    type=click.Choice(LEVELS),
    default="refused",
    show_default=True,
    help="The least level of a finding that makes the exit code 1.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json", "sarif", "github"]),
    default="table",
    show_default=True,
    help="A table for people, JSON or SARIF for programs, annotations for GitHub's checks.",
)
def command(
    paths: Sequence[str],
    mode: str,
    everything: bool,
    fail_on: str,
    output: Literal["table", "json", "sarif", "github"],
) -> int:
    """Judge every statement of SQL scripts by what a standby would have of it.

    Scripts are read in the order given, those of a directory in the order of their names: what one of them makes is
    known in those after it. Nothing is run. A comment `-- hadrian: allow RULE reason` on the line above a statement
    accepts a finding. Exit code 1 if there are findings of the level --fail-on or worse, or text that is no SQL.
    """
    from replicator.lint import lint
    from replicator.rule import Mode

    gc.disable()  # trees have no cycles, and this process ends soon
    judged = list(lint(_scripts(paths), Mode(mode)))
    shown = judged if everything else [one for one in judged if _level(one) < _PLACE["fine"] and not one.allowed]
    match output:
        case "json":
            render.as_json_list("statements", map(_fields, shown))
        case "sarif":
            from cli.sarif import log

            render.as_json(log(shown))
        case "github":
            for one in shown:
                render.line(_annotation(one))
        case _:
            _table(shown, len(judged))
    failing = [one for one in judged if not one.allowed and (one.error or _level(one) <= _PLACE[fail_on])]
    return 1 if failing else 0


def _scripts(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    for given in paths:
        if given == "-":
            yield "-", _decoded(sys.stdin.buffer.read())
            continue
        path = Path(given)
        try:
            files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
            if not files:
                raise BadInput(f"{path} holds no script", hint=f"scripts end in {', '.join(sorted(_SUFFIXES))}")
            for file in files:
                yield str(file), _decoded(file.read_bytes())
        except OSError as error:
            raise BadInput(f"cannot read {error.filename or path}: {error.strerror}", hint="check the path") from error


def _decoded(content: bytes) -> str:
    """Return the text; a script that is not UTF-8 is read as Latin-1, in which every byte is a character."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _level(judgement: Judgement) -> int:
    from replicator.rule import Verdict

    if judgement.severity is None:
        return _PLACE["unknown" if judgement.verdict is Verdict.UNKNOWN else "fine"]
    return _PLACE[judgement.severity]


def _fields(judgement: Judgement) -> dict[str, Any]:
    statement = judgement.statement
    return {
        "file": judgement.file,
        "line": statement.line,
        "column": statement.column,
        "sql": statement.text,
        "verdict": judgement.verdict,
        "severity": judgement.severity,
        "rule": judgement.rule.id if judgement.rule else None,
        "message": judgement.message,
        "remedy": judgement.remedy,
        "allowed": judgement.allowed or None,
    }


def _place(judgement: Judgement) -> str:
    return f"{judgement.file}:{judgement.statement.line}:{judgement.statement.column}"


def _table(shown: list[Judgement], statements: int) -> None:
    if shown:
        rows = [{**_fields(one), "place": _place(one)} for one in shown]
        render.table("", _COLUMNS, [[row[column] for column in _COLUMNS] for row in rows])
    else:
        render.line("nothing found")
    render.line(f"{statements} statements")


def _annotation(judgement: Judgement) -> str:
    """Return a workflow command. Source: GitHub documentation, Workflow commands for GitHub Actions."""
    kind = "error" if judgement.severity in {"lost", "wrong-results"} or judgement.error else "warning"
    title = judgement.rule.id if judgement.rule else judgement.verdict.value
    place = f"file={_escaped(judgement.file)},line={judgement.statement.line},col={judgement.statement.column}"
    text = f"{judgement.message}; {judgement.remedy}" if judgement.remedy else judgement.message
    return f"::{kind} {place},title={_escaped(title)}::{text.replace('%', '%25').replace(chr(10), '%0A')}"


def _escaped(value: str) -> str:
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        value = value.replace(char, code)
    return value
