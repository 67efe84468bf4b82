"""`hadrian schema`: Hadrian's own tables in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, primary_option, url_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.migrate import Migration, Outcome

_URL = "postgresql://user@host:5432/database"


@click.group(
    no_args_is_help=False,
    epilog=examples(
        "hadrian schema show --engine postgres",
        f"hadrian schema install --primary {_URL}",
        f"hadrian schema upgrade --primary {_URL}",
    ),
)
def command() -> None:
    """Install Hadrian's tables in a database, or upgrade them."""


@command.command(epilog=examples(f"hadrian schema install --primary {_URL}"))
@primary_option
@format_option
def install(primary: str, output: Output) -> None:
    """Create schema hadrian and its tables.

    Where they are already, that is said, and they are brought up to date.
    """
    from replicator import migrate

    _report(migrate.install(primary), output)


@command.command(epilog=examples(f"HADRIAN_PRIMARY={_URL} hadrian schema upgrade"))
@primary_option
@format_option
def upgrade(primary: str, output: Output) -> None:
    """Bring installed tables up to date with this program."""
    from replicator import migrate

    _report(migrate.upgrade(primary), output)


@command.command(epilog=examples(f"hadrian schema show --primary {_URL}", "hadrian schema show --engine db2 | less"))
@url_option("--primary", "HADRIAN_PRIMARY", "Say which of them this database has had.", required=False)
@click.option("--engine", type=click.Choice(["postgres", "db2"]), help="Print this engine's SQL, and ask no database.")
@format_option
def show(primary: str | None, engine: str | None, output: Output) -> None:
    """List the migrations, or print their SQL."""
    from replicator import migrate

    if engine is not None:
        _print_sql(migrate.available(engine), output)
    elif primary is not None:
        _print_rows(("number", "name", "state", "applied_at"), migrate.status(primary), output)
    else:
        _print_rows(("engine", "number", "name", "sha256"), migrate.every_file(), output)


@command.command(epilog=examples(f"hadrian schema roles --primary {_URL}", "hadrian schema roles --engine db2 | less"))
@url_option("--primary", "HADRIAN_PRIMARY", "Make them here.", required=False)
@click.option("--engine", type=click.Choice(["postgres", "db2"]), help="Print this engine's SQL, and ask no database.")
@format_option
def roles(primary: str | None, engine: str | None, output: Output) -> None:
    """Make hadrian_reader, hadrian_trainer, hadrian_watcher and hadrian_admin, and give each the least it needs.

    A reader reads feeds, checkpoints and libraries. A trainer adds checkpoints and steps, and can delete nothing. A
    watcher records what it has compared. An admin creates and drops feeds, and prunes. Run it again after an upgrade.
    It needs CREATEROLE and the tables' owner.
    """
    from replicator import access

    if engine is not None:
        render.line(access.script(engine).rstrip())
        return
    if primary is None:
        raise BadInput("no database is named", hint="give --primary URL, or --engine to print the statements")
    where = access.grant(primary)
    if output == "json":
        render.as_json({"where": where, "roles": access.ROLES})
    else:
        render.line(f"{where}: {', '.join(access.ROLES)} are there; grant them to those who log in")


def _print_sql(files: Sequence[Migration], output: Output) -> None:
    if output == "json":
        render.as_json(files)
    else:
        render.line("\n".join(f"-- {file}.sql\n{file.script}" for file in files).rstrip())


def _print_rows(columns: Sequence[str], rows: Sequence[object], output: Output) -> None:
    if output == "json":
        render.as_json(rows)
    else:
        render.table("", columns, [[getattr(row, column) for column in columns] for row in rows])


def _report(outcome: Outcome, output: Output) -> None:
    done = [str(file) for file in outcome.applied]
    if output == "json":
        render.as_json({"where": outcome.where, "installed_before": outcome.found > 0, "applied": done})
        return
    before = f"was installed already, with {outcome.found} migrations" if outcome.found else "is installed now"
    now = f"applied {', '.join(done)}" if done else "nothing to do"
    render.line(f"{outcome.where}: schema hadrian {before}; {now}")
