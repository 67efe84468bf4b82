"""Transactions sent in pieces beside the same ones sent whole: same changes, same cursors, whatever runs in between."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change
from replicator.errors import DiskFull, FeedBroken
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.postgres import streamed
from replicator.postgres.pgoutput import decode
from replicator.postgres.streamed import Streamed
from replicator.postgres.transactions import Transactions
from tests.fixtures.pgoutput_messages import (
    begin,
    commit,
    delete,
    in_piece,
    insert,
    relation,
    stream_abort,
    stream_commit,
    stream_start,
    stream_stop,
    truncate,
    update,
)

_PATIENT = settings(deadline=None, max_examples=300)
_OID = 7
_START = Cursor(Lsn(1), 0)
_SHAPES = [("a", "b"), ("b", "a"), ("a", "b", "c")]


@dataclass
class _Change:
    """A row's change in the log: its subtransaction, the table's shape at that moment, and the message."""

    subxid: int
    shape: int
    message: bytes


@dataclass
class _Transaction:
    """A transaction that runs: what the log has of it and the server has not sent yet."""

    xid: int
    pending: list[_Change] = field(default_factory=list)
    sent: set[int] = field(default_factory=set)  # subtransactions of which something was
    is_streamed: bool = False


class _Server:
    """Sends a log, with the option `streaming` or without, and remembers which descriptions the client has."""

    def __init__(self, *, streaming: bool) -> None:
        self.streaming = streaming
        self.messages: list[bytes] = []
        self.open: dict[int, _Transaction] = {}
        self.described: int | None = None
        self.described_in: dict[int, int] = {}

    def alter(self) -> None:
        """Another shape: what was described must be described again."""
        self.described = None
        self.described_in.clear()

    def write(self, xid: int, change: _Change) -> None:
        """Let a transaction change a row."""
        self.open.setdefault(xid, _Transaction(xid)).pending.append(change)

    def send_piece(self, xid: int) -> None:
        """Memory is short: send what there is of a transaction."""
        transaction = self.open.get(xid)
        if not self.streaming or transaction is None or not transaction.pending:
            return
        self.messages.append(stream_start(xid, first=not transaction.is_streamed))
        transaction.is_streamed = True
        self.messages.append(b"O" + bytes(8) + b"origin\0")
        for change in transaction.pending:
            if self.described_in.get(xid) != change.shape:
                self.described_in[xid] = change.shape
                self.messages.append(in_piece(change.subxid, _described(change.shape)))
            self.messages.append(in_piece(change.subxid, change.message))
            transaction.sent.add(change.subxid)
        transaction.pending.clear()
        self.messages.append(stream_stop())

    def roll_back(self, xid: int, subxid: int) -> None:
        """Roll a savepoint back, or the transaction."""
        transaction = self.open.get(xid)
        if transaction is None:
            return
        transaction.pending = [change for change in transaction.pending if change.subxid != subxid]
        if subxid in transaction.sent or (subxid == xid and transaction.is_streamed):
            self.messages.append(stream_abort(xid, subxid))
        if subxid == xid:
            del self.open[xid]
            self.described_in.pop(xid, None)

    def commit(self, xid: int, commit_lsn: int, end_lsn: int) -> None:
        """End a transaction: send what was not sent yet, and that it was committed."""
        transaction = self.open.get(xid, _Transaction(xid))
        if transaction.is_streamed:
            self.send_piece(xid)
            self.messages.append(stream_commit(xid, commit_lsn, end_lsn, commit_time_us=xid))
            self.described = self.described_in.pop(xid, self.described)
        else:
            self._send_whole(transaction, commit_lsn, end_lsn)
        self.open.pop(xid, None)

    def _send_whole(self, transaction: _Transaction, commit_lsn: int, end_lsn: int) -> None:
        xid = transaction.xid
        self.messages.append(begin(commit_lsn, xid=xid, commit_time_us=xid))
        for change in transaction.pending:
            if self.described != change.shape:
                self.described = change.shape
                self.messages.append(_described(change.shape))
            self.messages.append(change.message)
        self.messages.append(commit(commit_lsn, end_lsn, commit_time_us=xid))


def _described(shape: int) -> bytes:
    return relation(_OID, [(name, 25, -1) for name in _SHAPES[shape]])


def _row(number: int, shape: int) -> bytes:
    row = [f"{name}{number}" for name in _SHAPES[shape]]
    choices = [insert(_OID, row), update(_OID, row), update(_OID, row, row), delete(_OID, row), truncate(_OID)]
    return choices[number % len(choices)]


# What happens: a kind of event, a transaction, a subtransaction of it, a shape.
_EVENTS = st.tuples(
    st.sampled_from(["write", "write", "write", "piece", "piece", "savepoint", "roll back", "commit", "alter"]),
    st.sampled_from([100, 200]),
    st.integers(1, 2),
    st.integers(0, len(_SHAPES) - 1),
)


def _sent(events: Sequence[tuple[str, int, int, int]], *, streaming: bool) -> list[bytes]:
    """Return what a server sends of a log, in which a transaction or savepoint that ended makes way for another."""
    server = _Server(streaming=streaming)
    xids = itertools.count(1000, 10)
    current = {100: next(xids), 200: next(xids)}
    subxids = itertools.count(1)
    savepoints: dict[tuple[int, int], int] = {}
    shape = 0
    for number, (event, name, savepoint, new_shape) in enumerate(events):
        xid = current[name]
        subxid = savepoints.setdefault((xid, savepoint), next(subxids))
        match event:
            case "alter":
                shape = new_shape
                server.alter()
            case "write":
                server.write(xid, _Change(subxid if number % 3 else xid, shape, _row(number, shape)))
            case "piece":
                server.send_piece(xid)
            case "savepoint":
                server.roll_back(xid, subxid)
                del savepoints[xid, savepoint]
            case "roll back":
                server.roll_back(xid, xid)
                current[name] = next(xids)
            case "commit":
                server.commit(xid, 10 * number + 10, 10 * number + 15)
                current[name] = next(xids)
    return server.messages


def _changes(messages: Sequence[bytes]) -> list[Change]:
    transactions = Transactions(_START, TimelineHistory(1))
    return [change for message in messages for change in transactions.take(decode(message))]


def _whole(reader: Streamed, *portions: Sequence[bytes]) -> Iterator[bytes]:
    for portion in portions:
        for whole in reader.take(portion):
            yield from whole


@_PATIENT
@given(st.lists(_EVENTS, min_size=8, max_size=60), st.data())
def test_pieces_give_what_whole_transactions_give(events: list[tuple[str, int, int, int]], data: st.DataObject) -> None:
    """Rows, order and cursors are the same, wherever the messages are cut, in memory and in files."""
    pieces, whole = (_sent(events, streaming=streaming) for streaming in (True, False))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pieces)), max_size=4)))
    framed = [b"w" * 25 + message for message in pieces]
    portions = [framed[start:end] for start, end in itertools.pairwise([0, *cuts, len(framed)])]
    with (
        patch.object(streamed, "_MEMORY_BYTES", data.draw(st.sampled_from([1, 1 << 20]))),
        patch.object(streamed, "_PORTION_BYTES", data.draw(st.sampled_from([1, 1 << 20]))),
    ):
        reader = Streamed(skip=25)
        found = list(_whole(reader, *portions))
        reader.close()
    assert all(message[:25] == b"w" * 25 for message in found)
    unframed = [message[25:] for message in found]
    assert _changes(unframed) == _changes(whole)
    assert [m for m in unframed if m[:1] in b"BC"] == [m for m in whole if m[:1] in b"BC"]


@pytest.mark.parametrize(
    "log",
    [
        "alter 0, write 100, piece 100, write 100, savepoint 100, commit 100",
        "write 100, piece 100, alter 1, write 200, commit 200, commit 100, write 200, commit 200",
        "write 200, piece 200, alter 1, write 100, piece 100, commit 100, commit 200, write 100, commit 100",
        "write 100, piece 100, write 200, commit 200, alter 1, write 100, piece 100, commit 100, write 200, commit 200",
    ],
    ids=["behind a savepoint", "by another transaction", "by another in pieces", "later than another"],
)
def test_a_description_counts_from_when_it_was_sent(log: str) -> None:
    """The server does not repeat what it sent, though the savepoint was rolled back or an older shape comes after."""
    events = [
        (kind, int(number) if kind != "alter" else 100, 1, int(number) if kind == "alter" else 0)
        for kind, number in map(str.split, log.split(","))
    ]
    pieces, whole = (_sent(events, streaming=streaming) for streaming in (True, False))
    assert b"S" in {message[:1] for message in pieces}
    assert _changes(list(_whole(Streamed(), pieces))) == _changes(whole)


def _files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _large(rows: int) -> list[bytes]:
    row = in_piece(5, insert(_OID, ("x" * 1000, "y")))
    return [stream_start(5, first=True), in_piece(5, _described(0)), *[row] * rows, stream_stop()]


def test_a_large_transaction_is_handed_on_in_portions() -> None:
    """It is never in memory whole, and its file is gone once it was handed on."""
    reader = Streamed()
    before = _files()
    assert not any(reader.take(_large(10_000)))
    assert _files() == before + 1
    portions = [list(portion) for portion in reader.take([stream_commit(5, 100, 110)])]
    assert max(sum(map(len, portion)) for portion in portions) < 5_000_000
    assert sum(map(len, portions)) == 10_003
    assert _files() == before


@pytest.mark.parametrize("end", [[stream_abort(5, 5)], []], ids=["rolled back", "closed"])
def test_nothing_is_left_of_a_transaction_that_never_commits(end: list[bytes]) -> None:
    """Its rows do not appear, and its file goes."""
    reader = Streamed()
    before = _files()
    assert not list(_whole(reader, _large(2000), end))
    reader.close()
    assert _files() == before


def test_a_full_disk_is_told() -> None:
    """The error names the folder and how to use another."""
    reader = Streamed()
    error = OSError(28, "No space left on device")
    with (
        patch.object(tempfile.SpooledTemporaryFile, "write", side_effect=error),
        pytest.raises(DiskFull, match="No space left") as raised,
    ):
        list(_whole(reader, _large(1)))
    reader.close()
    assert "TMPDIR" in raised.value.hint


_PIECE = [stream_start(5, first=True), in_piece(5, _described(0)), stream_stop()]


@pytest.mark.parametrize(
    "messages",
    [
        [b""],
        [stream_stop()],
        [*_PIECE, stream_start(5, first=True)],
        [stream_start(5, first=False)],
        [stream_start(5, first=True), stream_start(6, first=True)],
        [stream_start(5, first=True), begin(1)],
        [stream_start(5, first=True), stream_commit(5, 1, 2)],
        [stream_commit(5, 1, 2)],
        [stream_abort(5, 5)],
        [stream_abort(5, 6)],
        [*_PIECE, stream_commit(5, 1, 2)[:-1]],
        [stream_start(5, first=True)[:-1]],
        [stream_start(5, first=True), b"I\0"],
    ],
    ids=[
        "empty",
        "an end alone",
        "two firsts",
        "no first",
        "a piece in a piece",
        "a transaction in a piece",
        "a commit in a piece",
        "a commit alone",
        "an abort alone",
        "a savepoint alone",
        "a commit cut short",
        "a beginning cut short",
        "a row cut short",
    ],
)
def test_pieces_that_do_not_fit_break_the_feed(messages: list[bytes]) -> None:
    """No row is handed on for another transaction's, and none is lost in silence."""
    with contextlib.closing(Streamed()) as reader, pytest.raises(FeedBroken):
        list(_whole(reader, messages))
