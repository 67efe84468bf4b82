"""Checks: each looks at one thing on a pair and lays what it sees against the mode's rules.

A check may fail to see: then it says what it wanted and which grant would show it, and the checks after it
still look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import LiteralString

from psycopg.sql import SQL, Identifier, Literal

from replicator.postgres.audit.catalog import Catalog, Unanswered
from replicator.postgres.subject import Subject
from replicator.rule import Finding, Grade, Rule, Unseen


@dataclass(frozen=True, slots=True)
class Couple:
    """The nodes of a pair, and the rules of its mode.

    Attributes:
        primary: the node that takes writes.
        standby: the node that follows it.
        rules: the mode's table, by subject.
    """

    primary: Catalog
    standby: Catalog
    rules: Mapping[str, Rule]

    def objects(self, node: Catalog, question: LiteralString, **parameters: object) -> Iterator[Finding]:
        """Yield a finding for each row of a question whose rows are findings already.

        Such a question names in each row the subject and the object, and in further columns what it knows of it:
        detail, grade, size, rows, since, command.
        """
        for row in node.ask(question, **parameters):
            told = row._mapping  # noqa: SLF001 - the documented way to a row's names
            grade = told.get("grade")
            yield self.rules[Subject[row.subject]].found(
                row.object,
                node.where,
                told.get("detail") or "",
                grade=None if grade is None else Grade(grade),
                size=told.get("size"),
                rows=told.get("rows"),
                since=told.get("since"),
                command=told.get("command") or "",
            )


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        what: what it asks for, in a few words.
        look: yields what is found.
        grant: commands that would let the role see it, with `{role}`; empty where every role may.
        since: the oldest version that can be asked, as servers count them.
    """

    what: str
    look: Callable[[Couple], Iterable[Finding]]
    grant: str = ""
    since: int = 0


def objects(what: str, question: LiteralString, *, grant: str = "", since: int = 0) -> Check:
    """Return a check of the primary alone, whose question's rows are findings."""
    return Check(what, lambda couple: couple.objects(couple.primary, question), grant, since)


def on_each(what: str, question: LiteralString, *, grant: str = "", since: int = 0) -> Check:
    """Return a check that asks both nodes, whose question's rows are findings."""

    def look(couple: Couple) -> Iterator[Finding]:
        for node in dict.fromkeys((couple.primary, couple.standby)):
            yield from couple.objects(node, question)

    return Check(what, look, grant, since)


def run(couple: Couple, checks: Iterable[Check]) -> Iterator[Finding | Unseen]:
    """Yield what the checks find, and what they could not see.

    Raises:
        NodeUnreachable, NodeLost: a node went away in between.
    """
    for check in checks:
        if couple.primary.version < check.since:
            why = f"needs PostgreSQL {check.since // 10_000}"
            yield Unseen(check.what, couple.primary.where, why, "look by hand, or upgrade the server")
            continue
        try:
            yield from check.look(couple)
        except Unanswered as missing:
            yield Unseen(check.what, missing.where, missing.why, _remedy(couple, check, missing))


def _remedy(couple: Couple, check: Check, missing: Unanswered) -> str:
    if missing.permitted:
        return "ask again later, or give it more time with --timeout"
    grant = missing.grant or check.grant
    return grant.format(role=couple.primary.user) or f"connect as a role that may, not as {couple.primary.user}"


def command(template: LiteralString, **values: str) -> str:
    """Return a statement with its values quoted: `{name}` is a literal, `{NAME}` an identifier."""
    quoted = {name: Identifier(value) if name.isupper() else Literal(value) for name, value in values.items()}
    return SQL(template).format(**quoted).as_string()
