"""A PostgreSQL pair as `verify` sees it: who compares what, for a standby and for a subscriber."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from replicator.comparison import Compared, Progress, Request, Suspect, What
from replicator.errors import BadInput, NodeUnreachable
from replicator.position import Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.audit.catalog import Catalog
from replicator.postgres.audit.logical import LogicalPair
from replicator.postgres.audit.physical import PhysicalPair
from replicator.postgres.verify import (
    collations,
    grants,
    indexes,
    large_objects,
    libraries,
    logical_rows,
    logical_schema,
    logical_state,
    physical_rows,
    schema,
    sequences,
    settings,
    tablespaces,
)
from replicator.postgres.verify.couple import Couple
from replicator.rule import Mode, Unseen

_Compare = Callable[[Couple, Request], Iterator[Compared | Suspect | Unseen | Progress]]

PHYSICAL: dict[What, _Compare] = {
    What.ROWS: physical_rows.compare,
    What.INDEXES: indexes.compare,
    What.SCHEMA: schema.compare,
    What.SETTINGS: settings.physical,
    What.LIBRARIES: libraries.compare,
    What.SEQUENCES: sequences.compare,
    What.LOBS: large_objects.compare,
    What.COLLATIONS: collations.physical,
    What.ROLES: grants.compare,
    What.TABLESPACES: tablespaces.compare,
}
LOGICAL: dict[What, _Compare] = {
    What.ROWS: logical_rows.compare,
    What.SCHEMA: logical_schema.compare,
    What.SETTINGS: settings.logical,
    What.LIBRARIES: logical_state.libraries_named,
    What.SEQUENCES: logical_state.sequences,
    What.LOBS: logical_state.large_objects,
    What.COLLATIONS: collations.logical,
    What.ROLES: logical_state.roles,
    What.TABLESPACES: logical_state.tablespaces,
}


class ComparedPair:
    """PostgreSQL's answer to `replicator.engine.Comparable`."""

    def __init__(self, primary_url: str, standby_url: str, mode: Mode | None, timeout_s: float) -> None:
        self._couple = Couple(PostgresDatabase(primary_url), PostgresDatabase(standby_url), timeout_s)
        self._catalogs = Catalog(primary_url, timeout_s), Catalog(standby_url, timeout_s)
        self._mode = mode

    @property
    def mode(self) -> Mode:
        """What was asked for, or what the nodes say. Raises: NodeUnreachable."""
        if self._mode is None:
            subscribed = LogicalPair(*self._catalogs).is_subscribed()
            self._mode = Mode.POSTGRES_LOGICAL if subscribed else Mode.POSTGRES_PHYSICAL
        return self._mode

    def check(self) -> None:
        """Look at the roles, and whether the two belong together. Raises: BadInput, NodeUnreachable."""
        try:
            self._check()
        except NodeUnreachable:
            self._check()  # replay ends a session that is being opened without a word, once in a while

    def _check(self) -> None:
        (PhysicalPair if self.mode is Mode.POSTGRES_PHYSICAL else LogicalPair)(*self._catalogs).check()

    def compare(self, request: Request) -> Generator[Compared | Suspect | Unseen | Progress]:
        """Compare what is asked for, one kind after the other.

        Raises:
            BadInput: a repair is asked for, and nobody may write to a standby.
            NodeUnreachable, NodeLost: a node went away.
        """
        if request.repair is not None and self.mode is Mode.POSTGRES_PHYSICAL:
            raise BadInput("nobody may write to a standby", hint="leave out --repair, and make the standby anew")
        parts = PHYSICAL if self.mode is Mode.POSTGRES_PHYSICAL else LOGICAL
        for what, compare in parts.items():
            if what in request.what:
                yield from compare(self._couple, request)

    def positions(self) -> tuple[Lsn, Lsn]:
        """Return the primary's flushed position, and what the standby has replayed or the subscriber confirmed.

        Raises:
            BadInput: there is no subscription.
            NodeUnreachable, NodeLost: a node went away.
        """
        flushed = self._couple.primary.committed()
        if self.mode is Mode.POSTGRES_PHYSICAL:
            return flushed, self._couple.standby.replayed()
        publisher, subscriber = self._catalogs
        feeding = {row.name for row in publisher.ask("catalog/feeding_slots")}
        slots = [row.slot for row in subscriber.ask("verify/subscriptions") if row.slot in feeding]
        confirmed = publisher.ask("verify/confirmed", slots=slots)[0].lsn if slots else None
        if confirmed is None:
            raise BadInput(f"{subscriber.where} has no subscription to {publisher.where}")
        return flushed, Lsn(confirmed)

    def close(self) -> None:
        """Close every session."""
        for node in (*self._catalogs, self._couple.primary, self._couple.standby):
            node.close()
