"""Checkpoints: artifacts that carry a run's state after a step, and the cursor it was trained up to."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.database import Database
from replicator.position import Cursor, Lsn

KIND = "checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that exists in a database.

    Attributes:
        run: whose.
        step: optimizer steps done.
        artifact_id: where its bytes are.
        cursor: everything before it has been trained on, nothing behind it.
        size: plain bytes.
        chunks: distinct chunks that hold them.
        created_at: when its transaction ran.
    """

    run: str
    step: int
    artifact_id: int
    cursor: Cursor
    size: int
    chunks: int
    created_at: dt.datetime


def record(database: Database, transaction: Connection, run: str, step: int, artifact_id: int, cursor: Cursor) -> None:
    """Give an artifact its meaning, inside the transaction that makes it exist."""
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


def found(database: Database, run: str | None = None) -> list[Checkpoint]:
    """Return the checkpoints of a run (of every run if None), newest first within each."""
    with database.connect() as connection:
        rows = connection.execute(database.statement("store/checkpoints"), {"run": run}).all()
    return [
        Checkpoint(
            row.run,
            row.step,
            row.artifact_id,
            Cursor(Lsn(row.lsn), row.seq, row.timeline),
            row.plain_bytes,
            row.chunks,
            row.created_at,
        )
        for row in rows
    ]


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
    database.timeline_history().check(checkpoints[0].cursor)
    return checkpoints[0]
