"""`hadrian feed seal`: what makes a journal feed go on."""

from __future__ import annotations

import time

import click

from cli import render
from cli.options import Output, examples, format_option, nodes_option
from replicator.errors import NodeLost, NodeUnreachable, QueryTimedOut

_PASSING = (NodeLost, NodeUnreachable, QueryTimedOut)


@click.command(
    epilog=examples(
        "hadrian feed seal docs --node postgresql://a/db --node postgresql://b/db",
        "hadrian feed seal docs --node postgresql://a/db --node postgresql://b/db --every 1",
    )
)
@click.argument("name")
@nodes_option
@click.option("--every", metavar="SECONDS", type=click.FloatRange(min=0.1), help="Go on, with such pauses between.")
@format_option
def seal(name: str, nodes: tuple[str, ...], every: float | None, output: Output) -> None:
    """Seal what was committed to the journal of feed NAME: readers get what is sealed. Prune what they have consumed.

    It seals once, as from cron, or goes on with --every, also when another node takes over. Name every node: the one
    that takes writes is used. Several may run: one works at a time. It can be ended at any moment; the next one
    finishes what it began.
    """
    from replicator import journal_feed

    with journal_feed.sealer(name, node_urls=nodes) as seal_once:
        waits = ""
        while True:
            try:
                rows, said = seal_once(), ""
            except _PASSING as passing:
                if every is None:
                    raise
                rows, said = 0, str(passing)
            if rows or every is None:
                _say(output, f"sealed {rows:,} rows", rows=rows)
            elif said not in ("", waits):
                _say(output, f"waits: {said}", waits=said)
            waits = said
            if every is None:
                return
            time.sleep(every)


def _say(output: Output, text: str, **fields: int | str) -> None:
    if output == "json":
        render.as_json_line(fields)
    else:
        render.line(text)
