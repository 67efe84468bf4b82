"""Committed changes as they come, from a slot, over the streaming replication protocol.

A thread of the `receiver` takes messages off the socket; they are decoded here, in the reader's thread and only when it
reads. What may be confirmed is told from outside: the slot keeps every row behind the newest durable checkpoint.

The server is asked for what makes it faster and its version has: values in binary form, unless a column's type is read
as text only, and large transactions in pieces while they run (see `streamed`). A column of such a type may be added
in mid-stream: the stream then starts again behind the last row that it read, and asks for text.

A standby goes on streaming when it is promoted. So whoever needs the timeline of what was read asks for it after the
read, and a second session asks the node: rows behind the fork must not be taken for the old timeline's.

Source: PostgreSQL 18 documentation, 54.4 "Streaming Replication Protocol" and 54.5 "Logical Streaming
Replication Protocol".
"""

from __future__ import annotations

import collections
import contextlib
import copy
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import psycopg
import pyarrow as pa
from psycopg import pq
from psycopg import sql as pgsql

from replicator import sql
from replicator.batch import last_position
from replicator.errors import FeedBroken, HadrianError, NodeLost, NodeUnreachable, TableUnfit
from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.postgres import slot as slots
from replicator.postgres import slot_state, topology
from replicator.postgres.arrow_types import codec
from replicator.postgres.batches import Batches
from replicator.postgres.connection import Server, command
from replicator.postgres.errors import from_driver
from replicator.postgres.receiver import HEADER_BYTES, Receiver
from replicator.postgres.shape import TextWanted
from replicator.postgres.streamed import Streamed
from replicator.postgres.type_catalog import TypeCatalog

_BEGIN_AGAIN_S = 1.0
_BINARY_AND_PIECES = 140000
_PROTOCOLS = ((160000, 4), (150000, 3), (_BINARY_AND_PIECES, 2))  # from which version on


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
        SlotInUse: somebody else reads the slot.
        NodeUnreachable: no answer.
    """

    def __init__(self, server: Server, slot: str, publication: str, after: Cursor, *, aside: bool = False) -> None:
        self._server = server
        self._slot = slot
        self._publication = publication
        self._aside = aside
        self._behind = after
        self._batches: collections.deque[pa.RecordBatch] = collections.deque()
        self._failed: HadrianError | None = None
        self._told_reached = after.lsn
        self._asking = threading.Lock()
        self._catalog = TypeCatalog(server)
        with contextlib.ExitStack() as undo:
            self._identity = server.replication()
            undo.callback(self._identity.finish)
            self._history = topology.history_through(self._identity, server.where, TimelineHistory(1))
            self._history.check(after)
            slots.published_table(server, publication)  # the server passes over rows of one that is not there
            self._confirmed = self._kept_from()
            self._start(text=False)
            undo.callback(self._pgconn.finish)
            # Again, now that nobody else can move it: the server would start further on and say nothing.
            self._confirmed = self._kept_from()
            undo.pop_all()
        self._receive()

    def _kept_from(self) -> Lsn:
        state = slot_state.look(self._server, self._slot)
        state.check_keeps(self._behind)
        return state.confirmed or self._behind.lsn

    def _start(self, *, text: bool) -> None:
        """Open a session and have the server send, values in text form if there is no other or it is asked for."""
        self._pgconn = self._server.replication()
        try:
            where, version = self._server.where, self._pgconn.server_version
            names = pgsql.Identifier(self._publication).as_string(None).replace("'", "''")  # no E'' in this grammar
            options = {"publication_names": names, "proto_version": _protocol(version)}
            if version >= _BINARY_AND_PIECES:
                options |= {"streaming": "on", "binary": str(not text and self._is_binary_read()).lower()}
            slot = slots.copy_for_session(self._pgconn, self._slot, where) if self._aside else self._slot
            # Values come in the session's encoding. An SQL_ASCII database does not know what its text is in, so it
            # would refuse what is not UTF-8 without a word on where it stands.
            unknown = self._pgconn.parameter_status(b"server_encoding") == b"SQL_ASCII"
            command(self._pgconn, b"SET client_encoding TO '%s'" % (b"SQL_ASCII" if unknown else b"UTF8"), where)
            self._order(slot, options)
        except BaseException:
            self._pgconn.finish()
            raise

    def _order(self, slot: str, options: Mapping[str, str]) -> None:
        listed = ", ".join(f"{name} '{value}'" for name, value in options.items())
        name = pgsql.Identifier(slot).as_string(None)
        text = f"START_REPLICATION SLOT {name} LOGICAL {self._behind.lsn} ({listed})"
        result = self._pgconn.exec_(text.encode())
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise from_driver(psycopg.errors.error_from_result(result), self._server.where)

    def _is_binary_read(self) -> bool:
        """Whether every published column has a type that is read in binary form."""
        with self._server.connect() as connection:
            parameters = {"publication": self._publication}
            rows = connection.execute(sql.load("postgres/feed/published_types"), parameters).all()
        return all(codec(row.type, row.modifier, self._catalog).from_binary is not None for row in rows)

    def _receive(self) -> None:
        self._receiver = Receiver(self._pgconn, self._server.where, self._behind.lsn, self._confirmed)
        self._decoder = Batches(self._behind, self._catalog, skip=HEADER_BYTES)
        self._streamed = Streamed(skip=HEADER_BYTES)
        self._portions: Iterator[Sequence[bytes]] = iter(())

    def read(self, timeout_s: float) -> pa.RecordBatch | None:
        """Return the next changes, or None if none came in time.

        Raises:
            NodeLost: the node went away, and every change that had come was read.
            FeedBroken, TableUnfit: the log cannot be decoded further, and every change before was read.
            DiskFull: no room for a large transaction here.
        """
        deadline = time.monotonic() + timeout_s
        while not self._batches:
            if self._failed is not None:
                raise self._failed
            try:
                if not self._read_on(deadline):
                    return None
            except HadrianError as error:
                self._failed = self._explained(error)
        return self._batches.popleft()

    def _read_on(self, deadline: float) -> bool:
        """Decode what comes next; return whether anything came in time."""
        portion = next(self._portions, None)
        if portion is None:
            began_again = self._receiver.reached < self._told_reached
            wait_s = deadline - time.monotonic() if not began_again else _BEGIN_AGAIN_S
            messages = self._receiver.take(max(0.0, wait_s))
            if messages is None:
                return began_again
            self._portions = self._streamed.take(messages)
        else:
            try:
                self._decode(portion)
            except TextWanted:
                self._start_again()
        return True

    def _decode(self, messages: Sequence[bytes]) -> None:
        """Decode messages; where one is refused, all that lies before it."""
        before = copy.copy(self._decoder)
        try:
            batches = self._decoder.take(messages)
        except (FeedBroken, TableUnfit):
            if len(messages) == 1:
                raise
            self._decoder = before
            half = len(messages) // 2
            self._decode(messages[:half])
            self._decode(messages[half:])
            return
        if batches:
            self._batches += batches
            self._behind = Cursor(*last_position(batches[-1]), self._behind.timeline)

    def _start_again(self) -> None:
        """Have the server send in text form what lies behind the last row that was read."""
        # Till the server is there again nothing may be told to be left before it, however long that takes.
        self._told_reached = self._receiver.reached
        self._receiver.close()
        self._streamed.close()
        self._pgconn.finish()  # a server does not start a second time in one session
        self._start(text=True)
        self._receive()

    def _explained(self, error: HadrianError) -> HadrianError:
        """Say where a log that cannot be decoded stands, and whether a session ended because its slot did."""
        if isinstance(error, (FeedBroken, TableUnfit)):
            return type(error)(f"{error}; what lies before {self._behind} was read", hint=error.hint)
        try:
            slot_state.look(self._server, self._slot).check_valid()
        except FeedBroken as broken:
            return broken
        except (NodeLost, NodeUnreachable):
            pass
        return error

    def history(self) -> TimelineHistory:
        """Return the forks that led to the timeline that the node is on now.

        Raises:
            NodeLost: the node went away.
        """
        with self._asking:
            self._history = topology.history_through(self._identity, self._server.where, self._history)
            return self._history

    @property
    def reached(self) -> Lsn:
        """Where the server is: what was committed before it has come, and once `read` gives None has been read."""
        return self._receiver.reached

    def confirm(self, cursor: Cursor) -> None:
        """Let the slot forget what lies before `cursor`: call it once the checkpoint that holds it is durable."""
        self._confirmed = max(self._confirmed, cursor.lsn)
        self._receiver.confirm(self._confirmed)

    def close(self) -> None:
        """Tell the server what was confirmed and end the session."""
        self._receiver.close()
        self._streamed.close()
        self._pgconn.finish()
        self._identity.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _protocol(version: int) -> str:
    return str(next((protocol for since, protocol in _PROTOCOLS if version >= since), 1))
