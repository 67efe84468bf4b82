"""How a comparison reads a node: read-only, within a time, without a wait for a lock, printing as any other does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, cast

from psycopg import sql as pgsql
from sqlalchemy import Row

from replicator import sql
from replicator.position import Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.connection import driver

_LOCK_TIMEOUT_MS = 1000  # whoever holds a table this long rewrites it


class Reader:
    """A node, as a comparison asks it.

    Args:
        database: the node.
        timeout_s: how long one query may take.
    """

    def __init__(self, database: PostgresDatabase, timeout_s: float) -> None:
        self._database = database
        self._limits = limits(timeout_s)
        self.where = database.where

    def ask(self, question: LiteralString, **parameters: object) -> Sequence[Row[Any]]:
        """Return the rows of the statement `sql/postgres/<question>.sql`.

        Raises:
            NotPermitted: the role may not ask.
            QueryTimedOut: it took too long, or a lock was in the way.
            NodeUnreachable, NodeLost: no answer, or none any more.
        """
        with self._database.connect() as connection:
            reading = connection.execution_options(postgresql_readonly=True)
            reading.execute(sql.load("postgres/verify/reading"), self._limits)
            return reading.execute(sql.load(f"postgres/{question}"), parameters).all()

    def log_position(self) -> Lsn:
        """Return a position behind every commit that the node, a primary, shows. Raises: as `ask`."""
        return Lsn(self.ask("verify/log_position")[0].lsn)

    def read(self, statement: pgsql.Composed) -> list[tuple[Any, ...]]:
        """Return the rows of a statement that was put together. Raises: as `ask`."""
        with self._database.connect() as connection:
            reading = connection.execution_options(postgresql_readonly=True)
            reading.execute(sql.load("postgres/verify/reading"), self._limits)
            # In binary form, which only the protocol of one statement at a time gives.
            return driver(connection).execute(statement, binary=True).fetchall()


def limits(statement_s: float) -> dict[str, str]:
    """Return the times that a session may wait, as `verify/reading` and `verify/tuple_session` take them."""
    return {"statement_ms": str(round(statement_s * 1000)), "lock_ms": str(_LOCK_TIMEOUT_MS)}


def composed(name: str, **parts: pgsql.Composable) -> pgsql.Composed:
    """Return the statement in `sql/postgres/<name>.sql` with its places filled.

    The comments are left out, since a name may have a line's end in it.
    """
    lines = sql.source(f"postgres/{name}").splitlines(keepends=True)
    return server_sql("".join(line for line in lines if not line.startswith("--"))).format(**parts)


def server_sql(text: str) -> pgsql.SQL:
    """Take a server's own text from its catalog, or a file's, neither of which is a user's, as SQL."""
    return pgsql.SQL(cast("LiteralString", text))  # type: ignore[redundant-cast] # mypy takes LiteralString for str


def listed(parts: Sequence[pgsql.Composable]) -> pgsql.Composed:
    """Return parts with commas between."""
    return pgsql.SQL(", ").join(parts)
