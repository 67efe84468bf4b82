"""Where a session works: which node is the primary, which is read from, and the checkpoint it goes on from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from replicator import step_journal
from replicator.errors import BadInput, NodeLost, NodeUnreachable, TakeoverTimedOut
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import start
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import spare, topology
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
    """

    primary: int
    source: int
    standbys: tuple[int, ...]
    step: int
    artifact_id: int | None
    cursor: Cursor

    def to_json(self) -> list[Any]:
        """Return what `from_json` takes, as JSON values."""
        cursor = [str(self.cursor.lsn), self.cursor.seq, self.cursor.timeline]
        return [self.primary, self.source, list(self.standbys), self.step, self.artifact_id, cursor]

    @classmethod
    def from_json(cls, content: list[Any]) -> Self:
        """Return the place that rank 0 found."""
        primary, source, standbys, step, artifact_id, (lsn, seq, timeline) = content
        return cls(primary, source, tuple(standbys), step, artifact_id, Cursor(Lsn(lsn), seq, timeline))


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
    seen = [(nodes.index(server), look) for server, look in topology.reachable(nodes)]
    primaries = [(look.timeline, number) for number, look in seen if look.role is Role.PRIMARY]
    if not primaries:
        raise NodeLost(f"no primary among {', '.join(node.where for node in nodes)}")
    timeline, primary = max(primaries)
    standbys = tuple(number for number, look in seen if (look.role, look.timeline) == (Role.STANDBY, timeline))
    definition = feed_of(nodes[primary], recipe)
    slot = recipe.feed.slot or definition.slot
    # The standbys first: that is where training reads.
    holders = [number for number in (*standbys, primary) if slots.exists(nodes[number], slot)]
    if not holders:
        raise NodeLost(f"no node of timeline {timeline} that answers has slot {slot}")
    step_journal.open_run(nodes[primary], recipe.run, recipe.feed.name, recipe.canonical())
    newest = checkpoints.newest(nodes[primary], recipe.run)
    begin = definition.start if newest is None else max(definition.start, newest.cursor.lsn)
    source = next((number for number in holders if spare.keeps(nodes[number], slot, begin)), None)
    if source is None and len(seen) < len(nodes):
        raise NodeLost(f"no node that answers keeps slot {slot} from {begin} on")
    if source is None:
        source = holders[0]  # nothing is left to wait for: its stream says what is lost
    if newest is None:
        return Place(primary, source, standbys, 0, None, start())
    return Place(primary, source, standbys, newest.step, newest.artifact_id, newest.cursor)


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
