"""`hadrian checkpoint tag`: names for checkpoints, which keep them."""

from __future__ import annotations

import click

from cli import render
from cli.options import Output, examples, format_option, primary_option

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(
        f"hadrian checkpoint tag drill/40 released --primary {_URL}",
        "hadrian checkpoint tag drill released --move",
        "hadrian checkpoint tag drill:released released --delete",
    )
)
@click.argument("checkpoint", metavar="RUN[/STEP|:TAG]")
@click.argument("name")
@click.option("--move", is_flag=True, help="Take the tag from the checkpoint of the run that has it.")
@click.option("--delete", is_flag=True, help="Take the tag away from this checkpoint.")
@primary_option
@format_option
def tag(checkpoint: str, name: str, move: bool, delete: bool, primary: str, output: Output) -> None:
    """Give a checkpoint the tag NAME: RUN:NAME then means it, and it is not removed as long as it has it.

    A run has each tag once.
    """
    from replicator.errors import BadInput
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import reference

    if move and delete:
        raise BadInput("--move and --delete ask for different things", hint="give one of them")
    reference.check_tag(name)
    database = PostgresDatabase(primary)
    found = reference.find(database, reference.Reference.parse(checkpoint))
    if delete:
        reference.untag(database, found, name)
    else:
        reference.tag(database, found, name, move=move)
    if output == "json":
        render.as_json({"run": found.run, "step": found.step, "tag": name, "deleted": delete})
    else:
        render.line(f"checkpoint {found.run}/{found.step} {'is no longer' if delete else 'is'} tagged {name}")
