"""Files that definitions name and no log carries: libraries by digest, extensions' scripts, files that SQL reads."""

from __future__ import annotations

from collections.abc import Iterator

from replicator.comparison import Compared, Request, Suspect, What
from replicator.postgres.audit import check, physical_files
from replicator.postgres.verify import audited
from replicator.postgres.verify.couple import Couple
from replicator.rule import Mode, Unseen


def compare(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare the files of a primary with those of its standby. Raises: NodeUnreachable, NodeLost."""
    yield from audited.compare(
        couple, Mode.POSTGRES_PHYSICAL, What.LIBRARIES, "libraries and extensions", physical_files.FILES, count
    )


def count(nodes: check.Couple) -> int:
    """Return how many libraries and extensions the primary knows. Raises: NodeUnreachable, NodeLost."""
    return len(nodes.primary.ask("catalog/libraries")) + len(nodes.primary.ask("catalog/extensions"))
