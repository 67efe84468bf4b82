"""`hadrian feed status`: where each feed's slots and runs stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import ByteSize, Output, examples, format_option, nodes_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.feed.status import FeedJournal, Status


@click.command(
    epilog=examples(
        "hadrian feed status --node postgresql://user@a:5432/app --node postgresql://user@b:5432/app",
        "hadrian feed status docs --limit 20GB --format json",
    )
)
@click.argument("name", required=False)
@nodes_option
@click.option(
    "--limit",
    metavar="SIZE",
    type=ByteSize(),
    help="Warn where a slot holds back more log than this, or a journal takes more; if left out, more than 80 % of the "
    "node's max_slot_wal_keep_size, and where that is not set there is no limit.",
)
@format_option
def status(name: str | None, nodes: tuple[str, ...], limit: int | None, output: Output) -> int:
    """Show the slots or journals of every feed, or of feed NAME, on every node, and how far its runs are.

    A slot keeps log until a durable checkpoint lets it move. Exit code 1 if one holds back more than it may or is
    invalidated or in danger of it, if no node has it, or if a node does not answer; each with what it takes to go on.

    A slot serves whoever goes on from a cursor: ready or reading, from its position on (a spare that was made later),
    once promoted (a standby's copy of a failover slot), or it is lost. Of a journal it shows the newest batch
    sealed, the newest that a durable checkpoint has consumed, and how many rows wait for hadrian feed seal.
    """
    from replicator.feed import status as statuses

    found = statuses.of_urls(nodes, name, limit)
    if output == "json":
        told = {"slots": found.slots, "journals": found.journals, "runs": found.runs, "warnings": found.concerns}
        render.as_json(told)
    else:
        _table(found)
    return 1 if found.concerns else 0


def _table(found: Status) -> None:
    from cli.findings import size

    columns = ("feed", "node", "slot", "serves", "confirmed", "held", "limit", "wal status", "safe", "invalid", "idle")
    states = [(slot.feed, slot.state, slot.limit_bytes, slot.service) for slot in found.slots]
    rows = [
        (feed, state.node, state.slot, service, state.confirmed, size(state.held_bytes), size(limit),
         state.wal_status, size(state.safe_bytes), state.invalidation, state.inactive_since)
        if state.present
        else (feed, state.node, *[None] * (len(columns) - 2))
        for feed, state, limit, service in states
    ]  # fmt: skip
    if rows or not found.journals:
        render.table("", columns, rows)
    if rows and found.journals:
        render.line("")
    if found.journals:
        _journals(found.journals)
    if found.runs:
        render.line("")
        runs = [(one.feed, one.run, one.node, one.step, one.cursor, size(one.behind_bytes)) for one in found.runs]
        render.table("", ("feed", "run", "node", "step", "cursor", "behind"), runs)
    for node in sorted({state.node for _, state, limit, _ in states if state.present and limit is None}):
        render.line(f"no limit on {node}: neither --limit nor max_slot_wal_keep_size is set")
    for one in found.concerns:
        render.line(f"warning: {one.message}; {one.remedy}")


def _journals(journals: Sequence[FeedJournal]) -> None:
    from cli.findings import size

    rows = [
        (one.feed, one.state.node, one.state.sealed, one.state.sealed_at, one.state.confirmed, one.state.waiting,
         size(one.state.size_bytes), size(one.limit_bytes))
        for one in journals
    ]  # fmt: skip
    columns = ("feed", "node", "sealed", "at", "consumed", "not sealed", "size", "limit")
    render.table("", columns, rows)
