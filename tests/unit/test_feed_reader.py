"""A feed over lists: its order, its cursors, and what it asks of its stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.batch import CHANGE_FIELDS, with_changes
from replicator.change import Change, Op
from replicator.errors import FeedBroken, NodeLost
from replicator.feed.definition import Definition
from replicator.feed.reader import Reader, Source, start
from replicator.position import Cursor, Lsn, TimelineHistory

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_END = Cursor(Lsn(1000), 0, 3)
_DEFINITION = Definition("f", "p", "hadrian_f", _END.lsn, _END.timeline, 1)


class _Snapshot:
    """So many rows, two a batch; the read of row number `fails_at` fails once."""

    def __init__(self, size: int, *, said: int | None = None, fails_at: int | None = None) -> None:
        self._size = size
        self._said = size if said is None else said
        self._fails_at = fails_at

    def __len__(self) -> int:
        return self._said

    def batches(self, start: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows from number `start` on."""
        for first in range(start, self._size, 2):
            if self._fails_at is not None and first >= self._fails_at:
                self._fails_at = None
                raise NodeLost("the node went away")
            rows = range(first, min(first + 2, self._size))
            ends = [_END if number + 1 == self._size else Cursor(Lsn(0), number + 1) for number in rows]
            yield _batch([Change(Op.SNAPSHOT, {"id": str(row)}, end) for row, end in zip(rows, ends, strict=True)])


def _batch(changes: list[Change]) -> pa.RecordBatch:
    rows = pa.RecordBatch.from_pydict({"id": [change.values["id"] for change in changes]})
    ops = pa.array([change.op.value for change in changes]).dictionary_encode()
    ops = pa.DictionaryArray.from_arrays(ops.indices.cast(pa.int8()), ops.dictionary)
    positions = ([int(change.after.position[part]) for change in changes] for part in (0, 1))
    nulls = [pa.nulls(len(changes), field.type) for field in CHANGE_FIELDS[-2:]]
    return with_changes(rows, ops, *(pa.array(numbers, pa.uint64()) for numbers in positions), *nulls)


class _Stream:
    """Changes in a list, from a cursor on, so many a batch; it remembers what it was told."""

    def __init__(self, changes: list[Change], after: Cursor, size: int = 1) -> None:
        self._changes = [change for change in changes if change.after > after]
        self._size = size
        self.confirmed: list[Cursor] = []
        self.closed = 0
        self.reached = after.lsn

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """Return the next changes."""
        assert timeout_s >= 0
        if not self._changes:
            self.reached = Lsn(self.reached + 10)  # the node goes on writing what the feed does not read
            return None
        taken, self._changes = self._changes[: self._size], self._changes[self._size :]
        return _batch(taken)

    def history(self) -> TimelineHistory:
        """Return a history of two forks, the newer behind the snapshot."""
        return TimelineHistory(4, ((2, Lsn(500)), (3, Lsn(1020))))

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

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """Return nothing, and the next time the next change."""
        self._early = not self._early
        return None if self._early else super().read(timeout_s)


class _World:
    """A snapshot and a log, and each stream that was opened on it."""

    def __init__(self, snapshot: _Snapshot, logged: int = 3, size: int = 1) -> None:
        self.snapshot = snapshot
        self._size = size
        cursors = [Cursor(Lsn(1010 + 10 * (number // 2)), number % 2) for number in range(logged)]
        self.log = [Change(Op.INSERT, {"id": f"new {number}"}, cursor) for number, cursor in enumerate(cursors)]
        self.opened_at: list[Cursor] = []
        self.streams: list[_Stream] = []

    def _connect(self, after: Cursor) -> Source:
        self.opened_at.append(after)
        self.streams.append(_Stream(self.log, after, self._size))
        return self.streams[-1]

    def feed(self, after: Cursor) -> Reader:
        """Open the feed."""
        return Reader(_DEFINITION, self.snapshot, self._connect, after)

    def read(self, after: Cursor) -> list[Change]:
        """Read the feed to its end."""
        with self.feed(after) as feed:
            return _changes(feed, iter(lambda: feed.read(0), None))


def _changes(feed: Reader, batches: Iterable[pa.RecordBatch]) -> list[Change]:
    return [change for batch in batches for change in feed.changes(batch)]


_worlds = st.builds(_World, st.builds(_Snapshot, st.integers(0, 6)), st.sampled_from([0, 1, 3, 5]), st.integers(1, 4))


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
    feed.read(0)
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
        read = _changes(feed, feed.read_until(Lsn(end)))
        assert feed.cursor() >= max([after, *(change.after for change in read)])
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
    with Reader(_DEFINITION, world.snapshot, lambda after: _LateStream(world.log, after), start()) as feed:
        read = _changes(feed, feed.read_until(Lsn(1100)))
    assert [change.values["id"] for change in read] == ["0", "new 0", "new 1", "new 2"]


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
        feed.read(0)
        with pytest.raises(NodeLost):
            feed.read(0)
        rest = [change.values["id"] for change in _changes(feed, iter(lambda: feed.read(0), None))]
    assert rest == ["2", "3"]


def test_a_snapshot_shorter_than_its_record_says_breaks_the_feed() -> None:
    """Missing rows are never taken for the snapshot's end."""
    with pytest.raises(FeedBroken):
        _World(_Snapshot(2, said=3)).read(start())


def test_the_cursor_moves_on_where_the_log_holds_nothing_for_the_feed() -> None:
    """Once everything was read it stands where the node is, and nothing is passed over when reading goes on there."""
    world = _World(_Snapshot(1))
    feed = world.feed(start())
    assert feed.cursor() == start()
    for _ in range(4):
        feed.read(0)
    last = world.log[-1].after
    assert feed.cursor() == last, "where the node is says nothing while something came"
    while feed.cursor() == last:
        feed.read(0)
    assert feed.cursor().lsn > last.lsn
    assert world.read(feed.cursor()) == []


def test_the_cursor_stays_inside_a_transaction_whose_rest_has_not_come() -> None:
    """That nothing came for a while does not end a transaction."""
    world = _World(_Snapshot(1), 2)
    feed = world.feed(start())
    for _ in range(6):
        feed.read(0)
    assert feed.cursor() == world.log[-1].after
    assert feed.cursor().seq == 1


@_PATIENT
@given(_worlds)
def test_a_cursor_names_the_timeline_that_its_rows_were_committed_on(world: _World) -> None:
    """The fork at 1020 parts the log; the snapshot keeps the timeline it was read on."""
    timelines = [change.after.timeline for change in world.read(start())][len(world.snapshot) :]
    assert timelines == [3 if change.after.position <= (1020, 0) else 4 for change in world.log]
