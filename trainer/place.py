"""Where a session works: which node is the primary, which is read from, and the checkpoint it goes on from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from replicator import reading, step_journal
from replicator.errors import BadInput, NodeLost, NodeUnreachable, TakeoverTimedOut
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import start
from replicator.position import Cursor
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.store import checkpoints
from replicator.topology import Role
from trainer.recipe import Recipe

TAKEOVER_TIMEOUT_S = 300.0
_RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class Place:
    """Nodes by their number in the list that every rank has, and a checkpoint.

    Attributes:
        primary: takes checkpoints and the journal.
        source: has the slot, its own or a spare, with every row behind the cursor; a standby if one does.
        standbys: must replay a checkpoint before it is durable; those that answered when the session began.
        step: steps done at the checkpoint, 0 if there is none.
        artifact_id: the checkpoint's, or None.
        cursor: the checkpoint's, or the feed's start.
        read_from: the same, or further on if the log was found to hold nothing for the feed in between.
    """

    primary: int
    source: int
    standbys: tuple[int, ...]
    step: int
    artifact_id: int | None
    cursor: Cursor
    read_from: Cursor

    def to_json(self) -> list[Any]:
        """Return what `from_json` takes, as JSON values."""
        cursors = [str(self.cursor), str(self.read_from)]
        return [self.primary, self.source, list(self.standbys), self.step, self.artifact_id, *cursors]

    @classmethod
    def from_json(cls, content: list[Any]) -> Self:
        """Return the place that rank 0 found."""
        primary, source, standbys, step, artifact_id, *cursors = content
        return cls(primary, source, tuple(standbys), step, artifact_id, *map(Cursor.parse, cursors))


def find(recipe: Recipe, nodes: Sequence[PostgresDatabase]) -> Place:
    """Find where to work, waiting for a takeover if there is no primary or the slot's node is away.

    Makes the run exist.

    Raises:
        TakeoverTimedOut: there was none for minutes.
        BadInput: no such feed, or the run was begun with another recipe.
    """
    deadline = time.monotonic() + TAKEOVER_TIMEOUT_S
    while True:
        try:
            return _look(recipe, nodes)
        except (NodeLost, NodeUnreachable) as lost:
            if time.monotonic() > deadline:
                raise TakeoverTimedOut(f"{lost}, for {TAKEOVER_TIMEOUT_S:.0f} s") from lost
            time.sleep(_RETRY_S)


def _look(recipe: Recipe, nodes: Sequence[PostgresDatabase]) -> Place:
    seen = topology.reachable(nodes)
    newest = reading.newest(seen)
    primary = next((node for node, look in newest if look.role is Role.PRIMARY), None)
    if primary is None:
        raise NodeLost(f"no primary among {', '.join(node.where for node in nodes)}")
    standbys = tuple(nodes.index(node) for node, look in newest if look.role is Role.STANDBY)
    definition = feed_of(primary, recipe)
    step_journal.open_run(primary, recipe.run, recipe.feed.name, recipe.canonical())
    checkpoint = checkpoints.newest(primary, recipe.run)
    read_from = start() if checkpoint is None else checkpoint.read_from
    begin = max(Cursor(definition.start, 0, definition.timeline), read_from)
    source = reading.source(definition, seen, begin, slot=recipe.feed.slot, all_answer=len(seen) == len(nodes))
    where = (nodes.index(primary), nodes.index(source), standbys)
    if checkpoint is None:
        return Place(*where, 0, None, start(), start())
    return Place(*where, checkpoint.step, checkpoint.artifact_id, checkpoint.cursor, read_from)


def feed_of(primary: PostgresDatabase, recipe: Recipe) -> Definition:
    """Return the feed that a recipe names.

    Raises:
        BadInput: the database has none of that name.
        SchemaMissing: it does not have Hadrian's tables.
    """
    definition = definitions.find(primary, recipe.feed.name)
    if definition is None:
        raise BadInput(
            f"{primary.where} has no feed {recipe.feed.name}",
            hint=f"run: hadrian feed create {recipe.feed.name} --publication ...",
        )
    return definition


def one_timeline(primary: PostgresDatabase, source: PostgresDatabase) -> int:
    """Return the timeline that both are on, the node that is written to and the one that rows are read from.

    Raises:
        NodeLost: they are on two, or the first is no primary any more.
    """
    written, read = topology.look(primary), topology.look(source)
    if written.role is not Role.PRIMARY or written.timeline != read.timeline:
        raise NodeLost(f"{source.where} is on timeline {read.timeline}, {primary.where} is not")
    return written.timeline
