"""A HADR pair as `audit` sees it: catalog, configuration and monitor laid against the table of rules.

What the log should carry is read on the primary alone. What lies outside the log (configuration, registry, paths,
the product itself) can only be judged beside the standby's own, so those checks wait for a standby to be given, and
to be open for reads. Two things no server tells over SQL: which tables were changed while they were not logged, and
what a library's file holds; an audit says so rather than nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

from replicator.db2.audit import hadr_settings, hadr_state
from replicator.db2.audit.catalog import Catalog, Unanswered
from replicator.db2.audit.check import Check, Couple, run
from replicator.db2.rules.hadr import RULES
from replicator.db2.subject import Subject
from replicator.errors import BadInput
from replicator.rule import Finding, Grade, Mode, Unseen
from replicator.topology import Role, require

_SEE_CATALOG = "grant select on syscat.{view} to user {{user}}"


class HadrPair:
    """Db2's answer to `replicator.engine.Auditable`.

    Attributes:
        mode: the table that is laid on.
    """

    mode = Mode.DB2_HADR

    def __init__(self, primary_url: str, standby_url: str | None, timeout_s: float) -> None:
        self._primary = Catalog(primary_url, timeout_s)
        self._standby = None if standby_url is None else Catalog(standby_url, timeout_s)

    def check(self) -> None:
        """Look at both nodes. Raises: BadInput, NodeUnreachable, NotPermitted."""
        require(self._primary.where, self._primary.role, Role.PRIMARY)
        if self._standby is None:
            return
        require(self._standby.where, self._standby.role, Role.STANDBY)
        if not _may_be_pair(self._primary, self._standby):
            raise BadInput(
                f"{self._standby.where} does not follow {self._primary.where}",
                hint="give the URLs of two nodes of one pair",
            )

    def findings(self) -> Iterator[Finding | Unseen]:
        """Ask the primary and, where there is one, compare the standby. Raises: NodeUnreachable, NodeLost."""
        rules = {rule.subject: rule for rule in RULES}
        couple = Couple(self._primary, self._standby, rules)
        if self._primary.setting("hadr_db_role") == "STANDARD":
            yield rules[Subject.NO_HADR].found(f"database {self._primary.database}", self._primary.where)
            yield from run(couple, _OBJECTS)
            return
        yield from run(couple, (*_OBJECTS, *hadr_state.CHECKS, *_READERS, *hadr_settings.CHECKS))

    def close(self) -> None:
        """Close every session of both."""
        self._primary.close()
        if self._standby is not None:
            self._standby.close()


def _may_be_pair(primary: Catalog, standby: Catalog) -> bool:
    """Return whether the standby follows the primary, as far as both say."""
    try:
        known, own = primary.streams, standby.streams
    except Unanswered:  # a check of its own will say so
        return True
    return any(_same(one, other) for one in known for other in own)


def _same(one: SimpleNamespace, other: SimpleNamespace) -> bool:
    ends = ("primary_member_host", "primary_instance", "standby_member_host", "standby_instance")
    pairs = [(getattr(one, end), getattr(other, end)) for end in ends]
    # NULL on a node that has not met the other one yet.
    return all(here is None or there is None or here.lower() == there.lower() for here, there in pairs)


def _not_logged_lobs(couple: Couple) -> Iterator[Finding]:
    yield from couple.objects(couple.primary, "catalog/not_logged_lobs")


def _external_routines(couple: Couple) -> Iterator[Finding | Unseen]:
    found = list(couple.objects(couple.primary, "catalog/external_routines"))
    yield from found
    if found:
        yield Unseen(
            "files of external routines",
            couple.primary.where,
            "no SQL reads a library's file",
            "compare them by sha256sum on both nodes, below sqllib/function",
        )


def _unavailable_tables(couple: Couple) -> Iterator[Finding | Unseen]:
    for node in couple.nodes:
        yield from couple.objects(node, "catalog/unavailable_tables")
    if couple.standby is None:
        yield Unseen(
            "tables that were changed while they were not logged",
            couple.primary.where,
            "the primary's catalog does not tell them",
            "give --standby, open for reads, where they show as unavailable",
        )


def _federated_servers(couple: Couple) -> Iterator[Finding]:
    yield from couple.objects(couple.primary, "catalog/federated_servers")


def _unreadable_tables(couple: Couple) -> Iterator[Finding]:
    if hadr_state.serves_reads(couple):
        yield from couple.objects(couple.primary, "catalog/unreadable_tables", Grade.MAY)


def _unreadable_columns(couple: Couple) -> Iterator[Finding]:
    if hadr_state.serves_reads(couple):
        yield from couple.objects(couple.primary, "catalog/unreadable_columns", Grade.MAY)


_OBJECTS = (
    Check("LOB columns that are not logged", _not_logged_lobs, _SEE_CATALOG.format(view="columns")),
    Check("external routines", _external_routines, _SEE_CATALOG.format(view="routines")),
    Check("unavailable tables", _unavailable_tables, "grant select on sysibmadm.admintabinfo to user {user}"),
    Check("federated servers", _federated_servers, _SEE_CATALOG.format(view="servers")),
)
_READERS = (
    Check("tables that a standby does not show", _unreadable_tables, _SEE_CATALOG.format(view="tables")),
    Check("columns that a standby does not show", _unreadable_columns, _SEE_CATALOG.format(view="columns")),
)
