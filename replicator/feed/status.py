"""Where each feed stands: its slots on every node, the log that they hold back, and the runs that read it.

A slot keeps log until what it holds is confirmed, and a feed's is confirmed only up to a durable checkpoint. So
a run that rests lets a node's disk fill, or, under `max_slot_wal_keep_size`, loses what it has not read yet: both are
told before they happen.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from replicator.errors import BadInput, HadrianError, NodeLost, NodeUnreachable
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.position import Cursor, Lsn
from replicator.postgres import slot_state
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.slot_state import SlotState

_WARN_PERCENT = 80  # of max_slot_wal_keep_size


@dataclass(frozen=True, slots=True)
class FeedSlot:
    """A feed's slot on one node.

    Attributes:
        feed: whose.
        state: as the node shows it.
        limit_bytes: of log held back, beyond which there is a warning; None if there is no limit.
    """

    feed: str
    state: SlotState
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class FeedRun:
    """A run that reads a feed, as one node knows it.

    Attributes:
        feed: which.
        run: its name.
        node: where this was found.
        step: of the newest checkpoint there, or None.
        cursor: of that checkpoint: what lies before it has been trained on.
        behind_bytes: log between that cursor, or the feed's start, and the end of the node's log.
    """

    feed: str
    run: str
    node: str
    step: int | None
    cursor: Cursor | None
    behind_bytes: int


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs a hand: what, and what to do."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Status:
    """What was found."""

    slots: tuple[FeedSlot, ...]
    runs: tuple[FeedRun, ...]
    concerns: tuple[Concern, ...]


def of_urls(urls: Sequence[str], name: str | None = None, limit_bytes: int | None = None) -> Status:
    """Look at the feeds on the nodes of these URLs. Raises: as `of_nodes`."""
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(contextlib.closing(PostgresDatabase(url))) for url in dict.fromkeys(urls)]
        return of_nodes(nodes, name, limit_bytes)


def of_nodes(nodes: Sequence[PostgresDatabase], name: str | None = None, limit_bytes: int | None = None) -> Status:
    """Look at every feed, or at one, on every node.

    Args:
        nodes: of one pair, in any roles.
        name: of the feed; None for every feed.
        limit_bytes: of log that a slot may hold back; None for 80 % of each node's max_slot_wal_keep_size, if set.

    Raises:
        BadInput: no node has a feed of that name.
        NodeUnreachable, NodeLost: no node answers.
        SchemaMissing: a node does not have Hadrian's tables.
    """
    feeds: dict[str, Definition] = {}
    answering: list[PostgresDatabase] = []
    silent: list[HadrianError] = []
    for node in nodes:
        try:
            feeds |= {one.name: one for one in definitions.every(node) if name in (None, one.name)}
        except (NodeUnreachable, NodeLost) as error:
            silent.append(error)
        else:
            answering.append(node)
    if not answering:
        raise silent[0]
    if name is not None and not feeds:
        raise BadInput(
            f"no feed {name} on {', '.join(node.where for node in answering)}", hint="run: hadrian feed list"
        )
    slots, runs = [], []
    for feed in sorted(feeds.values(), key=lambda one: one.name):
        for node in answering:
            state = slot_state.look(node, feed.slot)
            slots.append(FeedSlot(feed.name, state, _limit(state, limit_bytes)))
            runs += _runs(node, feed, state.log_end)
    concerns = [Concern(str(error), error.hint) for error in silent]
    for feed in feeds.values():
        mine = [slot for slot in slots if slot.feed == feed.name]
        concerns += _concerns(feed, mine, [run for run in runs if run.feed == feed.name], all_seen=not silent)
    return Status(tuple(slots), tuple(runs), tuple(concerns))


def _limit(state: SlotState, limit_bytes: int | None) -> int | None:
    if limit_bytes is not None or state.keep_bytes is None:
        return limit_bytes
    return state.keep_bytes * _WARN_PERCENT // 100


def _runs(node: PostgresDatabase, feed: Definition, log_end: Lsn) -> list[FeedRun]:
    with node.connect() as connection:
        rows = connection.execute(node.statement("feed/readers"), {"feed": feed.name}).all()
    found = []
    for row in rows:
        cursor = Cursor(Lsn(row.lsn), row.seq, row.timeline) if row.step is not None else None
        at = max(feed.start, cursor.lsn) if cursor is not None else feed.start
        found.append(FeedRun(feed.name, row.run, node.where, row.step, cursor, max(0, log_end - at)))
    return found


def _concerns(
    feed: Definition, slots: Sequence[FeedSlot], runs: Iterable[FeedRun], *, all_seen: bool
) -> Iterator[Concern]:
    newest = {run.run: run for run in sorted(runs, key=lambda one: (one.run, one.step or 0))}
    wanted = min((run.cursor.lsn if run.cursor else feed.start for run in newest.values()), default=feed.start)
    wanted = max(wanted, feed.start)  # a cursor within the snapshot
    keeping = [one.state.node for one in slots if one.state.usable and (one.state.confirmed or Lsn(0)) <= wanted]
    again = (
        f"hadrian feed drop {feed.name} --with-runs, then hadrian feed create {feed.name} "
        f"--publication {feed.publication}, and a new run"
    )
    behind = ", ".join(f"{run.cursor or 'the start'} (run {run.run})" for run in newest.values())
    lost = f"what was committed behind {behind or wanted} is lost to the feed"
    for slot in slots:
        state = slot.state
        where = f"feed {feed.name}: slot {state.slot} on {state.node}"
        if state.invalidation is not None and keeping:
            yield Concern(
                f"{where} is invalidated ({state.invalidation}); nothing is lost, {keeping[0]} keeps what follows",
                f"drop it there: select pg_drop_replication_slot('{state.slot}')",
            )
        elif state.invalidation is not None:
            yield Concern(f"{where} is invalidated ({state.invalidation}); {lost}", f"to go on: {again}")
        elif slot.limit_bytes is not None and (state.held_bytes or 0) > slot.limit_bytes:
            yield Concern(
                f"{where} holds back {state.held_bytes} bytes of log, the limit is {slot.limit_bytes}",
                f"let its run go on to a durable checkpoint, or give the feed up: hadrian feed drop {feed.name}",
            )
    if all_seen and not any(slot.state.present for slot in slots):
        yield Concern(
            f"feed {feed.name}: no node given has slot {feed.slot}; without it {lost}",
            f"name every node; if none has it, to go on: {again}",
        )
