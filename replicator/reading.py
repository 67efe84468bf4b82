"""Where a feed is read and how: the node that can give it, and a reader there, of the log or of a journal."""

from __future__ import annotations

from collections.abc import Sequence

from replicator.errors import BadInput, FeedBroken, NodeLost
from replicator.feed.definition import Definition
from replicator.feed.journal import JournalSource, writable
from replicator.feed.reader import Reader, Source
from replicator.kept_snapshot import KeptSnapshot
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import slot_state
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.journal import PostgresJournal
from replicator.postgres.stream import Stream
from replicator.topology import Node, Role

Seen = Sequence[tuple[PostgresDatabase, Node]]


def newest(seen: Seen) -> Seen:
    """Return the nodes of the newest timeline, standbys first."""
    timeline = max((node.timeline for _, node in seen), default=0)
    return sorted(
        (pair for pair in seen if pair[1].timeline == timeline), key=lambda pair: pair[1].role is Role.PRIMARY
    )


def log_end(definition: Definition, seen: Seen) -> Lsn:
    """Return where a feed's changes end now: its node's log, or what is sealed of its journal.

    Args:
        definition: which feed.
        seen: the nodes that answer, at least one.
    """
    if definition.is_journal:
        return Lsn(max(PostgresJournal(node, definition.name).newest() for node, _ in newest(seen)))
    return max(look.lsn for _, look in newest(seen))


def source(
    definition: Definition, seen: Seen, after: Cursor, *, slot: str | None = None, all_answer: bool
) -> PostgresDatabase:
    """Return the node to read from: the first of the newest timeline that keeps the feed from a cursor on.

    A standby that has not replayed the cursor is waited for. Read from before, and promoted then, it would fork
    unnoticed in front of the cursor, and its slot might have been confirmed past the fork. One that has replayed the
    cursor forks behind it, whenever that is. A journal is on every node, and its reader looks for all of this itself.

    Args:
        definition: which feed.
        seen: the nodes that answer.
        after: the cursor.
        slot: another slot to read, instead of the feed's own.
        all_answer: whether there is no other node to wait for.

    Raises:
        TimelineForked: the newest timeline never had what the cursor has seen.
        NodeLost: none keeps it, but one that does not answer, or lags, may.
        FeedBroken: none keeps it.
        BadInput: a slot was named, and the feed has none.
    """
    candidates = newest(seen)
    if definition.is_journal:
        if slot is not None:
            raise BadInput(f"feed {definition.name} reads a journal, which has no slot", hint="leave out the slot")
        if not candidates:
            raise NodeLost("no node answers")
        return candidates[0][0]
    for node, _ in candidates[:1]:
        node.timeline_history().check(after)
    reasons = []
    lags = False
    for node, look in candidates:
        if look.role is Role.STANDBY and (look.lsn, 0) < after.position:
            reasons.append(f"{node.where} has replayed {look.lsn}, wanted from {after}")
            lags = True
            continue
        try:
            slot_state.look(node, slot or definition.slot).check_keeps(after)
        except FeedBroken as broken:
            reasons.append(str(broken))
        else:
            return node
    message = "; ".join(reasons) or "no node answers"
    if all_answer and not lags and len(candidates) == len(seen):
        raise FeedBroken(message, hint="name every node that may have the feed's slot, or create the feed again")
    raise NodeLost(message)


def open_reader(
    definition: Definition,
    node: PostgresDatabase,
    after: Cursor,
    *,
    nodes: Sequence[PostgresDatabase] = (),
    slot: str | None = None,
    aside: bool = False,
) -> Reader:
    """Read a feed from one node after a cursor.

    Args:
        definition: which feed.
        node: has the slot or the journal, and has replayed the snapshot's artifact.
        after: where to go on.
        nodes: what is consumed of a journal is told to the one of these that takes writes.
        slot: read another slot that keeps the same rows, instead of the feed's own.
        aside: read a copy of the slot that goes with the session; nothing is ever confirmed.

    Raises:
        ArtifactMissing: the node has not replayed the snapshot yet, or lost it in a takeover.
        SlotInUse, NotConfigured, NotPermitted: the slot cannot be read aside.
    """
    if aside and not definition.is_journal:
        slot_state.look(node, slot or definition.slot).check_readable()
        slots.check_decoding(node)

    def connect(cursor: Cursor) -> Source:
        return open_stream(definition, node, cursor, nodes=nodes, slot=slot, aside=aside)

    return Reader(definition, KeptSnapshot(node, definition), connect, after)


def open_stream(
    definition: Definition,
    node: PostgresDatabase,
    after: Cursor,
    *,
    nodes: Sequence[PostgresDatabase] = (),
    slot: str | None = None,
    aside: bool = False,
) -> Source:
    """Read what a feed has behind its snapshot, after a cursor. Arguments: as of `open_reader`."""

    def journal(of: PostgresDatabase) -> PostgresJournal:
        return PostgresJournal(of, definition.name)

    if definition.is_journal:
        told = None if aside else lambda: writable([journal(one) for one in nodes])
        return JournalSource(journal(node), after, told)
    return Stream(node, slot or definition.slot, definition.publication, after, aside=aside)
