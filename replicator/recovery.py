"""Which steps of a run can be built again: from the newest checkpoint at or before each, and the rows since.

A step's state is a checkpoint's, or the model's as the run began with it, and what the rows between made of it. The
rows of a feed's snapshot are kept as long as the feed is; those behind it only from where a slot stands, or from the
first batch of a journal that is not consumed. So there are three kinds of steps that can be had:

    those that have a checkpoint
    those that were trained on rows of the snapshot alone
    those behind the first checkpoint whose next rows some node still keeps, to the journal's end
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from replicator import reading, step_journal
from replicator.errors import ArtifactMissing, BadInput, FeedBroken, NodeLost, NodeUnreachable
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import Reader, Source, start
from replicator.kept_snapshot import KeptSnapshot
from replicator.position import Cursor, Lsn
from replicator.postgres import slot_state, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.journal import PostgresJournal
from replicator.store import checkpoints
from replicator.topology import Role


@dataclass(frozen=True, slots=True)
class Start:
    """A state that is at hand.

    Attributes:
        step: optimizer steps done.
        artifact_id: the checkpoint's; None for the model as the run began with it.
        cursor: everything before it has been trained on.
        read_from: the same, or further on if the log was found to hold nothing for the feed in between.
    """

    step: int
    artifact_id: int | None
    cursor: Cursor
    read_from: Cursor


BEGINNING = Start(0, None, start(), start())


@dataclass(frozen=True, slots=True)
class Leg:
    """A way from a state to a step.

    Attributes:
        start: where it begins.
        end: the step.
        cursor: behind that.
        artifact_id: of the checkpoint at that step, None if it has none.
    """

    start: Start
    end: int
    cursor: Cursor
    artifact_id: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be replayed, and where. Nodes are numbers in the list that every rank has.

    Attributes:
        store: has the checkpoints and the journal: the primary, or where there is none a standby.
        source: the rows are read there.
        legs: to one step, the shortest first; or from each checkpoint to the next.
        unread: legs that cannot be replayed, because their rows are no longer kept: steps at beginning and end.
    """

    store: int
    source: int
    legs: tuple[Leg, ...]
    unread: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> list[Any]:
        """Return what `from_json` takes, as JSON values."""
        legs = [
            [leg.start.step, leg.start.artifact_id, str(leg.start.cursor), str(leg.start.read_from),
             leg.end, str(leg.cursor), leg.artifact_id]
            for leg in self.legs
        ]  # fmt: skip
        return [self.store, self.source, legs]

    @classmethod
    def from_json(cls, content: list[Any]) -> Self:
        """Return the plan, without what cannot be replayed."""
        store, source, legs = content
        parse = Cursor.parse
        return cls(
            store,
            source,
            tuple(
                Leg(Start(step, artifact, parse(cursor), parse(read_from)), end, parse(behind), at_end)
                for step, artifact, cursor, read_from, end, behind, at_end in legs
            ),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """Which rows of a feed can still be read.

    Attributes:
        snapshot_end: rows up to here are kept with the feed.
        log_from: a node keeps the rows behind this position; None if no node does.
    """

    snapshot_end: Cursor
    log_from: Lsn | None

    def has(self, begin: Start, end: Cursor) -> bool:
        """Return whether every row between a state and a cursor can be read."""
        if begin.cursor >= end or end <= self.snapshot_end:
            return True
        return self.log_from is not None and self.log_from <= max(self.snapshot_end, begin.read_from).lsn


def possible(kept: Kept, starts: Sequence[Start], in_snapshot: int, last: int) -> list[tuple[int, int]]:
    """Return the steps that can be had, as ranges in order, both ends among them.

    Args:
        kept: what can be read.
        starts: what is at hand, the beginning included.
        in_snapshot: the last step that was trained on the snapshot's rows alone, 0 if none was.
        last: the journal's.
    """
    ranges = [(1, in_snapshot), *((one.step, one.step) for one in starts)]
    endless = Cursor(Lsn((1 << 64) - 1), 0)
    ranges += [(one.step, last) for one in starts if one.step < last and kept.has(one, endless)]
    merged: list[tuple[int, int]] = []
    for first, end in sorted((max(1, first), end) for first, end in ranges):
        if first > end:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return merged


class Run:
    """A run as its nodes have it.

    Args:
        nodes: all that may have it.
        name: the run's.

    Attributes:
        store: the node that its checkpoints and its journal are read on.
        recipe: what it was begun with, as text.

    Raises:
        NodeUnreachable: no node answers.
        ArtifactMissing: there is no such run, or its journal is empty.
    """

    def __init__(self, nodes: Sequence[PostgresDatabase], name: str) -> None:
        self._nodes = nodes
        self._name = name
        answering = topology.reachable(nodes)
        if not answering:
            raise NodeUnreachable(f"none of {', '.join(node.where for node in nodes)} answers")
        self._all_answer = len(answering) == len(nodes)
        self._seen = reading.newest(answering)
        primaries = (node for node, look in self._seen if look.role is Role.PRIMARY)
        self.store = next(primaries, self._seen[0][0])
        self.recipe = step_journal.recipe(self.store, name)
        newest = step_journal.newest(self.store, name)
        if newest is None:
            raise ArtifactMissing(f"{self.store.where}: the journal of run {name} has no steps", hint="train it first")
        self._last = newest[0]

    def to(self, feed: str, slot: str | None, *, step: int | None = None, at: Lsn | None = None) -> Plan:
        """Return the ways to a step of the journal.

        Args:
            feed: that the run was trained on.
            slot: that keeps its rows, if not the feed's own.
            step: which; if left out, the last.
            at: the newest whose rows were all committed before this position.

        Raises:
            BadInput: the journal has no such step, or the feed had not begun.
            FeedBroken, NodeLost: rows in between are no longer kept; says which steps can be had.
            SlotInUse: they are, but somebody reads the slot.
        """
        definition = self._definition(feed)
        if at is not None and at < definition.start:
            raise BadInput(f"feed {feed} begins at {definition.start}, behind {at}", hint="name a later position")
        found = step_journal.newest(self.store, self._name, up_to=step, at=at)
        if found is None or step not in (None, found[0]):
            what = f"step {step}" if at is None else f"step at or before {at}"
            raise BadInput(f"the journal of run {self._name} has no {what}; it ends at step {self._last}")
        end, cursor = found
        starts = self._starts()
        kept, source = self._kept(definition, slot)
        ways = [one for one in starts if one.step <= end]
        at_end = next((one.artifact_id for one in ways if one.step == end), None)
        legs = tuple(Leg(one, end, cursor, at_end) for one in ways if kept.has(one, cursor))
        if not legs:
            in_snapshot = step_journal.newest(self.store, self._name, at=definition.start)
            ranges = possible(kept, starts, 0 if in_snapshot is None else in_snapshot[0], self._last)
            raise self._refused(definition, slot, Leg(ways[0], end, cursor, None), ranges)
        return Plan(self._nodes.index(self.store), self._nodes.index(source), legs)

    def between_checkpoints(self, feed: str, slot: str | None) -> Plan:
        """Return the ways from the beginning to the first checkpoint, and from each to the next.

        Raises:
            ArtifactMissing: the run has no checkpoint.
            FeedBroken, NodeLost, SlotInUse: none of them can be gone.
        """
        starts = list(reversed(self._starts()))
        if len(starts) == 1:
            raise ArtifactMissing(f"{self.store.where}: run {self._name} has no checkpoint")
        kept, source = self._kept(definition := self._definition(feed), slot)
        legs = [Leg(one, behind.step, behind.cursor, behind.artifact_id) for one, behind in itertools.pairwise(starts)]
        can = tuple(leg for leg in legs if kept.has(leg.start, leg.cursor))
        if not can:
            raise self._refused(definition, slot, legs[-1], [])
        unread = tuple((leg.start.step, leg.end) for leg in legs if leg not in can)
        return Plan(self._nodes.index(self.store), self._nodes.index(source), can, unread)

    def check_writable(self) -> None:
        """Check that a checkpoint can be stored. Raises: NodeUnreachable: no node that answers takes writes."""
        if all(look.role is Role.STANDBY for _, look in self._seen):
            raise NodeUnreachable(
                f"no primary answers, so no checkpoint of run {self._name} can be stored",
                hint="name the primary, promote a standby, or write files with --out",
            )

    def _starts(self) -> list[Start]:
        """Return what is at hand, the newest first."""
        found = checkpoints.found(self.store, self._name)
        return [*(Start(one.step, one.artifact_id, one.cursor, one.read_from) for one in found), BEGINNING]

    def _definition(self, feed: str) -> Definition:
        definition = definitions.find(self.store, feed)
        if definition is None:
            raise BadInput(
                f"{self.store.where} has no feed {feed}, whose rows run {self._name} was trained on",
                hint="what is left of the run are its checkpoints: hadrian checkpoint list",
            )
        return definition

    def _kept(self, definition: Definition, slot: str | None) -> tuple[Kept, PostgresDatabase]:
        """Return what can be read, and on which node: that which keeps most, and a standby rather than the primary."""
        found = [(_kept_from(definition, node, slot), node) for node, _ in self._seen]
        kept = [(since, node) for since, node in found if since is not None]
        since, source = min(kept, key=lambda pair: pair[0]) if kept else (None, self.store)
        return Kept(Cursor(definition.start, 0, definition.timeline), since), source

    def _refused(
        self, definition: Definition, slot: str | None, leg: Leg, ranges: Iterable[tuple[int, int]]
    ) -> FeedBroken | NodeLost:
        """Return the error for rows that cannot be read. Raises: SlotInUse: they are kept, and somebody reads them."""
        keep = []
        for node, _ in self._seen:
            if not definition.is_journal:
                state = slot_state.look(node, slot or definition.slot)
                if state.keeps(max(definition.start, leg.start.read_from.lsn)):
                    state.check_free()
            since = _kept_from(definition, node, slot)
            keep.append(f"{node.where} keeps {'none' if since is None else f'those behind {since}'}")
        shown = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in ranges)
        ways = "name one of these steps" if shown else f"read what is stored: hadrian checkpoint verify {self._name}"
        return (FeedBroken if self._all_answer else NodeLost)(
            f"run {self._name}: step {leg.end} cannot be built again, for the rows behind step {leg.start.step} are no "
            f"longer kept ({'; '.join(keep)}){f'; these steps can: {shown}' if shown else ''}",
            hint=ways if definition.is_journal else f"{ways}, or name a slot that keeps more with --slot",
        )


def _kept_from(definition: Definition, node: PostgresDatabase, slot: str | None) -> Lsn | None:
    """Return the position behind which a node keeps the rows, for somebody else than who reads them now."""
    if definition.is_journal:
        if slot is not None:
            raise BadInput(f"feed {definition.name} reads a journal, which has no slot", hint="leave out the slot")
        return Lsn(PostgresJournal(node, definition.name).confirmed())
    state = slot_state.look(node, slot or definition.slot)
    return state.confirmed if state.readable and not state.active else None


def rows(definition: Definition, node: PostgresDatabase, after: Cursor, slot: str | None) -> Reader:
    """Read a feed aside: nothing is confirmed, and a slot is looked for only behind the snapshot's rows.

    Raises:
        ArtifactMissing: the node has not replayed the snapshot yet, or lost it in a takeover.
    """

    def connect(cursor: Cursor) -> Source:
        return reading.open_stream(definition, node, cursor, slot=slot, aside=True)

    return Reader(definition, KeptSnapshot(node, definition), connect, after)
