"""`hadrian checkpoint rm`: checkpoints removed by name."""

from __future__ import annotations

import click

from cli import render
from cli.options import Output, examples, format_option, primary_option

_URL = "postgresql://user@host:5432/database"


@click.command(epilog=examples(f"hadrian checkpoint rm drill/8 drill/16 --primary {_URL}"))
@click.argument("checkpoints", metavar="RUN/STEP...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also one that is tagged, or the newest of its run.")
@primary_option
@format_option
def rm(checkpoints: tuple[str, ...], force: bool, primary: str, output: Output) -> None:
    """Remove checkpoints: all that are named or none. Asks nothing.

    Refused for one that is tagged, and for the newest of its run, from which the run goes on: its feed may have
    forgotten the rows before it. The chunks stay until hadrian store collect finds that nothing has held them for a
    day.
    """
    from cli.findings import size
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.store import retention
    from replicator.store.reference import Reference

    gone = retention.remove(PostgresDatabase(primary), [Reference.parse(one) for one in checkpoints], force=force)
    if output == "json":
        render.as_json({"removed": gone})
        return
    for run, each in gone.items():
        steps = ", ".join(str(one.step) for one in each.removed)
        render.line(f"removed {run}/{steps}; {each.chunks} chunks ({size(each.stored_bytes)}) are held by nothing now")
