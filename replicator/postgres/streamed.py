"""Transactions that the server sends in pieces before they end, put back into commit order: pure, no connection.

With the option `streaming` the server sends a large transaction's changes while it runs, in pieces between other
transactions, and tells only at the end whether it was committed. Here the pieces are kept aside, beyond a megabyte in a
temporary file, until the commit comes; then the transaction is handed on as if it had been sent whole: a Begin, its
changes without those of savepoints that were rolled back, a Commit. So what comes out is the same with the option and
without it, cursors too, and the server keeps no large transaction in its memory or spills it to its disk.

A prepared transaction comes at its COMMIT PREPARED like any other at its COMMIT, since the slot is made without
`two_phase`: a feed gives committed rows, in commit order and once, and at PREPARE nothing is committed.

Source: PostgreSQL 18 documentation, 54.5.2 "Logical Replication Protocol Messages" and 54.9 "Logical Replication
Message Formats".
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from replicator.errors import DiskFull, FeedBroken

_PORTION_BYTES = 4 << 20
_MEMORY_BYTES = 1 << 20  # of each transaction that is open; more goes to its file

_START, _STOP, _COMMIT, _ABORT = b"SEcA"
_PIECEWISE = frozenset(b"SEcA")
_ROWS = frozenset(b"IUDT")
_RELATION = b"R"[0]
_EMPTY = frozenset(b"OYM")  # nothing in them for a feed
_KEPT = struct.Struct(">II")  # the subtransaction, and how many bytes the message has


@dataclass(slots=True)
class _Transaction:
    """One whose end has not come yet.

    Attributes:
        spool: its messages, each with its subtransaction.
        aborted: the subtransactions that were rolled back.
        described: when each table was last described in it, and the message.
    """

    spool: tempfile.SpooledTemporaryFile[bytes] = field(
        default_factory=lambda: tempfile.SpooledTemporaryFile(_MEMORY_BYTES)  # noqa: SIM115 - closed at its end
    )
    aborted: set[int] = field(default_factory=set)
    described: dict[int, tuple[int, bytes]] = field(default_factory=dict)


class Streamed:
    """Turns a stream's messages into those of transactions one behind the other, in commit order.

    Args:
        skip: bytes in front of each message that are not its own; they stay there.
    """

    def __init__(self, *, skip: int = 0) -> None:
        self._skip = skip
        self._open: dict[int, _Transaction] = {}
        self._piece: _Transaction | None = None
        self._arrived = 0
        self._described: dict[int, tuple[int, bytes]] = {}

    def take(self, messages: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Yield what these messages complete, in portions that fit into memory.

        Take no more before it is at its end.

        Raises:
            FeedBroken: the messages do not fit one another.
            DiskFull: no room for the temporary file.
        """
        skip = self._skip
        try:
            kinds = {message[skip] for message in messages}
        except IndexError as error:
            raise FeedBroken("a replication message is empty") from error
        if not self._open and _PIECEWISE.isdisjoint(kinds):
            yield messages
            return
        whole: list[bytes] = []
        for message in messages:
            kind = message[skip]
            if self._piece is not None and kind != _STOP:
                self._keep(self._piece, message)
            elif kind == _COMMIT:
                yield whole
                whole = []
                yield from self._commit(message)
            elif kind in _PIECEWISE:
                self._turn(kind, message)
            else:
                if kind == _RELATION:
                    self._describe(self._described, message)
                whole.append(message)
        yield whole

    def close(self) -> None:
        """Remove the temporary files."""
        for transaction in self._open.values():
            transaction.spool.close()
        self._open.clear()

    def _turn(self, kind: int, message: bytes) -> None:
        """Begin or end a piece, or roll back."""
        if kind == _STOP:
            if self._piece is None:
                raise FeedBroken("a piece of a transaction ends where none began")
            self._piece = None
        elif kind == _START:
            xid, is_first = self._fields(">I?", message)
            if is_first != (xid not in self._open):
                raise FeedBroken(f"transaction {xid} has a first piece that is not the first, or none")
            self._piece = self._open.setdefault(xid, _Transaction()) if is_first else self._open[xid]
        else:
            xid, subxid = self._fields(">II", message)
            if xid == subxid:
                self._ended(xid).spool.close()
            elif xid in self._open:
                self._open[xid].aborted.add(subxid)
            else:
                raise FeedBroken(f"transaction {xid} rolls back in a stream that it did not begin in")

    def _keep(self, transaction: _Transaction, message: bytes) -> None:
        kind = message[self._skip]
        if kind in _EMPTY:
            return
        if kind not in _ROWS and kind != _RELATION:
            raise FeedBroken(f"a piece of a transaction has a replication message of kind {chr(kind)!r}")
        (subxid,) = self._fields(">I", message)
        behind_kind = self._skip + 1
        message = message[:behind_kind] + message[behind_kind + 4 :]
        if kind == _RELATION:
            self._describe(transaction.described, message)
        try:
            transaction.spool.write(_KEPT.pack(subxid, len(message)) + message)
        except OSError as error:
            raise DiskFull(
                f"{tempfile.gettempdir()} has no room for a large transaction: {error.strerror}",
                hint="free disk space there, or set TMPDIR to a folder that has more",
            ) from error

    def _commit(self, message: bytes) -> Iterator[Sequence[bytes]]:
        xid, flags, commit_lsn, end_lsn, commit_time_us = self._fields(">IBQQQ", message)
        transaction = self._ended(xid)
        header = message[: self._skip]
        portion = [header + struct.pack(">cQQI", b"B", commit_lsn, commit_time_us, xid)]
        size = 0
        with transaction.spool as spool:
            spool.seek(0)
            while head := spool.read(_KEPT.size):
                subxid, length = _KEPT.unpack(head)
                kept = spool.read(length)
                # The server takes a description for known although the savepoint it came behind was rolled back.
                if subxid in transaction.aborted and kept[self._skip] != _RELATION:
                    continue
                portion.append(kept)
                size += length
                if size > _PORTION_BYTES:
                    yield portion
                    portion, size = [], 0
        portion.append(header + struct.pack(">cBQQQ", b"C", flags, commit_lsn, end_lsn, commit_time_us))
        yield portion + self._overtaken(transaction)

    def _overtaken(self, transaction: _Transaction) -> list[bytes]:
        """Return the descriptions that came later than the transaction's own, which the server goes by from now on."""
        later = []
        for oid, mine in transaction.described.items():
            known = self._described.get(oid, mine)
            if known > mine:
                later.append(known[1])
            self._described[oid] = max(known, mine)
        return later

    def _describe(self, known: dict[int, tuple[int, bytes]], message: bytes) -> None:
        (oid,) = self._fields(">I", message)
        self._arrived += 1
        known[oid] = self._arrived, message

    def _ended(self, xid: int) -> _Transaction:
        transaction = self._open.pop(xid, None)
        if transaction is None:
            raise FeedBroken(f"transaction {xid} ends in a stream that it did not begin in")
        return transaction

    def _fields(self, form: str, message: bytes) -> tuple[int, ...]:
        try:
            return struct.unpack_from(form, message, self._skip + 1)
        except struct.error as error:
            raise FeedBroken("a replication message ends early") from error
