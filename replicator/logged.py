"""Whether Hadrian's own tables are in the log: no standby has what is not, however well it was saved.

Asked when the tables are made, and once by each writer, since a table can be taken out of the log at any time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, TextClause

from replicator.errors import NotConfigured


class Node(Protocol):
    """What can be asked: a database, or a server alone."""

    @property
    def where(self) -> str:
        """Its address without secrets."""
        ...

    def statement(self, name: str) -> TextClause:
        """Return this engine's statement of that name."""
        ...

    def connect(self) -> AbstractContextManager[Connection]:
        """Open a session for reading."""
        ...


def check(node: Node) -> None:
    """Check that what is written to Hadrian's tables comes into the log.

    Raises:
        NotConfigured: of one of them it does not, or a table space is in a state that the log does not bring back.
    """
    with node.connect() as connection:
        found = connection.execute(node.statement("store/unlogged")).all()
    if found:
        said = ", ".join(f"{row.object} {row.reason}" for row in found)
        raise NotConfigured(
            f"{node.where}: {said}: no standby would have what is stored",
            hint="; ".join(dict.fromkeys(row.remedy for row in found)),
        )
