"""What a replication mode does with a class of objects, and an object in which that was found.

A `Rule` is one row of a mode's table: everything a person must know about a class of objects, with the
vendor's document that says so. `found` lays it against one object and gives a `Finding`, whose message is the
rule's own sentence about that object. Findings sort by what they cost someone who relies on the standby, the
worst first. What a role may not ask, or what took too long, is an `Unseen`: no finding, and no clean bill either.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from datetime import datetime


class Ranked(enum.StrEnum):
    """Words in an order, what weighs most first."""

    @functools.cached_property
    def rank(self) -> int:
        """Place in the order, 0 for what weighs most."""
        return list(type(self)).index(self)


class Mode(enum.StrEnum):
    """A way for a database to replicate."""

    POSTGRES_PHYSICAL = "postgres-physical"
    POSTGRES_LOGICAL = "postgres-logical"
    DB2_HADR = "db2-hadr"


class Verdict(enum.StrEnum):
    """Whether the standby gets it.

    The last two are said of a statement only, never by a rule: that it leaves nothing to replicate, or that it
    cannot be judged from its text.
    """

    REPLICATED = "replicated"
    NOT_REPLICATED = "not-replicated"
    CONDITIONAL = "conditional"
    NONE = "none"
    UNKNOWN = "unknown"


class Proof(enum.StrEnum):
    """What a rule rests on: an experiment on real servers, or the vendor's word alone."""

    PROVEN = "proven"
    DOCUMENTED = "documented"


class Severity(Ranked):
    """What it costs someone who relies on the standby, the worst first."""

    LOST = "lost"
    WRONG_RESULTS = "wrong-results"
    STALE = "stale"
    REFUSED = "refused"
    FINE = "fine"


class Grade(Ranked):
    """How much a finding asks for, the most first."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"


# What a finding asks for where nobody says otherwise.
_GRADES = {
    Severity.LOST: Grade.MUST,
    Severity.WRONG_RESULTS: Grade.MUST,
    Severity.STALE: Grade.SHOULD,
    Severity.REFUSED: Grade.SHOULD,
    Severity.FINE: Grade.MAY,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one class of objects in one mode.

    Attributes:
        id: stable name, such as PGP-001.
        mode: the mode it speaks of.
        subject: the class of operations or objects; a mode has one rule for each.
        severity: what it costs.
        verdict: whether the standby gets it.
        condition: when the verdict holds.
        standby_now: what the standby shows before takeover.
        after_takeover: what is found once the standby has been promoted.
        message: sentence about one object, with `{object}` and, where there is more to say, `{detail}`.
        remedy: what to do, one imperative.
        since: oldest version that has the object.
        source: the vendor's document, and its section.
        proof: what the rule rests on.
    """

    id: str
    mode: Mode
    subject: str
    severity: Severity
    verdict: Verdict
    condition: str
    standby_now: str
    after_takeover: str
    message: str
    remedy: str
    since: str
    source: str
    proof: Proof

    def found(
        self,
        name: str,
        where: str,
        detail: str = "",
        *,
        grade: Grade | None = None,
        size: int | None = None,
        rows: int | None = None,
        since: datetime | None = None,
        command: str = "",
    ) -> Finding:
        """Return the finding that this rule applies to the object `name` on the node `where`.

        Without a grade, the rule's severity says it; the other arguments are a finding's own.
        """
        message = self.message.format(object=name, detail=detail)
        return Finding(self, name, where, message, grade or _GRADES[self.severity], size, rows, since, command)


@dataclass(frozen=True, slots=True)
class Finding:
    """An object that a rule applies to.

    Attributes:
        rule: the rule.
        object: the object's name, qualified where it has a schema.
        where: the node it was seen on, without secrets.
        message: what is the matter with it, and the effect.
        grade: whether it must be mended, should be, or may stay.
        size: bytes that it takes, or that are behind; None where that says nothing or is not known.
        rows: the planner's estimate of its rows; None where it has none or nobody has counted.
        since: since when, where the node knows.
        command: what mends this very object, to be read before it is run; empty where no command does.
    """

    rule: Rule
    object: str
    where: str
    message: str
    grade: Grade
    size: int | None = None
    rows: int | None = None
    since: datetime | None = None
    command: str = ""

    @property
    def order(self) -> tuple[int, str, str]:
        """Sort key: the worst first, then by object."""
        return self.rule.severity.rank, self.object, self.rule.id


@dataclass(frozen=True, slots=True)
class Unseen:
    """A question that a node did not answer.

    Attributes:
        what: what was asked for, such as "rules of pg_hba.conf".
        where: the node, without secrets.
        why: its reason, in a few words.
        remedy: what would show it: a grant, or an option.
    """

    what: str
    where: str
    why: str
    remedy: str
