"""`hadrian feed spare`: spare slots for a feed that exists already."""

from __future__ import annotations

import click

from cli import render
from cli.options import Output, examples, format_option, nodes_option, primary_option


@click.command(
    epilog=examples("hadrian feed spare docs --primary postgresql://b/db --node postgresql://a/db"),
)
@click.argument("name")
@primary_option
@nodes_option
@format_option
def spare(name: str, primary: str, nodes: tuple[str, ...], output: Output) -> None:
    """Give each node named a spare slot of feed NAME: after a failover, say, the node that was rebuilt.

    The slot begins at the node's present. Reading can go on from it once the durable cursor has passed that point;
    hadrian feed status tells. A slot that has lost its log is made again; one that is well stays as it is.
    """
    from replicator.feed import spares

    made = spares.add(name, primary_url=primary, node_urls=nodes)
    if output == "json":
        render.as_json({"spares": made})
        return
    for one in made:
        render.line(f"slot {one.slot} on {one.node} serves cursors from {one.ready_from} on")
