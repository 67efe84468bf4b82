"""Checks of a Db2 pair: each looks at one thing and lays what it sees against the rules of HADR.

A check may fail to see: then it says what it wanted and which grant would show it, and the checks after it still
look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import LiteralString

from replicator.db2.audit.catalog import Catalog, Unanswered
from replicator.db2.subject import Subject
from replicator.rule import Finding, Grade, Rule, Unseen


@dataclass(frozen=True, slots=True)
class Couple:
    """The nodes of a pair, and the rules of its mode.

    Attributes:
        primary: the node that takes writes.
        standby: the node that follows it, None where it was not given.
        rules: the mode's table, by subject.
    """

    primary: Catalog
    standby: Catalog | None
    rules: Mapping[str, Rule]

    @property
    def nodes(self) -> tuple[Catalog, ...]:
        """Both nodes, or the primary alone."""
        return (self.primary,) if self.standby is None else (self.primary, self.standby)

    def objects(self, node: Catalog, question: LiteralString, grade: Grade | None = None) -> Iterator[Finding]:
        """Yield a finding for each row of a question whose rows are findings already.

        Such a question names in each row the subject and the object, and in further columns what it knows of it:
        detail, row_count, command.
        """
        for row in node.ask(question):
            told = vars(row)
            yield self.rules[Subject[row.subject]].found(
                row.object,
                node.where,
                told.get("detail") or "",
                grade=grade,
                rows=told.get("row_count"),
                command=told.get("command") or "",
            )


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        what: what it asks for, in a few words.
        look: yields what is found, and what no server could tell.
        grant: command that would let the user see it, with `{user}`.
    """

    what: str
    look: Callable[[Couple], Iterable[Finding | Unseen]]
    grant: str


def run(couple: Couple, checks: Iterable[Check]) -> Iterator[Finding | Unseen]:
    """Yield what the checks find, and what they could not see.

    Raises:
        NodeUnreachable, NodeLost: a node went away in between.
    """
    for check in checks:
        try:
            yield from check.look(couple)
        except Unanswered as missing:
            remedy = "look by hand on that node" if missing.permitted else check.grant.format(user=couple.primary.user)
            yield Unseen(check.what, missing.where, missing.why, remedy)
