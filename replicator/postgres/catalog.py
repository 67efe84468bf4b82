"""Facts about one node, a question a function: each runs the statement of its name and judges nothing.

Every question is asked in a read-only session of its own, so a rule that asks less needs fewer privileges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from sqlalchemy import RowMapping

from replicator import sql
from replicator.postgres.connection import Server


@dataclass(frozen=True, slots=True)
class UnloggedRelation:
    """A table or sequence whose content is not in the log.

    Attributes:
        name: quoted and qualified.
        is_sequence: a sequence, else a table.
        logged_parent: the logged table that the rows are also read through, if any.
    """

    name: str
    is_sequence: bool
    logged_parent: str | None


@dataclass(frozen=True, slots=True)
class LogicalSlot:
    """A logical slot that a consumer could go on from.

    Attributes:
        name: its name.
        failover: whether it asks to be synchronized to standbys.
    """

    name: str
    failover: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting.

    Attributes:
        name: its name.
        value: with its unit.
        should_match: whether both nodes of a pair should have the same.
    """

    name: str
    value: str
    should_match: bool


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table that is published and whose rows cannot be told apart.

    Attributes:
        name: quoted and qualified.
        publications: their names.
        operations: what they publish of it, beside inserts.
    """

    name: str
    publications: str
    operations: str


@dataclass(frozen=True, slots=True)
class Tablespace:
    """A tablespace outside the data directory.

    Attributes:
        name: its name.
        location: absolute path on the node that was asked.
    """

    name: str
    location: str


def unlogged_relations(server: Server) -> list[UnloggedRelation]:
    """Return the unlogged tables and sequences of the database. Raises: NodeUnreachable, NodeLost."""
    return [UnloggedRelation(**row) for row in _ask(server, "unlogged_relations")]


def logical_slots(server: Server) -> list[LogicalSlot]:
    """Return the node's usable logical slots. Raises: NodeUnreachable, NodeLost."""
    return [LogicalSlot(**row) for row in _ask(server, "logical_slots")]


def settings(server: Server) -> dict[str, Setting]:
    """Return the node's settings by name. Raises: NodeUnreachable, NodeLost."""
    return {row["name"]: Setting(**row) for row in _ask(server, "settings")}


def published_without_identity(server: Server) -> list[PublishedTable]:
    """Return the published tables without a replica identity. Raises: NodeUnreachable, NodeLost."""
    return [PublishedTable(**row) for row in _ask(server, "published_without_identity")]


def tablespaces(server: Server) -> list[Tablespace]:
    """Return the tablespaces outside the data directory. Raises: NodeUnreachable, NodeLost."""
    return [Tablespace(**row) for row in _ask(server, "tablespaces")]


def has_directory(server: Server, path: str) -> bool:
    """Return whether the node has a directory `path`. Raises: NodeUnreachable, NodeLost, NotPermitted."""
    return bool(_ask(server, "has_directory", path=path)[0]["present"])


def libraries(server: Server) -> list[str]:
    """Return the libraries of the database's own C functions. Raises: NodeUnreachable, NodeLost."""
    return [row["library"] for row in _ask(server, "libraries")]


def library_digests(server: Server, names: Sequence[str]) -> dict[str, str | None]:
    """Return the digest of the file that the node would load for each library, None where there is none.

    Raises:
        NodeUnreachable, NodeLost, NotPermitted.
    """
    return {row["library"]: row["digest"] for row in _ask(server, "library_digests", libraries=list(names))}


def system_identifier(server: Server) -> str:
    """Return what all physical copies of one system have in common. Raises: NodeUnreachable, NodeLost."""
    return str(_ask(server, "system_identifier")[0]["system_identifier"])


def _ask(server: Server, question: LiteralString, **parameters: object) -> Sequence[RowMapping]:
    with server.connect() as connection:
        reading = connection.execution_options(postgresql_readonly=True)
        return reading.execute(sql.load(f"postgres/catalog/{question}"), parameters).mappings().all()
