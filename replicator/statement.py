"""A statement as it stands in a script, and what a reader of its language found that it does.

A reader (`replicator.engine.ScriptReader`) takes a script apart and names, for each statement, the subjects of the
rules that it touches. What becomes of them is no affair of the reader: that is the table of the mode.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script, a command of the client's included.

    Attributes:
        text: as written, without comments before it and without what ends it.
        line: of its first character, from 1.
        column: of its first character in that line, in characters, from 1.
    """

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Touch:
    """A subject of the rules that a statement touches.

    Attributes:
        subject: which, as the engine's rules name it.
        object: what is touched: a table's name, or a few words; fills a rule's `{object}`.
        detail: fills a rule's `{detail}`.
        when: in which case it does so, such as "when f is called"; empty where it surely does.
    """

    subject: str
    object: str
    detail: str = ""
    when: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a statement does, as far as its text tells.

    Attributes:
        statement: the statement.
        touches: the subjects it touches, in order; none for a read or a session's own affair.
        unknown: why something in it could not be judged, or empty.
        error: why it is no statement of the language, or empty.
        remarks: texts of the `-- hadrian:` comments on the lines directly above it, what follows the colon.
    """

    statement: Statement
    touches: tuple[Touch, ...] = ()
    unknown: str = ""
    error: str = ""
    remarks: tuple[str, ...] = ()
