"""What a node's catalog says of types that are not built in, read when the first of them is met."""

from __future__ import annotations

from replicator import sql
from replicator.postgres.arrow_types import TypeFacts
from replicator.postgres.connection import Server


class TypeCatalog:
    """The types of a node; to be called with a type's OID.

    The log may name a type that was dropped since, or made since: one that is not known is looked for again.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: dict[int, TypeFacts | None] = {}

    def __call__(self, oid: int) -> TypeFacts | None:
        """Return the facts of a type, None if it is gone. Raises: NodeLost, NodeUnreachable."""
        if oid not in self._known:
            with self._server.connect() as connection:
                rows = connection.execute(sql.load("postgres/feed/types")).all()
            self._known |= {
                row.oid: TypeFacts(row.name, row.base, row.base_modifier, row.element, row.delimiter) for row in rows
            }
        return self._known.setdefault(oid, None)
