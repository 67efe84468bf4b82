"""`hadrian recover`: the state after any step, built again."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import progress, render
from cli.options import Output, examples, format_option, nodes_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from replicator.recovery import Leg, Plan


@click.command(
    epilog=examples(
        "hadrian recover drill --node postgresql://user@a/db --node postgresql://user@b/db",
        "hadrian recover drill --to 1234 --out drill-1234",
        "hadrian recover drill --verify --slot drill_archive",
    )
)
@click.argument("run")
@nodes_option
@click.option("--to", "step", metavar="STEP", type=click.IntRange(min=1), help="This step of the journal.")
@click.option("--at", metavar="LSN", help="The newest step whose rows were all committed before this position.")
@click.option("--verify", is_flag=True, help="Replay from each checkpoint to the next, compare, and write nothing.")
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write safetensors into this folder, and nothing into the database.",
)
@click.option("--slot", help="Another slot that keeps the run's rows; the recipe's or the feed's own if left out.")
@click.option("--model", help="Where the model is now that the run began with; the recipe's if left out.")
@click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder for the ranks' log.",
)
@format_option
def command(
    run: str,
    nodes: tuple[str, ...],
    step: int | None,
    at: str | None,
    folder: Path | None,
    slot: str | None,
    model: str | None,
    logs: Path,
    output: Output,
    *,
    verify: bool,
) -> int:
    """Build the state of RUN after a step of its journal again, by default after the last.

    It begins with the newest whole checkpoint at or before the step and trains on the same rows as the run did, on as
    many ranks, and every step must give the bits that the journal has. The state becomes a checkpoint of the run, or
    with --out files. Rows are read aside: no slot moves. Where they are no longer kept, it says which steps can be had.

    --verify: exit code 1 where a checkpoint is not what the steps before it come to; its tensors are named.
    """
    if sum((step is not None, at is not None, verify)) > 1 or (verify and folder is not None):
        raise BadInput("--to, --at and --verify ask for different things, and --verify writes nothing")
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{folder} is not empty", hint="name a folder that is not there yet")
    try:
        from trainer.launch import Launch
        from trainer.recipe import parse
    except ImportError as error:
        raise BadInput(f"replaying needs {error.name}", hint="pip install 'hadrian-wal[train]'") from error
    from replicator.position import Lsn
    from replicator.postgres.adapter import PostgresDatabase
    from replicator.recovery import Run

    with contextlib.ExitStack() as opened:
        found = Run([opened.enter_context(contextlib.closing(PostgresDatabase(url))) for url in nodes], run)
        content = json.loads(found.recipe)
        content["model"] |= {"path": model} if model is not None else {}
        content["feed"] |= {"slot": slot} if slot is not None else {}
        recipe = parse(content, f"the recipe of run {run}")
        feed = recipe.feed
        if verify:
            plan = found.between_checkpoints(feed.name, feed.slot)
        else:
            plan = found.to(feed.name, feed.slot, step=step, at=Lsn(at) if at is not None else None)
            leg = plan.legs[0]
            if folder is None and leg.artifact_id is not None:
                return _already_there(run, leg, output)
            if folder is None:
                found.check_writable()
    logs.mkdir(parents=True, exist_ok=True)
    planned = (logs / f"{run}-plan.json").absolute()  # of a long run it is longer than an argument may be
    planned.write_text(json.dumps(plan.to_json()), encoding="utf-8")
    what = ["compare" if verify else "recover", str(planned), *([str(folder.absolute())] if folder else [])]
    with Launch(recipe, nodes, logs, replay=what, max_restarts=0) as launched:
        events = _followed(run, plan, launched.events())
    return _compared(plan, events, output) if verify else _recovered(run, events, output)


def _already_there(run: str, leg: Leg, output: Output) -> int:
    if output == "json":
        render.as_json(_told(run, leg.end, leg.end, str(leg.cursor)))
    else:
        name = f"{run}/{leg.end}"
        render.line(f"step {leg.end} has checkpoint {name} (hadrian checkpoint verify, pull): nothing to replay")
    return 0


def _told(run: str, step: int, begin: int, cursor: str, **more: Any) -> dict[str, Any]:
    """Return what JSON says of a step; what is not known of one that was not built again is null."""
    known: dict[str, Any] = {"damaged": [], "files": [], "sha256": None, "stored_bytes": None}
    return {"run": run, "step": step, "begin": begin, "cursor": cursor, **known, **more}


def _followed(run: str, plan: Plan, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Show the steps as they are done, and return what else was told."""
    told = []
    legs = plan.legs if plan.legs[0].end != plan.legs[-1].end else plan.legs[:1]
    with progress.progress(f"replaying {run}", sum(leg.end - leg.start.step for leg in legs)) as advance:
        for event in events:
            if event["event"] == "step":
                advance(note=f"step {event['step']}, loss {event['loss']:.4f}")
            else:
                told.append(event)
    return told


def _recovered(run: str, events: Sequence[dict[str, Any]], output: Output) -> int:
    by_name = {event["event"]: event for event in events}
    finished = by_name["finished"]
    step, begin = finished["step"], finished["begin"]
    files = by_name.get("written", {}).get("files", [])
    stored = by_name.get("checkpoint")
    damaged = [event["step"] for event in events if event["event"] == "damaged"]
    if output == "json":
        sent = None if stored is None else stored["stored_bytes"]
        more = {"damaged": damaged, "files": files, "sha256": finished["digest"], "stored_bytes": sent}
        render.as_json(_told(run, step, begin, finished["cursor"], **more))
        return 0
    for one in damaged:
        render.line(f"checkpoint {run}/{one} is damaged, so an older one was taken")
    since = f"from checkpoint {run}/{begin}" if begin else "from the beginning"
    render.line(f"step {step}, cursor {finished['cursor']}: {step - begin} steps {since}, to the bits of the journal")
    render.line(f"SHA-256 of the state: {finished['digest']}")
    for file in files:
        render.line(file)
    if stored is not None:
        from cli.findings import size

        render.line(f"stored as checkpoint {run}/{step}, {size(stored['stored_bytes'])} sent")
    return 0


def _compared(plan: Plan, events: Sequence[dict[str, Any]], output: Output) -> int:
    legs = [event for event in events if event["event"] == "compared"]
    if output == "json":
        columns = ("begin", "step", "differ", "problem")
        compared = [{column: leg[column] for column in columns} for leg in legs]
        render.as_json({"compared": compared, "unread": plan.unread})
    else:
        rows = [(leg["begin"], leg["step"], _verdict(leg), leg["problem"] or ", ".join(leg["differ"])) for leg in legs]
        rows += [(begin, end, "not replayed", "its rows are no longer kept") for begin, end in plan.unread]
        render.table("", ("from", "to", "checkpoint", "what"), sorted(rows))
    return 1 if any(leg["differ"] or leg["problem"] for leg in legs) else 0


def _verdict(leg: dict[str, Any]) -> str:
    if leg["problem"]:
        return "not reached"
    return "differs" if leg["differ"] else "the same bits"
