"""A session as psql has it: text goes to the server as it stands, and what comes back is taken as it comes.

Over libpq's simple query protocol, with nothing prepared and no transaction but the script's own. The data that a
script has behind `copy ... from stdin` goes along with its statement.

Source: PostgreSQL 18 documentation, libpq, Asynchronous Command Processing, and Functions Associated with COPY.
"""

from __future__ import annotations

import select
from dataclasses import dataclass

import psycopg
from psycopg import pq

from replicator.errors import NodeLost, NodeUnreachable
from replicator.postgres.connection import Server
from replicator.postgres.errors import from_driver

_FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE, pq.ExecStatus.PIPELINE_ABORTED)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to a text.

    Attributes:
        tags: the command tag of each statement that went through, such as COMMIT or INSERT 0 1.
        error: why one did not, in the server's words, or empty.
    """

    tags: tuple[str, ...]
    error: str = ""


class Session:
    """One session on a node.

    Raises:
        NodeUnreachable: no answer.
    """

    def __init__(self, server: Server) -> None:
        self._where = server.where
        self._pgconn = pq.PGconn.connect(server.conninfo.encode())
        if self._pgconn.status != pq.ConnStatus.OK:
            words = self._pgconn.error_message.decode(errors="replace").strip().splitlines()
            self._pgconn.finish()
            raise NodeUnreachable(f"{self._where}: {words[0] if words else 'no answer'}")

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction block is open, a failed one included."""
        return self._pgconn.transaction_status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    @property
    def has_failed(self) -> bool:
        """Whether the open transaction block takes nothing but its end."""
        return bool(self._pgconn.transaction_status == pq.TransactionStatus.INERROR)

    def run(self, text: str, data: str | None = None) -> Answer:
        """Send a text, with the data behind its COPY, and return what came of it.

        Raises:
            NodeLost: the session has ended.
        """
        tags: list[str] = []
        error = ""
        for result in self._results(text, data):
            if result.status in _FAILED:
                error = error or _words(result)
            elif result.command_status:
                tags.append(result.command_status.decode())
        if self._pgconn.status != pq.ConnStatus.OK:
            raise NodeLost(f"{self._where}: the session ended: {error}", hint="take the statement out of the script")
        return Answer(tuple(tags), error)

    def rows(self, query: str, *parameters: str) -> list[tuple[str | None, ...]]:
        """Return a query's rows, values as text; `$1` is the first parameter.

        Raises:
            psycopg.Error: the server refused it.
            NodeLost: the session has ended.
        """
        found: list[tuple[str | None, ...]] = []
        refused: psycopg.Error | None = None
        for result in self._results(query, None, parameters):
            if result.status in _FAILED:
                refused = refused or psycopg.errors.error_from_result(result)
            for row in range(result.ntuples):
                values = (result.get_value(row, column) for column in range(result.nfields))
                found.append(tuple(value if value is None else value.decode() for value in values))
        if refused is not None:
            raise refused if refused.sqlstate else from_driver(refused, self._where)
        return found

    def close(self) -> None:
        """End the session."""
        self._pgconn.finish()

    def _results(self, text: str, data: str | None, parameters: tuple[str, ...] = ()) -> list[pq.abc.PGresult]:
        results = []
        if parameters:
            self._pgconn.send_query_params(text.encode(), [parameter.encode() for parameter in parameters])
        else:
            self._pgconn.send_query(text.encode())
        while (result := self._next()) is not None:
            results.append(result)
            if result.status == pq.ExecStatus.COPY_IN:
                self._put(data)
            elif result.status == pq.ExecStatus.COPY_OUT:
                while self._pgconn.get_copy_data(0)[0] > 0:
                    pass
        return results

    def _put(self, data: str | None) -> None:
        if data is None:
            self._pgconn.put_copy_end(b"the script has no data for it")
        else:
            if data:
                self._pgconn.put_copy_data(data.encode())
            self._pgconn.put_copy_end()

    def _next(self) -> pq.abc.PGresult | None:
        # Waiting here and not in libpq: an interrupt is to be heard while a statement runs.
        while self._pgconn.is_busy():
            select.select([self._pgconn.socket], [], [])
            try:
                self._pgconn.consume_input()
            except psycopg.OperationalError:
                break  # the server has gone; what it said last is still to be read
        return self._pgconn.get_result()


def _words(result: pq.abc.PGresult) -> str:
    primary = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    return " ".join(primary.decode(errors="replace").split())
