"""`hadrian feed`: named streams of committed rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from cli import progress, render
from cli.commands.feed_drop import drop
from cli.commands.feed_read import read
from cli.commands.feed_status import status
from cli.options import Output, examples, format_option, primary_option, spare_nodes_option, url_option
from replicator.errors import BadInput

_URL = "postgresql://user@host:5432/database"


class _SpareCount(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.3
    """How many nodes get a spare slot: a number, or None for all."""

    name = "all|N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:  # noqa: ARG002 - click's signature
        """Return the number, or None for all. Raises: BadInput."""
        text = str(value)
        if text in ("all", "none"):
            return None if text == "all" else 0
        if not (text.isascii() and text.isdigit()):
            raise BadInput(f"--spare is not a number of nodes: {text!r}", hint="write --spare all, none or a number")
        return int(text)


@click.group(epilog=examples(f"hadrian feed create docs --publication docs --primary {_URL}", "hadrian feed list"))
def command() -> None:
    """Create, watch, read and drop feeds: named streams of committed rows."""


for _command in (status, read, drop):
    command.add_command(_command)


@command.command(
    epilog=examples(
        "hadrian feed create docs --publication docs --primary postgresql://a/db --standby postgresql://b/db",
        "hadrian feed create docs --publication docs --primary postgresql://a/db --standby postgresql://b/db \\",
        "  --node postgresql://a/db --spare all",
    )
)
@click.argument("name")
@click.option("--publication", required=True, help="It says which rows of which one table.")
@primary_option
@url_option("--standby", "HADRIAN_STANDBY", "The node to read from; the primary if left out.", required=False)
@spare_nodes_option
@click.option(
    "--spare",
    "spares",
    metavar="all|N|none",
    type=_SpareCount(),
    default="none",
    show_default=True,
    help="How many of the nodes get a spare slot, in the order named.",
)
@format_option
def create(
    name: str,
    publication: str,
    primary: str,
    standby: str | None,
    nodes: tuple[str, ...],
    spares: int | None,
    output: Output,
) -> None:
    """Create feed NAME: a slot, and the table's rows as they stand where the slot begins.

    No lock is taken and no writer waits. Interrupted, it leaves nothing; run it again.

    Nothing copies a slot that lives on a standby. A spare slot on another node lets reading go on from there when
    the node that is read is lost. It keeps the log there as the feed's own slot does, until the feed is dropped.
    """
    from replicator import handover

    with progress.progress("snapshot", None) as advance:
        made, spare_nodes = handover.create(
            name, publication, primary_url=primary, source_url=standby or primary, node_urls=nodes, spare_count=spares,
            progress=lambda rows: advance(note=f"{rows:,} rows"),
        )  # fmt: skip
    if output == "json":
        render.as_json({**dataclasses.asdict(made), "spares": spare_nodes})
        return
    render.line(f"feed {made.name} reads publication {made.publication} through slot {made.slot} from {made.start} on")
    for where in spare_nodes:
        render.line(f"spare slot on {where}")


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
