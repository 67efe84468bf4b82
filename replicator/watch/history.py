"""What a watch has seen, kept in the primary's own database: it flows to the standby, and survives a takeover.

Each comparison is a row, and so is each object that was found the same, with when it last was. Both are kept for a
season. A role that may not write them, or a database without Hadrian's tables, costs the history and not the watch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from replicator.comparison import Compared, Suspect, What
from replicator.database import Database
from replicator.position import Lsn
from replicator.verify import Report

_KEPT = timedelta(days=90)
_FINDINGS_BYTES = 16_000  # as Db2's columns have it
_PROBLEM_BYTES = 2_000
_OBJECT_BYTES = 400
_TABLES = frozenset({What.ROWS, What.INDEXES})


@dataclass(frozen=True, slots=True)
class Verified:
    """An object, or all of a kind, as it was last found the same.

    Attributes:
        what: of which kind.
        object: its name, or what all are called.
        lsn: a position that both nodes had then; None where no log brings it.
        items: how many rows or objects were compared.
        at: when.
    """

    what: str
    object: str
    lsn: Lsn | None
    items: int
    at: datetime


def same(report: Report, at: datetime) -> list[Verified]:
    """Return what a report found the same: compared to its end, with nothing different and nothing open."""
    return [
        Verified(one.what, _cut(one.object, _OBJECT_BYTES), one.lsn, one.items, at)
        for one in report.compared
        if not any(_concerns(suspect, one) for suspect in (*report.different, *report.unsettled))
    ]


def _concerns(suspect: Suspect, compared: Compared) -> bool:
    """Whether a suspect is, or is one of, what was compared: all of a kind are compared as one, but for tables."""
    return suspect.what is compared.what and (compared.what not in _TABLES or suspect.object == compared.object)


def write(primary: Database, standby: str, report: Report, took_s: float, verified: Iterable[Verified]) -> None:
    """Record a comparison and what it found the same, and forget what is too old.

    Raises:
        SchemaMissing: Hadrian's tables are not there.
        NotPermitted: the role may not write them.
        NodeUnreachable, NodeLost: the primary went away.
    """
    cut = str(report.cut) if report.cut is not None else ""
    row: dict[str, object] = {
        "primary_node": _cut(primary.where, _OBJECT_BYTES),
        "standby_node": _cut(standby, _OBJECT_BYTES),
        "mode": report.mode.value,
        "took_s": took_s,
        "compared": len(report.compared),
        "read_bytes": sum(one.size for one in report.compared),
        "different": len(report.different),
        "unsettled": len(report.unsettled),
        "unseen": len(report.unseen),
        "problem": _cut(cut, _PROBLEM_BYTES),
        "findings": _findings([*report.different, *report.unsettled]),
    }
    before = {"before": _naive(datetime.now(UTC) - _KEPT)}
    with primary.begin() as transaction:
        transaction.execute(primary.statement("watch/insert_verification"), row)
        for one in verified:  # one by one: Db2's driver takes a list that deletes nothing for an error
            key = {"standby_node": row["standby_node"], "what": one.what, "object": one.object}
            seen = {"lsn": None if one.lsn is None else str(one.lsn), "items": one.items, "verified_at": _naive(one.at)}
            transaction.execute(primary.statement("watch/delete_verified"), key)
            transaction.execute(primary.statement("watch/insert_verified"), key | seen)
        transaction.execute(primary.statement("watch/prune_verifications"), before)
        transaction.execute(primary.statement("watch/prune_verified"), before)


def read(primary: Database, standby: str) -> list[Verified]:
    """Return what was last found the same on a standby. Raises: as `write`."""
    with primary.connect() as connection:
        rows = connection.execute(primary.statement("watch/verified"), {"standby_node": _cut(standby, _OBJECT_BYTES)})
        return [
            Verified(
                row.what, row.object, None if row.lsn is None else Lsn(row.lsn), row.items, _aware(row.verified_at)
            )
            for row in rows
        ]


def _findings(suspects: Iterable[Suspect]) -> str:
    """Return the first of them as JSON, as many as there is room for."""
    told: list[str] = []
    size = 2
    for one in suspects:
        fields = {
            "what": one.what,
            "object": one.object,
            "place": one.place,
            "word": one.word,
            "grade": one.grade,
            "message": one.message,
        }
        text = json.dumps(fields)
        size += len(text) + 2
        if size > _FINDINGS_BYTES:
            break
        told.append(text)
    return f"[{', '.join(told)}]"


def _cut(text: str, most: int) -> str:
    """Return as much of a text as has no more bytes."""
    return text.encode()[:most].decode(errors="ignore")


def _naive(at: datetime) -> datetime:
    # Not every engine has a type with a time zone.
    return at.astimezone(UTC).replace(tzinfo=None)


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
