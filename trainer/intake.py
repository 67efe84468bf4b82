"""A checkpoint out of files: tensors that somebody saved as safetensors become one in the database.

One tensor is in memory at a time. A folder as transformers saves models (it has a `config.json`) gives weights, which
get the names that a run's have, `model.` before the model's own; others keep theirs. Files with pickles are not read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import safetensors

from replicator import step_journal
from replicator.database import Database
from replicator.errors import BadInput
from replicator.position import Cursor
from replicator.store import checkpoints
from replicator.store.checkpoints import Checkpoint
from replicator.store.reference import Reference
from replicator.store.writer import Writer, publish
from trainer import checkpoint

_PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".distcp"}


def save(
    database: Database, run: str, folder: Path, step: int | None = None, advance: Callable[[int], None] = lambda _: None
) -> Checkpoint:
    """Store the tensors of a folder's safetensors files as a checkpoint of a run, which is made if it is not there.

    Its cursor is where the log stands now: what the tensors were trained on, nobody here knows.

    Args:
        database: the primary.
        run: a run that reads no feed.
        folder: with the files.
        step: how many steps were done; one more than at the run's newest checkpoint if left out.
        advance: called with the bytes of each tensor that was read.

    Raises:
        BadInput: no such files, one that cannot be read, a tensor that two files have, or a run that reads a feed.
        AlreadyThere: the run has a checkpoint at that step.
        DiskFull, QuotaExceeded, NodeLost, NodeUnreachable: it does not exist.
    """
    if Reference.parse(run) != Reference(run):
        raise BadInput(f"{run} is no run's name", hint="leave out what stands behind it, and give --step")
    tensors = _tensors(folder)
    step_journal.open_run(database, run, None, "{}")
    newest = checkpoints.newest(database, run)
    if step is None:
        step = newest.step + 1 if newest is not None else 0
    prefix = "model." if (folder / "config.json").exists() else ""
    writer = Writer(database, run)
    blobs = []
    for name, file in tensors.items():
        with _opened(file) as content:
            blobs.append(checkpoint.put_whole(writer, prefix + name, content.get_tensor(name)))
        writer.flush()  # the tensor's memory is let go
        advance(blobs[-1].size)
    cursor = Cursor(database.committed(), 0, database.timeline_history().timeline)
    with publish(database, checkpoints.KIND, f"{run}/{step}", blobs) as (transaction, artifact_id):
        checkpoints.record(database, transaction, run, step, artifact_id, cursor)
    return next(one for one in checkpoints.found(database, run) if one.step == step)


def _tensors(folder: Path) -> dict[str, Path]:
    """Return which file each tensor is in."""
    tensors: dict[str, Path] = {}
    for file in _files(folder):
        with _opened(file) as content:
            for name in content.keys():  # noqa: SIM118 - it is no dictionary
                if name in tensors:
                    raise BadInput(f"{folder}: two files have tensor {name}", hint="save one under another name")
                tensors[name] = file
    return tensors


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            yield content
    except (safetensors.SafetensorError, OSError) as error:
        raise BadInput(f"{file} cannot be read: {error}", hint="save it again as safetensors") from error


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder", hint="name one with .safetensors files")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLED)
        if pickled:
            raise BadInput(
                f"{folder / pickled[0]} may hold a pickle, which could run code when it is read",
                hint="save the tensors as safetensors where you trust it",
            )
        raise BadInput(f"{folder} has no .safetensors files", hint="save the tensors with safetensors first")
    return files
