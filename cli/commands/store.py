"""`hadrian store`: the chunks that everything in the store is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.commands.store_key import key
from cli.commands.store_quota import quota
from cli.options import Output, examples, format_option, primary_option

if TYPE_CHECKING:
    from replicator.postgres.room import Room

_URL = "postgresql://user@host:5432/database"


@click.group(epilog=examples(f"hadrian store collect --primary {_URL}", "hadrian store quota set 200GB --run drill"))
def command() -> None:
    """Bound the store, seal it, and give back the room of what was removed."""


@command.command(
    epilog=examples(
        f"hadrian store collect --dry-run --primary {_URL}",
        "hadrian store collect --grace 1 --format json",
    )
)
@click.option(
    "--grace",
    metavar="HOURS",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="Keep what nothing has held for a shorter time: more than a checkpoint takes to be written, or read.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@primary_option
@format_option
def collect(grace: float, dry_run: bool, primary: str, output: Output) -> None:
    """Delete chunks that nothing holds any more: no artifact, no difference, no snapshot being taken.

    It may run at any time, as from cron, beside writers, readers and another of its kind; interrupted, run it again.
    What it deletes is free for new chunks once vacuum has seen it; the table is not made smaller, so that no reader has
    to wait (vacuum full does that).
    """
    from cli.progress import progress
    from replicator.postgres import room
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import collector

    database = PostgresDatabase(primary)
    loose = collector.loose(database, grace * 3600)
    done = loose.over
    if not dry_run:
        with progress("deleting chunks", loose.over.chunks) as advance:
            done = collector.collect(database, grace * 3600, lambda one: advance(one.chunks))
    taken = room.room(database)
    if output == "json":
        render.as_json({"dry_run": dry_run, "deleted": done, "in_grace": loose.fresh, "room": taken})
        return
    from cli.findings import size

    verb = "would delete" if dry_run else "deleted"
    render.line(f"{verb} {done.chunks} chunks, {size(done.stored_bytes)}")
    if loose.fresh.chunks:
        fresh = f"{loose.fresh.chunks} chunks, {size(loose.fresh.stored_bytes)}"
        render.line(f"{fresh}, are held by nothing, but for less than {grace:g} hours")
    _show(taken)


def _show(taken: Room) -> None:
    from cli.findings import size

    how = "as pgstattuple finds it" if taken.measured else "by the server's statistics; pgstattuple would tell exactly"
    render.line(f"hadrian.chunk: {taken.chunks} chunks of {size(taken.stored_bytes)} take {size(taken.size_bytes)}")
    render.line(f"of that {size(taken.dead_bytes)} are dead and {size(taken.free_bytes)} free, {how}")
    begins = f"autovacuum begins at {taken.vacuum_at} dead rows, {taken.dead_rows} are"
    render.line(begins if taken.autovacuum_on else "autovacuum is off for it: vacuum hadrian.chunk yourself")


for _command in (quota, key):
    command.add_command(_command)
