"""`hadrian store quota`: how much runs, and the whole store, may take."""

from __future__ import annotations

import click

from cli import render
from cli.options import ByteSize, Output, examples, format_option, primary_option
from replicator.errors import BadInput

_URL = "postgresql://user@host:5432/database"

run_option = click.option("--run", metavar="RUN", help="Of this run's checkpoints, not of the whole store.")


@click.group(epilog=examples(f"hadrian store quota show --primary {_URL}", "hadrian store quota set 200GB --run drill"))
def quota() -> None:
    """Bound what runs, and the whole store, may take.

    Bytes count as they are stored, compressed. The store's are those of all chunks, a run's are those that its
    checkpoints need. A checkpoint or a library that would exceed a quota is not made, and its writer stops there.
    """


@quota.command(epilog=examples(f"hadrian store quota show --primary {_URL} --format json"))
@primary_option
@format_option
def show(primary: str, output: Output) -> int:
    """Show what the store and each run take and may take; exit with 1 if that is exceeded.

    Any node will do as --primary.
    """
    from cli.findings import size
    from replicator import engines
    from replicator.store import quota as quotas

    found = quotas.every(engines.database(primary))
    if output == "json":
        render.as_json({"store": found[0], "runs": found[1:]})
    else:
        cells = ((one.run or "the whole store", size(one.used), size(one.allowed)) for one in found)
        render.table("", ("run", "used", "allowed"), cells)
    return int(any(one.exceeded for one in found))


@quota.command("set", epilog=examples(f"hadrian store quota set 2TB --primary {_URL}"))
@click.argument("size", type=ByteSize())
@run_option
@primary_option
@format_option
def set_quota(size: int, run: str | None, primary: str, output: Output) -> None:
    """Allow the whole store, or a run, so many bytes; it needs the rights of hadrian_admin.

    It may be less than is taken already: then nothing more is stored until something is pruned. The run need not have
    begun.
    """
    from replicator import engines
    from replicator.store import quota as quotas

    _check(run)
    quotas.put(engines.database(primary), run, size)
    _report(run, size, output)


@quota.command("drop", epilog=examples(f"hadrian store quota drop --run drill --primary {_URL}"))
@run_option
@primary_option
@format_option
def drop(run: str | None, primary: str, output: Output) -> None:
    """Take a quota away."""
    from replicator import engines
    from replicator.store import quota as quotas

    _check(run)
    if not quotas.drop(engines.database(primary), run):
        what = "the whole store" if run is None else f"run {run}"
        raise BadInput(f"{what} has no quota", hint="see which there are: hadrian store quota show")
    _report(run, None, output)


def _check(run: str | None) -> None:
    if run == "":
        raise BadInput("a run has a name", hint="leave out --run for the whole store")


def _report(run: str | None, allowed: int | None, output: Output) -> None:
    from cli.findings import size

    if output == "json":
        render.as_json({"run": run, "allowed": allowed})
        return
    what = "the whole store" if run is None else f"run {run}"
    render.line(f"{what} may take {'what there is room for' if allowed is None else size(allowed)}")
