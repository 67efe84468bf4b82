"""`hadrian feed create`: from nothing to a feed."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import TYPE_CHECKING, Any

import click

from cli import progress, render
from cli.options import Output, examples, format_option, primary_option, spare_nodes_option, url_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.postgres.spare import Wanted

_NODE_NAMES = re.compile(r"[^,\s]+:[0-9]+(/[^,\s]*)?(,[^,\s]+:[0-9]+(/[^,\s]*)?)*", re.ASCII)


class _Spares(click.ParamType):  # type: ignore[type-arg] # not generic before click 8.3
    """Which nodes get a spare slot."""

    name = "all|N|none|host:port,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Wanted:  # noqa: ARG002 - click's signature
        """Return the number, the names, or None for all. Raises: BadInput."""
        text = str(value)
        if text in ("all", "none"):
            return None if text == "all" else 0
        if text.isascii() and text.isdigit():
            return int(text)
        if _NODE_NAMES.fullmatch(text):
            return tuple(dict.fromkeys(text.split(",")))
        raise BadInput(
            f"--spare is no number of nodes and not their names: {text!r}",
            hint="write --spare all, none, a number, or host:port,host:port",
        )


@click.command(
    epilog=examples(
        "hadrian feed create docs --publication docs --primary postgresql://a/db --standby postgresql://b/db",
        "hadrian feed create docs --publication docs --primary postgresql://a/db --standby postgresql://b/db \\",
        "  --node postgresql://a/db --spare all",
        "hadrian feed create docs --publication docs --primary postgresql://a/db --standby postgresql://b/db \\",
        "  --failover",
        "hadrian feed create docs --source journal --table public.docs --primary postgresql://a/db",
    )
)
@click.argument("name")
@click.option("--publication", help="It says which rows of which one table.")
@click.option(
    "--source",
    type=click.Choice(["wal", "journal"]),
    default="wal",
    show_default=True,
    help="Read the log, or a journal that triggers fill, for where nobody may decode the log.",
)
@click.option("--table", metavar="SCHEMA.TABLE", help="What a journal is of, instead of a publication.")
@primary_option
@url_option("--standby", "HADRIAN_STANDBY", "The standby to read from, if there is one.", required=False)
@click.option("--failover", is_flag=True, help="Make a slot of the primary that the standby copies (PostgreSQL 17+).")
@spare_nodes_option
@click.option(
    "--spare",
    "spares",
    metavar=_Spares.name,
    type=_Spares(),
    default="none",
    show_default=True,
    help="Which of the nodes get a spare slot: so many in the order named, or those of these addresses.",
)
@format_option
def create(
    name: str,
    publication: str | None,
    source: str,
    table: str | None,
    primary: str,
    standby: str | None,
    failover: bool,
    nodes: tuple[str, ...],
    spares: Wanted,
    output: Output,
) -> None:
    """Create feed NAME: a slot, and the table's rows as they stand where the slot begins.

    No lock is taken and no writer waits. Interrupted, it leaves nothing. Killed, or cut off because a node is lost, it
    leaves what was read; run it again, and it goes on from there.

    The slot is made on the standby where that can decode (PostgreSQL 16+), else on the primary; with --failover on the
    primary, once it is certain that the standby copies it. What was chosen is said with its reasons.

    Nothing copies a slot that lives on a standby. A spare slot on another node lets reading go on from there when
    the node that is read is lost. It keeps the log there as the feed's own slot does, until the feed is dropped.

    With --source journal there is no slot: each statement that changes the table is written to a journal too, by
    triggers, which are made once open writers have ended. hadrian feed seal hands the journal's rows to readers.
    """
    if source == "journal":
        if table is None or publication is not None or standby is not None or failover or nodes or spares != 0:
            raise BadInput("a journal has no publication and no slot", hint="give --table and --primary, no more")
        _create_journal(name, table, primary, output)
        return
    if publication is None or table is not None:
        raise BadInput("the log is read through a publication", hint="give --publication, or add --source journal")
    from replicator import handover

    with progress.progress("snapshot", None) as advance:
        made = handover.create(
            name, publication, primary_url=primary, standby_url=standby, failover=failover, node_urls=nodes,
            spares=spares, progress=_shown(advance),
        )  # fmt: skip
    feed = made.feed
    if output == "json":
        placed = {"node": made.node, "reasons": made.reasons, "spares": made.spares}
        render.as_json({**dataclasses.asdict(feed), **placed})
        return
    render.line(f"feed {feed.name} reads publication {feed.publication} through slot {feed.slot} from {feed.start} on")
    render.line(f"slot on {made.node}")
    for reason in made.reasons:
        render.line(f"  {reason}")
    for where in made.spares:
        render.line(f"spare slot on {where}")


def _shown(advance: progress.Advance) -> Callable[[int, int, int], None]:
    """Show how far a snapshot is, and how fast it has come since the first that was told of it."""
    first: tuple[float, int] | None = None

    def show(blocks: int, total: int, rows: int) -> None:
        nonlocal first
        now = time.monotonic()
        began, before = first = first or (now, rows)
        rate = f", {(rows - before) / (now - began):,.0f} a second" if now > began else ""
        advance(blocks, f"{rows:,} rows{rate}", total)

    return show


def _create_journal(name: str, table: str, primary: str, output: Output) -> None:
    from replicator import journal_feed

    with progress.progress("snapshot", None) as advance:
        feed = journal_feed.create(
            name, table, primary_url=primary, progress=lambda rows: advance(note=f"{rows:,} rows")
        )
    if output == "json":
        render.as_json(feed)
        return
    render.line(f"feed {feed.name} reads a journal of {feed.publication}")
    render.line(f"its rows come once they are sealed: hadrian feed seal {feed.name} --node URL --every 1")
