"""What a comparison of two nodes is asked for, and what it says: no engine named.

Three words for what does not look the same at first: *different* is proven, *settled* was explained by what each node
had seen when it was read, and *unsettled* is what the time did not suffice for. Only the first is a finding.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from replicator.position import Lsn
from replicator.rule import Grade


class What(enum.StrEnum):
    """What is compared."""

    ROWS = "rows"
    INDEXES = "indexes"
    SCHEMA = "schema"
    SETTINGS = "settings"
    LIBRARIES = "libraries"
    SEQUENCES = "sequences"
    LOBS = "lobs"
    COLLATIONS = "collations"
    ROLES = "roles"
    TABLESPACES = "tablespaces"


class Word(enum.StrEnum):
    """What became of a suspect."""

    DIFFERENT = "different"
    SETTLED = "settled"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare, and at what price.

    Attributes:
        what: the kinds of things.
        tables: patterns of `schema.table` with `*` and `?`; none means every table.
        jobs: sessions on each node that read at once.
        rate: bytes a second that are read on each node at most, None for no bound.
        max_snapshot_s: how long a snapshot may be held, because one holds back vacuum.
        settle_s: how long a suspect may take to be settled.
        pages: whether tuples are read by `pageinspect`; None where it is allowed.
        catalogs: whether the server's own catalogs are compared too.
        show_values: whether values are told, and not only where they are.
        state: a file that keeps how far a comparison came, so that one that was cut off goes on.
        repair: a new file for statements that would make the second node's rows the first one's; none is run.
    """

    what: frozenset[What]
    tables: tuple[str, ...] = ()
    jobs: int = 1
    rate: float | None = None
    max_snapshot_s: float = 30.0
    settle_s: float = 60.0
    pages: bool | None = None
    catalogs: bool = False
    show_values: bool = False
    state: Path | None = None
    repair: Path | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that did not look the same on both nodes, and what became of it.

    Attributes:
        what: of which kind.
        object: qualified name of the table, the setting, the role, ...
        word: what became of it.
        message: what differs, or what explained it, or what was still open.
        place: where in it, such as a ctid; empty where it is the whole object.
        key: the row's key, by column, if it has one.
        columns: those that differ.
        primary: their values there as text, if they were asked for; None where the row is not there.
        standby: the same of the standby, or of the subscriber.
        grade: how much a difference asks for.
    """

    what: What
    object: str
    word: Word
    message: str
    place: str = ""
    key: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    primary: Mapping[str, str | None] | None = None
    standby: Mapping[str, str | None] | None = None
    grade: Grade = Grade.MUST


@dataclass(frozen=True, slots=True)
class Compared:
    """An object that was compared to its end.

    Attributes:
        what: of which kind.
        object: its qualified name, or what the items are.
        items: rows, or objects, that were compared.
        size: bytes that were read on the primary.
        lsn: everything committed on the primary before it was compared.
        took_s: seconds.
        left_out: what of it could not be compared, and why; empty where all was.
    """

    what: What
    object: str
    items: int
    size: int
    lsn: Lsn | None
    took_s: float
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a comparison has come.

    Attributes:
        object: what is being compared.
        done: bytes of all that is to be read.
        total: bytes that are to be read in all, as far as is known.
    """

    object: str
    done: int
    total: int
