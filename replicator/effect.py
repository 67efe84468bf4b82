"""What a statement did to a primary, and what was left of it once the standby had taken over.

A trial is a statement that was run, seen from outside: what it changed, and each change's fate. It knows nothing of
rules, so it can be laid beside what the rules had said.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field

from replicator.statement import Statement


class Outcome(enum.StrEnum):
    """A change's fate, or a statement's: the worst of its changes'. The worst comes first."""

    LOST = "lost"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_REHEARSED = "not-rehearsed"
    KEPT = "kept"
    UNDONE = "undone"
    NOTHING = "nothing"

    @functools.cached_property
    def rank(self) -> int:
        """Place in the order, 0 for the worst."""
        return list(Outcome).index(self)


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a statement changed.

    Attributes:
        what: a few words: rows of public.orders.
        outcome: kept, lost, refused; not-rehearsed where both nodes of a trial share it; undone where the script
            itself took it back.
        detail: what was seen, where that says more.
    """

    what: str
    outcome: Outcome
    detail: str = ""


@dataclass(slots=True)
class Trial:
    """A statement that was run on the primary of a pair, whose standby then took over.

    Attributes:
        statement: as it stands in the script.
        error: the server's words, where it refused the statement.
        skipped: why it was not run, or empty.
        ends_transaction: whether what it changed is that of the statements before it.
        effects: what it changed.
    """

    statement: Statement
    error: str = ""
    skipped: str = ""
    ends_transaction: bool = False
    effects: list[Effect] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """The statement's fate."""
        found = [effect.outcome for effect in self.effects]
        if self.error:
            found.append(Outcome.FAILED)
        if self.skipped:
            found.append(Outcome.NOT_REHEARSED)
        return min(found, key=lambda outcome: outcome.rank, default=Outcome.NOTHING)
