"""Names that serving pulls by: which checkpoint of a run is `production` now, which was before, and who moved it when.

Such a name is a tag, so `RUN:production` means the checkpoint wherever one is named, and nothing removes it. Each move
is noted with the move that it came from, so a rollback goes to the checkpoint before, and the next one to the one
before that. What was rolled back from is promoted again to go forward. The checkpoint that a rollback would go to is
kept as if it had the tag.

Move and note are one transaction, which holds the run's checkpoints as a removal does: neither takes what the other
needs. A tag that was moved by hand in between is noted when it is moved next.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.database import Database
from replicator.errors import ArtifactMissing, BadInput, NodeLost
from replicator.store import reference
from replicator.store.checkpoints import Checkpoint
from replicator.store.durability import Durability
from replicator.store.standbys import Follower, Wanted

_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Move:
    """A tag's way from one checkpoint to another.

    Attributes:
        number: its place among all moves.
        tag: what was moved.
        step: the checkpoint that it was moved to.
        from_step: the one that it was taken from, or None.
        back_to: the move whose checkpoint a rollback goes to, or None.
        back_step: the step of that.
        promoted_by: the role that did it.
        promoted_at: when.
        in_force: the tag is there now.
    """

    number: int
    tag: str
    step: int
    from_step: int | None
    back_to: int | None
    back_step: int | None
    promoted_by: str
    promoted_at: dt.datetime
    in_force: bool


def moves(database: Database, run: str) -> list[Move]:
    """Return the moves of a run's tags, the newest first."""
    with database.connect() as connection:
        return _moves(database, connection, run)


def _moves(database: Database, connection: Connection, run: str) -> list[Move]:
    return [Move(*row) for row in connection.execute(database.statement("store/promotions"), {"run": run})]


def check_durable(primary: Database, standbys: list[Follower], wanted: Wanted, checkpoint: Checkpoint) -> None:
    """Check that a checkpoint is on the standbys that are asked for, or will be in a moment.

    Raises:
        BadInput: there are not so many, or it is not there.
    """
    wanted.check(standbys)
    name = f"{checkpoint.run}/{checkpoint.step}"
    if not standbys and wanted.count != 0:
        raise BadInput(
            f"checkpoint {name} is on {primary.where} alone: no standby follows it",
            hint="attach a standby, or say that none is wanted (--durable 0)",
        )
    durability = Durability(standbys, wanted)
    durability.poll()
    durability.follow(checkpoint.step, checkpoint.cursor, checkpoint.committed or primary.committed())
    try:
        durability.wait(_WAIT_S)
    except NodeLost as error:
        raise BadInput(f"{name} is not durable: {error}", hint="wait for the standbys, or add --force") from error


def promote(primary: Database, checkpoint: Checkpoint, name: str) -> Move:
    """Move a name to a checkpoint, and return the move; where it is there already, the one that took it there.

    Raises:
        BadInput: no tag can be called that.
        ArtifactMissing: the checkpoint was removed meanwhile.
    """
    reference.check_tag(name)
    with primary.begin() as transaction:
        last = _noted(primary, transaction, checkpoint.run, name)
        if last is None or not last.in_force:
            _move(primary, transaction, checkpoint.run, name, checkpoint.step, None, None)
        elif last.step != checkpoint.step:
            _move(primary, transaction, checkpoint.run, name, checkpoint.step, last.step, last.number)
        return _moved(primary, transaction, checkpoint.run, name)


def roll_back(primary: Database, run: str, name: str) -> Move:
    """Move a name to the checkpoint that it was on before, and return the move.

    Raises:
        ArtifactMissing: the name is on no checkpoint, or the one before was removed.
        BadInput: there is none before.
    """
    with primary.begin() as transaction:
        last = _noted(primary, transaction, run, name)
        if last is None or not last.in_force:
            raise ArtifactMissing(
                f"{primary.where}: run {run} has no checkpoint promoted as {name}",
                hint=f"promote one: hadrian checkpoint promote {run}/STEP --as {name}",
            )
        before = next((one for one in _moves(primary, transaction, run) if one.number == last.back_to), None)
        if before is None:
            raise BadInput(
                f"{run}:{name} was on no checkpoint before {last.step}",
                hint=f"promote another: hadrian checkpoint promote {run}/STEP --as {name}",
            )
        _move(primary, transaction, run, name, before.step, last.step, before.back_to)
        return _moved(primary, transaction, run, name)


def _noted(primary: Database, transaction: Connection, run: str, name: str) -> Move | None:
    """Hold the run's checkpoints, and return the name's last move, behind which one by hand has been noted."""
    transaction.execute(primary.statement("store/lock_checkpoints"), {"run": run})
    tags = {row.tag: row.step for row in transaction.execute(primary.statement("store/tags"), {"run": run})}
    last = next((one for one in _moves(primary, transaction, run) if one.tag == name), None)
    if name not in tags or (last is not None and last.in_force):
        return last
    before = (None, None) if last is None else (last.step, last.number)
    _move(primary, transaction, run, name, tags[name], *before)
    return _moved(primary, transaction, run, name)


def _move(
    primary: Database,
    transaction: Connection,
    run: str,
    name: str,
    step: int,
    from_step: int | None,
    back_to: int | None,
) -> None:
    values = {"run": run, "tag": name, "step": step}
    if transaction.execute(primary.statement("store/move_tag"), values).rowcount == 0:
        raise ArtifactMissing(f"{primary.where}: run {run} has no checkpoint {step} any more")
    noted = values | {"from_step": from_step, "back_to": back_to}
    transaction.execute(primary.statement("store/insert_promotion"), noted)


def _moved(primary: Database, transaction: Connection, run: str, name: str) -> Move:
    return next(one for one in _moves(primary, transaction, run) if one.tag == name)
