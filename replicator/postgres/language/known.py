"""What a script has made so far, as far as it decides what a later statement comes to.

Only what a text says counts: a table that no script made is taken for a permanent one, a function that none made is
not known. A rolled back transaction takes back what it made.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from replicator.statement import Touch


class Persistence(enum.Enum):
    """Where a relation's content lives, by the letter the catalogs have for it."""

    PERMANENT = "p"
    UNLOGGED = "u"
    TEMPORARY = "t"
    FOREIGN = "f"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, sequence or index that a script made.

    Attributes:
        persistence: where its content lives.
        parents: keys of the tables it is a partition or a child of.
        references: keys of the tables its foreign keys point to.
        triggers: names of the functions that its triggers call.
        sequences: names of the sequences that its columns brought.
        logged_late: it was unlogged before. A sequence then still has values that it may hand out unlogged.
    """

    persistence: Persistence = Persistence.PERMANENT
    parents: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()
    triggers: frozenset[str] = frozenset()
    sequences: frozenset[str] = frozenset()
    logged_late: bool = False


_PERMANENT = Relation()


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
            self.touches.append(replace(touch, when=touch.when or when))
        self.unknown.extend(other.unknown)


class Known:
    """What is known at one point of a script."""

    def __init__(self) -> None:
        self.schema = "public"
        self.prepared: dict[str, Effect] = {}
        self._relations: dict[str, Relation] = {}
        self._routines: dict[str, Effect] = {}
        self._views: dict[str, Effect] = {}
        self._parents: set[str] = set()  # keys of all tables that ever had parts
        # What a rollback undoes: a table of ours, a key of it, and what stood there before.
        self._undo: list[tuple[dict[str, Any], str, object]] = []
        self._savepoints: list[tuple[str, int]] = []

    def new_session(self) -> None:
        """Forget what ends with a session: its schema, temporary tables, prepared statements, open transaction."""
        self.roll_back()
        self.schema = "public"
        self.prepared.clear()
        for key in [key for key, found in self._relations.items() if found.persistence is Persistence.TEMPORARY]:
            del self._relations[key]

    def key(self, name: Mapping[str, Any]) -> str:
        """Return the key of a relation that a node (RangeVar) names."""
        relation = str(name.get("relname", ""))
        schema = name.get("schemaname")
        if schema is None and f"pg_temp.{relation}" in self._relations:
            schema = "pg_temp"
        return f"{schema or self.schema}.{relation}"

    def find(self, name: Mapping[str, Any]) -> Relation:
        """Return what a node (RangeVar) names; a permanent table where no script made it."""
        return self._relations.get(self.key(name), _PERMANENT)

    def make(self, name: Mapping[str, Any], relation: Relation) -> None:
        """Take note of a new relation."""
        temporary = relation.persistence is Persistence.TEMPORARY
        schema = "pg_temp" if temporary else name.get("schemaname") or self.schema
        self._put(self._relations, f"{schema}.{name.get('relname', '')}", relation)
        self._parents |= relation.parents

    def drop(self, name: Mapping[str, Any]) -> None:
        """Forget a relation."""
        self._put(self._relations, self.key(name), None)

    def rename(self, name: Mapping[str, Any], *, schema: str | None = None, relation: str | None = None) -> None:
        """Keep what is known of a relation under another name."""
        key = self.key(name)
        if key in self._relations:
            old_schema, _, old_name = key.partition(".")
            known = self._relations[key]
            self._put(self._relations, key, None)
            self._put(self._relations, f"{schema or old_schema}.{relation or old_name}", known)

    def change(self, name: Mapping[str, Any], **fields: Any) -> None:
        """Take note of what has changed about a relation, made by a script or not."""
        changed = replace(self.find(name), **fields)
        self._put(self._relations, self.key(name), changed)
        self._parents |= changed.parents

    def parts(self, name: Mapping[str, Any]) -> list[tuple[str, Persistence]]:
        """Return the keys of the tables that are not in the log and whose rows are read through this one."""
        key = self.key(name)
        if key not in self._parents:
            return []
        return [
            (part, relation.persistence)
            for part, relation in self._relations.items()
            if key in relation.parents and relation.persistence is not Persistence.PERMANENT
        ]

    def referenced_by_logged(self, name: Mapping[str, Any]) -> str | None:
        """Return the key of a permanent table that references this one, if a script made one."""
        key = self.key(name)
        for other, relation in self._relations.items():
            if key in relation.references and other != key and relation.persistence is Persistence.PERMANENT:
                return other
        return None

    def make_view(self, name: Mapping[str, Any], query: Effect) -> None:
        """Take note of what reading a new view does, if it does anything."""
        if query.touches or query.unknown:
            self._put(self._views, self.key(name), query)

    @property
    def has_views(self) -> bool:
        """Whether a script made a view that does something when it is read."""
        return bool(self._views)

    def view(self, name: Mapping[str, Any]) -> Effect:
        """Return what reading a relation does."""
        return self._views.get(self.key(name), Effect())

    def routine(self, name: str) -> Effect | None:
        """Return what a routine does that a script made, or None."""
        return self._routines.get(name)

    def make_routine(self, name: str, body: Effect) -> None:
        """Take note of what a new routine does."""
        self._put(self._routines, name, body)

    def drop_routine(self, name: str) -> None:
        """Forget a routine."""
        self._put(self._routines, name, None)

    def begin(self, savepoint: str = "") -> None:
        """Remember how things are, for a rollback of the transaction or to a savepoint."""
        if not savepoint:
            self.commit()
        self._savepoints.append((savepoint, len(self._undo)))

    def commit(self) -> None:
        """Let what was made stand."""
        self._savepoints.clear()
        self._undo.clear()

    def roll_back(self, savepoint: str = "") -> None:
        """Forget what was made since the transaction began, or since a savepoint, which stays."""
        for index in range(len(self._savepoints) - 1, -1, -1):
            name, mark = self._savepoints[index]
            if name == savepoint:
                self._undo_to(mark)
                del self._savepoints[index + bool(savepoint) :]
                return

    @contextlib.contextmanager
    def set_aside(self) -> Iterator[None]:
        """Forget what is made inside the block: what a body makes is not there until it runs."""
        depth, mark = len(self._savepoints), len(self._undo)
        self._savepoints.append(("", mark))
        try:
            yield
        finally:
            self._undo_to(mark)
            del self._savepoints[depth:]

    def _put(self, table: dict[str, Any], key: str, value: object) -> None:
        if self._savepoints:
            self._undo.append((table, key, table.get(key)))
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def _undo_to(self, mark: int) -> None:
        while len(self._undo) > mark:
            table, key, value = self._undo.pop()
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
