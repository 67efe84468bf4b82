"""Which checkpoints are kept, and how others are removed.

A removal deletes the checkpoint's row, its tags, its artifact and the artifact's list of chunks; the chunks stay until
`collector.collect` finds that nothing holds them and their grace is over. What keeps this safe:

- *The newest stays.* The slot has forgotten the rows before the newest durable checkpoint, so a run cannot go on from
  another. The removal comes behind that checkpoint in the log, so no node ever has neither.
- *A tag keeps*, and a promoted name keeps the checkpoint that it would be rolled back to. The run's checkpoints are
  locked before their tags are looked at. Whoever tags one meanwhile waits for that lock, and then finds the checkpoint
  there or gone.
- *A checkpoint that is being published* is a new row, which the lock does not touch; a foreign key holds its chunks.
- *A reader* who is half-way through gets to the end: removal lets the chunks go, and their grace begins then.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.database import Database
from replicator.errors import ArtifactMissing, BadInput
from replicator.store.reference import Reference


@dataclass(frozen=True, slots=True)
class Standing:
    """A checkpoint, and what may speak for keeping it.

    Attributes:
        step: optimizer steps done.
        artifact_id: where its bytes are.
        size: plain bytes.
        created_at: when it was published.
        loss: of its step, by the step journal; None where that does not tell.
        tags: its names.
        rolls_back: names that a rollback would give it.
    """

    step: int
    artifact_id: int
    size: int
    created_at: dt.datetime
    loss: float | None
    tags: tuple[str, ...]
    rolls_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept; tagged checkpoints always are.

    Attributes:
        last: so many of the newest, at least one.
        every: those whose step is a multiple of this; None for none.
        best: so many of the lowest loss.
    """

    last: int
    every: int | None = None
    best: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a checkpoint.

    Attributes:
        checkpoint: which.
        reasons: why it is kept; none at all if it is not.
    """

    checkpoint: Standing
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """What was removed, or would be.

    Attributes:
        decisions: each checkpoint that was looked at, the newest first.
        chunks: held by what is removed and by no other artifact: the collector's, once their grace is over.
        stored_bytes: what these take.
    """

    decisions: tuple[Decision, ...]
    chunks: int
    stored_bytes: int

    @property
    def removed(self) -> list[Standing]:
        """What is not kept."""
        return [decision.checkpoint for decision in self.decisions if not decision.reasons]


def plan(checkpoints: Sequence[Standing], keep: Keep) -> tuple[Decision, ...]:
    """Decide what is kept of a run's checkpoints, the newest first. Raises: BadInput: not even the newest."""
    if keep.last < 1 or keep.best < 0 or (keep.every is not None and keep.every < 1):
        raise BadInput("a run needs its newest checkpoint to go on", hint="keep at least one: --keep-last 1")
    ordered = sorted(checkpoints, key=lambda one: one.step, reverse=True)
    # A loss that is not a number is the worst there is; of two that are equal the newer is the better.
    told = [one for one in ordered if one.loss is not None and not math.isnan(one.loss)]
    best = {one.step for one in sorted(told, key=lambda one: (one.loss, -one.step))[: keep.best]}
    decisions = []
    for number, one in enumerate(ordered):
        reasons = [
            *(["newest"] if number < keep.last else []),
            *([f"every {keep.every}"] if keep.every is not None and one.step % keep.every == 0 else []),
            *(["best"] if one.step in best else []),
            *(f"tag {tag}" for tag in one.tags),
            *(f"rollback of {tag}" for tag in one.rolls_back),
        ]
        decisions.append(Decision(one, tuple(reasons)))
    return tuple(decisions)


def standing(database: Database, connection: Connection, run: str) -> list[Standing]:
    """Return a run's checkpoints, the newest first. Raises: ArtifactMissing: it has none."""
    found: dict[int, Standing] = {}
    for row in connection.execute(database.statement("store/standing_checkpoints"), {"run": run}):
        one = Standing(row.step, row.artifact_id, row.plain_bytes, row.created_at, row.loss, ())
        one = found.get(row.step, one)
        if row.rolls_back:
            one = dataclasses.replace(one, rolls_back=(*one.rolls_back, row.tag))
        elif row.tag is not None:
            one = dataclasses.replace(one, tags=(*one.tags, row.tag))
        found[row.step] = one
    if not found:
        raise ArtifactMissing(f"{database.where}: run {run} has no checkpoint")
    return list(found.values())


def prune(primary: Database, run: str, keep: Keep, *, dry_run: bool) -> Removal:
    """Remove what is not kept of a run's checkpoints, all of it or nothing.

    Raises:
        BadInput: not even the newest would be kept.
        ArtifactMissing: the run has no checkpoint.
        NodeLost, NodeUnreachable: nothing was removed (or the commit is in doubt, and `plan` tells).
    """
    if dry_run:
        with primary.connect() as connection:
            return _measured(primary, connection, plan(standing(primary, connection, run), keep))
    with primary.begin() as transaction:
        _lock(primary, transaction, [run])
        removal = _measured(primary, transaction, plan(standing(primary, transaction, run), keep))
        _delete(primary, transaction, removal.removed)
    return removal


def remove(primary: Database, references: Sequence[Reference], *, force: bool) -> dict[str, Removal]:
    """Remove checkpoints that are named by step or tag, all of them or none, and return what went of each run.

    Raises:
        BadInput: without `force`, one of them is tagged, or the newest of its run.
        ArtifactMissing: one of them is not there.
        NodeLost, NodeUnreachable: as `prune`.
    """
    gone = {}
    with primary.begin() as transaction:
        runs = sorted({reference.run for reference in references})
        _lock(primary, transaction, runs)
        for run in runs:
            checkpoints = standing(primary, transaction, run)
            wanted = {_named(primary, checkpoints, one).step: one for one in references if one.run == run}
            chosen = [one for one in checkpoints if one.step in wanted]
            if not force:
                _check_free(run, checkpoints[0], chosen)
            gone[run] = _measured(primary, transaction, tuple(Decision(one, ()) for one in chosen))
            _delete(primary, transaction, chosen)
    return gone


def remove_behind(
    primary: Database, connection: Connection, run: str, step: int, *, force: bool, dry_run: bool
) -> Removal:
    """Remove a run's checkpoints behind a step, in a transaction of the caller's; with `dry_run`, only say which.

    Raises:
        BadInput: without `force`, one of them is tagged, or what a name would be rolled back to.
        ArtifactMissing: the run has no checkpoint.
    """
    if not dry_run:
        _lock(primary, connection, [run])
    chosen = [one for one in standing(primary, connection, run) if one.step > step]
    if not force:
        _check_unnamed(run, chosen)
    removal = _measured(primary, connection, tuple(Decision(one, ()) for one in chosen))
    if not dry_run:
        _delete(primary, connection, chosen)
    return removal


def _named(primary: Database, checkpoints: Sequence[Standing], reference: Reference) -> Standing:
    if reference.step is None and reference.tag is None:
        raise BadInput(f"{reference.run} names a run and no checkpoint", hint="write it as RUN/STEP or RUN:TAG")
    for one in checkpoints:
        if one.step == reference.step or reference.tag in one.tags:
            return one
    name = f"no checkpoint {reference.step}" if reference.tag is None else f"no tag {reference.tag}"
    raise ArtifactMissing(f"{primary.where}: run {reference.run} has {name}")


def _check_free(run: str, newest: Standing, chosen: Sequence[Standing]) -> None:
    _check_unnamed(run, chosen)
    if newest in chosen:
        raise BadInput(
            f"checkpoint {run}/{newest.step} is the newest of its run: the feed may have forgotten the rows before it",
            hint="keep it, or add --force and give up going on with the run",
        )


def _check_unnamed(run: str, chosen: Sequence[Standing]) -> None:
    for one in chosen:
        if one.tags:
            raise BadInput(
                f"checkpoint {run}/{one.step} is tagged {', '.join(one.tags)}",
                hint=f"take the tag away first (hadrian checkpoint tag {run}/{one.step} {one.tags[0]} --delete), "
                "or add --force",
            )
        if one.rolls_back:
            raise BadInput(
                f"checkpoint {run}/{one.step} is what {', '.join(one.rolls_back)} would be rolled back to",
                hint="promote another first, or add --force",
            )


def _lock(primary: Database, transaction: Connection, runs: Sequence[str]) -> None:
    transaction.execute(primary.statement("store/lock_removal"))
    for run in runs:
        transaction.execute(primary.statement("store/lock_checkpoints"), {"run": run})


def _measured(database: Database, connection: Connection, decisions: tuple[Decision, ...]) -> Removal:
    doomed = [decision.checkpoint.artifact_id for decision in decisions if not decision.reasons]
    row = connection.execute(database.statement("store/held_alone"), {"artifact_ids": doomed}).one()
    return Removal(decisions, row.chunks, row.stored_bytes)


def _delete(primary: Database, transaction: Connection, checkpoints: Sequence[Standing]) -> None:
    for one in checkpoints:
        values = {"artifact_id": one.artifact_id}
        transaction.execute(primary.statement("store/delete_checkpoint"), values)
        transaction.execute(primary.statement("feed/delete_artifact"), values)
