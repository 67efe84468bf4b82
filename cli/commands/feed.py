"""`hadrian feed`: named streams of committed rows."""

from __future__ import annotations

import click

from cli import render
from cli.commands.feed_create import create
from cli.commands.feed_drop import drop
from cli.commands.feed_read import read
from cli.commands.feed_seal import seal
from cli.commands.feed_spare import spare
from cli.commands.feed_status import status
from cli.options import Output, examples, format_option, primary_option

_URL = "postgresql://user@host:5432/database"


@click.group(epilog=examples(f"hadrian feed create docs --publication docs --primary {_URL}", "hadrian feed list"))
def command() -> None:
    """Create, watch, read and drop feeds: named streams of committed rows."""


for _command in (create, status, read, seal, spare, drop):
    command.add_command(_command)


@command.command("list", epilog=examples(f"hadrian feed list --primary {_URL} --format json"))
@primary_option
@format_option
def list_feeds(primary: str, output: Output) -> None:
    """List the feeds of a database."""
    from replicator import engines
    from replicator.feed import definition

    found = definition.every(engines.database(primary))
    if output == "json":
        render.as_json({"feeds": found})
    else:
        columns = ("name", "source", "publication", "slot", "start", "timeline")
        render.table("", columns, ([getattr(feed, column) for column in columns] for feed in found))
