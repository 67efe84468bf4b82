"""`hadrian checkpoint pull`: a checkpoint as files."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from cli import progress, render
from cli.options import Output, examples, format_option, node_option
from replicator.errors import BadInput

_URL = "postgresql://user@host:5432/database"


@click.command(
    epilog=examples(
        f"hadrian checkpoint pull drill --to drill --node {_URL}",
        "hadrian checkpoint pull drill/21 --to drill-21 --form hf --model HuggingFaceTB/SmolLM2-135M-Instruct",
    )
)
@click.argument("checkpoint", metavar="RUN[/STEP|:TAG]")
@node_option
@click.option("--to", "folder", metavar="DIR", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--form",
    type=click.Choice(["safetensors", "hf", "dcp"]),
    default="safetensors",
    show_default=True,
    help="All of the state as safetensors; the weights as transformers loads them; or all as torch's own format.",
)
@click.option(
    "--model", help="For hf: the model whose configuration and tokenizer come along; the recipe's if left out."
)
@format_option
def pull(checkpoint: str, node: str, folder: Path, form: str, model: str | None, output: Output) -> None:
    """Write a checkpoint into folder DIR, the newest of the run if neither step nor tag is given.

    Every byte is checked against its digest. Interrupted, run it again: files that are whole stay.
    """
    try:
        from trainer import export
        from trainer.recipe import parse
    except ImportError as error:
        raise BadInput(f"pulling a checkpoint needs {error.name}", hint="pip install 'hadrian-wal[train]'") from error
    from replicator import engines, step_journal
    from replicator.store import reference

    with contextlib.closing(engines.database(node)) as database:
        found = reference.find(database, reference.Reference.parse(checkpoint))
        if form == "hf" and model is None:
            model = parse(json.loads(step_journal.recipe(database, found.run)), f"run {found.run}").model.path
        with progress.progress(f"pulling {found.run}/{found.step}", found.size) as advance:
            files = export.pull(database, found, folder, form, model, advance)  # type: ignore[arg-type]
    if output == "json":
        render.as_json({"run": found.run, "step": found.step, "cursor": found.cursor, "files": files})
        return
    for file in files:
        render.line(str(file))
