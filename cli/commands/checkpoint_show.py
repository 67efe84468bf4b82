"""`hadrian checkpoint show`: one checkpoint described."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, node_option

if TYPE_CHECKING:
    from replicator.store.description import Description, Steps

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(f"hadrian checkpoint show drill --node {_URL}", "hadrian checkpoint show drill/40 --format json")
)
@click.argument("checkpoint", metavar="RUN[/STEP|:TAG]")
@node_option
@format_option
def show(checkpoint: str, node: str, output: Output) -> None:
    """Show a checkpoint, the newest of the run if neither step nor tag is given.

    Its cursor, its tensors, what its chunks take and how much of that the checkpoint before it holds too, its tags, and
    the steps since that one.
    """
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import description, reference

    named = reference.Reference.parse(checkpoint)
    database = PostgresDatabase(node)
    described = description.describe(database, reference.find(database, named))
    if output == "json":
        render.as_json(described)
    else:
        _show(described)


def _show(described: Description) -> None:
    from cli.findings import size

    one = described.checkpoint
    before = "" if described.before is None else f", {described.shared_chunks} of them also of step {described.before}"
    shared = "" if described.before is None else f", of which {size(described.shared_bytes)} shared with it"
    render.line(
        f"checkpoint {one.run}/{one.step}, cursor {one.cursor}, published {one.created_at:%Y-%m-%d %H:%M:%S %z}"
    )
    render.line(f"tags: {', '.join(described.tags) or 'none'}")
    render.line(f"steps: {_steps(described.trained)}")
    render.line(f"chunks: {one.chunks}{before}; {described.differences} are differences from another")
    render.line(f"bytes: {size(one.size)} plain, {size(described.stored_bytes)} stored{shared}")
    rows = [
        (tensor.name, tensor.dtype, None if tensor.shape is None else "x".join(map(str, tensor.shape)) or "scalar",
         tensor.size, tensor.shards)
        for tensor in described.tensors
    ]  # fmt: skip
    render.line("")
    render.table("", ("tensor", "dtype", "shape", "bytes", "shards"), rows)


def _steps(trained: Steps) -> str:
    if not trained.steps:
        return "none in the journal"
    return (
        f"{trained.first} to {trained.last}, {trained.rows:,} rows, "
        f"loss {trained.first_loss:.4g} to {trained.last_loss:.4g}"
    )
