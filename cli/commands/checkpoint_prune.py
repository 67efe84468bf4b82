"""`hadrian checkpoint prune`: checkpoints removed by rule."""

from __future__ import annotations

import click

from cli import render
from cli.options import Output, examples, format_option, primary_option

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(
        f"hadrian checkpoint prune drill --keep-last 3 --dry-run --primary {_URL}",
        "hadrian checkpoint prune drill --keep-last 3 --keep-every 1000 --keep-best 2",
    )
)
@click.argument("run")
@click.option("--keep-last", metavar="K", type=click.IntRange(min=1), required=True, help="Keep the newest K.")
@click.option("--keep-every", metavar="N", type=click.IntRange(min=1), help="Keep those whose step is a multiple of N.")
@click.option(
    "--keep-best",
    metavar="K",
    type=click.IntRange(min=0),
    default=0,
    help="Keep the K of the lowest loss, which is that of the checkpoint's own step in the journal.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@primary_option
@format_option
def prune(
    run: str, keep_last: int, keep_every: int | None, keep_best: int, dry_run: bool, primary: str, output: Output
) -> None:
    """Remove the checkpoints of RUN that no rule keeps. Those with a tag are always kept. Asks nothing.

    It may run while the run trains and others read: the newest is always kept, and the chunks of those removed stay
    until hadrian store collect finds that nothing has held them for a day.
    """
    from cli.findings import size
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import retention

    keep = retention.Keep(keep_last, keep_every, keep_best)
    removal = retention.prune(PostgresDatabase(primary), run, keep, dry_run=dry_run)
    if output == "json":
        render.as_json({"run": run, "dry_run": dry_run, "removal": removal})
        return
    rows = [
        (one.checkpoint.step, one.checkpoint.created_at, size(one.checkpoint.size), one.checkpoint.loss,
         ", ".join(one.reasons) or ("would be removed" if dry_run else "removed"))
        for one in removal.decisions
    ]  # fmt: skip
    render.table(f"checkpoints of run {run}", ("step", "created at", "size", "loss", "kept for"), rows)
    verb = "would be held" if dry_run else "are held"
    render.line(f"{removal.chunks} chunks ({size(removal.stored_bytes)}) {verb} by nothing now")
