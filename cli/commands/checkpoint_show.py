"""`hadrian checkpoint show`: one checkpoint described."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import click

from cli import render, standbys
from cli.options import Output, examples, format_option, node_option, url_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.store.description import Description, Steps
    from replicator.store.standbys import Standing

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(f"hadrian checkpoint show drill --node {_URL}", "hadrian checkpoint show drill/40 --format json")
)
@click.argument("checkpoint", metavar="RUN[/STEP|:TAG]")
@node_option
@url_option("--primary", "HADRIAN_PRIMARY", "Tells which standbys have the checkpoint.", required=False)
@format_option
def show(checkpoint: str, node: str, primary: str | None, output: Output) -> None:
    """Show a checkpoint, the newest of the run if neither step nor tag is given.

    Its cursor, its tensors, what its chunks take and how much of that the checkpoint before it holds too, its tags, and
    the steps since that one; and, asked of the primary, the standbys that have it.
    """
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import description, reference
    from replicator.store import standbys as standing

    named = reference.Reference.parse(checkpoint)
    database = PostgresDatabase(node)
    described = description.describe(database, reference.find(database, named))
    above = None if primary is None else PostgresDatabase(primary)
    seen = None if above is None else standing.standing(above, (), named.run)
    if output == "json":
        told = {field.name: getattr(described, field.name) for field in fields(described)}
        render.as_json({**told, "durable_on": _have(described, seen)})
        return
    _show(described, [] if above is None or seen is None else _durable(described, seen, above.where))


def _have(described: Description, seen: Standing | None) -> list[str] | None:
    """Return the standbys that have the checkpoint, None if nobody can tell."""
    if seen is None or seen.unseen is not None:
        return None
    placed = zip(seen.checkpoints, seen.durable_on, strict=True)
    return next((on for one, on in placed if one.artifact_id == described.checkpoint.artifact_id), [])


def _durable(described: Description, seen: Standing, where: str) -> list[str]:
    on = _have(described, seen)
    told = "unknown" if on is None else ", ".join(on) or "no standby"
    return [f"durable on: {told}", *standbys.lines(seen, where)]


def _show(described: Description, durable: Sequence[str]) -> None:
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
    for line in durable:
        render.line(line)
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
