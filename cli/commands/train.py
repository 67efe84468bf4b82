"""`hadrian train`: a recipe, run to its last step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import progress, render
from cli.options import Output, examples, format_option, nodes_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainer.recipe import Recipe


@click.command(
    epilog=examples(
        "hadrian train recipe.yaml --node postgresql://user@a/db --node postgresql://user@b/db",
        "HADRIAN_NODES='postgresql://user@a/db postgresql://user@b/db' hadrian train recipe.yaml",
    )
)
@click.argument("recipe", type=click.Path(path_type=Path))
@nodes_option
@click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder for the ranks' log.",
)
@format_option
def command(recipe: Path, nodes: tuple[str, ...], logs: Path, output: Output) -> int:
    """Fine-tune a model on a feed, and resume after anything.

    Reads rows from the standby, writes checkpoints to the primary, and goes on by itself when another node takes
    over. Run it again after a crash of this machine: it resumes from the newest checkpoint it finds in the database.
    """
    from trainer import preflight
    from trainer.launch import Launch
    from trainer.recipe import load

    wanted = load(recipe)
    preflight.check(wanted, nodes)
    logs.mkdir(parents=True, exist_ok=True)
    with Launch(wanted, nodes, logs) as launched:
        _show(wanted, launched.events(), output)
    return 0


def _show(recipe: Recipe, events: Iterable[dict[str, Any]], output: Output) -> None:
    with progress.progress(f"run {recipe.run}", recipe.steps) as advance:
        for event in events:
            if output == "json":
                render.as_json_line(event)
            elif event["event"] == "step":
                advance(0 if event["replayed"] else 1, note=f"step {event['step']}, loss {event['loss']:.4f}")
            else:
                render.line(_told(event))


def _told(event: dict[str, Any]) -> str:
    fields = {name: value for name, value in event.items() if name not in ("event", "time")}
    shown = (f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in fields.items())
    return f"{event['event']}: {', '.join(shown)}"
