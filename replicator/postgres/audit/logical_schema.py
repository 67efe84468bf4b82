"""What publisher and subscriber define: tables and columns that rows must fit, and all that a switch would miss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row

from replicator.postgres.audit.check import Check, Couple
from replicator.postgres.subject import Subject
from replicator.rule import Finding, Grade

_GENERATED = {"s": Subject.STORED_GENERATED, "v": Subject.VIRTUAL_GENERATED}


def alone(publications: Sequence[str]) -> tuple[Check, ...]:
    """Return the checks of what the publications hold."""
    return (
        Check("unpublished tables", partial(_unpublished, publications), since=120_000),
        Check("what publications leave out", partial(_limits, publications), since=150_000),
    )


def together(publications: Sequence[str]) -> tuple[Check, ...]:
    """Return the checks that compare the subscriber's definitions."""
    return columns(publications), Check("objects and roles", _objects, since=110_000), SETTINGS


def columns(publications: Sequence[str]) -> Check:
    """Return the check of the columns that rows must fit."""
    return Check("columns of published tables", partial(_columns, publications), since=150_000)


def _unpublished(publications: Sequence[str], couple: Couple) -> Iterator[Finding]:
    yield from couple.objects(couple.primary, "catalog/unpublished_tables", publications=list(publications))


def _limits(publications: Sequence[str], couple: Couple) -> Iterator[Finding]:
    yield from couple.objects(couple.primary, "catalog/publication_limits", publications=list(publications))


def _columns(publications: Sequence[str], couple: Couple) -> Iterator[Finding]:
    """Compare table by table; one that is absent, or that no subscription knows, says all there is to say."""
    ours = _by_table(couple.primary.ask("catalog/published_columns", publications=list(publications)))
    theirs = _by_table(couple.standby.ask("catalog/columns"))
    known = {table.object for table in couple.standby.ask("catalog/subscribed_tables")}
    refresh = " ".join(
        f"alter subscription {row.quoted} refresh publication;"
        for row in couple.standby.ask("catalog/subscribed_slots")
        if set(row.publications) & set(publications)
    )
    for table, columns in ours.items():
        if table not in theirs:
            yield couple.rules[Subject.MISSING_OBJECT].found(f"table {table}", couple.standby.where, grade=Grade.MUST)
        elif table not in known:
            yield couple.rules[Subject.UNSUBSCRIBED_TABLE].found(table, couple.standby.where, command=refresh)
        else:
            yield from _compared(couple, table, columns, theirs[table])


def _by_table(rows: Sequence[Row[Any]]) -> dict[str, dict[str, Row[Any]]]:
    tables: dict[str, dict[str, Row[Any]]] = {}
    for row in rows:
        tables.setdefault(row.relation, {})[row.name] = row
    return tables


def _compared(couple: Couple, table: str, ours: dict[str, Row[Any]], theirs: dict[str, Row[Any]]) -> Iterator[Finding]:
    where = couple.standby.where
    differs = couple.rules[Subject.DEFINITION_DIFFERS]
    for name, column in ours.items():
        there = theirs.get(name)
        if not column.sent:
            # A generated column that is not sent must be generated anew; one left out of a list is told elsewhere.
            if column.generated and there is not None and not there.generated:
                yield couple.rules[_GENERATED[column.generated]].found(f"{table}.{name}", where)
        elif detail := _difference(column, there):
            yield differs.found(f"{table}.{name}", where, detail)
    for name, column in theirs.items():
        if name not in ours and column.required and not column.filled:
            yield differs.found(f"{table}.{name}", where, "is on the subscriber only, NOT NULL without a default")


def _difference(ours: Row[Any], theirs: Row[Any] | None) -> str:
    """Return why a value that is sent may not fit, or nothing."""
    if theirs is None:
        return "is not on the subscriber"
    if theirs.generated:
        return "is generated on the subscriber"
    if theirs.type != ours.type:
        return f"is {ours.type} on the publisher and {theirs.type} on the subscriber"
    if theirs.required and not ours.required:
        return "refuses NULL on the subscriber only"
    return ""


def _objects(couple: Couple) -> Iterator[Finding]:
    there = {(row.subject, row.object) for row in couple.standby.ask("catalog/defined_objects")}
    for row in couple.primary.ask("catalog/defined_objects"):
        if (row.subject, row.object) not in there:
            yield couple.rules[Subject[row.subject]].found(
                row.object, couple.standby.where, grade=Grade.SHOULD, command=row.command or ""
            )


def _settings(couple: Couple) -> Iterator[Finding]:
    """Two servers of their own may be configured apart; what differs is told, and counts for nothing."""
    theirs = couple.standby.settings
    for name, ours in couple.primary.settings.items():
        if ours.should_match and name in theirs and theirs[name].value != ours.value:
            yield couple.rules[Subject.SETTING].found(name, couple.standby.where, grade=Grade.MAY)


SETTINGS = Check("settings", _settings)
