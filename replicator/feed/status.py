"""Where each feed stands: its slots on every node, the log that they hold back, and the runs that read it.

A slot keeps log until what it holds is confirmed, and a feed's is confirmed only up to a durable checkpoint. So
a run that rests lets a node's disk fill, or, under `max_slot_wal_keep_size`, loses what it has not read yet: both are
told before they happen. Once a slot is lost, another node's that keeps what follows the cursor is as good as it was.

Source: PostgreSQL 18 documentation, 47.2.2 "Replication Slots", 47.2.3 "Replication Slot Synchronization" and 19.6
"Replication".
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from replicator.errors import BadInput, HadrianError, NodeLost, NodeUnreachable
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.journal import JournalState
from replicator.position import Cursor, Lsn
from replicator.postgres import slot_state
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.journal import PostgresJournal, unrecorded
from replicator.postgres.slot_state import SlotState

_WARN_PERCENT = 80  # of max_slot_wal_keep_size, and of idle_replication_slot_timeout


@dataclass(frozen=True, slots=True)
class FeedSlot:
    """A feed's slot on one node.

    Attributes:
        feed: whose.
        state: as the node shows it.
        limit_bytes: of log held back, beyond which there is a warning; None if there is no limit.
        service: what it is good for: reading, ready, from a position on, once promoted, lost; None if it is not there.
    """

    feed: str
    state: SlotState
    limit_bytes: int | None
    service: str | None


@dataclass(frozen=True, slots=True)
class FeedRun:
    """A run that reads a feed, as one node knows it.

    Attributes:
        feed: which.
        run: its name.
        node: where this was found.
        step: of the newest checkpoint there, or None.
        cursor: of that checkpoint: what lies before it has been trained on.
        needs_from: position from which on it needs the log: the checkpoint's cursor, or further on if the log was found
            to hold nothing for the feed in between; the feed's start if there is no checkpoint.
        behind_bytes: log between that position and the end of the node's log; None for a journal's feed.
    """

    feed: str
    run: str
    node: str
    step: int | None
    cursor: Cursor | None
    needs_from: Lsn
    behind_bytes: int | None


@dataclass(frozen=True, slots=True)
class FeedJournal:
    """A feed's journal on one node.

    Attributes:
        feed: whose.
        state: as the node has it.
        limit_bytes: on disk, beyond which there is a warning; None if there is no limit.
    """

    feed: str
    state: JournalState
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs a hand: what, and what to do."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Status:
    """What was found."""

    slots: tuple[FeedSlot, ...]
    journals: tuple[FeedJournal, ...]
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
        limit_bytes: of log that a slot may hold back, and of a journal; None for 80 % of each node's
            max_slot_wal_keep_size, if set.

    Raises:
        BadInput: no node has a feed of that name.
        NodeUnreachable, NodeLost: no node answers.
        SchemaMissing: a node does not have Hadrian's tables.
    """
    feeds: dict[str, Definition] = {}
    unfinished: dict[str, Concern] = {}
    answering: list[PostgresDatabase] = []
    knows: dict[PostgresDatabase, Collection[str]] = {}
    silent: list[HadrianError] = []
    for node in nodes:
        try:
            known = {one.name: one for one in definitions.every(node) if name in (None, one.name)}
            feeds |= known
            unfinished |= {feed: concern for feed, concern in _unfinished(node) if name in (None, feed)}
        except (NodeUnreachable, NodeLost) as error:
            silent.append(error)
        else:
            answering.append(node)
            knows[node] = known.keys()
    if not answering:
        raise silent[0]
    if name is not None and not feeds and not unfinished:
        raise BadInput(
            f"no feed {name} on {', '.join(node.where for node in answering)}", hint="run: hadrian feed list"
        )
    slots: list[FeedSlot] = []
    journals: list[FeedJournal] = []
    runs: list[FeedRun] = []
    concerns = [Concern(str(error), error.hint) for error in silent]
    concerns += [concern for feed, concern in sorted(unfinished.items()) if feed not in feeds]  # one node may be behind
    for feed in sorted(feeds.values(), key=lambda one: one.name):
        on_nodes = [
            FeedJournal(feed.name, PostgresJournal(node, feed.name).state(), limit_bytes)
            for node in answering
            if feed.is_journal and feed.name in knows[node]
        ]
        states = [slot_state.look(node, feed.slot) for node in answering] if not feed.is_journal else []
        ends = {state.node: state.log_end for state in states}
        its_runs = [run for node in answering for run in _runs(node, feed, ends.get(node.where))]
        needs = _needs(feed, its_runs, states)
        its_slots = [
            FeedSlot(feed.name, state, _limit(state, limit_bytes), _service(state, needs.start)) for state in states
        ]
        if feed.is_journal:
            concerns += _large(on_nodes)
        else:
            concerns += _concerns(feed, its_slots, needs, all_seen=not silent)
        slots += its_slots
        journals += on_nodes
        runs += its_runs
    return Status(tuple(slots), tuple(journals), tuple(runs), tuple(concerns))


def _unfinished(node: PostgresDatabase) -> Iterator[tuple[str, Concern]]:
    """Yield feeds that a node knows to be begun, and what to do about each."""
    with node.connect() as connection:
        rows = connection.execute(node.statement("feed/unfinished_snapshots")).all()
    for row in rows:
        yield (
            row.feed,
            Concern(
                f"feed {row.feed} is not there yet: {row.parts} parts of its snapshot are kept, and its slot keeps "
                f"the log from {row.start_lsn} on",
                "unless it is being created just now: run hadrian feed create again, which goes on with them, or give "
                f"it up: hadrian feed drop {row.feed}",
            ),
        )
    for feed in unrecorded(node):
        yield (
            feed,
            Concern(
                f"feed {feed} is not there yet, but its journal is: triggers write to it, and nothing empties it",
                "unless it is being created just now: run hadrian feed create again, or give it up: "
                f"hadrian feed drop {feed}",
            ),
        )


def _large(journals: Sequence[FeedJournal]) -> Iterator[Concern]:
    """Yield that a feed's journal is too large, on whichever node it is the largest."""
    largest = max(journals, key=lambda one: one.state.size_bytes, default=None)
    if largest is None or largest.limit_bytes is None or largest.state.size_bytes <= largest.limit_bytes:
        return
    state, feed = largest.state, largest.feed
    yield Concern(
        f"feed {feed}: its journal on {state.node} takes {state.size_bytes} bytes, the limit is {largest.limit_bytes}; "
        f"{state.waiting} rows wait to be sealed; of batches up to {state.sealed} those up to {state.confirmed} are "
        "consumed",
        f"keep the sealer going: hadrian feed seal {feed} --every 1; let its run go on to a durable checkpoint, or "
        f"give the feed up: hadrian feed drop {feed}",
    )


def _limit(state: SlotState, limit_bytes: int | None) -> int | None:
    if limit_bytes is not None or state.keep_bytes is None:
        return limit_bytes
    return state.keep_bytes * _WARN_PERCENT // 100


def _runs(node: PostgresDatabase, feed: Definition, log_end: Lsn | None) -> list[FeedRun]:
    with node.connect() as connection:
        rows = connection.execute(node.statement("feed/readers"), {"feed": feed.name}).all()
    found = []
    for row in rows:
        cursor = Cursor(Lsn(row.lsn), row.seq, row.timeline) if row.step is not None else None
        needs_from = max(feed.start, Lsn(row.needs_from or 0))
        behind = max(0, log_end - needs_from) if log_end is not None else None
        found.append(FeedRun(feed.name, row.run, node.where, row.step, cursor, needs_from, behind))
    return found


@dataclass(frozen=True, slots=True)
class _Needs:
    """What somebody will ask a feed's slots for.

    Attributes:
        start: from here on the log is needed.
        readers: who needs it from where, for a message; empty if nobody is known who reads.
    """

    start: Lsn
    readers: str


def _needs(feed: Definition, runs: Iterable[FeedRun], states: Iterable[SlotState]) -> _Needs:
    """Return what the runs need, each by its newest checkpoint; without runs, what the slots still keep."""
    newest = {run.run: run for run in sorted(runs, key=lambda one: (one.run, one.step or 0))}
    if newest:
        readers = ", ".join(f"{run.cursor or 'the start'} (run {run.run})" for run in newest.values())
        return _Needs(min(run.needs_from for run in newest.values()), readers)
    kept = [state.confirmed for state in states if state.readable and state.confirmed is not None]
    return _Needs(max(feed.start, min(kept, default=feed.start)), "")


def _service(state: SlotState, start: Lsn) -> str | None:
    if not state.present:
        return None
    if state.invalidation is not None:
        return "lost"
    if state.copied:
        return "once promoted" if state.finished else "not copied yet"
    if state.active:
        return "reading"
    return "ready" if state.keeps(start) else f"from {state.confirmed} on"


def _concerns(feed: Definition, slots: Sequence[FeedSlot], needs: _Needs, *, all_seen: bool) -> Iterator[Concern]:
    keeping = [slot.state for slot in slots if slot.state.keeps(needs.start)]
    again = (
        f"hadrian feed drop {feed.name} --with-runs, then hadrian feed create {feed.name} "
        f"--publication {feed.publication}, and a new run"
    )
    lost = f"what was committed behind {needs.readers or needs.start} is lost to the feed"
    for slot in slots:
        where = f"feed {feed.name}: slot {slot.state.slot} on {slot.state.node}"
        why = slot.state.invalidation
        if why is None:
            yield from _dangers(feed, slot, where)
        elif keeping:
            saved = f"nothing is lost, {keeping[0].node} keeps what follows"
            if not needs.readers:
                saved = f"{keeping[0].node} keeps what follows {keeping[0].confirmed}"
            yield Concern(
                f"{where} is invalidated ({why}); {saved}",
                f"go on from {keeping[0].node} at the same cursor, as a run does by itself; "
                f"make this slot again: hadrian feed spare {feed.name} --primary URL --node URL",
            )
        else:
            yield Concern(f"{where} is invalidated ({why}); {lost}", f"to go on: {again}")
    present = [slot for slot in slots if slot.state.present]
    if all_seen and not present:
        yield Concern(
            f"feed {feed.name}: no node given has slot {feed.slot}; without it {lost}",
            f"name every node; if none has it, to go on: {again}",
        )
    elif all_seen and not keeping and all(slot.state.readable for slot in present):
        yield Concern(
            f"feed {feed.name}: every slot {feed.slot} begins too late; {lost}",
            f"name every node; if none has an older one, to go on: {again}",
        )
    yield from _uncopied(feed, slots)


def _dangers(feed: Definition, slot: FeedSlot, where: str) -> Iterator[Concern]:
    """Yield what threatens a slot that is well."""
    state = slot.state
    if slot.limit_bytes is not None and (state.held_bytes or 0) > slot.limit_bytes:
        yield Concern(
            f"{where} holds back {state.held_bytes} bytes of log, the limit is {slot.limit_bytes}",
            f"let its run go on to a durable checkpoint, or give the feed up: hadrian feed drop {feed.name}",
        )
    if state.idle_limit_s is not None and state.inactive_since is not None and not state.copied:
        idle_s = int((dt.datetime.now(dt.UTC) - state.inactive_since).total_seconds())
        if idle_s * 100 > state.idle_limit_s * _WARN_PERCENT:
            yield Concern(
                f"{where} has not moved for {idle_s} s, and is invalidated after {state.idle_limit_s} s",
                "let its run go on to a durable checkpoint, or raise idle_replication_slot_timeout there",
            )
    if state.readable and state.exposed is not None:
        yield Concern(
            f"{where}: {state.exposed} there, so vacuum on the primary may remove rows that decoding needs, "
            "and invalidate the slot",
            "on that standby set hot_standby_feedback = on, and primary_slot_name to a physical slot; then reload it",
        )
    if state.present and state.awaited:
        yield Concern(
            f"{where} gives no rows until a standby uses slot {', '.join(state.awaited)} (synchronized_standby_slots)",
            "start that standby, or take its slot out of synchronized_standby_slots and reload the primary",
        )


def _uncopied(feed: Definition, slots: Sequence[FeedSlot]) -> Iterator[Concern]:
    """Yield that a failover slot would be lost with its primary."""
    copied = any(slot.service == "once promoted" for slot in slots)
    for state in (slot.state for slot in slots):
        if state.failover and state.readable and not state.in_recovery and not copied:
            yield Concern(
                f"feed {feed.name}: failover slot {state.slot}: no standby given has a finished copy of it, "
                f"so a takeover from {state.node} would lose it",
                "name the standby; its copy is finished once a durable cursor has moved the slot, "
                "else its log says what is missing",
            )
