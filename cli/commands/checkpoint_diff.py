"""`hadrian checkpoint diff`: two checkpoints compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import progress, render
from cli.options import Output, examples, format_option, node_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replicator.store.description import Tensor
    from replicator.store.difference import Difference

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(
        f"hadrian checkpoint diff drill/40 drill/80 --node {_URL}",
        "hadrian checkpoint diff drill:production drill --format json",
    )
)
@click.argument("before", metavar="RUN[/STEP|:TAG]")
@click.argument("after", metavar="RUN[/STEP|:TAG]")
@node_option
@format_option
def diff(before: str, after: str, node: str, output: Output) -> int:
    """Compare two checkpoints, of one run or of two: the second with the first.

    Tensors that were added, removed, reshaped or changed, and by how much: the norm of the change, and the largest of a
    number. Chunks and bytes that both hold; the steps and rows between them. What both hold is not read. Exit code 1 if
    a tensor is not the same.
    """
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import difference
    from replicator.store.reference import Reference, find

    database = PostgresDatabase(node)
    was, now = (find(database, Reference.parse(name)) for name in (before, after))
    with progress.progress(f"comparing with {now.run}/{now.step}", now.size) as advance:
        found = difference.compare(database, was, now, advance)
    if output == "json":
        render.as_json(found)
    else:
        _show(found)
    return 0 if found.same else 1


def _show(found: Difference) -> None:
    was, now = found.before, found.after
    render.line(f"{was.run}/{was.step}, cursor {was.cursor}: {was.size} bytes in {found.chunks_before} chunks")
    render.line(f"{now.run}/{now.step}, cursor {now.cursor}: {now.size} bytes in {found.chunks_after} chunks")
    render.line(f"shared: {found.shared_chunks} chunks, {found.shared_bytes} bytes")
    if found.steps is not None:
        render.line(f"between them: {found.steps.steps} steps, {found.steps.rows} rows in the journal")
    rows = list(_rows(found))
    if rows:
        render.line("")
        render.table("", ("tensor", "is", "dtype", "shape", "norm of change", "largest"), rows)
    render.line(f"{found.unchanged} tensors are the same")


def _rows(found: Difference) -> Iterator[tuple[object, ...]]:
    for one in found.added:
        yield one.name, "added", one.dtype, _shape(one), None, None
    for one in found.removed:
        yield one.name, "removed", one.dtype, _shape(one), None, None
    for one, other in found.reshaped:
        dtype = one.dtype if one.dtype == other.dtype else f"{one.dtype} to {other.dtype}"
        yield one.name, "reshaped", dtype, f"{_shape(one)} to {_shape(other)}", None, None
    for change in found.changed:
        moved = (None if number is None else f"{number:.4g}" for number in (change.norm, change.largest))
        yield change.tensor.name, "changed", change.tensor.dtype, _shape(change.tensor), *moved


def _shape(tensor: Tensor) -> str | None:
    return None if tensor.shape is None else "x".join(map(str, tensor.shape)) or "scalar"
