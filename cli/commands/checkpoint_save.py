"""`hadrian checkpoint save`: files as a checkpoint."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from cli import progress, render
from cli.options import Output, examples, format_option, primary_option, spare_nodes_option
from replicator.errors import BadInput

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(
        f"hadrian checkpoint save teacher ./teacher --primary {_URL}",
        "hadrian checkpoint save teacher ./teacher --step 40 --wait 60 --node postgresql://user@b:5432/app",
    )
)
@click.argument("run")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--step", metavar="N", type=click.IntRange(min=0), help="Steps done; one more than the newest by default."
)
@primary_option
@spare_nodes_option
@click.option("--wait", "wait_s", metavar="SECONDS", type=click.FloatRange(min=0), help="Until each --node has it.")
@format_option
def save(
    run: str, folder: Path, step: int | None, primary: str, nodes: tuple[str, ...], wait_s: float | None, output: Output
) -> None:
    """Store the safetensors files in FOLDER as a checkpoint of RUN, which is made if it is not there.

    A folder as transformers saves models will do. The run reads no feed, and nobody knows here which rows it has seen.
    Files with pickles are refused. With --wait it ends once the standbys named have replayed the checkpoint, and fails
    if one has not in time; the checkpoint exists all the same.
    """
    try:
        from trainer import intake
    except ImportError as error:
        raise BadInput(f"saving a checkpoint needs {error.name}", hint="pip install 'hadrian-wal[train]'") from error
    from replicator import engines
    from replicator.store.durability import Durability

    if wait_s is not None and not nodes:
        raise BadInput("--wait needs a standby to wait for", hint="name it: --node URL")
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(contextlib.closing(engines.database(primary)))
        standbys = [stack.enter_context(contextlib.closing(engines.database(url))) for url in nodes]
        durability = Durability(standbys)
        durability.poll()
        with progress.progress(f"saving {run}", None) as advance:
            saved = intake.save(database, run, folder, step, lambda size: advance(size, f"{folder}"))
        commit_lsn = database.committed()
        waited_s = 0.0
        if wait_s is not None:
            durability.follow(saved.step, saved.cursor, commit_lsn)
            (durable,) = durability.wait(wait_s)
            waited_s = durable.waited_s
        seen = {node.where: node.replayed() for node in standbys}
    if output == "json":
        where = [{"node": node, "replayed": lsn, "durable": lsn >= commit_lsn} for node, lsn in seen.items()]
        render.as_json({"run": run, "step": saved.step, "size": saved.size, "commit_lsn": commit_lsn, "nodes": where})
        return
    render.line(f"{run}/{saved.step}: {saved.size} bytes in {saved.chunks} chunks, committed before {commit_lsn}")
    for node, lsn in seen.items():
        how = f"durable after {waited_s:.1f} s" if lsn >= commit_lsn else f"{commit_lsn - lsn} bytes behind"
        render.line(f"{node}: replayed {lsn}, {how}")
    if not seen:
        render.line("on the primary alone: no standby was named, so it may be lost with this node")
