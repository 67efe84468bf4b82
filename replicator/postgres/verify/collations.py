"""Versions of collations: an index that one version's rules have sorted is searched wrongly by another's.

An index flows to the standby as it was built, while the rules of the order come from each node's own operating system.

Source: PostgreSQL 18 documentation, ALTER COLLATION, "Notes".
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from replicator.comparison import Compared, Request, Suspect, What, Word
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.postgres.verify.refusals import told
from replicator.rule import Grade, Unseen

_LABEL = "collation versions"
_SINCE = 150_000


@dataclass(frozen=True, slots=True)
class Version:
    """A collation on one node.

    Attributes:
        version: of its rules; None where nobody tells.
        provider: what the rules come from.
        indexes: how many indexes are in its order.
    """

    version: str | None
    provider: str
    indexes: int


def physical(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare a primary's versions with its standby's. Raises: NodeUnreachable, NodeLost."""
    yield from told(couple, What.COLLATIONS, _LABEL, _compared(couple, replayed=True))


def logical(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare two servers, each of which has built its own indexes. Raises: NodeUnreachable, NodeLost."""
    yield from told(couple, What.COLLATIONS, _LABEL, _compared(couple, replayed=False))


def _compared(couple: Couple, *, replayed: bool) -> Iterator[Compared | Suspect | Unseen]:
    began = time.monotonic()
    nodes = [Reader(node, couple.timeout_s) for node in (couple.primary, couple.standby)]
    for node in nodes:
        if node.ask("catalog/asking_role")[0].version < _SINCE:
            yield Unseen(_LABEL, node.where, "needs PostgreSQL 15", "look by hand, or upgrade the server")
            return
    here, there = (_versions(node) for node in nodes)
    yield from differing(here, there, replayed=replayed)
    yield Compared(What.COLLATIONS, _LABEL, len(here), 0, None, time.monotonic() - began)


def _versions(node: Reader) -> dict[str, Version]:
    rows = node.ask("verify/collation_versions")
    return {row.object: Version(row.version, row.provider, row.indexes) for row in rows}


def differing(here: Mapping[str, Version], there: Mapping[str, Version], *, replayed: bool) -> Iterator[Suspect]:
    """Yield what both have in another version; with `replayed`, the second has the indexes of the first."""
    for name, ours in here.items():
        theirs = there.get(name, ours)
        if theirs.version == ours.version:
            continue
        grade = Grade.MAY if not replayed else Grade.MUST if ours.indexes else Grade.SHOULD
        hurt = f": {ours.indexes} indexes in its order" if replayed and ours.indexes else ""
        told = f"{_told(theirs)} on the second node, and {_told(ours)} on the first{hurt}"
        yield Suspect(What.COLLATIONS, name, Word.DIFFERENT, f"is {told}", grade=grade)


def _told(one: Version) -> str:
    return f"{one.provider} {one.version or 'of no known version'}"
