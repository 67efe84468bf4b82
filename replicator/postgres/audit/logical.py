"""A publisher and its subscriber as `audit` sees them: rows flow, and nothing else does.

The two are servers of their own. What binds them is a subscription whose slot is one of the publisher's; its
publications say which tables the subscriber is to have. Without a subscriber, all publications count.
"""

from __future__ import annotations

from collections.abc import Iterator

from replicator.errors import BadInput
from replicator.postgres.audit import logical_schema, logical_stream
from replicator.postgres.audit.catalog import Catalog
from replicator.postgres.audit.check import Check, Couple, objects, run
from replicator.postgres.rules.logical import RULES
from replicator.rule import Finding, Mode, Unseen
from replicator.topology import Role, require

_ALONE: tuple[Check, ...] = (
    objects("unlogged tables and sequences", "catalog/unlogged_relations"),
    objects("temporary tables", "catalog/temporary_relations"),
    objects("published tables", "catalog/published_without_identity", since=120_000),
    objects("large objects", "catalog/large_objects"),
    objects("prepared transactions", "catalog/prepared_transactions"),
    objects("commit levels", "catalog/commit_levels"),
)


class LogicalPair:
    """PostgreSQL's answer to `replicator.engine.Auditable`, for publication and subscription."""

    mode = Mode.POSTGRES_LOGICAL

    def __init__(self, publisher: Catalog, subscriber: Catalog | None) -> None:
        self._publisher = publisher
        self._subscriber = subscriber

    def is_subscribed(self) -> bool:
        """Return whether the second node has a subscription to the first. Raises: NodeUnreachable."""
        return self._subscriber is not None and self._subscriber.role is Role.PRIMARY and bool(self.publications())

    def check(self) -> None:
        """Look at the roles, and whether the two are bound. Raises: BadInput, NodeUnreachable."""
        require(self._publisher.where, self._publisher.role, Role.PRIMARY)
        if self._subscriber is not None and not self.is_subscribed():
            raise BadInput(
                f"{self._subscriber.where} has no subscription to {self._publisher.where}",
                hint="give the URLs of a publisher and of its subscriber's database",
            )

    def findings(self) -> Iterator[Finding | Unseen]:
        """Ask the publisher and, where there is one, compare the subscriber. Raises: NodeUnreachable, NodeLost."""
        rules = {rule.subject: rule for rule in RULES}
        couple = Couple(self._publisher, self._subscriber or self._publisher, rules)
        publications = self.publications()
        yield from run(couple, _ALONE)
        yield from run(couple, logical_schema.alone(publications))
        if self._subscriber is None:
            yield from run(couple, logical_stream.ALONE)
        else:
            yield from run(couple, logical_stream.TOGETHER)
            yield from run(couple, logical_schema.together(publications))

    def close(self) -> None:
        """Close every session of both."""
        self._publisher.close()
        if self._subscriber is not None:
            self._subscriber.close()

    def publications(self) -> list[str]:
        """Return what the subscriber subscribes to here or, without one, all there are. Raises: NodeUnreachable."""
        if self._subscriber is None:
            return [row.name for row in self._publisher.ask("catalog/publications")]
        slots = {row.name for row in self._publisher.ask("catalog/feeding_slots")}
        bound = [row for row in self._subscriber.ask("catalog/subscribed_slots") if row.slot in slots]
        return sorted({publication for row in bound for publication in row.publications})
