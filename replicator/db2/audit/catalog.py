"""One Db2 node's catalog, configuration and monitor, as an audit asks them: uncommitted read, so it waits for no lock.

A question is a statement in `sql/db2/catalog/`, and reads what is not committed: a standby serves no other reads. What
the node does not answer, for want of a privilege or of the object, is `Unanswered`: a check that needs the answer
ends there, and the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import LiteralString

from sqlalchemy import RowMapping

from replicator import sql
from replicator.db2.connection import Db2Server
from replicator.errors import HadrianError, NotConfigured, NotPermitted, QueryTimedOut, SchemaMissing
from replicator.topology import Role


@dataclass(frozen=True, slots=True)
class Setting:
    """A configuration parameter.

    Attributes:
        value: its value, empty where it has none.
        flags: AUTOMATIC or COMPUTED where nobody chose the value, else NONE or empty.
    """

    value: str
    flags: str


class Unanswered(Exception):
    """A node did not answer a question.

    Attributes:
        where: the node.
        why: its reason, in a few words.
        permitted: whether the user may ask.
    """

    def __init__(self, where: str, why: str, *, permitted: bool) -> None:
        super().__init__(where, why)
        self.where = where
        self.why = why
        self.permitted = permitted


class Catalog:
    """The catalog of one node.

    Attributes:
        where: host, port and database, for messages.
        database: the database's name.
        user: who asks, as Db2 knows them.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._server = Db2Server(url, timeout_s)
        self.where = self._server.where
        self.database = self._server.url.database or ""
        self.user = (self._server.url.username or "").upper() or "the user"

    def rows(self, question: LiteralString) -> Sequence[SimpleNamespace]:
        """Return the rows of the statement `sql/db2/<question>.sql`.

        Raises:
            NodeUnreachable: no answer, or a standby that is closed to readers.
            NodeLost: the node went away in between, or did not answer in time.
            NotPermitted: the login was refused, or the user may not ask.
            HadrianError: the node has not what it asks for.
        """
        with self._server.connect() as connection:
            return [_named(row) for row in connection.execute(sql.load(f"db2/{question}")).mappings()]

    def ask(self, question: LiteralString) -> Sequence[SimpleNamespace]:
        """Return the same for a check, which can go without.

        Raises:
            Unanswered: the user may not ask, the node has not what it asks for, or waited for a lock too long.
            NodeUnreachable, NodeLost: as `rows`.
        """
        try:
            return self.rows(question)
        except NotPermitted as error:
            raise Unanswered(self.where, _reason(error), permitted=False) from error
        except (NotConfigured, QueryTimedOut, SchemaMissing) as error:
            raise Unanswered(self.where, _reason(error), permitted=True) from error

    @cached_property
    def settings(self) -> dict[str, Setting]:
        """The database configuration by name. Raises: as `rows`."""
        return {
            row.name: Setting(row.value or "", row.value_flags or "") for row in self.rows("catalog/database_settings")
        }

    def setting(self, name: str) -> str:
        """Return a parameter's value, empty where this version has none of that name. Raises: as `rows`."""
        return self.settings[name].value if name in self.settings else ""

    @property
    def role(self) -> Role:
        """What the database is right now; one without HADR takes writes, as a primary does. Raises: as `rows`."""
        return Role.STANDBY if self.setting("hadr_db_role") == "STANDBY" else Role.PRIMARY

    @cached_property
    def streams(self) -> Sequence[SimpleNamespace]:
        """The state of HADR, a row for each standby that the node knows of. Raises: as `ask`."""
        return self.ask("catalog/hadr")

    def close(self) -> None:
        """Close every session."""
        self._server.close()


def _named(row: RowMapping) -> SimpleNamespace:
    """Return a row by names in lower case (the dialect leaves some in upper case), without CHAR's blanks."""
    return SimpleNamespace(
        **{name.lower(): value.rstrip() if isinstance(value, str) else value for name, value in row.items()}
    )


def _reason(error: HadrianError) -> str:
    """Return what the server said, without the node, which the report names beside it."""
    return str(error).partition(": ")[2].rstrip(".")
