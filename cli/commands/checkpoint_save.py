"""`hadrian checkpoint save`: files as a checkpoint."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import progress, render
from cli.options import Output, durable_option, examples, format_option, primary_option, standby_nodes_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.position import Lsn
    from replicator.store.checkpoints import Checkpoint
    from replicator.store.durability import Durability, Positions

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(
        f"hadrian checkpoint save teacher ./teacher --primary {_URL}",
        "hadrian checkpoint save teacher ./teacher --step 40 --wait 60 --durable standby1,standby2",
        "hadrian checkpoint save teacher ./teacher --wait 60 --durable any --node postgresql://user@b:5432/app",
    )
)
@click.argument("run")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--step", metavar="N", type=click.IntRange(min=0), help="Steps done; one more than the newest by default."
)
@primary_option
@standby_nodes_option
@durable_option
@click.option("--wait", "wait_s", metavar="SECONDS", type=click.FloatRange(min=0), help="Until it is durable.")
@format_option
def save(
    run: str,
    folder: Path,
    step: int | None,
    primary: str,
    nodes: tuple[str, ...],
    durable: str,
    wait_s: float | None,
    output: Output,
) -> int:
    """Store the safetensors files in FOLDER as a checkpoint of RUN, which is made if it is not there.

    A folder as transformers saves models will do. The run reads no feed, and nobody knows here which rows it has seen.
    Files with pickles are refused.

    It is durable once the standbys asked for (--durable) have replayed its commit. With --wait the command ends then,
    and fails if that takes longer; the checkpoint exists all the same. Exit code 1 if there is no standby at all.
    """
    try:
        from trainer import intake
    except ImportError as error:
        raise BadInput(f"saving a checkpoint needs {error.name}", hint="pip install 'hadrian-wal[train]'") from error
    from replicator import engines
    from replicator.store import checkpoints
    from replicator.store.durability import Durability
    from replicator.store.standbys import Wanted, followers, position

    wanted = Wanted.parse(durable)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(contextlib.closing(engines.database(primary)))
        standbys = followers(
            database, [stack.enter_context(contextlib.closing(engines.database(url))) for url in nodes]
        )
        if standbys or wait_s is not None:
            wanted.check(standbys)
        durability = Durability(standbys, wanted)
        durability.poll()
        with progress.progress(f"saving {run}", None) as advance:
            saved = intake.save(database, run, folder, step, lambda size: advance(size, f"{folder}"))
        commit_lsn = checkpoints.note_commit(database, run, saved.step)
        waited_s = None if wait_s is None else _wait(durability, saved, commit_lsn, wait_s)
        seen = {one.where: position(one) for one in standbys}
    if output == "json":
        where = [
            {"node": node, "replayed": lsn, "durable": lsn is not None and lsn >= commit_lsn}
            for node, lsn in seen.items()
        ]
        render.as_json({"run": run, "step": saved.step, "size": saved.size, "commit_lsn": commit_lsn, "nodes": where})
    else:
        render.line(f"{run}/{saved.step}: {saved.size} bytes in {saved.chunks} chunks, committed before {commit_lsn}")
        for node, lsn in seen.items():
            render.line(f"{node}: {_how(lsn, commit_lsn)}")
        if waited_s is not None:
            render.line(f"durable on {durable} after {waited_s:.1f} s")
    if not seen and wanted.count != 0:
        sys.stderr.write(
            f"hadrian: warning: {run}/{saved.step} is on the primary alone: no standby follows it, so the checkpoint is"
            " lost with this node; attach a standby, or say that none is wanted: --durable 0\n"
        )
        return 1
    return 0


def _how(replayed: Lsn | None, commit_lsn: Lsn) -> str:
    if replayed is None:
        return "does not answer"
    behind = "has it" if replayed >= commit_lsn else f"{commit_lsn - replayed} bytes behind"
    return f"replayed {replayed}, {behind}"


def _wait(durability: Durability, saved: Checkpoint, commit_lsn: Lsn, wait_s: float) -> float:
    """Wait until a checkpoint is durable, and return how long that took. Raises: NodeLost."""
    durability.follow(saved.step, saved.cursor, commit_lsn)
    with progress.progress(f"{saved.run}/{saved.step} on its way", None) as advance:

        def told(positions: Positions) -> None:
            behind = (f"{where} {max(0, commit_lsn - lsn)} bytes behind" for where, lsn in positions.items())
            advance(0, ", ".join(behind))

        (done,) = durability.wait(wait_s, told)
    return done.waited_s
