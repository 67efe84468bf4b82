"""From messages to changes: cursors that only grow, and the same rest behind each of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Op
from replicator.errors import FeedBroken, TableUnfit, TimelineForked
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.postgres.pgoutput import (
    Begin,
    Commit,
    Delete,
    Ignored,
    Insert,
    Message,
    Relation,
    Truncate,
    Tuple,
    Unchanged,
    Update,
)
from replicator.postgres.transactions import Transactions

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_OID = 7
_TABLE = Relation(_OID, "public", "t", ("id", "v"))
_START = Cursor(Lsn(100), 0)
_HISTORY = TimelineHistory(1)


@dataclass(frozen=True)
class _Transaction:
    commit_lsn: Lsn
    end_lsn: Lsn
    rows: tuple[tuple[Op, int, str | None], ...]

    def messages(self) -> Iterator[Message]:
        yield Begin(self.commit_lsn, 0, 1)
        yield Ignored("origin")
        yield _TABLE  # the server sends it again in each session; to send it more often does no harm
        yield from (_message(*row) for row in self.rows)
        yield Commit(self.commit_lsn, self.end_lsn)


def _message(op: Op, key: int, value: str | None) -> Message:
    match op:
        case Op.INSERT:
            return Insert(_OID, (str(key), value))
        case Op.UPDATE:
            return Update(_OID, (str(key), "old"), (str(key), value))
        case Op.DELETE:
            return Delete(_OID, (str(key), value))
        case _:
            return Truncate((_OID,))


_ops = st.sampled_from([Op.INSERT, Op.UPDATE, Op.DELETE, Op.TRUNCATE])
_rows = st.tuples(_ops, st.integers(0, 3), st.none() | st.sampled_from("ab"))


@st.composite
def _logs(draw: st.DrawFn) -> list[_Transaction]:
    """Draw a log: transactions in commit order, some of them empty, some right behind one another."""
    log, end = [], _START.lsn
    for rows in draw(st.lists(st.lists(_rows, max_size=4), max_size=8)):
        commit_lsn = Lsn(end + draw(st.integers(0, 3)))
        end = Lsn(commit_lsn + draw(st.integers(1, 9)))
        log.append(_Transaction(commit_lsn, end, tuple(rows)))
    return log


def _read(log: Sequence[_Transaction], after: Cursor = _START, history: TimelineHistory = _HISTORY) -> list[Change]:
    """Do what the server does after `START_REPLICATION ... cursor.lsn`: send what commits at it or behind."""
    transactions = Transactions(after, history)
    sent = [message for one in log if one.commit_lsn >= after.lsn for message in one.messages()]
    return [change for message in sent for change in transactions.take(message)]


def _take(*messages: Message, after: Cursor = _START) -> list[Change]:
    transactions = Transactions(after, _HISTORY)
    sent = [Begin(Lsn(100), 0, 1), *messages, Commit(Lsn(100), Lsn(110))]
    return [change for message in sent for change in transactions.take(message)]


def _expected(log: Sequence[_Transaction]) -> list[tuple[Op, dict[str, str | None]]]:
    rows = [row for one in log for row in one.rows]
    return [(op, {} if op is Op.TRUNCATE else {"id": str(key), "v": value}) for op, key, value in rows]


@_PATIENT
@given(_logs())
def test_every_row_of_every_transaction_comes_out_once_in_commit_order(log: list[_Transaction]) -> None:
    """Nothing is missed, repeated or moved, whatever the transactions hold."""
    assert [(change.op, change.values) for change in _read(log)] == _expected(log)


@_PATIENT
@given(_logs())
def test_each_change_has_a_later_cursor_than_the_one_before(log: list[_Transaction]) -> None:
    """Cursors strictly increase, so each names one point of the feed."""
    cursors = [_START, *(change.after for change in _read(log))]
    assert all(before < after for before, after in itertools.pairwise(cursors))


@_PATIENT
@given(_logs())
def test_behind_a_transactions_last_row_the_cursor_is_the_transactions_end(log: list[_Transaction]) -> None:
    """A whole transaction leaves nothing to count, so a slot may be confirmed up to its end."""
    ends = [change.after.lsn for change in _read(log) if change.after.seq == 0]
    assert ends == [one.end_lsn for one in log if one.rows]


@_PATIENT
@given(_logs())
def test_reading_on_at_any_cursor_gives_exactly_the_rest(log: list[_Transaction]) -> None:
    """A reader may stop behind any row and lose nothing, see nothing twice, and get the same cursors."""
    whole = _read(log)
    for index, change in enumerate(whole, 1):
        assert _read(log, change.after) == whole[index:]


def test_a_value_left_out_of_an_update_comes_from_the_old_row() -> None:
    """With REPLICA IDENTITY FULL the old row holds what TOAST did not send again."""
    changes = _take(_TABLE, Update(_OID, ("1", "long"), ("2", Unchanged.TOAST)))
    assert [change.values for change in changes] == [{"id": "2", "v": "long"}]


@pytest.mark.parametrize("old", [None, ("1", Unchanged.TOAST)])
def test_a_value_left_out_everywhere_makes_the_table_unfit(old: Tuple | None) -> None:
    """An unknown value is never passed off as NULL, and the table and the column are named."""
    with pytest.raises(TableUnfit, match=r"public\.t: .* v ") as raised:
        _take(_TABLE, Update(_OID, old, ("1", Unchanged.TOAST)))
    assert raised.value.hint == "run: alter table public.t replica identity full"


@pytest.mark.parametrize(
    "messages",
    [
        (Insert(_OID, ("1", "a")),),
        (_TABLE, Insert(_OID + 1, ("1", "a"))),
        (_TABLE, Insert(_OID, ("1",))),
        (_TABLE, Update(_OID, ("1",), ("1", Unchanged.TOAST))),
        (_TABLE, Update(_OID, ("1", "a", "b"), ("1", "a"))),
    ],
)
def test_a_row_that_no_description_fits_breaks_the_feed(messages: tuple[Message, ...]) -> None:
    """Values are never put under columns that were not described for them."""
    with pytest.raises(FeedBroken):
        _take(*messages)


def test_a_later_description_is_for_the_rows_behind_it() -> None:
    """A table altered in between is read with the columns it had at each row."""
    wider = Relation(_OID, "public", "t", ("id", "v", "w"))
    changes = _take(_TABLE, Insert(_OID, ("1", "a")), wider, Insert(_OID, ("2", "b", "c")))
    assert [change.values for change in changes] == [{"id": "1", "v": "a"}, {"id": "2", "v": "b", "w": "c"}]


@pytest.mark.parametrize("seq", [2, 3])
def test_a_cursor_behind_its_transactions_last_row_breaks_the_feed(seq: int) -> None:
    """A transaction with no more rows than the cursor has consumed is not the one that it stood in."""
    rows = (_TABLE, Insert(_OID, ("1", "a")), Insert(_OID, ("2", "b")))
    with pytest.raises(FeedBroken):
        _take(*rows, after=Cursor(_START.lsn, seq))


def _three_inserts(commit_lsn: int) -> _Transaction:
    rows = tuple((Op.INSERT, key, "a") for key in range(3))
    return _Transaction(Lsn(commit_lsn), Lsn(commit_lsn + 10), rows)


def test_each_cursor_names_the_timeline_of_its_transaction() -> None:
    """Rows behind the fork are the new timeline's, those before it the old one's, whoever reads them."""
    history = TimelineHistory(3, ((1, Lsn(110)), (2, Lsn(150))))
    changes = _read([_three_inserts(lsn) for lsn in (100, 110, 140, 150)], history=history)
    assert [change.after.timeline for change in changes] == [1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3]


def test_a_promotion_between_two_transactions_changes_the_timeline_of_the_second() -> None:
    """A stream that lives through a promotion gives cursors that the promoted node accepts."""
    transactions = Transactions(_START, _HISTORY)
    before = [change for message in _three_inserts(100).messages() for change in transactions.take(message)]
    transactions.history = TimelineHistory(2, ((1, Lsn(115)),))
    behind = [change for message in _three_inserts(115).messages() for change in transactions.take(message)]
    for change in before + behind:
        transactions.history.check(change.after)
    assert {change.after.timeline for change in behind} == {2}


def test_a_cursor_inside_a_transaction_that_was_lost_is_refused() -> None:
    """The rows of another transaction are not passed over for those of one that the fork cut off."""
    history = TimelineHistory(2, ((1, Lsn(105)),))
    with pytest.raises(TimelineForked):
        history.check(Cursor(Lsn(105), 2, 1))
    with pytest.raises(FeedBroken, match="no transaction that commits at 0/69"):
        _read([_three_inserts(110)], Cursor(Lsn(105), 2, 1), history)


def test_a_cursor_inside_a_transaction_that_survived_reads_on_behind_the_fork() -> None:
    """A transaction committed before the fork is the same on both timelines."""
    history = TimelineHistory(2, ((1, Lsn(110)),))
    inside = Cursor(Lsn(100), 2, 1)
    history.check(inside)
    changes = _read([_three_inserts(100), _three_inserts(110)], inside, history)
    assert [change.values["id"] for change in changes] == ["2", "0", "1", "2"]
