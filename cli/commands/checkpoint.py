"""`hadrian checkpoint`: what a database holds of a run."""

from __future__ import annotations

import contextlib
from dataclasses import fields

import click

from cli import render, standbys
from cli.commands.checkpoint_diff import diff
from cli.commands.checkpoint_plan import plan
from cli.commands.checkpoint_promote import history, promote, rollback
from cli.commands.checkpoint_prune import prune
from cli.commands.checkpoint_pull import pull
from cli.commands.checkpoint_rm import rm
from cli.commands.checkpoint_save import save
from cli.commands.checkpoint_show import show
from cli.commands.checkpoint_tag import tag
from cli.commands.checkpoint_verify import verify
from cli.options import Output, examples, format_option, primary_option, standby_nodes_option

_URL = "postgresql://user@host:5432/database"


@click.group(epilog=examples(f"hadrian checkpoint list --primary {_URL}", "hadrian checkpoint verify drill --all"))
def command() -> None:
    """List, show, verify, pull, promote and remove the checkpoints in a database; plan how often to make one."""


@command.command("list", epilog=examples(f"hadrian checkpoint list --primary {_URL} --run drill --format json"))
@click.option("--run", help="Of this run only.")
@primary_option
@standby_nodes_option
@format_option
def list_checkpoints(run: str | None, primary: str, nodes: tuple[str, ...], output: Output) -> None:
    """List checkpoints, the newest of each run first, and the standbys that have each.

    Any node will do as --primary: on a standby it shows what would be there after a takeover. A standby that --node
    names is looked at itself; else the primary tells, to a role with pg_read_all_stats, how far each one has replayed.
    """
    from replicator import engines
    from replicator.store.standbys import standing

    with contextlib.ExitStack() as stack:
        database, *named = (stack.enter_context(contextlib.closing(engines.database(url))) for url in (primary, *nodes))
        found = standing(database, named, run)
    each = list(zip(found.checkpoints, found.durable_on, strict=True))
    if output == "json":
        told = [{**{f.name: getattr(one, f.name) for f in fields(one)}, "durable_on": on} for one, on in each]
        render.as_json({"checkpoints": told, "standbys": found.standbys, "unseen": found.unseen})
        return
    columns = ("run", "step", "cursor", "size", "chunks", "created_at", "durable on")
    rows = [
        (*(getattr(one, column) for column in columns[:-1]), None if found.unseen else ", ".join(on) or "no standby")
        for one, on in each
    ]
    render.table("", columns, rows)
    for line in standbys.lines(found, database.where):
        render.line(line)


for _command in (save, show, diff, verify, pull, tag, promote, rollback, history, rm, prune, plan):
    command.add_command(_command)
