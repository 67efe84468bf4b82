"""A publisher and its subscriber, as rounds look at rows: what each has, and when the subscriber had time to get it.

A commit is in the publisher's log, and may be on the subscriber, before the publisher shows it: while a synchronous
standby lets it wait, and in the moment between. So the transactions that were open when the subscriber was read are
asked for, and whether they are over when the publisher is read again.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from replicator.position import Lsn
from replicator.postgres.verify.reader import Reader
from replicator.postgres.verify.row_image import Key, Rows
from replicator.postgres.verify.subscribed import Subscribed
from replicator.settling import Sight

_POLL_S = 0.02
_MOMENT_S = 0.2


class SubscriptionNodes:
    """The two, as `settling.judged` looks at rows of a table.

    Args:
        publisher: the publisher.
        here: the rows there.
        there: those on the subscriber.
        table: which subscriptions it comes by.
        patient: whether to wait for them at all.

    Attributes:
        waits_for: what the subscriber lacked when the time was over.
    """

    def __init__(self, publisher: Reader, here: Rows, there: Rows, table: Subscribed, *, patient: bool) -> None:
        self._publisher = publisher
        self._here = here
        self._there = there
        self._table = table
        self._patient = patient
        self._writers: set[str] = set()
        self._rounds = 0
        self._position = Lsn(0)
        self.waits_for = ""

    def primary(self, keys: Collection[Key]) -> tuple[dict[Key, Sight], bool]:
        """As `settling.Nodes.primary`.

        Every other round looks at once: a row that is written to all the time is the same for moments only.
        """
        self._rounds += 1
        clear = not self._writers or (self._rounds % 2 == 1 and self._are_over(self._writers))
        seen = self._here.sights(list(keys))
        self._position = self._publisher.log_position()
        return seen, clear

    def has_caught_up(self, deadline: float) -> bool:
        """As `settling.Nodes.has_caught_up`, for each subscription that the table comes by."""
        slots = list(self._table.slots)
        while True:
            confirmed = self._publisher.ask("verify/confirmed", slots=slots)[0].lsn
            if confirmed is not None and Lsn(confirmed) >= self._position:
                return True
            if not self._patient or time.monotonic() >= deadline:
                names = ", ".join(self._table.subscriptions)
                self.waits_for = f"subscription {names} has not come to {self._position} in time"
                return False
            time.sleep(_POLL_S)

    def follower(self, keys: Collection[Key]) -> dict[Key, Sight]:
        """As `settling.Nodes.follower`."""
        seen = self._there.sights(list(keys))
        self._writers = self._open()
        return seen

    def _open(self) -> set[str]:
        return set(self._publisher.ask("verify/writers")[0].xids)

    def _are_over(self, writers: set[str]) -> bool:
        """Return whether transactions are over; most are, after a moment."""
        until = time.monotonic() + _MOMENT_S
        while writers and (writers := writers & self._open()):
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL_S)
        return True
