"""A session that reads one node's tuples: one statement a snapshot, so that none is held longer than a statement lasts.

What cannot be read because it is damaged is an answer too, `Unreadable`, and not the end: whoever asks for many things
at once gets it for the thing that is damaged, and the rest all the same.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

import psycopg
import sqlalchemy
import sqlalchemy.exc
from sqlalchemy import Row, TextClause

from replicator import sql
from replicator.errors import HadrianError, NodeLost, NodeUnreachable, QueryTimedOut
from replicator.postgres.connection import Server, driver
from replicator.postgres.errors import connecting, translated
from replicator.postgres.verify.reader import limits

_ATTEMPTS = 5
_POLL_S = 0.2
_SLOW_S = 1.0  # an attempt that took longer was ended by silence, and another would be as well
_SILENCE_S = 10.0  # behind its own limit, after which a node that says nothing is taken for lost

# Source: PostgreSQL documentation, Appendix A. Damage shows as internal errors and data corrupted (XX), as values that
# no input would have made (22) or that are too large (54), as blocks or files that the system does not give (58).
_DAMAGED = ("XX", "22", "54", "58")
_NO_BINARY_FORM = "42883"
_LOCKED = "55P03"

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class Unreadable(HadrianError):
    """A node has it, and cannot read it."""

    hint = "restore it from the other node, and check this node's storage"


class NoBinaryForm(HadrianError):
    """A value's type has no function that sends it."""


class Stopped(HadrianError):
    """Nobody waits for the answer any more."""


class Locked(QueryTimedOut):
    """A lock was in the way."""


class TupleSession:
    """One session on one node, opened again when it was lost.

    Args:
        server: the node.
        limit_s: how long a statement, and so a snapshot, may last.
    """

    def __init__(self, server: Server, limit_s: float) -> None:
        self.where = server.where
        self._server = server
        self._limit_s = limit_s
        self._due = math.inf
        self._limits = limits(limit_s)
        self._connection: sqlalchemy.Connection | None = None
        self._holds_snapshot = False
        self._stopped = False

    def ask(self, statement: TextClause, **parameters: object) -> Sequence[Row[Any]]:
        """Return the rows of a statement, in a snapshot of its own or in that of `snapshot`.

        Raises:
            Unreadable: what it reads is damaged.
            NoBinaryForm: a value cannot be hashed by its bits.
            RecoveryConflict: replay wanted what it read.
            QueryTimedOut: it took too long; Locked: or had to wait.
            SchemaMissing: the table is not there.
            NotPermitted: the role may not.
            NodeUnreachable, NodeLost: no answer, or none any more.
        """
        attempts = 1 if self._holds_snapshot else _ATTEMPTS
        while True:
            began = time.monotonic()
            try:
                return self._ask(statement, parameters)
            except (NodeLost, NodeUnreachable) as error:
                # Replay ends sessions that are in its way, and those that are just being opened, without another word.
                self.close()
                attempts -= 1 if isinstance(error, NodeLost) else _ATTEMPTS // 2
                if attempts <= 0 or time.monotonic() - began > _SLOW_S:
                    raise
            time.sleep(_POLL_S)

    def _ask(self, statement: TextClause, parameters: dict[str, object]) -> Sequence[Row[Any]]:
        if self._stopped:
            raise Stopped(f"{self.where}: the comparison was ended")
        connection = self._open()
        self._due = time.monotonic() + self._limit_s + _SILENCE_S
        try:
            with translated(self.where), _damage_told(self.where):
                result = connection.execute(statement, parameters)
                return result.all() if result.returns_rows else []
        finally:
            self._due = math.inf

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[str]:
        """Hold one snapshot while the block runs, and give its text. Raises: as `ask`."""
        self.ask(sql.load("postgres/verify/begin_snapshot"))
        self._holds_snapshot = True
        try:
            yield str(self.ask(sql.load("postgres/verify/snapshot"))[0].snapshot)
        finally:
            self._holds_snapshot = False
            if self._connection is not None:
                try:
                    self._connection.execute(sql.load("postgres/verify/end_snapshot"))
                except sqlalchemy.exc.SQLAlchemyError:
                    self.close()

    def decoded(self, text: bytes) -> str:
        """Return a text that the node sent as it has it, whatever is the matter with it."""
        return text.decode(driver(self._open()).info.encoding, "backslashreplace")

    def stop(self) -> None:
        """Have every further `ask` fail."""
        self._stopped = True

    def give_up(self) -> None:
        """End a wait, from another thread, for a node that ought to have ended the statement itself long ago."""
        connection = self._connection
        if connection is not None and time.monotonic() > self._due:
            with (
                contextlib.suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(driver(connection).fileno())) as end,
            ):
                end.shutdown(socket.SHUT_RDWR)

    def cancel(self) -> None:
        """End the statement that runs, from another thread."""
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(psycopg.Error, sqlalchemy.exc.SQLAlchemyError):
                driver(connection).cancel_safe(timeout=2)

    def close(self) -> None:
        """Close the session; another `ask` opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlalchemy.exc.SQLAlchemyError):
                connection.invalidate()  # its settings are its own: nobody else is to get it from the pool
                connection.close()

    def _open(self) -> sqlalchemy.Connection:
        if self._connection is None:
            with connecting(self.where):
                opened = self._server.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                opened.execute(sql.load("postgres/verify/tuple_session"), self._limits)
            self._connection = opened
        return self._connection


@contextlib.contextmanager
def _damage_told(where: str) -> Iterator[None]:
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        message = f"{where}: {str(error.orig).strip().partition(chr(10))[0]}"
        if state.startswith(_DAMAGED):
            raise Unreadable(message) from error
        if state == _NO_BINARY_FORM:
            raise NoBinaryForm(message) from error
        if state == _LOCKED:
            raise Locked(message) from error
        raise


def isolated(
    ask: Callable[[Sequence[_Item]], _Answer], items: Sequence[_Item]
) -> Iterator[tuple[Sequence[_Item], _Answer | Unreadable]]:
    """Ask for all of some items; where one of them is damaged, for halves, down to that one alone.

    Raises: whatever else `ask` does.
    """
    waiting = [items]
    while waiting:
        some = waiting.pop()
        try:
            yield some, ask(some)
        except Unreadable as damage:
            if len(some) == 1:
                yield some, damage
            else:
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]


def on_both(helper: Executor, first: Callable[[], _Answer], second: Callable[[], _Answer]) -> tuple[_Answer, _Answer]:
    """Run one thing on each node at a time; an error of either is raised when both have ended.

    An interrupt is raised at once: who catches it ends what the other still does.
    """
    other = helper.submit(second)
    try:
        answer = first()
    except Exception:
        with contextlib.suppress(Exception):
            other.result()
        raise
    return answer, other.result()
