"""Who trains a run, held by sessions on the primary: any number may train, and nobody meanwhile takes steps away.

The lock goes with its session, so a trainer that dies holds nothing, and a takeover leaves it with the old primary.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from sqlalchemy import Connection

from replicator.errors import RunInUse
from replicator.postgres.connection import Server

_DEAD_S = 3.0  # a trainer that was killed holds its lock until the server notices
_POLL_S = 0.1


@contextlib.contextmanager
def training(primary: Server, run: str) -> Iterator[None]:
    """Keep others from taking steps of the run away; waits while somebody does. Raises: NodeUnreachable, NodeLost."""
    with primary.autocommit() as connection:
        try:
            connection.execute(primary.statement("run/keep_session"))
            connection.execute(primary.statement("run/lock_shared"), {"run": run})
            yield
        finally:
            connection.invalidate()  # the lock goes with the session, so that must not go back to the pool


def exclude(primary: Server, transaction: Connection, run: str) -> None:
    """Keep the run from being trained until the transaction ends. Raises: RunInUse: somebody trains it."""
    deadline = time.monotonic() + _DEAD_S
    while not transaction.execute(primary.statement("run/lock_alone"), {"run": run}).scalar_one():
        if time.monotonic() > deadline:
            raise RunInUse(f"{primary.where}: run {run} is being trained")
        time.sleep(_POLL_S)
