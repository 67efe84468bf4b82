"""What scripts have made so far, as far as it decides what a later statement comes to.

Only what a text says counts: a table that no script made is taken for one that is logged. A table that was once loaded
or changed without logging is lost to the standby for good, so it stays marked until it is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from replicator.db2.language.tokenize import Token
from replicator.db2.language.words import Name
from replicator.statement import Touch


@dataclass(slots=True)
class Effect:
    """What a statement, or a body of statements, does.

    Attributes:
        touches: the subjects it touches.
        unknown: what in it cannot be judged.
    """

    touches: list[Touch] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, other: Effect, when: str = "") -> None:
        """Take over what another does, in the case `when`."""
        for touch in other.touches:
            self.touches.append(replace(touch, when=when) if when and not touch.when else touch)
        self.unknown.extend(other.unknown)

    def once(self) -> Effect:
        """Return the same without what is said twice, as loops and calls would."""
        return Effect(list(dict.fromkeys(self.touches)), list(dict.fromkeys(self.unknown)))


def unknown(reason: str) -> Effect:
    """Return the effect of what cannot be judged."""
    return Effect(unknown=[reason])


@dataclass(frozen=True, slots=True)
class Table:
    """A table that scripts made or changed.

    Attributes:
        temporary: its rows belong to a session.
        unavailable: the operation without logging that it went through, or empty.
        lobs: names of its LOB columns that are NOT LOGGED and may lie outside the row.
        index_logging: ON or OFF, as LOG INDEX BUILD says, or empty.
    """

    temporary: bool = False
    unavailable: str = ""
    lobs: frozenset[str] = frozenset()
    index_logging: str = ""


@dataclass(frozen=True, slots=True)
class Routine:
    """A procedure or function that scripts made.

    Attributes:
        body: its body in SQL, empty where it is not known.
        language: what its library is written in, or empty for SQL.
    """

    body: Sequence[Token] = ()
    language: str = ""


_ORDINARY = Table()
_SESSION = Table(temporary=True)


class Known:
    """What scripts have made so far."""

    def __init__(self) -> None:
        self.schema = ""
        self._tables: dict[tuple[str, str], Table] = {}
        self._routines: dict[tuple[str, str], Routine] = {}

    def table(self, name: Name) -> Table:
        """Return what is known of a table."""
        found = self._tables.get(self._key(name))
        return found or (_SESSION if name.schema == "SESSION" else _ORDINARY)

    def make(self, name: Name, table: Table) -> None:
        """Take note of a table."""
        self._tables[self._key(name)] = table

    def forget(self, name: Name) -> None:
        """Take note that a table is gone."""
        self._tables.pop(self._key(name), None)

    def lose(self, name: Name, how: str) -> None:
        """Take note that a table went through an operation without logging."""
        self.make(name, replace(self.table(name), unavailable=how))

    def rename(self, name: Name, new: Name) -> None:
        """Take note of a table's new name; it stays in its schema."""
        table = self._tables.pop(self._key(name), _ORDINARY)
        self._tables[self._key(name)[0], new.name] = table

    def routine(self, name: Name) -> Routine | None:
        """Return a routine that scripts made, or None."""
        return self._routines.get(self._key(name))

    def make_routine(self, name: Name, routine: Routine) -> None:
        """Take note of a routine."""
        self._routines[self._key(name)] = routine

    def like(self, names: Iterable[Name]) -> bool:
        """Return whether one of these tables has a LOB column that is not logged."""
        return any(self.table(name).lobs for name in names)

    def _key(self, name: Name) -> tuple[str, str]:
        return name.schema or self.schema, name.name
