"""The step journal: one small logged row for each optimizer step of a run.

Recovery is the newest checkpoint plus a replay of the steps since. Training is deterministic, so a replayed step
must give the bits that its row holds; the first that does not ends the run.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from replicator.database import Database
from replicator.errors import ArtifactMissing, BadInput, ReplayDiverged
from replicator.position import Cursor, Lsn

_LAST_STEP = (1 << 31) - 1
_LAST_LSN = Lsn((1 << 64) - 1)


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step.

    Attributes:
        number: 1 for the first.
        before, after: the cursors around its rows.
        row_count: rows trained on.
        rows_sha256: `replicator.change.rows_digest` over every change between the cursors.
        loss, grad_norm: as they came out of float32, held exactly.
    """

    number: int
    before: Cursor
    after: Cursor
    row_count: int
    rows_sha256: bytes
    loss: float
    grad_norm: float

    def check(self, recorded: Step) -> None:
        """Check that this replayed step is the recorded one, bit by bit.

        Raises:
            ReplayDiverged: it is not; says in what.
        """
        for what in ("before", "after", "row_count", "rows_sha256", "loss", "grad_norm"):
            mine, theirs = getattr(self, what), getattr(recorded, what)
            same = _bits(mine) == _bits(theirs) if isinstance(mine, float) else mine == theirs
            if not same:
                raise ReplayDiverged(f"step {self.number}: {what} is {_show(mine)}, the journal has {_show(theirs)}")


def _bits(value: float) -> bytes:
    return struct.pack(">d", value)


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()[:16]
    return value.hex() if isinstance(value, float) else str(value)


def open_run(database: Database, run: str, feed: str | None, recipe: str) -> None:
    """Make the run exist, or find it as it was begun; without a feed if its checkpoints are saved from files.

    Raises:
        BadInput: it was begun with another feed or recipe.
    """
    with database.begin() as transaction:
        values = {"name": run, "feed": feed, "recipe": recipe}
        transaction.execute(database.statement("run/insert_run"), values)
        row = transaction.execute(database.statement("run/find_run"), {"name": run}).one()
    if (row.feed, row.recipe) != (feed, recipe):
        raise BadInput(f"run {run} was begun with another recipe", hint="give the changed recipe a run name of its own")


def recipe(database: Database, run: str) -> str:
    """Return the recipe that a run was begun with. Raises: ArtifactMissing: no such run here."""
    with database.connect() as connection:
        row = connection.execute(database.statement("run/find_run"), {"name": run}).one_or_none()
    if row is None:
        raise ArtifactMissing(f"{database.where} has no run {run}")
    return str(row.recipe)


def append(database: Database, run: str, step: Step, key_digests: bytes | None = None) -> None:
    """Write one step, in a transaction of its own.

    Args:
        database: the primary.
        run: whose step.
        step: what is compared when it is replayed.
        key_digests: of its rows, as `lineage.RowKeys.digests` gives them; None if the rows' keys are not known.

    Raises:
        NodeLost, NodeUnreachable, DiskFull: nothing was written, or, if the node went during the commit, it was.
    """
    with database.begin() as transaction:
        transaction.execute(
            database.statement("run/insert_step"),
            {
                "run": run,
                "step": step.number,
                "timeline": step.after.timeline,
                "before_lsn": str(step.before.lsn),
                "before_seq": step.before.seq,
                "after_lsn": str(step.after.lsn),
                "after_seq": step.after.seq,
                "row_count": step.row_count,
                "rows_sha256": step.rows_sha256,
                "key_digests": key_digests,
                "loss": step.loss,
                "grad_norm": step.grad_norm,
            },
        )


def newest(
    database: Database, run: str, *, up_to: int | None = None, at: Lsn | None = None
) -> tuple[int, Cursor] | None:
    """Return the newest step of the journal, and the cursor behind it: at or before a step, at or before a position."""
    values = {"run": run, "up_to": _LAST_STEP if up_to is None else up_to, "lsn": str(_LAST_LSN if at is None else at)}
    with database.connect() as connection:
        row = connection.execute(database.statement("run/newest_step"), values).one_or_none()
    return None if row is None else (row.step, Cursor(Lsn(row.lsn), row.seq, row.timeline))


def steps(database: Database, run: str, after: int = 0, up_to: int = _LAST_STEP) -> dict[int, Step]:
    """Return the run's steps behind number `after`, to the end or up to another, by number."""
    with database.connect() as connection:
        values = {"run": run, "after": after, "up_to": up_to}
        rows = connection.execute(database.statement("run/steps"), values).all()
    return {
        row.step: Step(
            row.step,
            Cursor(Lsn(row.before_lsn), row.before_seq, row.timeline),
            Cursor(Lsn(row.after_lsn), row.after_seq, row.timeline),
            row.row_count,
            bytes(row.rows_sha256),
            row.loss,
            row.grad_norm,
        )
        for row in rows
    }
