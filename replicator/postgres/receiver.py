"""The receiving end of a replication session: what the server sends is taken off the socket, whether read or not.

The reader receives for itself while it waits: nothing then stands between a message's coming and its being read. While
it is away a *stand-in* receives, a thread: at once if the reader left with much, since the server should not wait while
that is decoded, else after a while. It answers the server's keepalives, so that a reader may take minutes between two
rows without being taken for dead; once so many bytes wait that a reader has work for a while, the rest waits at the
server. Whoever comes back has the socket at once.

To decode ten rows costs nearly as much as a thousand. So when messages come in a rush, the reader waits for more of
them, until they are many or no more come; otherwise it has them when the last one is a transaction's end.

Source: PostgreSQL 18 documentation, 54.4 "Streaming Replication Protocol".
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
import time
from collections.abc import Iterator

import psycopg
from psycopg import pq

from replicator.errors import FeedBroken, HadrianError, NodeLost, TableUnfit
from replicator.position import Lsn
from replicator.postgres.errors import from_driver

HEADER_BYTES = 25  # 'w', start, end, time: in front of each message

_STATUS_INTERVAL_S = 1.0  # well inside wal_sender_timeout, 60 s by default
_CLOSE_TIMEOUT_S = 5.0
_AWAY_S = 0.2  # a reader that has been away so long is stood in for
_QUEUED_BYTES = 32 << 20
_PORTION_BYTES = 256 << 10  # decoded about as fast as a socket is filled, so that the server need not wait
_WAIT_MS = 200
_RUSH_MESSAGES = 50
_LULL_S = 0.001  # a rush is over when nothing comes for so long
_LONGEST_S = 0.02  # what came first waits no longer for more
# A message of more than 1 GB: program_limit_exceeded or, without a code of its own, that text.
_LIMIT_EXCEEDED, _ALLOC = "54000", "invalid memory alloc request size"
_POSTGRES_EPOCH_S = 946684800  # 2000-01-01 in Unix time
_DATA, _KEEPALIVE = b"wk"
_ENDS = b"CcEA"  # of a transaction, or of a piece of one


class Receiver:
    """Receives from a session that has just been told to start replication.

    Args:
        pgconn: the session; it is not finished here.
        where: the node, for messages.
        begin: where it was told to start.
        confirmed: what the server may forget, to begin with.
    """

    def __init__(self, pgconn: pq.abc.PGconn, where: str, begin: Lsn, confirmed: Lsn) -> None:
        self._pgconn = pgconn
        self._where = where
        self._messages: list[bytes] = []
        self._bytes = 0
        self._error: HadrianError | None = None
        self._received = begin
        self._confirmed = confirmed
        self._status_due = 0.0
        # Whoever has the lock has the session and the messages. The reader asks for it, then wakes the stand-in.
        self._lock = threading.Lock()
        self._is_wanted = False
        self._woken, self._wake = os.pipe()
        self._socket = _poll(pgconn.socket)
        self._socket_or_woken = _poll(pgconn.socket, self._woken)
        self._woken_alone = _poll(self._woken)
        self._stopped = False
        self._left_with_much = threading.Event()
        self._stand_in = threading.Thread(target=self._run, name=f"receiver {where}", daemon=True)
        self._stand_in.start()

    def take(self, timeout_s: float) -> list[bytes] | None:
        """Return all messages that came, each with its header, or None if none did in time.

        Raises:
            NodeLost: the node went away, and every message that had come was taken.
            HadrianError: what the server said at the end.
        """
        with self._held():
            self._wait_for_messages(time.monotonic() + timeout_s)
            messages, self._messages, self._bytes = self._messages, [], 0
            if messages:
                if len(messages) >= _RUSH_MESSAGES:
                    self._left_with_much.set()
                return messages
            if self._error is not None:
                raise self._error
            return None

    @property
    def reached(self) -> Lsn:
        """Where the server was when it had sent all that came until now."""
        return self._received

    def confirm(self, lsn: Lsn) -> None:
        """Tell the server, with the next status, that it may forget what lies before."""
        self._confirmed = max(self._confirmed, lsn)

    def close(self) -> None:
        """Tell the server what was confirmed and end the replication: the slot is then free. Idempotent."""
        if self._stopped:
            return
        with self._held():
            self._stopped = True
            if self._error is None:
                with contextlib.suppress(psycopg.Error):
                    self._send_status()
                    self._end()
        self._left_with_much.set()
        self._stand_in.join()
        os.close(self._woken)
        os.close(self._wake)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Have the session to ourselves."""
        self._is_wanted = True
        if not self._lock.acquire(blocking=False):
            os.write(self._wake, b"!")
            self._lock.acquire()
        try:
            yield
        finally:
            self._is_wanted = False
            self._lock.release()

    def _run(self) -> None:
        """Stand in for the reader while it is away."""
        while not self._stopped:
            left_with_much = self._left_with_much.wait(_AWAY_S)
            self._left_with_much.clear()
            if not self._lock.acquire(blocking=left_with_much):
                continue  # the reader is here
            try:
                while not (self._is_wanted or self._stopped or self._error is not None):
                    is_full = self._bytes >= _QUEUED_BYTES
                    self._receive(_STATUS_INTERVAL_S, self._woken_alone if is_full else self._socket_or_woken)
            finally:
                self._lock.release()

    def _wait_for_messages(self, deadline: float) -> None:
        """Receive until there is something worth taking, or the time is up."""
        first: float | None = None
        until = deadline if not self._messages else 0.0
        while self._error is None and self._bytes < _PORTION_BYTES:
            before = len(self._messages)
            self._receive(max(0.0, until - time.monotonic()), self._socket)
            now, count = time.monotonic(), len(self._messages)
            if count:
                first = first or now
                if count >= _RUSH_MESSAGES:
                    until = min(first + _LONGEST_S, now + _LULL_S) if count > before else now
                elif self._messages[-1][HEADER_BYTES] in _ENDS:
                    return
                else:
                    until = first + _LONGEST_S
            if now >= until:
                return

    def _receive(self, wait_s: float, poll: select.poll) -> None:
        """Wait for something to come, and take what has; if that was the end, remember why."""
        now = time.monotonic()
        try:
            if now >= self._status_due:
                self._send_status()
                self._status_due = now + _STATUS_INTERVAL_S
            for descriptor, _ in poll.poll(min(wait_s, self._status_due - now) * 1000):
                if descriptor == self._woken:
                    os.read(self._woken, 64)
                else:
                    self._pgconn.consume_input()
                    self._drain()
        except psycopg.Error as error:
            self._error = from_driver(error, self._where)
        except HadrianError as error:
            self._error = error

    def _drain(self) -> None:
        get_copy_data, messages = self._pgconn.get_copy_data, self._messages
        message = b""
        size, data = get_copy_data(1)
        while size > 0:
            message = bytes(data)
            if message[0] == _DATA:
                messages.append(message)
                self._bytes += size
            elif message[0] != _KEEPALIVE:
                raise FeedBroken(f"{self._where} sent an unknown stream message {message[:1]!r}")
            elif message[17] == 1:
                self._status_due = 0.0  # the server wants an answer now
            size, data = get_copy_data(1)
        if message:
            self._received = max(self._received, Lsn(int.from_bytes(message[1:9], "big")))
        if size < 0:
            raise self._end_of_stream()

    def _end_of_stream(self) -> HadrianError:
        result = self._pgconn.get_result()
        if result is None or result.status != pq.ExecStatus.FATAL_ERROR:
            return NodeLost(f"{self._where} ended the stream")
        return why_ended(psycopg.errors.error_from_result(result), self._where)

    def _end(self) -> None:
        """Leave in order: once the server has answered, the slot is confirmed and free for another reader."""
        deadline = time.monotonic() + _CLOSE_TIMEOUT_S
        self._pgconn.put_copy_end()
        self._pgconn.flush()
        while (size := self._pgconn.get_copy_data(1)[0]) >= 0 and time.monotonic() < deadline:
            if size == 0:
                self._socket.poll(_WAIT_MS)
                self._pgconn.consume_input()
        while size < 0 and time.monotonic() < deadline:
            if self._pgconn.is_busy():
                self._socket.poll(_WAIT_MS)
                self._pgconn.consume_input()
            elif self._pgconn.get_result() is None:
                return

    def _send_status(self) -> None:
        flushed = self._confirmed
        now_us = int((time.time() - _POSTGRES_EPOCH_S) * 1_000_000)
        self._pgconn.put_copy_data(struct.pack(">cQQQQB", b"r", self._received, flushed, flushed, now_us, 0))
        self._pgconn.flush()


def why_ended(error: psycopg.Error, where: str) -> HadrianError:
    """Return our error for the one that the server ended a stream with."""
    said = from_driver(error, where)
    if error.sqlstate == _LIMIT_EXCEEDED or _ALLOC in str(error):
        hint = "leave the column that is so large out of the publication's column list, and create the feed again"
        return TableUnfit(f"{said}: a row is larger than the server can send", hint=hint)
    return said


def _poll(*descriptors: int) -> select.poll:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return poll
