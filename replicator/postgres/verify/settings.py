"""Settings and access rules of two nodes: files of each, which no log carries.

What must, should and may differ is the audit's to know. Two servers of a publication may be configured apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from replicator.comparison import Compared, Request, Suspect, What
from replicator.postgres.audit import logical_schema, physical_settings
from replicator.postgres.audit.check import Check
from replicator.postgres.verify import audited
from replicator.postgres.verify.couple import Couple
from replicator.rule import Mode, Unseen

_PHYSICAL = (physical_settings.ALL_SEEN, *physical_settings.TOGETHER)
_LOGICAL = (physical_settings.ALL_SEEN, logical_schema.SETTINGS)


def physical(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare a primary's settings with its standby's. Raises: NodeUnreachable, NodeLost."""
    yield from _compared(couple, Mode.POSTGRES_PHYSICAL, _PHYSICAL)


def logical(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare a publisher's settings with its subscriber's. Raises: NodeUnreachable, NodeLost."""
    yield from _compared(couple, Mode.POSTGRES_LOGICAL, _LOGICAL)


def _compared(couple: Couple, mode: Mode, checks: tuple[Check, ...]) -> Iterator[Compared | Suspect | Unseen]:
    yield from audited.compare(
        couple, mode, What.SETTINGS, "settings", checks, lambda nodes: len(nodes.primary.settings)
    )
