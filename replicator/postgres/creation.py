"""One creator of a feed at a time, held by its session on the primary."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from replicator.errors import SlotInUse
from replicator.postgres.connection import Server

_DEAD_S = 5.0  # a creator that was killed holds its lock until the server notices
_POLL_S = 0.1


@contextlib.contextmanager
def creating(primary: Server, feed: str) -> Iterator[None]:
    """Keep others from creating or dropping a feed of this name. Raises: SlotInUse while somebody does."""
    deadline = time.monotonic() + _DEAD_S
    with primary.autocommit() as connection:
        try:
            while not connection.execute(primary.statement("feed/lock_creation"), {"feed": feed}).scalar_one():
                if time.monotonic() > deadline:
                    hint = "wait for that to end, then run the command again"
                    raise SlotInUse(f"{primary.where}: feed {feed} is being created by somebody else", hint=hint)
                time.sleep(_POLL_S)
            yield
        finally:
            connection.invalidate()  # the lock goes with the session, so that must not go back to the pool
