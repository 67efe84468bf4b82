"""One node's catalogs, as an audit asks them: read-only, within a time, and without a wait for a lock.

A question is a statement in `sql/postgres/`, asked in a transaction of its own. What the node does not answer, for
want of a privilege, of time or of the version, is `Unanswered`: a check that needs the answer ends there, and the
others go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, LiteralString

from sqlalchemy import URL, Row

from replicator import sql
from replicator.errors import HadrianError, NodeLost, NotPermitted, QueryTimedOut
from replicator.postgres.connection import Server
from replicator.topology import Role

_CONFLICTS = 5  # that end a question, before it is given up
_LOCK_TIMEOUT_MS = 1000  # whoever holds a catalog this long rewrites it


class Unanswered(HadrianError):
    """A node did not answer a question.

    Attributes:
        where: the node.
        why: its reason, in a few words.
        permitted: whether the role may ask.
        grant: what would let it, where only the answer tells.
    """

    def __init__(self, where: str, why: str, *, permitted: bool, grant: str = "") -> None:
        super().__init__(f"{where}: {why}", hint="grant what it needs, or give it more time with --timeout")
        self.where = where
        self.why = why
        self.permitted = permitted
        self.grant = grant


class Catalog:
    """The catalogs of one node.

    Attributes:
        where: host, port and database, for messages.
    """

    def __init__(self, url: str | URL, timeout_s: float) -> None:
        self._server = Server(url)
        self._timeout_s = timeout_s
        self.where = self._server.where

    def ask(self, question: LiteralString, **parameters: object) -> Sequence[Row[Any]]:
        """Return the rows of the statement `sql/postgres/<question>.sql`.

        Raises:
            Unanswered: the role may not ask, or it took too long.
            NodeUnreachable: no answer.
            NodeLost: the node went away in between.
        """
        for _ in range(_CONFLICTS):
            with contextlib.suppress(NodeLost):  # replay ended the session, and lets the next pass: the node is there
                return self._ask(question, parameters)
        return self._ask(question, parameters)

    def _ask(self, question: LiteralString, parameters: dict[str, object]) -> Sequence[Row[Any]]:
        try:
            with self._server.connect() as connection:
                reading = connection.execution_options(postgresql_readonly=True)
                limits = {"statement_ms": str(round(self._timeout_s * 1000)), "lock_ms": str(_LOCK_TIMEOUT_MS)}
                reading.execute(sql.load("postgres/catalog/limits"), limits)
                return reading.execute(sql.load(f"postgres/{question}"), parameters).all()
        except NotPermitted as error:
            reason = str(error).partition("permission denied ")[2]
            why = f"permission denied {reason}" if reason else "permission denied"
            raise Unanswered(self.where, why, permitted=False) from error
        except QueryTimedOut as error:
            raise Unanswered(self.where, "a lock was in the way, or it took too long", permitted=True) from error

    @property
    def role(self) -> Role:
        """What the node is right now. Raises: as `ask`."""
        return Role.STANDBY if self.ask("topology/node")[0].in_recovery else Role.PRIMARY

    @cached_property
    def user(self) -> str:
        """The role that asks, quoted. Raises: as `ask`."""
        return str(self.ask("catalog/asking_role")[0].name)

    @cached_property
    def version(self) -> int:
        """The server's version as it counts them: 180006. Raises: as `ask`."""
        return int(self.ask("catalog/asking_role")[0].version)

    @cached_property
    def settings(self) -> dict[str, Row[Any]]:
        """The node's settings by name, as far as the role may see them. Raises: as `ask`."""
        return {row.name: row for row in self.ask("catalog/settings")}

    def setting(self, name: str) -> str:
        """Return a setting's value, empty where the node has none or does not show it. Raises: as `ask`."""
        return str(self.settings[name].value) if name in self.settings else ""

    def close(self) -> None:
        """Close every session."""
        self._server.close()
