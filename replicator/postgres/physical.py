"""A physical pair as `audit` sees it: the facts of both nodes laid against the table of rules.

What the log should carry is read on the primary alone. What lies outside the log (settings, files) can only
be judged beside the standby's own, so those rules wait for a standby to be given.
"""

from __future__ import annotations

from collections.abc import Iterator

from replicator.errors import BadInput
from replicator.postgres import catalog, topology
from replicator.postgres.connection import Server
from replicator.postgres.rules.physical import RULES
from replicator.postgres.subject import Subject
from replicator.rule import Finding, Mode
from replicator.topology import Role, require

_RULES = {rule.subject: rule for rule in RULES}

# Source: PostgreSQL, src/backend/access/transam/xlogrecovery.c, CheckRequiredParameterValues.
_CAPACITIES = frozenset(
    {
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_wal_senders",
        "max_worker_processes",
    }
)


class PhysicalPair:
    """PostgreSQL's answer to `replicator.engine.Auditable`, for streaming replication."""

    mode = Mode.POSTGRES_PHYSICAL

    def __init__(self, primary_url: str, standby_url: str | None) -> None:
        self.primary = Server(primary_url)
        self.standby = None if standby_url is None else Server(standby_url)

    def check(self) -> None:
        """Look at the roles, and whether both were made by one initdb. Raises: BadInput, NodeUnreachable."""
        primary = topology.look(self.primary)
        require(primary.where, primary.role, Role.PRIMARY)
        if self.standby is None:
            return
        standby = topology.look(self.standby)
        require(standby.where, standby.role, Role.STANDBY)
        if catalog.system_identifier(self.standby) != catalog.system_identifier(self.primary):
            raise BadInput(
                f"{standby.where} is not a copy of {primary.where}", hint="give the URLs of two nodes of one pair"
            )

    def findings(self) -> Iterator[Finding]:
        """Ask the primary and, where there is one, compare the standby. Raises: NodeLost, NotPermitted."""
        yield from _unlogged(self.primary)
        yield from _published(self.primary)
        yield from _slots(self.primary, self.standby)
        if self.standby is not None:
            yield from _feedback(self.primary, self.standby)
            yield from _settings(self.primary, self.standby)
            yield from _tablespaces(self.primary, self.standby)
            yield from _libraries(self.primary, self.standby)

    def close(self) -> None:
        """Close every session of both."""
        self.primary.close()
        if self.standby is not None:
            self.standby.close()


def _unlogged(primary: Server) -> Iterator[Finding]:
    for relation in catalog.unlogged_relations(primary):
        if relation.is_sequence:
            yield _RULES[Subject.UNLOGGED_SEQUENCE].found(relation.name, primary.where)
        elif relation.logged_parent is not None:
            yield _RULES[Subject.UNLOGGED_PART].found(relation.name, primary.where, relation.logged_parent)
        else:
            yield _RULES[Subject.UNLOGGED_TABLE].found(relation.name, primary.where)


def _published(primary: Server) -> Iterator[Finding]:
    for table in catalog.published_without_identity(primary):
        detail = f"{table.publications} publishes its {table.operations}"
        yield _RULES[Subject.PUBLISHED_TABLE].found(table.name, primary.where, detail)


def _slots(primary: Server, standby: Server | None) -> Iterator[Finding]:
    kept = set() if standby is None else {slot.name for slot in catalog.logical_slots(standby)}
    for slot in catalog.logical_slots(primary):
        if slot.name in kept:
            continue
        if not slot.failover:
            yield _RULES[Subject.SLOT_WITHOUT_FAILOVER].found(slot.name, primary.where)
        elif standby is not None:
            yield _RULES[Subject.FAILOVER_SLOT].found(slot.name, standby.where)


def _feedback(primary: Server, standby: Server) -> Iterator[Finding]:
    at_risk = {slot.name for slot in catalog.logical_slots(standby)}
    at_risk |= {slot.name for slot in catalog.logical_slots(primary) if slot.failover}
    if at_risk and catalog.settings(standby)["hot_standby_feedback"].value == "off":
        detail = f"logical slot {', '.join(sorted(at_risk))}"
        yield _RULES[Subject.FEEDBACK].found("hot_standby_feedback", standby.where, detail)


def _settings(primary: Server, standby: Server) -> Iterator[Finding]:
    theirs = catalog.settings(standby)
    for name, ours in catalog.settings(primary).items():
        if name not in theirs or theirs[name].value == ours.value:
            continue
        detail = f"{ours.value or 'empty'} on the primary and {theirs[name].value or 'empty'} on the standby"
        if name in _CAPACITIES:  # a standby may have more
            if int(theirs[name].value) < int(ours.value):
                yield _RULES[Subject.CAPACITY].found(name, standby.where, detail)
        elif ours.should_match:
            yield _RULES[Subject.SETTING].found(name, standby.where, detail)


def _tablespaces(primary: Server, standby: Server) -> Iterator[Finding]:
    # A standby may have been made with its tablespaces elsewhere (pg_basebackup --tablespace-mapping).
    mapped = {tablespace.name: tablespace.location for tablespace in catalog.tablespaces(standby)}
    for tablespace in catalog.tablespaces(primary):
        location = mapped.get(tablespace.name, tablespace.location)
        if not catalog.has_directory(standby, location):
            yield _RULES[Subject.TABLESPACE].found(tablespace.name, standby.where, location)


def _libraries(primary: Server, standby: Server) -> Iterator[Finding]:
    names = catalog.libraries(primary)
    if not names:  # then nobody needs the right to read files
        return
    ours = catalog.library_digests(primary, names)
    for name, digest in catalog.library_digests(standby, names).items():
        if digest is None:
            yield _RULES[Subject.LIBRARY].found(name, standby.where, "is absent")
        elif digest != ours[name]:
            yield _RULES[Subject.LIBRARY].found(name, standby.where, "is another file")
