"""`hadrian checkpoint verify`: every byte read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, node_option

if TYPE_CHECKING:
    from replicator.store.verification import Hit, Verification

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(f"hadrian checkpoint verify drill --node {_URL}", "hadrian checkpoint verify drill --all")
)
@click.argument("checkpoint", metavar="RUN[/STEP|:TAG]")
@node_option
@click.option("--all", "every", is_flag=True, help="Every checkpoint of the run.")
@format_option
def verify(checkpoint: str, node: str, every: bool, output: Output) -> int:
    """Read a checkpoint again on one node, the newest of the run if neither step nor tag is given.

    Every chunk, size and manifest is checked against its digest, and reading goes on to the end whatever is found. What
    is hit is traced to tensors, bytes and elements; if no checkpoint asked for is whole, older ones are read until one
    is. A chunk that several checkpoints hold is read once. Exit code 1 if anything is hit.
    """
    from cli.progress import progress
    from replicator.errors import BadInput
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import checkpoints, reference, verification

    named = reference.Reference.parse(checkpoint)
    if every and named != reference.Reference(named.run):
        raise BadInput(f"--all and {checkpoint} ask for different things", hint="leave out the step or tag, or --all")
    database = PostgresDatabase(node)
    wanted = [reference.find(database, named)]
    if every:
        wanted = checkpoints.found(database, named.run)
    with progress(f"reading {named.run} on {database.where}", sum(one.size for one in wanted)) as advance:
        found = verification.verify(database, wanted, advance)
    if output == "json":
        render.as_json(found)
    else:
        _show(found)
    return 1 if found.hits else 0


def _show(found: Verification) -> None:
    rows = [(one.step, "whole" if one.whole else "hit", one.chunks, one.hits) for one in found.verdicts]
    render.table(f"checkpoints of run {found.run} on {found.where}", ("step", "is", "chunks", "hits"), rows)
    if found.hits:
        render.line("")
        columns = ("step", "tensor", "shard", "bytes", "elements", "chunk", "what")
        render.table("", columns, [_hit(one) for one in found.hits])
        whole = found.newest_whole
        render.line(
            "no checkpoint that was read is whole" if whole is None else f"checkpoint {found.run}/{whole} is whole"
        )
    for step in found.removed:
        render.line(f"checkpoint {found.run}/{step} was removed while it was read")
    render.line(f"read {found.chunks} chunks, {found.plain_bytes} bytes")


def _hit(one: Hit) -> tuple[object, ...]:
    spans = ["-" if span is None else f"{span[0]} to {span[1] - 1}" for span in (one.byte_range, one.element_range)]
    chunk = None if one.chunk is None else one.chunk.hex()[:16]
    return (one.step, one.tensor, one.blob, *spans, chunk, one.reason)
