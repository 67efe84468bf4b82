"""A feed over lists: its order, its cursors, and what it asks of its stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Op
from replicator.errors import FeedBroken, NodeLost
from replicator.feed.definition import Definition
from replicator.feed.reader import Feed, Row, Source, start
from replicator.position import Cursor, Lsn

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_END = Cursor(Lsn(1000), 0, 3)
_DEFINITION = Definition("f", "p", "hadrian_f", _END.lsn, _END.timeline, 1)


class _Snapshot:
    """Rows in a list; the read of row number `fails_at` fails once."""

    def __init__(self, size: int, *, said: int | None = None, fails_at: int | None = None) -> None:
        self._rows: list[Row] = [{"id": str(number)} for number in range(size)]
        self._said = size if said is None else said
        self._fails_at = fails_at

    def __len__(self) -> int:
        return self._said

    def rows(self, start: int) -> Iterator[Row]:
        """Yield the rows from number `start` on."""
        for number, row in enumerate(self._rows[start:], start):
            if number == self._fails_at:
                self._fails_at = None
                raise NodeLost("the node went away")
            yield row


class _Stream:
    """Changes in a list, from a cursor on; it remembers what it was told."""

    def __init__(self, changes: list[Change], after: Cursor) -> None:
        self._changes = [change for change in changes if change.after > after]
        self.confirmed: list[Cursor] = []
        self.closed = 0
        self.reached = after.lsn

    def read(self, timeout_s: float) -> Change | None:
        """Return the next change."""
        assert timeout_s >= 0
        if not self._changes:
            self.reached = Lsn(self.reached + 10)  # the node goes on writing what the feed does not read
            return None
        return self._changes.pop(0)

    def confirm(self, cursor: Cursor) -> None:
        """Remember the cursor."""
        self.confirmed.append(cursor)

    def close(self) -> None:
        """Count the call."""
        self.closed += 1


class _LateStream(_Stream):
    """Every other read comes too early."""

    def __init__(self, changes: list[Change], after: Cursor) -> None:
        super().__init__(changes, after)
        self._early = False

    def read(self, timeout_s: float) -> Change | None:
        """Return nothing, and the next time the next change."""
        self._early = not self._early
        return None if self._early else super().read(timeout_s)


class _World:
    """A snapshot and a log, and each stream that was opened on it."""

    def __init__(self, snapshot: _Snapshot, logged: int = 3) -> None:
        self.snapshot = snapshot
        cursors = [Cursor(Lsn(1010 + 10 * (number // 2)), number % 2) for number in range(logged)]
        self.log = [Change(Op.INSERT, {"id": f"new {number}"}, cursor) for number, cursor in enumerate(cursors)]
        self.opened_at: list[Cursor] = []
        self.streams: list[_Stream] = []

    def _connect(self, after: Cursor) -> Source:
        self.opened_at.append(after)
        self.streams.append(_Stream(self.log, after))
        return self.streams[-1]

    def feed(self, after: Cursor) -> Feed:
        """Open the feed."""
        return Feed(_DEFINITION, self.snapshot, self._connect, after)

    def read(self, after: Cursor) -> list[Change]:
        """Read the feed to its end."""
        with self.feed(after) as feed:
            return list(iter(lambda: feed.read(0), None))


_worlds = st.builds(_World, st.builds(_Snapshot, st.integers(0, 6)), st.integers(0, 6))


@_PATIENT
@given(_worlds)
def test_the_snapshot_comes_first_and_the_stream_follows(world: _World) -> None:
    """Every row of the snapshot and of the stream is read once, in that order."""
    read = [change.values["id"] for change in world.read(start())]
    assert read == [str(number) for number in range(len(world.snapshot))] + [
        f"new {number}" for number in range(len(world.log))
    ]


@_PATIENT
@given(_worlds)
def test_cursors_strictly_increase_through_the_hand_over(world: _World) -> None:
    """Snapshot and stream share one order, in which every point has one name."""
    cursors = [start(), *(change.after for change in world.read(start()))]
    assert all(before < after for before, after in itertools.pairwise(cursors))


@_PATIENT
@given(_worlds)
def test_reading_on_at_any_cursor_gives_the_same_rest(world: _World) -> None:
    """A reader may stop behind any row, in the snapshot or the stream, and go on."""
    whole = world.read(start())
    for index, change in enumerate(whole, 1):
        assert world.read(change.after) == whole[index:]


@pytest.mark.parametrize("size", [1, 5])
def test_the_cursor_behind_the_snapshots_last_row_is_its_end(size: int) -> None:
    """The snapshot counts as a transaction that ends where the slot begins, on the slot's timeline."""
    changes = _World(_Snapshot(size), 0).read(start())
    assert changes[-1].after == _END
    assert {change.after.timeline for change in changes} == {_END.timeline}


def test_the_stream_is_opened_when_the_snapshot_is_read_and_at_its_end() -> None:
    """No session is held while the snapshot is read, and the first stream row is the first behind it."""
    world = _World(_Snapshot(2))
    feed = world.feed(start())
    feed.read(0), feed.read(0)
    assert world.opened_at == []
    feed.read(0), feed.read(0)
    assert world.opened_at == [_END]


def test_a_cursor_behind_the_snapshot_opens_the_stream_there_once() -> None:
    """Reading on does not begin at the snapshot's end again."""
    world = _World(_Snapshot(2))
    after = world.log[0].after
    world.read(after)
    assert world.opened_at == [after]


@_PATIENT
@given(_worlds, st.integers(0, 12), st.integers(995, 1050))
def test_reading_until_an_end_gives_the_transactions_that_commit_before_it(world: _World, place: int, end: int) -> None:
    """From any cursor: the rest of the snapshot, and whole transactions; one that was left half read is finished."""
    whole = world.read(start())
    after = [start(), *(change.after for change in whole)][min(place, len(whole))]
    with world.feed(after) as feed:
        read = list(feed.read_until(Lsn(end)))
    # The first change ends at 1010; then each two are one transaction, which commits where the one before it ends.
    logged = [
        change
        for number, change in enumerate(world.log)
        if (end >= 1010 if number == 0 else 1010 + 10 * ((number - 1) // 2) < end)
        or (change.after.seq == 0 and after.lsn == change.after.lsn - 10 and after.seq > 0)
    ]
    assert read == [change for change in [*whole[: len(world.snapshot)], *logged] if change.after > after]


def test_reading_until_an_end_waits_for_a_node_that_is_slow_to_get_there() -> None:
    """That nothing came for a while is no end."""
    world = _World(_Snapshot(1))
    with Feed(_DEFINITION, world.snapshot, lambda after: _LateStream(world.log, after), start()) as feed:
        assert [change.values["id"] for change in feed.read_until(Lsn(1100))] == ["0", "new 0", "new 1", "new 2"]


def test_nothing_within_the_snapshot_is_confirmed() -> None:
    """Confirming a cursor up to the snapshot's end neither opens nor tells the stream."""
    world = _World(_Snapshot(2))
    feed = world.feed(start())
    for cursor in (start(), Cursor(Lsn(0), 1), _END):
        feed.confirm(cursor)
    assert world.opened_at == []


def test_a_cursor_behind_the_snapshot_is_confirmed_even_before_a_row_is_read() -> None:
    """A reader that resumes may confirm its checkpoint at once."""
    world = _World(_Snapshot(2))
    after = world.log[1].after
    world.feed(after).confirm(after)
    assert (world.opened_at, world.streams[0].confirmed) == ([after], [after])


def test_closing_closes_the_stream_and_opens_none() -> None:
    """A feed that never came to its stream has nothing to close."""
    world = _World(_Snapshot(2))
    world.feed(start()).close()
    assert world.opened_at == []
    world.read(_END)
    assert [stream.closed for stream in world.streams] == [1]


def test_a_read_that_fails_within_the_snapshot_may_be_repeated() -> None:
    """The rest of the snapshot is not passed over when the node goes away in the middle of it."""
    world = _World(_Snapshot(4, fails_at=2), 0)
    with world.feed(start()) as feed:
        feed.read(0), feed.read(0)
        with pytest.raises(NodeLost):
            feed.read(0)
        rest = [change.values["id"] for change in iter(lambda: feed.read(0), None)]
    assert rest == ["2", "3"]


def test_a_snapshot_shorter_than_its_record_says_breaks_the_feed() -> None:
    """Missing rows are never taken for the snapshot's end."""
    with pytest.raises(FeedBroken):
        _World(_Snapshot(2, said=3)).read(start())
