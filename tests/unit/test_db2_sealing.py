"""What a Db2 sealer takes for committed, where no look shows one moment: entries commit while they are looked at."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.db2.journal import _Sealing


class Running:
    """A database in which transactions write and commit between any two rows of a look.

    Attributes:
        written: each entry's transaction, by number from 1.
        saw: what had committed when it was written.
    """

    def __init__(self, events: Sequence[tuple[int, bool]], seed: int) -> None:
        self._events = list(reversed(events))
        self._draw = random.Random(seed)
        self._times: dict[int, int] = dict.fromkeys((session for session, _ in events), 0)
        self.written: dict[int, tuple[int, int]] = {}
        self.saw: dict[int, set[int]] = {}
        self.committed: set[tuple[int, int]] = set()

    def go_on(self, count: int) -> None:
        """Let so many things happen: a session writes, or commits, and then begins its next transaction."""
        for _ in range(min(count, len(self._events))):
            session, commits = self._events.pop()
            transaction = (session, self._times[session])
            if commits:
                self.committed.add(transaction)
                self._times[session] += 1
            else:
                self.saw[len(self.written) + 1] = {n for n, other in self.written.items() if other in self.committed}
                self.written[len(self.written) + 1] = transaction

    def look(self, last: int) -> list[int]:
        """Look at each entry that is there when its turn comes, in any order."""
        found = []
        for number in self._draw.sample(range(1, 100), 99):
            if self._draw.random() < 0.1:
                self.go_on(self._draw.randint(1, 3))
            if number <= last and self.written.get(number) in self.committed:
                found.append(number)
        return sorted(found)


class Taking(_Sealing):
    """The sealer, looking at that database."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._journal = ""
        self._transaction: Any = self
        self.taken: list[int] = []

    def _unsealed(self, last: int) -> list[int]:
        return self._running.look(last)

    def execute(self, _: object, places: list[dict[str, int]]) -> None:
        """Take the statement that fills the batch."""
        assert [place["place"] for place in places] == list(range(1, len(places) + 1))
        self.taken = [place["entry"] for place in places]


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([False, False, True])), min_size=40, max_size=120),
    st.integers(10, 60),
    st.integers(0, 1 << 16),
)
def test_what_is_taken_is_whole(events: list[tuple[int, bool]], before: int, seed: int) -> None:
    """With an entry come those that its transaction wrote before it, and all that had committed when it was written."""
    running = Running(events, seed)
    running.go_on(before)
    sealer = Taking(running)
    sealer.fill(2)
    taken = set(sealer.taken)
    for number in taken:
        transaction = running.written[number]
        assert transaction in running.committed
        assert taken >= {n for n, other in running.written.items() if other == transaction and n < number}
        assert taken >= running.saw[number]
