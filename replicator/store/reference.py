"""How a checkpoint is named: `RUN` for the newest of a run, `RUN/STEP`, `RUN:TAG`; and the tags themselves.

A tag names a checkpoint and keeps it: neither `prune` nor `remove` takes a checkpoint that has one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from replicator.database import Database
from replicator.errors import AlreadyThere, ArtifactMissing, BadInput
from replicator.store import checkpoints
from replicator.store.checkpoints import Checkpoint

_REFERENCE = re.compile(r"([^/:\s]{1,200})(?:/([0-9]{1,9})|:(\S{1,100}))?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A checkpoint's name; with neither step nor tag it is the newest of its run.

    Attributes:
        run: whose.
        step: optimizer steps done, or None.
        tag: a name given to it, or None.
    """

    run: str
    step: int | None = None
    tag: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `RUN`, `RUN/STEP` or `RUN:TAG`. Raises: BadInput."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise BadInput(f"not a checkpoint: {text!r}", hint="write it as RUN, RUN/STEP or RUN:TAG")
        run, step, tag = match.groups()
        return cls(run, int(step) if step else None, check_tag(tag) if tag else None)


def check_tag(tag: str) -> str:
    """Return the tag. Raises: BadInput: no checkpoint can be named so."""
    if _TAG.fullmatch(tag) is None:
        raise BadInput(f"not a tag: {tag!r}", hint="use up to 100 letters, digits, and . _ - behind the first")
    return tag


def find(database: Database, reference: Reference) -> Checkpoint:
    """Return the checkpoint that a reference names on this node. Raises: ArtifactMissing."""
    step = reference.step if reference.tag is None else tags(database, reference.run).get(reference.tag)
    if reference.tag is not None and step is None:
        raise ArtifactMissing(f"{database.where}: run {reference.run} has no tag {reference.tag}")
    for checkpoint in checkpoints.found(database, reference.run):
        if step in (None, checkpoint.step):
            return checkpoint
    what = "no checkpoint" if step is None else f"no checkpoint {step}"
    raise ArtifactMissing(f"{database.where}: run {reference.run} has {what}")


def tags(database: Database, run: str) -> dict[str, int]:
    """Return the step of each of a run's tags."""
    with database.connect() as connection:
        rows = connection.execute(database.statement("store/tags"), {"run": run}).all()
    return {row.tag: row.step for row in rows}


def tag(primary: Database, checkpoint: Checkpoint, name: str, *, move: bool) -> None:
    """Give a checkpoint a tag; with `move`, take it from the checkpoint of the run that has it.

    Raises:
        BadInput: no tag can be called that.
        AlreadyThere: another checkpoint of the run has the tag.
        ArtifactMissing: the checkpoint was removed meanwhile.
    """
    values = {"run": checkpoint.run, "step": checkpoint.step, "tag": check_tag(name)}
    try:
        with primary.begin() as transaction:
            statement = primary.statement("store/move_tag" if move else "store/insert_tag")
            if transaction.execute(statement, values).rowcount == 0:
                raise ArtifactMissing(f"checkpoint {checkpoint.run}/{checkpoint.step} was removed just now")
    except AlreadyThere as error:
        step = tags(primary, checkpoint.run).get(name)
        if step == checkpoint.step:
            return
        raise AlreadyThere(f"tag {name} is on {checkpoint.run}/{step}", hint="add --move to put it here") from error


def untag(primary: Database, checkpoint: Checkpoint, name: str) -> None:
    """Take a tag from a checkpoint. Raises: ArtifactMissing: it does not have it."""
    values = {"run": checkpoint.run, "step": checkpoint.step, "tag": name}
    with primary.begin() as transaction:
        if transaction.execute(primary.statement("store/delete_tag"), values).rowcount == 0:
            raise ArtifactMissing(
                f"checkpoint {checkpoint.run}/{checkpoint.step} has no tag {name}",
                hint=f"look at its tags: hadrian checkpoint show {checkpoint.run}/{checkpoint.step}",
            )
