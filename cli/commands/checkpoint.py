"""`hadrian checkpoint`: what a database holds of a run."""

from __future__ import annotations

import click

from cli import render
from cli.commands.checkpoint_plan import plan
from cli.commands.checkpoint_prune import prune
from cli.commands.checkpoint_pull import pull
from cli.commands.checkpoint_rm import rm
from cli.commands.checkpoint_save import save
from cli.commands.checkpoint_show import show
from cli.commands.checkpoint_tag import tag
from cli.commands.checkpoint_verify import verify
from cli.options import Output, examples, format_option, primary_option

_URL = "postgresql://user@host:5432/database"


@click.group(epilog=examples(f"hadrian checkpoint list --primary {_URL}", "hadrian checkpoint verify drill --all"))
def command() -> None:
    """List, show, verify, pull, tag and remove the checkpoints in a database; plan how often to make one."""


@command.command("list", epilog=examples(f"hadrian checkpoint list --primary {_URL} --run drill --format json"))
@click.option("--run", help="Of this run only.")
@primary_option
@format_option
def list_checkpoints(run: str | None, primary: str, output: Output) -> None:
    """List checkpoints, the newest of each run first.

    Any node will do as --primary: on a standby it shows what would be there after a takeover.
    """
    from replicator import engines
    from replicator.store import checkpoints

    found = checkpoints.found(engines.database(primary), run)
    if output == "json":
        render.as_json({"checkpoints": found})
    else:
        columns = ("run", "step", "cursor", "size", "chunks", "created_at")
        render.table("", columns, ([getattr(one, column) for column in columns] for one in found))


for _command in (save, show, verify, pull, tag, rm, prune, plan):
    command.add_command(_command)
