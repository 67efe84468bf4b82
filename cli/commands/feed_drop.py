"""`hadrian feed drop`: a feed's end."""

from __future__ import annotations

import click

from cli import render
from cli.options import Output, examples, format_option, nodes_option, primary_option


@click.command(
    epilog=examples(
        "hadrian feed drop docs --primary postgresql://a/db --node postgresql://a/db --node postgresql://b/db",
    )
)
@click.argument("name")
@primary_option
@nodes_option
@click.option("--with-runs", is_flag=True, help="Delete the runs that read it too: checkpoints and step journals.")
@format_option
def drop(name: str, primary: str, nodes: tuple[str, ...], with_runs: bool, output: Output) -> None:
    """Drop feed NAME: its slot on every node named or its journal, its record, its snapshot. Asks nothing.

    Refused while a run refers to it, or while a slot of it is read. Name every node that may have its slot: one that is
    left behind keeps log until its disk is full. Interrupted, run it again. Chunks of the snapshot and of checkpoints
    stay in the store until hadrian store collect finds that nothing has held them for a day.
    """
    from replicator.feed import removal

    gone = removal.remove(name, primary_url=primary, node_urls=nodes, with_runs=with_runs)
    if output == "json":
        render.as_json(gone)
        return
    for run in gone.runs:
        render.line(f"removed run {run.name}: {run.checkpoints} checkpoints, {run.steps} steps of its journal")
    for where in gone.slots:
        render.line(f"dropped slot {gone.slot} on {where}")
    if gone.journal:
        render.line(f"dropped the journal of feed {gone.feed} and its triggers")
    elif not gone.slots:
        render.line(f"no node given had slot {gone.slot}; if another has it, name it and run this again")
    if gone.record:
        render.line(f"removed feed {gone.feed} and its snapshot")
