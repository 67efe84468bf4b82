"""Roles, owners and grants: on a standby they are replayed like rows, the server's shared catalogs included."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from replicator.comparison import Compared, Request, Suspect, What
from replicator.postgres.verify import rounds
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.rule import Unseen
from replicator.settling import Sight

PASSWORDS = "passwords: only a superuser may read them"


def compare(couple: Couple, request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare a primary's with its standby's. Raises: NodeUnreachable, NodeLost."""
    yield from rounds.compare(couple, request, _GRANTS)


def definitions(node: Reader) -> dict[str, str]:
    """Return what one node has, by kind and name. Raises: as `Reader.ask`."""
    return {f"{row.kind} {row.object}": row.definition or "" for row in node.ask("verify/grants")}


def _read(node: Reader, _names: Collection[str] | None) -> rounds.Sights:
    catalog = node.ask("verify/catalog_version")[0].version
    return {name: Sight((catalog, text), text) for name, text in definitions(node).items()}


_GRANTS = rounds.Things(What.ROLES, "roles and grants", _read, rounds.Thrice, left_out=PASSWORDS)
