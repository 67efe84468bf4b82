"""`hadrian rehearse`: a migration on a throwaway pair that is then failed over."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import render
from cli.options import DatabaseUrl, Output, examples, format_option
from cli.progress import progress

if TYPE_CHECKING:
    from replicator.rehearse import Line, Rehearsal

_COLUMNS = ("place", "statement", "lint", "rule", "rehearsal", "seen")
_SHOWN = 60  # characters of a statement in a table
_NOT_REHEARSED = (
    "not rehearsed: libraries, files of extensions, directories of tablespaces, and files that SQL reads or writes; "
    "both nodes of the pair have this machine's"
)


@click.command(
    epilog=examples(
        "hadrian rehearse migration.sql --schema schema.sql",
        "hadrian rehearse 001.sql 002.sql --schema-from postgresql://user@host:5432/database --format json",
    )
)
@click.argument("files", metavar="FILE.sql...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--schema", metavar="FILE", type=click.Path(path_type=Path), help="A dump of the schema to begin with.")
@click.option("--schema-from", metavar="URL", type=DatabaseUrl(), help="A database whose schema to begin with.")
@format_option
def command(files: tuple[Path, ...], schema: Path | None, schema_from: str | None, output: Output) -> int:
    """Run a migration on a throwaway pair, fail it over, and see what is left, statement by statement.

    The pair is made from the PostgreSQL that comes along, and removed afterwards. Each file runs in a session of its
    own as psql would run it, going on after an error. Beside what was seen stands what lint says of the statement.
    Statements run with the rights of the OS user that runs the pair: COPY ... TO PROGRAM runs its program here.

    Exit code 1 if anything was lost, or a statement failed; 2 also if lint and rehearsal contradict each other.
    """
    from replicator import engines
    from replicator.errors import BadInput, HadrianError
    from replicator.rehearse import Plan

    if schema is not None and schema_from is not None:
        raise BadInput("--schema and --schema-from exclude each other", hint="give one of them")
    scripts = [(str(file), _read(file)) for file in files]
    structure = _read(schema) if schema is not None else ""
    with _directory() as directory:
        with progress("making a pair", None):
            stage = engines.stage(directory, schema_from)
        with contextlib.closing(stage):
            if schema_from is not None:
                with progress("reading the schema", None):
                    structure = stage.structure_of(schema_from)
            plan = Plan.make(scripts, structure)
            with progress("rehearsing", plan.size) as advance:
                rehearsal = plan.play(stage, advance)
            with progress("failing over", None):
                stage.fail_over()
    _report(rehearsal, output)
    for line in rehearsal.disagreements:
        raise HadrianError(
            f"{_place(line)}: lint says {line.verdict}, the rehearsal {line.trial.outcome}: an error of Hadrian's",
            hint="report it with the statement and what stands before it",
        )
    return 0 if all(line.is_fine for line in rehearsal.lines) else 1


def _read(file: Path) -> str:
    from replicator.errors import BadInput

    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8 text", hint="convert it to UTF-8") from error


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="hadrian-rehearse-"))
    directory.chmod(0o711)  # the servers' OS user passes through it
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _report(rehearsal: Rehearsal, output: Output) -> None:
    if output == "json":
        render.as_json(
            {
                "statements": [_fields(line) for line in rehearsal.lines],
                "missing_extensions": rehearsal.missing_extensions,
                "refused_schema": [
                    {"line": trial.statement.line, "sql": trial.statement.text, "error": trial.error}
                    for trial in rehearsal.refused
                ],
            }
        )
        return
    rows = [[_cells(line)[column] for column in _COLUMNS] for line in rehearsal.lines]
    render.table("", _COLUMNS, rows)
    for name in rehearsal.missing_extensions:
        render.line(f"missing: the pair lacks the extension {name}, and what needs it failed")
    for trial in rehearsal.refused:
        render.line(f"schema, line {trial.statement.line}: {trial.error}")
    render.line(_NOT_REHEARSED)


def _fields(line: Line) -> dict[str, Any]:
    trial, judgement = line.trial, line.judgement
    return {
        "file": line.file,
        "line": trial.statement.line,
        "column": trial.statement.column,
        "sql": trial.statement.text,
        "lint": line.verdict,
        "rule": judgement.rule.id if judgement and judgement.rule else None,
        "message": judgement.message if judgement else "",
        "outcome": trial.outcome,
        "error": trial.error,
        "skipped": trial.skipped,
        "agrees": line.agrees,
        "effects": trial.effects,
    }


def _cells(line: Line) -> dict[str, object]:
    trial, judgement = line.trial, line.judgement
    first = " ".join(trial.statement.text.split())
    return {
        "place": _place(line),
        "statement": first if len(first) <= _SHOWN else f"{first[: _SHOWN - 3]}...",
        "lint": line.verdict,
        "rule": judgement.rule.id if judgement and judgement.rule else None,
        "rehearsal": trial.outcome,
        "seen": _seen(line),
    }


def _seen(line: Line) -> str:
    """Return what decided the outcome, in words."""
    from replicator.effect import Outcome

    trial = line.trial
    if trial.outcome in (Outcome.KEPT, Outcome.UNDONE, Outcome.NOTHING):
        return ""
    said = [text for text in (trial.error, trial.skipped) if text]
    effects = [effect for effect in trial.effects if effect.outcome is trial.outcome]
    said += [f"{effect.what}: {effect.detail}" if effect.detail else effect.what for effect in effects]
    return "; ".join(said)


def _place(line: Line) -> str:
    return f"{line.file}:{line.trial.statement.line}:{line.trial.statement.column}"
