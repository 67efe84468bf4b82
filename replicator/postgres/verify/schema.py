"""What a database defines, object by object, in each server's own words; on a standby it is replayed like rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from replicator.comparison import Compared, Request, Suspect, What
from replicator.postgres.verify import rounds
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.rule import Unseen
from replicator.settling import Sight


@dataclass(frozen=True, slots=True)
class Definition:
    """An object as one node defines it.

    Attributes:
        kind: table, column, function, ...
        relation: the one that it belongs to, or is.
        text: what the server prints of it.
        version: another after each change of it.
    """

    kind: str
    relation: str | None
    text: str
    version: str


def compare(couple: Couple, request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare a primary's definitions with its standby's. Raises: NodeUnreachable, NodeLost."""
    yield from rounds.compare(couple, request, _DEFINITIONS)


def definitions(node: Reader) -> dict[str, Definition]:
    """Return what one node defines, by kind and name. Raises: as `Reader.ask`."""
    found = {
        f"{row.kind} {row.object}": Definition(row.kind, row.relation, row.definition or "", row.version or "")
        for row in node.ask("verify/relation_definitions")
    }
    for row in node.ask("verify/other_definitions"):
        found[f"{row.kind} {row.object}"] = Definition(row.kind, None, row.definition or "", row.version or "")
    return found


def _read(node: Reader, _names: Collection[str] | None) -> rounds.Sights:
    # A text names other objects: one of those can have been renamed, and back, without a new version of this one.
    catalog = node.ask("verify/catalog_version")[0].version
    return {name: Sight((catalog, one.version, one.text), one.text) for name, one in definitions(node).items()}


_DEFINITIONS = rounds.Things(What.SCHEMA, "definitions", _read, rounds.Thrice)
