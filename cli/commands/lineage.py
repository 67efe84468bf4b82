"""`hadrian lineage`: which checkpoints have seen a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, primary_option

if TYPE_CHECKING:
    from replicator.lineage import Lineage, RunLineage

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(
        f"hadrian lineage --row public.tickets/42 --primary {_URL}",
        f"hadrian lineage --row 'public.member/7,\"Smith, J.\"' --run drill --primary {_URL} --format json",
    )
)
@click.option(
    "--row",
    metavar="SCHEMA.TABLE/KEY",
    required=True,
    help="The row by its primary key; several columns with commas between them, quoted as in CSV.",
)
@click.option("--run", help="Of this run only.")
@primary_option
@format_option
def lineage(row: str, run: str | None, primary: str, output: Output) -> int:
    """Show which checkpoints have seen a row, and which to go back to: the newest before it.

    The row may be gone: the step journal knows the keys of the rows that each step was trained on, as 64 bits of a
    digest. A time without a zone is UTC. Any node will do as --primary: a standby tells what would be known after a
    takeover.

    Exit code 1 if a checkpoint has seen the row, or may have: steps that an older version recorded do not tell their
    rows. 0 if none has.
    """
    from replicator import lineage as lineages
    from replicator.postgres.adapter import PostgresDatabase

    found = lineages.of_row(PostgresDatabase(primary), row, run)
    if output == "json":
        render.as_json(found)
    else:
        _show(found)
    return 0 if found.clear else 1


def _show(found: Lineage) -> None:
    columns = ("run", "first step", "times", "seen by", "may have", "go back to")
    if found.runs:
        rows = [
            (one.run, one.first_step, one.times, _steps(one.seen_by), _steps(one.unsure), one.go_back_to)
            for one in found.runs
        ]
        render.table(f"checkpoints that have seen {found.row}, by step", columns, rows)
    for one in found.runs:
        if one.untold:
            render.line(_untold(one))
    for run, tables in found.other_runs.items():
        render.line(f"run {run} reads {tables}: not asked")
    if found.clear:
        render.line(f"none has seen {found.row}")


def _steps(steps: tuple[int, ...]) -> str | None:
    return ", ".join(map(str, steps)) or None


def _untold(one: RunLineage) -> str:
    if one.first_untold == 1 and one.last_untold == one.untold:
        return f"run {one.run}: unknown before step {one.untold + 1}"
    return f"run {one.run}: unknown for {one.untold} of the steps {one.first_untold} to {one.last_untold}"
