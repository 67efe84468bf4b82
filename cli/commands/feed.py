"""`hadrian feed`: named streams of committed rows."""

from __future__ import annotations

import click

from cli import progress, render
from cli.options import Output, examples, format_option, primary_option, url_option

_URL = "postgresql://user@host:5432/database"


@click.group(epilog=examples(f"hadrian feed create docs --publication docs --primary {_URL}", "hadrian feed list"))
def command() -> None:
    """Create and list feeds: named streams of committed rows."""


@command.command(
    epilog=examples(
        "hadrian feed create docs --publication docs --primary postgresql://a/db --standby postgresql://b/db"
    )
)
@click.argument("name")
@click.option("--publication", required=True, help="It says which rows of which one table.")
@primary_option
@url_option("--standby", "HADRIAN_STANDBY", "The node to read from; the primary if left out.", required=False)
@format_option
def create(name: str, publication: str, primary: str, standby: str | None, output: Output) -> None:
    """Create feed NAME: a slot, and the table's rows as they stand where the slot begins.

    No lock is taken and no writer waits. Interrupted, it leaves nothing; run it again.
    """
    from replicator import handover

    with progress.progress("snapshot", None) as advance:
        made = handover.create(
            name, publication, primary_url=primary, source_url=standby or primary,
            progress=lambda rows: advance(note=f"{rows:,} rows"),
        )  # fmt: skip
    if output == "json":
        render.as_json(made)
    else:
        render.line(
            f"feed {made.name} reads publication {made.publication} through slot {made.slot} from {made.start} on"
        )


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
        columns = ("name", "publication", "slot", "start", "timeline")
        render.table("", columns, ([getattr(feed, column) for column in columns] for feed in found))
