"""A feed's spare slots follow its durable checkpoints, on a thread of their own.

A spare's node may be slow, far behind or away, and no step waits for it: what cannot be done now is told and tried
again. Only when a session ends is what is under way waited for, because the next session may read from that slot.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from replicator.errors import HadrianError
from replicator.position import Cursor
from replicator.postgres import spare
from replicator.postgres.adapter import PostgresDatabase

_RETRY_S = 2.0
_SETTLE_TIMEOUT_S = 20.0
_CLOSE_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Behind:
    """A node on which a spare slot could not be advanced, should it have one.

    Attributes:
        where: its address.
        message: why.
    """

    where: str
    message: str


class Spares:
    """Advances a slot on every node that has it.

    Calls: `follow`, `told` and `settle` in any order, `close` last, always.

    Args:
        nodes: every node but the one that is read; one without the slot is passed over.
        slot: its name.
    """

    def __init__(self, nodes: Sequence[PostgresDatabase], slot: str) -> None:
        self._slot = slot
        self._nodes = [PostgresDatabase(node.url) for node in nodes]  # the ranks close theirs as they please
        self._changed = threading.Condition()
        self._goal: tuple[Cursor, Cursor] | None = None
        self._tried: tuple[Cursor, Cursor] | None = None
        self._told: list[Behind] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"spares {slot}", daemon=True)
        self._thread.start()

    def follow(self, cursor: Cursor, committed: Cursor) -> None:
        """Advance to a durable checkpoint's cursor; `committed` is behind its commit, on the commit's timeline."""
        with self._changed:
            self._goal = (cursor, committed)
            self._changed.notify_all()

    def told(self) -> list[Behind]:
        """Return what went wrong since the last call: of each node once, until it fails for another reason."""
        with self._changed:
            told, self._told = self._told, []
            return told

    def settle(self) -> None:
        """Wait until every node has been tried with the newest checkpoint, but not for one that does not answer."""
        with self._changed:
            self._changed.wait_for(lambda: self._tried == self._goal, timeout=_SETTLE_TIMEOUT_S)

    def close(self) -> None:
        """Stop, once what is under way has ended: a slot that is being advanced cannot be read from."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        behind: dict[PostgresDatabase, type[HadrianError] | None] = {}
        while (goal := self._next_goal(retry=bool(behind))) is not None:
            for node in self._nodes:
                if not self._stopped and (goal != self._tried or node in behind):
                    self._try(node, goal, behind)
            with self._changed:
                self._tried = goal
                self._changed.notify_all()
        for node in self._nodes:
            node.close()

    def _next_goal(self, *, retry: bool) -> tuple[Cursor, Cursor] | None:
        """Wait for a new goal, or until the old one is to be tried again; None once stopped."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or self._goal != self._tried, timeout=_RETRY_S if retry else None
            )
            return None if self._stopped else self._goal

    def _try(
        self,
        node: PostgresDatabase,
        goal: tuple[Cursor, Cursor],
        behind: dict[PostgresDatabase, type[HadrianError] | None],
    ) -> None:
        try:
            if spare.advance(node, self._slot, *goal):
                behind.pop(node, None)
            else:
                behind[node] = None  # it lags, and needs no word
        except HadrianError as error:
            if behind.get(node) is not type(error):
                with self._changed:
                    self._told.append(Behind(node.where, str(error)))
            behind[node] = type(error)
            node.close()
