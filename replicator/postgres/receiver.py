"""The receiving end of a replication session: a thread that takes what the server sends off the socket, and no more.

It answers the server's keepalives also while nobody reads, so that a reader may take minutes between two rows without
being taken for dead; once so many bytes wait that a reader has work for a while, the rest waits at the server.

A server sends each message by itself, and wakes whoever waits for it: that costs it more than the row does. So while
messages come one right behind the other, the thread does not wait for the next, but looks again after a moment. And to
decode ten rows costs the reader as much as a thousand: so it gets messages when the last is a transaction's end, or in
a rush when they are many or the rush is over; and a reader that keeps coming for a few is held back a little, or
it would take the processor that the server needs to send more.

Source: PostgreSQL 18 documentation, 54.4 "Streaming Replication Protocol".
"""

from __future__ import annotations

import select
import struct
import threading
import time

import psycopg
from psycopg import pq

from replicator.errors import FeedBroken, HadrianError, NodeLost, TableUnfit
from replicator.position import Lsn
from replicator.postgres.errors import from_driver

HEADER_BYTES = 25  # 'w', start, end, time: in front of each message

_STATUS_INTERVAL_S = 1.0  # well inside wal_sender_timeout, 60 s by default
_CLOSE_TIMEOUT_S = 5.0
_WAIT_MS = 200
_QUEUED_BYTES = 32 << 20
_PORTION_BYTES = 1 << 20
# A rush begins with so many messages in so short a time, and ends when a look finds fewer than so many.
_RUSH_MESSAGES = 50
_RUSH_S = 0.001
_LOOK_S = 0.0002
_LOOK_MESSAGES = 10
_LONGEST_S = 0.02  # what came first waits no longer for more
# A reader pauses this many times as long as it works, counting no more work than so much, once it is so far behind.
_PAUSES = 3
_MOST_WORK_S = 0.001
_ARREARS_S = 0.01
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
        self._ready = threading.Condition()
        self._error: HadrianError | None = None
        self._stopped = False
        self._in_rush = False
        self._received = begin
        self._confirmed = confirmed
        self._poll = select.poll()
        self._poll.register(pgconn.socket, select.POLLIN)
        self._counted = 0
        self._count_from = self._oldest = self._taken = self._due = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"receiver {where}", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> list[bytes] | None:
        """Return all messages that came, each with its header, or None if none did in time.

        Raises:
            NodeLost: the node went away, and every message that had come was taken.
            HadrianError: what the server said at the end.
        """
        with self._ready:
            deadline = time.monotonic() + timeout_s
            self._ready.wait_for(self._is_much, timeout=min(self._pause_s(), timeout_s))
            self._ready.wait_for(self._is_worth_it, timeout=deadline - time.monotonic())
            messages, self._messages = self._messages, []
            if messages:
                self._bytes = 0
                self._taken = time.monotonic()
                self._ready.notify_all()
                return messages
            if self._error is not None:
                raise self._error
            return None

    @property
    def reached(self) -> Lsn:
        """Where the server was when it had sent all that came until now."""
        with self._ready:
            return self._received

    def confirm(self, lsn: Lsn) -> None:
        """Tell the server, with the next status, that it may forget what lies before."""
        with self._ready:
            self._confirmed = max(self._confirmed, lsn)

    def close(self) -> None:
        """Tell the server what was confirmed and end the replication: the slot is then free. Idempotent."""
        with self._ready:
            self._stopped = True
            self._ready.notify_all()
        self._thread.join()

    def _pause_s(self) -> float:
        """Count the reader's work since it last took, and return how long to hold it back."""
        now = time.monotonic()
        self._due = max(self._due, self._taken) + (1 + _PAUSES) * min(now - self._taken, _MOST_WORK_S)
        self._taken = now
        return self._due - _ARREARS_S - now

    def _is_much(self) -> bool:
        return self._bytes >= _PORTION_BYTES or self._error is not None

    def _is_worth_it(self) -> bool:
        if not self._messages or self._is_much():
            return self._is_much()
        waited_long = time.monotonic() > self._oldest + _LONGEST_S
        return waited_long or (not self._in_rush and self._messages[-1][HEADER_BYTES] in _ENDS)

    def _run(self) -> None:
        try:
            self._receive()
        except psycopg.Error as error:
            self._fail(from_driver(error, self._where))
        except HadrianError as error:
            self._fail(error)

    def _fail(self, error: HadrianError) -> None:
        with self._ready:
            self._error = error
            self._ready.notify_all()

    def _receive(self) -> None:
        next_status = 0.0
        while not self._stopped:
            if time.monotonic() >= next_status:
                self._send_status()
                next_status = time.monotonic() + _STATUS_INTERVAL_S
            if self._is_full():
                continue
            messages, ended = self._drain()
            if self._hand_over(messages):
                next_status = 0.0
            if ended:
                raise self._end_of_stream()
            self._wait(len(messages))
        self._send_status()
        self._end()

    def _drain(self) -> tuple[list[bytes], bool]:
        """Return what was received, and whether that was the end."""
        messages: list[bytes] = []
        get_copy_data = self._pgconn.get_copy_data
        while True:
            size, data = get_copy_data(1)
            if size <= 0:
                return messages, size < 0
            messages.append(bytes(data))

    def _hand_over(self, messages: list[bytes]) -> bool:
        """Queue what is data; return whether the server wants an answer now."""
        rows = [message for message in messages if message[0] == _DATA]
        wants_answer = False
        if len(rows) < len(messages):
            for message in messages:
                if message[0] == _KEEPALIVE:
                    wants_answer |= message[17] == 1
                elif message[0] != _DATA:
                    raise FeedBroken(f"{self._where} sent an unknown stream message {message[:1]!r}")
        with self._ready:
            if rows and not self._messages:
                self._oldest = time.monotonic()
            self._messages += rows
            self._bytes += sum(map(len, rows))
            if messages:
                self._received = max(self._received, Lsn(int.from_bytes(messages[-1][1:9], "big")))
            if self._is_worth_it():
                self._ready.notify_all()
        return wants_answer

    def _wait(self, received: int) -> None:
        if self._looks_like_rush(received):
            time.sleep(_LOOK_S)
        else:
            self._poll.poll(_WAIT_MS)
        self._pgconn.consume_input()

    def _looks_like_rush(self, received: int) -> bool:
        now = time.monotonic()
        if now > self._count_from + _RUSH_S:
            self._count_from, self._counted = now, 0
        self._counted += received
        in_rush = received >= _LOOK_MESSAGES if self._in_rush else self._counted >= _RUSH_MESSAGES
        if in_rush != self._in_rush:
            with self._ready:
                self._in_rush = in_rush
                self._ready.notify_all()
        return in_rush

    def _is_full(self) -> bool:
        with self._ready:
            if self._bytes < _QUEUED_BYTES:
                return False
            self._ready.wait(timeout=_STATUS_INTERVAL_S / 2)
            return True

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
                self._poll.poll(_WAIT_MS)
                self._pgconn.consume_input()
        while size < 0 and time.monotonic() < deadline:
            if self._pgconn.is_busy():
                self._poll.poll(_WAIT_MS)
                self._pgconn.consume_input()
            elif self._pgconn.get_result() is None:
                return

    def _send_status(self) -> None:
        with self._ready:
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
