"""Checkpoints: artifacts that carry a run's state after a step, and the cursor it was trained up to."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from replicator.database import Database
from replicator.errors import ArtifactMissing, StoreCorrupt
from replicator.position import Cursor, Lsn
from replicator.store import quota, reader

KIND = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that exists in a database.

    Attributes:
        run: whose.
        step: optimizer steps done.
        artifact_id: where its bytes are.
        cursor: everything before it has been trained on, nothing behind it.
        read_from: where reading goes on: the cursor, or further on if the log holds nothing for the feed in between.
        committed: a position behind its commit; None where nobody noted one.
        size: plain bytes.
        chunks: distinct chunks that hold them.
        created_at: when its transaction ran.
    """

    run: str
    step: int
    artifact_id: int
    cursor: Cursor
    read_from: Cursor
    committed: Lsn | None
    size: int
    chunks: int
    created_at: dt.datetime


def record(database: Database, transaction: Connection, run: str, step: int, artifact_id: int, cursor: Cursor) -> None:
    """Give an artifact its meaning, inside the transaction that makes it exist.

    Raises:
        QuotaExceeded: with it the run's checkpoints would take more than they may.
    """
    transaction.execute(
        database.statement("store/insert_checkpoint"),
        {
            "run": run,
            "step": step,
            "artifact_id": artifact_id,
            "timeline": cursor.timeline,
            "lsn": str(cursor.lsn),
            "seq": cursor.seq,
        },
    )
    quota.check(database, transaction, run)


def note_commit(database: Database, run: str, step: int) -> Lsn:
    """Return a position behind the commit of a checkpoint that exists, and note it beside the checkpoint."""
    committed = database.committed()
    with database.begin() as transaction:
        transaction.execute(database.statement("store/note_commit"), {"run": run, "step": step, "lsn": str(committed)})
    return committed


def pass_over(database: Database, run: str, step: int, cursor: Cursor) -> None:
    """Note that the log holds nothing for the run's feed between a checkpoint's cursor and this one."""
    with database.begin() as transaction:
        transaction.execute(
            database.statement("store/pass_over"),
            {"run": run, "step": step, "lsn": str(cursor.lsn), "timeline": cursor.timeline},
        )


def found(database: Database, run: str | None = None) -> list[Checkpoint]:
    """Return the checkpoints of a run (of every run if None), newest first within each."""
    with database.connect() as connection:
        rows = connection.execute(database.statement("store/checkpoints"), {"run": run}).all()
    return [_checkpoint(row) for row in rows]


def _checkpoint(row: Row[Any]) -> Checkpoint:
    cursor = Cursor(Lsn(row.lsn), row.seq, row.timeline)
    passed = None if row.passed_lsn is None else Cursor(Lsn(row.passed_lsn), 0, row.passed_timeline)
    committed = None if row.committed_lsn is None else Lsn(row.committed_lsn)
    return Checkpoint(
        row.run,
        row.step,
        row.artifact_id,
        cursor,
        passed or cursor,
        committed,
        row.plain_bytes,
        row.chunks,
        row.created_at,
    )


def newest(database: Database, run: str) -> Checkpoint | None:
    """Return the run's newest checkpoint on this database's timeline, or None.

    A checkpoint reaches a timeline only through the log, behind the rows it was trained on, so what is found
    here is of here; that its cursor lies before the fork is checked all the same.

    Raises:
        TimelineForked: it does not, so the row was not brought by replication.
    """
    checkpoints = found(database, run)
    if not checkpoints:
        return None
    database.timeline_history().check(checkpoints[0].read_from)
    return checkpoints[0]


def is_there(database: Database, artifact_id: int) -> bool:
    """Return whether the artifact still exists, whatever its content."""
    try:
        reader.manifest(database, artifact_id)
    except ArtifactMissing:
        return False
    except StoreCorrupt:
        pass
    return True


@contextlib.contextmanager
def reading(database: Database, artifact_id: int) -> Iterator[None]:
    """Tell a checkpoint that is removed while it is read, and whose chunks are then gone, from one that is corrupt.

    Raises:
        ArtifactMissing: it was removed.
    """
    try:
        yield
    except StoreCorrupt as error:
        if is_there(database, artifact_id):
            raise
        raise removed(database, artifact_id) from error


def removed(database: Database, artifact_id: int) -> ArtifactMissing:
    """Return the error for a checkpoint that was removed while it was read."""
    return ArtifactMissing(
        f"{database.where}: the checkpoint that is artifact {artifact_id} was removed while it was read",
        hint="take a newer one: hadrian checkpoint list",
    )
