"""Roles, positions and timelines, as the nodes themselves report them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from psycopg import pq

from replicator import sql
from replicator.errors import NodeLost, NodeUnreachable, NotPermitted
from replicator.position import Lsn, TimelineHistory
from replicator.postgres.connection import Server, command
from replicator.topology import Node, Role

_POLL_S = 0.05
_Server = TypeVar("_Server", bound=Server)


def look(server: Server) -> Node:
    """Ask a node for its role, timeline and position. Raises: NodeUnreachable, NodeLost."""
    with server.connect() as connection:
        row = connection.execute(sql.load("postgres/topology/node")).one()
    timeline = row.timeline
    if timeline is None:
        try:
            timeline = timeline_history(server).timeline
        except NotPermitted:  # a feed from a journal does without REPLICATION
            timeline = row.followed
    role = Role.STANDBY if row.in_recovery else Role.PRIMARY
    return Node(server.where, role, timeline, Lsn(row.lsn))


def timeline_history(server: Server) -> TimelineHistory:
    """Read the forks that led to the node's timeline, over the replication protocol.

    Raises:
        NodeUnreachable: no answer, or the role lacks REPLICATION.
    """
    pgconn = server.replication()
    try:
        return history_through(pgconn, server.where, TimelineHistory(1))
    finally:
        pgconn.finish()


def history_through(pgconn: pq.abc.PGconn, where: str, known: TimelineHistory) -> TimelineHistory:
    """Ask the same through a replication session that is open; `known` is returned while its timeline goes on.

    Raises:
        NodeLost: the node went away.
    """
    identity = command(pgconn, b"IDENTIFY_SYSTEM", where)
    timeline = int(identity.get_value(0, 1) or b"1")
    if timeline == known.timeline:
        return known
    history = command(pgconn, b"TIMELINE_HISTORY %d" % timeline, where)
    return TimelineHistory.parse(timeline, (history.get_value(0, 1) or b"").decode())


def replayed(server: Server) -> Lsn:
    """Return how far the node has replayed (or, once promoted, written). Raises: NodeUnreachable, NodeLost."""
    with server.connect() as connection:
        return Lsn(connection.execute(sql.load("postgres/topology/replay_lsn")).scalar_one())


def committed(server: Server) -> Lsn:
    """Return a position behind everything the primary has committed and flushed. Raises: NodeUnreachable, NodeLost."""
    with server.connect() as connection:
        return Lsn(connection.execute(sql.load("postgres/topology/flush_lsn")).scalar_one())


def wait_until(condition: Callable[[], bool], what: str, *, timeout_s: float) -> None:
    """Poll `condition` until it holds.

    Raises:
        NodeLost: it did not within `timeout_s`; `what` says what was awaited.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NodeLost(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(_POLL_S)


def wait_replayed(server: Server, lsn: Lsn, *, timeout_s: float = 60) -> None:
    """Wait until the node has replayed `lsn`. Raises: NodeLost, NodeUnreachable."""
    wait_until(lambda: replayed(server) >= lsn, f"{server.where} to replay {lsn}", timeout_s=timeout_s)


def reachable(servers: Iterable[_Server]) -> list[tuple[_Server, Node]]:
    """Look at each node, leaving out those that do not answer."""
    found = []
    for server in servers:
        try:
            found.append((server, look(server)))
        except (NodeUnreachable, NodeLost):
            server.close()
    return found


def find_primary(servers: Iterable[_Server]) -> _Server | None:
    """Return the primary with the newest timeline (after a takeover an old one may still be up), or None."""
    primaries = [(node.timeline, server) for server, node in reachable(servers) if node.role is Role.PRIMARY]
    return max(primaries, key=lambda pair: pair[0])[1] if primaries else None


def wait_primary(servers: Iterable[_Server], *, timeout_s: float) -> _Server:
    """Wait for a node that takes writes.

    Raises:
        NodeLost: none did within `timeout_s`.
    """
    candidates = list(servers)
    deadline = time.monotonic() + timeout_s
    while (primary := find_primary(candidates)) is None:
        if time.monotonic() > deadline:
            raise NodeLost(f"no primary among {', '.join(s.where for s in candidates)} for {timeout_s:.0f} s")
        time.sleep(_POLL_S)
    return primary
