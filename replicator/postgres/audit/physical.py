"""A physical pair as `audit` sees it: the facts of both nodes laid against the table of rules.

What the log should carry is read on the primary alone. What lies outside the log (settings, files, slots) can only
be judged beside the standby's own, so those checks wait for a standby to be given.
"""

from __future__ import annotations

from collections.abc import Iterator

from replicator.errors import BadInput
from replicator.postgres.audit import physical_files, physical_settings, physical_standby
from replicator.postgres.audit.catalog import Catalog
from replicator.postgres.audit.check import Check, Couple, objects, on_each, run
from replicator.postgres.rules.physical import RULES
from replicator.rule import Finding, Mode, Unseen
from replicator.topology import Role, require

_ALONE: tuple[Check, ...] = (
    objects("unlogged tables and sequences", "catalog/unlogged_relations"),
    objects("temporary tables", "catalog/temporary_relations"),
    objects("invalid indexes", "catalog/invalid_indexes", since=120_000),
    objects("materialized views", "catalog/unpopulated_views"),
    objects("login triggers", "catalog/login_triggers"),
    objects("prepared transactions", "catalog/prepared_transactions"),
    objects("published tables", "catalog/published_without_identity", since=120_000),
    objects("subscriptions", "catalog/subscriptions"),
    objects("foreign servers", "catalog/foreign_servers"),
    objects("the WAL archive", "catalog/archiver"),
    objects("commit levels", "catalog/commit_levels"),
    on_each("collation versions", "catalog/collations", since=150_000),
    *physical_settings.ALONE,
    *physical_standby.ALONE,
)
_TOGETHER: tuple[Check, ...] = (
    *physical_standby.TOGETHER,
    *physical_settings.TOGETHER,
    *physical_files.TOGETHER,
)


class PhysicalPair:
    """PostgreSQL's answer to `replicator.engine.Auditable`, for streaming replication."""

    mode = Mode.POSTGRES_PHYSICAL

    def __init__(self, primary: Catalog, standby: Catalog | None) -> None:
        self._primary = primary
        self._standby = standby

    def check(self) -> None:
        """Look at the roles, and whether both were made by one initdb. Raises: BadInput, NodeUnreachable."""
        require(self._primary.where, self._primary.role, Role.PRIMARY)
        if self._standby is None:
            return
        require(self._standby.where, self._standby.role, Role.STANDBY)
        ours, theirs = (node.ask("catalog/system_identifier")[0] for node in (self._primary, self._standby))
        if ours.system_identifier != theirs.system_identifier:
            raise BadInput(
                f"{self._standby.where} is not a copy of {self._primary.where}",
                hint="give the URLs of two nodes of one pair",
            )

    def findings(self) -> Iterator[Finding | Unseen]:
        """Ask the primary and, where there is one, compare the standby. Raises: NodeUnreachable, NodeLost."""
        rules = {rule.subject: rule for rule in RULES}
        couple = Couple(self._primary, self._standby or self._primary, rules)
        yield from run(couple, _ALONE)
        yield from run(couple, physical_standby.WITHOUT_STANDBY if self._standby is None else _TOGETHER)

    def close(self) -> None:
        """Close every session of both."""
        self._primary.close()
        if self._standby is not None:
            self._standby.close()
