"""Committed changes as they come, from a slot, over the streaming replication protocol.

A thread of its own reads the socket and answers the server's keepalives, so that a reader may take minutes
between two rows without being taken for dead. What it may confirm it is told from outside: the slot keeps every
row behind the newest durable checkpoint.

A standby goes on streaming when it is promoted. So before the reader gets what came from one, a second session
asks which timeline the node is on now: rows behind the fork must not be taken for the old timeline's.

Source: PostgreSQL 18 documentation, 54.4 "Streaming Replication Protocol" and 54.5 "Logical Streaming
Replication Protocol".
"""

from __future__ import annotations

import collections
import contextlib
import select
import struct
import threading
import time
from typing import Self

import psycopg
from psycopg import pq
from psycopg import sql as pgsql

from replicator.change import Change
from replicator.errors import FeedBroken, HadrianError, NodeLost
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import topology
from replicator.postgres.connection import Server, command
from replicator.postgres.errors import from_driver
from replicator.postgres.pgoutput import Message, decode
from replicator.postgres.transactions import Transactions

_STATUS_INTERVAL_S = 1.0  # well inside wal_sender_timeout, 60 s by default
_CLOSE_TIMEOUT_S = 5.0
_QUEUE_LIMIT = 4096
_POSTGRES_EPOCH_S = 946684800  # 2000-01-01 in Unix time
_XLOG_HEADER_BYTES = 25  # 'w', start, end, time


class Stream:
    """The changes of one slot that follow a cursor.

    Args:
        server: node that has the slot.
        slot: its name.
        publication: whose changes.
        after: where to go on.
        aside: read a copy of the slot that goes with the session, so that the slot itself neither moves nor is taken.

    Raises:
        FeedBroken: the slot is gone, or no longer keeps what follows `after`.
        BadInput, TableUnfit: the publication is no longer what a feed can be read from.
        TimelineForked: the cursor has seen rows that this node's timeline never had.
        NodeUnreachable: no answer.
    """

    def __init__(self, server: Server, slot: str, publication: str, after: Cursor, *, aside: bool = False) -> None:
        history = topology.timeline_history(server)
        history.check(after)
        slots.published_table(server, publication)  # the server passes over rows of one that is not there
        self._server = server
        self._where = server.where
        self._transactions = Transactions(after, history)
        self._batch: list[Message] = []
        self._changes: collections.deque[Change] = collections.deque()
        self._ready = threading.Condition()
        self._error: HadrianError | None = None
        self._stopped = False
        self._received = self._reached = after.lsn
        self._confirmed = _kept_from(server, slot, after)
        with contextlib.ExitStack() as undo:
            self._pgconn = server.replication()
            undo.callback(self._pgconn.finish)
            self._identity = server.replication()
            undo.callback(self._identity.finish)
            if aside:
                slot = slots.copy_for_session(self._pgconn, slot, self._where)
            self._start(slot, publication, after.lsn)
            # Again, now that nobody else can move it: the server would start further on and say nothing.
            self._confirmed = _kept_from(server, slot, after)
            undo.pop_all()
        self._thread = threading.Thread(target=self._run, name=f"stream {slot}", daemon=True)
        self._thread.start()

    def _start(self, slot: str, publication: str, lsn: Lsn) -> None:
        # Values come in the session's encoding, which is the database's unless we say so.
        command(self._pgconn, b"SET client_encoding TO 'UTF8'", self._where)
        names = pgsql.Identifier(publication).as_string(None).replace("'", "''")  # no E'' in this grammar
        text = (
            f"START_REPLICATION SLOT {pgsql.Identifier(slot).as_string(None)} LOGICAL {lsn} "
            f"(proto_version '1', publication_names '{names}')"
        )
        result = self._pgconn.exec_(text.encode())
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise from_driver(psycopg.errors.error_from_result(result), self._where)

    def read(self, timeout_s: float) -> Change | None:
        """Return the next change, or None if none came in time.

        Raises:
            NodeLost: the node went away, and every change that had come was read.
            FeedBroken, TableUnfit: the log cannot be decoded further.
        """
        with self._ready:
            self._ready.wait_for(lambda: self._changes or self._error, timeout=timeout_s)
            if self._changes:
                change = self._changes.popleft()
                self._ready.notify_all()
                return change
            if self._error is not None:
                raise self._error
            return None

    @property
    def reached(self) -> Lsn:
        """Where the server is: what was committed before it has come, and once `read` gives None has been read."""
        with self._ready:
            return self._reached

    def confirm(self, cursor: Cursor) -> None:
        """Let the slot forget what lies before `cursor`: call it once the checkpoint that holds it is durable."""
        with self._ready:
            self._confirmed = max(self._confirmed, cursor.lsn)

    def close(self) -> None:
        """Tell the server what was confirmed and end the session."""
        with self._ready:
            self._stopped = True
            self._ready.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._receive()
        except psycopg.Error as error:
            self._fail(from_driver(error, self._where))
        except HadrianError as error:
            self._fail(error)
        finally:
            self._pgconn.finish()
            self._identity.finish()

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
            size, data = self._pgconn.get_copy_data(1)
            if size > 0:
                next_status = self._take(bytes(data), next_status)
            elif size == 0:
                self._publish()
                self._wait()
            else:
                raise NodeLost(f"{self._where} ended the stream")
        self._send_status()
        self._end()

    def _wait(self) -> None:
        select.select([self._pgconn.socket], [], [], 0.2)
        self._pgconn.consume_input()

    def _end(self) -> None:
        """Leave in order: once the server has answered, the slot is confirmed and free for another reader."""
        deadline = time.monotonic() + _CLOSE_TIMEOUT_S
        self._pgconn.put_copy_end()
        self._pgconn.flush()
        while self._pgconn.get_copy_data(1)[0] >= 0 and time.monotonic() < deadline:
            self._wait()
        while self._pgconn.is_busy() and time.monotonic() < deadline:
            self._wait()

    def _is_full(self) -> bool:
        with self._ready:
            if len(self._changes) < _QUEUE_LIMIT:
                return False
            self._ready.wait(timeout=_STATUS_INTERVAL_S / 2)
            return True

    def _take(self, data: bytes, next_status: float) -> float:
        if data[:1] == b"w":
            self._received = max(self._received, Lsn(int.from_bytes(data[1:9], "big")))
            self._batch.append(decode(data[_XLOG_HEADER_BYTES:]))
        elif data[:1] == b"k":
            self._received = max(self._received, Lsn(int.from_bytes(data[1:9], "big")))
            if data[17:18] == b"\1":  # the server wants an answer now
                return 0.0
        else:
            raise FeedBroken(f"{self._where} sent an unknown stream message {data[:1]!r}")
        return next_status

    def _publish(self) -> None:
        """Hand over what came, whose timeline is known only now."""
        if not self._batch:
            self._reached = self._received
            return
        identity = command(self._identity, b"IDENTIFY_SYSTEM", self._where)
        if int(identity.get_value(0, 1) or b"0") != self._transactions.history.timeline:
            self._transactions.history = topology.timeline_history(self._server)
        batch, self._batch = self._batch, []
        changes = [change for message in batch for change in self._transactions.take(message)]
        with self._ready:
            self._changes.extend(changes)
            self._reached = self._received
            self._ready.notify_all()

    def _send_status(self) -> None:
        with self._ready:
            flushed = self._confirmed
        now_us = int((time.time() - _POSTGRES_EPOCH_S) * 1_000_000)
        self._pgconn.put_copy_data(struct.pack(">cQQQQB", b"r", self._received, flushed, flushed, now_us, 0))
        self._pgconn.flush()


def _kept_from(server: Server, slot: str, after: Cursor) -> Lsn:
    kept_from = slots.confirmed(server, slot)
    if after.lsn < kept_from:
        raise FeedBroken(f"{server.where}: slot {slot} keeps rows from {kept_from} on, wanted from {after}")
    return kept_from
