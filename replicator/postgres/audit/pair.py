"""Which pair two URLs make: a standby replays its primary's log, a subscriber gets rows from its publisher."""

from __future__ import annotations

from replicator.postgres.audit.catalog import Catalog
from replicator.postgres.audit.logical import LogicalPair
from replicator.postgres.audit.physical import PhysicalPair
from replicator.rule import Mode


def pair(primary_url: str, standby_url: str | None, mode: Mode | None, timeout_s: float) -> PhysicalPair | LogicalPair:
    """Return the pair for an audit; without a mode the nodes are asked.

    Raises:
        BadInput: not a PostgreSQL URL.
        NodeUnreachable: a node does not answer.
    """
    primary = Catalog(primary_url, timeout_s)
    second = None if standby_url is None else Catalog(standby_url, timeout_s)
    logical = LogicalPair(primary, second)
    if mode is Mode.POSTGRES_LOGICAL or (mode is None and logical.is_subscribed()):
        return logical
    return PhysicalPair(primary, second)
