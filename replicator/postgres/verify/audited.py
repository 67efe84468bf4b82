"""What the audit of a pair knows already, in the words of a comparison: what lies outside the log, node by node."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from replicator.comparison import Compared, Suspect, What, Word
from replicator.postgres.audit import check
from replicator.postgres.audit.catalog import Catalog
from replicator.postgres.audit.check import Check
from replicator.postgres.rules import logical, physical
from replicator.postgres.verify.couple import Couple
from replicator.rule import Finding, Mode, Rule, Unseen

_RULES: dict[Mode, tuple[Rule, ...]] = {
    Mode.POSTGRES_PHYSICAL: physical.RULES,
    Mode.POSTGRES_LOGICAL: logical.RULES,
}


@contextlib.contextmanager
def audited(couple: Couple, mode: Mode) -> Iterator[check.Couple]:
    """Give the audit's handles on the same two nodes."""
    rules = {rule.subject: rule for rule in _RULES[mode]}
    with (
        contextlib.closing(Catalog(couple.primary.url, couple.timeout_s)) as primary,
        contextlib.closing(Catalog(couple.standby.url, couple.timeout_s)) as standby,
    ):
        yield check.Couple(primary, standby, rules)


def found(nodes: check.Couple, what: What, checks: Iterable[Check]) -> Iterator[Suspect | Unseen]:
    """Yield what the checks find. Raises: NodeUnreachable, NodeLost."""
    for one in check.run(nodes, checks):
        if isinstance(one, Finding):
            yield Suspect(what, one.object, Word.DIFFERENT, one.message, one.where, grade=one.grade)
        else:
            yield one


def compare(
    couple: Couple,
    mode: Mode,
    what: What,
    label: str,
    checks: Sequence[Check],
    count: Callable[[check.Couple], int],
) -> Iterator[Compared | Suspect | Unseen]:
    """Compare by checks alone; `count` says how many things those looked at. Raises: NodeUnreachable, NodeLost."""
    began = time.monotonic()
    unseen: dict[str, None] = {}
    with audited(couple, mode) as nodes:
        for seen in found(nodes, what, checks):
            if isinstance(seen, Unseen):
                unseen[seen.what] = None
            yield seen
        if len(unseen) < len(checks):  # else nothing was compared
            took = time.monotonic() - began
            yield Compared(what, label, count(nodes), 0, None, took, ", ".join(unseen))
