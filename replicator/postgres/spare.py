"""Spare slots: a feed's slot once more on other nodes, from which it is read on when the node in use is gone.

Nothing copies a logical slot that lives on a standby. But a log position means the same on every physical replica,
so a slot of the same name on another node gives the same rows behind the same cursor, if it begins no later than
the feed and forgets no more than the feed's durable cursor.

Begins no later: the spares are made first, and the feed's own slot only once its node has replayed the latest point
that a spare begins at, because a slot begins at or behind the position at which it was asked for.

Forgets no more: a spare moves only once *its own node* has replayed the checkpoint that holds the cursor. Promoted, a
node that had not would go on from an older checkpoint, and need the rows since.

Source: PostgreSQL 18 documentation, 47.2.2 "Replication Slots" and 9.28.6 "Replication Management Functions";
pg_replication_slot_advance works on a standby as on a primary.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from replicator import sql
from replicator.errors import BadInput, HadrianError, NotConfigured
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import slot_state, topology
from replicator.postgres.connection import Server, command
from replicator.postgres.snapshot import nudge

_Node = TypeVar("_Node", bound=Server)
Wanted: TypeAlias = int | tuple[str, ...] | None
"""Which nodes are to have a spare slot: so many, those named by `host:port`, or None for all."""


@dataclass(slots=True)
class Spares:
    """Spare slots that were made for a feed that does not exist yet.

    Attributes:
        nodes: which have one.
        in_use: set it before a commit that makes the feed exist: from then on they stay, whatever happens.
    """

    nodes: tuple[Server, ...]
    in_use: bool = False


def choose(nodes: Iterable[_Node], source: Server, wanted: Wanted) -> list[_Node]:
    """Return the nodes beside the source that are to have a spare slot, each once, whatever address it was named by.

    Args:
        nodes: which there are; the source may be among them.
        source: node that has the feed's own slot.
        wanted: which of them.

    Raises:
        BadInput: there are not so many, or none, or one that is named is not there or is the source.
        NodeUnreachable: one that may be needed does not answer.
    """
    if wanted == 0:
        return []
    count = len(wanted) if isinstance(wanted, tuple) else wanted
    if isinstance(wanted, tuple):
        nodes = _named(list(nodes), wanted)
    started = {_started(source)}
    chosen: list[_Node] = []
    for node in nodes:
        if len(chosen) == count:
            break
        if (its := _started(node)) not in started:
            started.add(its)
            chosen.append(node)
    if len(chosen) < (count or 1):
        raise BadInput(
            f"{count or 1} spare slots are wanted, and beside {source.where} {len(chosen)} nodes are named",
            hint="name every other node with --node",
        )
    return chosen


def _named(nodes: Sequence[_Node], names: tuple[str, ...]) -> list[_Node]:
    """Return the nodes of these names: with the database or without."""
    by_name = {name: node for node in nodes for name in (node.where, node.where.rpartition("/")[0])}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise BadInput(
            f"no node given is called {', '.join(unknown)}: there are {', '.join(node.where for node in nodes)}",
            hint="name it with --node, and write its host:port as hadrian feed status does",
        )
    return [by_name[name] for name in names]


def _started(server: Server) -> str:
    with server.connect() as connection:
        return str(connection.execute(sql.load("postgres/topology/started")).scalar_one())


@contextlib.contextmanager
def open_spares(nodes: Sequence[Server], source: Server, primary: Server, slot: str) -> Iterator[Spares]:
    """Make a spare slot on each node and wait until the source is so far that its own slot begins behind them.

    Make the feed's own slot inside the block. If the block fails, the spares are dropped again, unless it says that
    they are in use or a node has gone.

    Raises:
        BadInput: a node is no physical replica of the source, or not on its timeline.
        HadrianError: as `slot.check_decoding` and `slot.create_exporting`.
        NodeLost: the source did not replay what the spares begin at within a minute.
    """
    spares = Spares(tuple(nodes))
    made: list[Server] = []
    try:
        begin = Lsn(0)
        for node in nodes:
            _check_replica(node, source)
            slots.check_decoding(node)
            if slot_state.look(node, slot).present:
                slots.drop(node, slot)  # left by an attempt that was interrupted: no feed refers to it
            made.append(node)
            begin = max(begin, _make(node, slot, primary, source))
        topology.wait_replayed(source, begin)
        yield spares
    except BaseException:
        if not spares.in_use:
            for node in made:
                with contextlib.suppress(HadrianError):
                    slots.drop(node, slot)
        raise


def _make(node: Server, slot: str, *may_be_primary: Server) -> Lsn:
    pgconn = node.replication()
    try:
        return slots.create_exporting(node, pgconn, slot, lambda: nudge(node, *may_be_primary))[0]
    finally:
        pgconn.finish()


def _check_replica(node: Server, source: Server) -> None:
    theirs, its = _identity(source), _identity(node)
    if its[0] != theirs[0]:
        raise BadInput(
            f"{node.where} is no physical replica of {source.where}: its system identifier is {its[0]}, "
            f"not {theirs[0]}",
            hint="name only physical replicas of one primary with --node",
        )
    if its[1] != theirs[1]:
        raise BadInput(
            f"{node.where} is on timeline {its[1]}, {source.where} on timeline {theirs[1]}",
            hint="wait until every node follows the primary, or leave that node out",
        )


def _identity(server: Server) -> tuple[str, int]:
    """Return the system identifier, which every physical replica shares, and the timeline."""
    pgconn = server.replication()
    try:
        identity = command(pgconn, b"IDENTIFY_SYSTEM", server.where)
        return (identity.get_value(0, 0) or b"").decode(), int(identity.get_value(0, 1) or b"1")
    finally:
        pgconn.finish()


def add(node: Server, slot: str, primary: Server) -> Lsn:
    """Make a spare slot for a feed that exists already, and return where it begins.

    It begins at the node's present: later than the feed, and maybe than the cursor that one would go on from. That is
    no danger, for whoever looks for a slot asks each for its beginning (`SlotState.keeps`), and passes over this one
    as long as the cursor lies before it. Once the cursor lies behind, the slot has every row that follows. It gives
    whole each transaction that commits behind its beginning, and the cursor's next row is of such a one: the
    transaction that the cursor cuts commits at the cursor's position, and the others behind it. What the slot forgets
    from then on `advance` decides, as for any spare.

    A slot that has lost its log is made again. Idempotent otherwise: one that is there stays.

    Args:
        node: gets the slot.
        slot: its name, the feed's.
        primary: node that takes writes.

    Raises:
        BadInput: the node is no physical replica of the primary, or not on its timeline.
        NotConfigured: the primary's is a failover slot, which standbys copy; or as `slot.check_decoding`.
        HadrianError: as `slot.create_exporting`.
    """
    state = slot_state.look(node, slot)
    if state.readable and state.confirmed is not None:
        return state.confirmed
    if state.in_recovery and slot_state.look(primary, slot).failover:
        raise NotConfigured(
            f"{primary.where}: slot {slot} is a failover slot, which {node.where} copies under the same name",
            hint="see what it has copied: hadrian feed status",
        )
    _check_replica(node, primary)
    slots.check_decoding(node)
    if state.present:
        slots.drop(node, slot)
    return _make(node, slot, primary)


def advance(server: Server, slot: str, cursor: Cursor, committed: Cursor) -> bool:
    """Let the node's slot forget what lies before `cursor`, if the node has the checkpoint that holds it.

    Of a transaction that the cursor cuts in two nothing is forgotten, since its position is where that commits.
    Idempotent; a slot is never moved back.

    Args:
        server: node with the slot; without one nothing happens.
        slot: its name.
        cursor: the checkpoint's.
        committed: behind the checkpoint's commit, with the timeline that it was committed on.

    Returns:
        Whether the node is so far; if not, call again.

    Raises:
        TimelineForked: the node's timeline never had that commit.
        NotConfigured: somebody reads from the slot, or it has lost the log it needs.
        NodeLost, NodeUnreachable: call again.
    """
    # In this order: a node that is promoted behind the first look forks behind the commit.
    if topology.replayed(server) < committed.lsn:
        return False
    topology.timeline_history(server).check(committed)
    slots.advance(server, slot, cursor.lsn)
    return True
