"""Tablespaces: the log brings their names and options, and never their directories."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from replicator.comparison import Compared, Request, Suspect, What
from replicator.postgres.audit import physical_files
from replicator.postgres.verify import audited, rounds
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.rule import Mode, Unseen
from replicator.settling import Sight


def compare(couple: Couple, request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare the catalog, and look whether each node has the directories. Raises: NodeUnreachable, NodeLost."""
    with audited.audited(couple, Mode.POSTGRES_PHYSICAL) as nodes:
        yield from audited.found(nodes, What.TABLESPACES, [physical_files.DIRECTORIES])
    yield from rounds.compare(couple, request, _TABLESPACES)


def _read(node: Reader, _names: Collection[str] | None) -> rounds.Sights:
    rows = node.ask("verify/tablespaces")
    return {row.object: Sight((row.version, row.definition), row.definition) for row in rows}


_TABLESPACES = rounds.Things(What.TABLESPACES, "tablespaces", _read, rounds.Versioned)
