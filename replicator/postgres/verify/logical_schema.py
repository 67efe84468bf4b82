"""What publisher and subscriber define, which no publication brings, graded by what it costs.

Worst is what apply cannot work with: the columns of published tables, which the audit knows how to judge, and an enum's
values. What the subscriber lacks, or has otherwise, would be wrong after a switch. What it has more is its own affair,
unless it can refuse a row, or does something whenever one is applied. Two major versions may print one definition in
two ways, so between those a difference is only told.

Source: PostgreSQL 18 documentation, Logical Replication, "Restrictions", "Conflicts", "Architecture".
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping

from replicator.comparison import Compared, Request, Suspect, What, Word
from replicator.postgres.audit import logical_schema as audited_schema
from replicator.postgres.audit.logical import LogicalPair
from replicator.postgres.verify import audited, schema
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.reader import Reader
from replicator.postgres.verify.refusals import told
from replicator.postgres.verify.schema import Definition
from replicator.rule import Grade, Mode, Unseen

_ASIDE = frozenset({"comment", "publication", "statistics", "subscription"})  # nothing answers otherwise for lack of it
_HOW = _ASIDE | {"column", "extension", "index", "table"}  # where it differs, it does the same in another way
_PART = "inherits "  # of a table, which has its rows there even if it is cut otherwise
_REFUSING = ("CHECK", "UNIQUE", "PRIMARY KEY", "EXCLUDE", "CREATE UNIQUE INDEX")
_ON_APPLY = ("enabled R", "enabled A")  # other triggers do not fire when rows are applied


def compare(couple: Couple, _request: Request) -> Iterator[Compared | Suspect | Unseen]:
    """Compare a publisher's definitions with its subscriber's. Raises: NodeUnreachable, NodeLost."""
    yield from told(couple, What.SCHEMA, "definitions", _compared(couple))


def _compared(couple: Couple) -> Iterator[Compared | Suspect | Unseen]:
    began = time.monotonic()
    with audited.audited(couple, Mode.POSTGRES_LOGICAL) as nodes:
        publications = LogicalPair(nodes.primary, nodes.standby).publications()
        yield from audited.found(nodes, What.SCHEMA, [audited_schema.columns(publications)])
        published = {row.relation for row in nodes.primary.ask("catalog/published_columns", publications=publications)}
        alike = nodes.primary.version // 10_000 == nodes.standby.version // 10_000
    ours, theirs = (schema.definitions(Reader(node, couple.timeout_s)) for node in (couple.primary, couple.standby))
    yield from differing(ours, theirs, published, alike=alike)
    yield Compared(What.SCHEMA, "definitions", len(ours), 0, None, time.monotonic() - began)


def differing(
    ours: Mapping[str, Definition], theirs: Mapping[str, Definition], published: Collection[str], *, alike: bool
) -> Iterator[Suspect]:
    """Yield what is not the same on the subscriber, and can matter.

    Args:
        ours: the publisher's definitions, by kind and name.
        theirs: the subscriber's.
        published: tables that the subscriber is to have rows of.
        alike: whether the two are of one major version.
    """
    # A relation that is not there says it for all that belongs to it; extensions are told with their libraries.
    absent = {one.relation for name, one in ours.items() if one.kind == "table" and name not in theirs}
    for name, one in ours.items():
        if one.relation in published and one.kind in {"column", "table"}:
            continue  # the audit judges those
        if name in theirs:
            if theirs[name].text != one.text:
                yield _suspect(name, "is not the same on the subscriber", _weight(one, theirs[name], alike=alike))
        elif one.kind != "extension" and (one.relation not in absent or one.kind == "table"):
            aside = one.kind in _ASIDE or (one.kind == "table" and _PART in one.text)
            grade = Grade.MAY if aside else Grade.SHOULD
            yield _suspect(name, "is not on the subscriber", grade)
    for name, one in theirs.items():
        if name not in ours and one.relation in published and (harm := _harm(one)):
            yield _suspect(name, f"is on the subscriber only, and {harm}", Grade.SHOULD)


def _weight(ours: Definition, theirs: Definition, *, alike: bool) -> Grade:
    if ours.kind == "enum":  # a value that the subscriber does not know ends apply; one more does not
        return Grade.MUST if set(ours.text.split(", ")) - set(theirs.text.split(", ")) else Grade.MAY
    return Grade.SHOULD if alike and ours.kind not in _HOW else Grade.MAY


def _harm(one: Definition) -> str:
    """Return what something that only the subscriber has does to rows that come, if it does."""
    if one.kind in {"constraint", "index"} and one.text.startswith(_REFUSING):
        return "can refuse rows that the publisher has"
    if one.kind == "trigger" and one.text.endswith(_ON_APPLY):
        return "fires when rows are applied"
    return ""


def _suspect(name: str, message: str, grade: Grade) -> Suspect:
    return Suspect(What.SCHEMA, name, Word.DIFFERENT, message, grade=grade)
