"""Roles, positions and timelines, as the nodes themselves report them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psycopg.conninfo
from psycopg import pq

from replicator import sql
from replicator.errors import NodeLost, NodeUnreachable, NotPermitted
from replicator.position import Lsn, TimelineHistory
from replicator.postgres.connection import Server, command
from replicator.topology import Node, Role, Standby

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


def is_standby(server: Server) -> bool:
    """Return whether the node is in recovery. Raises: NodeUnreachable, NodeLost."""
    with server.connect() as connection:
        return bool(connection.execute(sql.load("postgres/topology/following")).one().in_recovery)


def known_as(server: Server) -> str | None:
    """Return the application_name under which a standby receives, None where it does not, or the role may not see it.

    Source: PostgreSQL 18 documentation, 19.6.2 "Primary Server", synchronous_standby_names.

    Raises:
        NodeUnreachable, NodeLost: the node does not answer.
    """
    with server.connect() as connection:
        text = connection.execute(sql.load("postgres/topology/following")).one().conninfo
    used = psycopg.conninfo.conninfo_to_dict(text) if text is not None else {}
    name = used.get("application_name") or used.get("fallback_application_name")
    return None if name is None else str(name)


def standbys(server: Server) -> list[Standby]:
    """Return the physical standbys that receive from this node, as pg_stat_replication shows them.

    Raises:
        NotPermitted: there are some, and the role may not see how far they are.
        NodeUnreachable, NodeLost: the node does not answer.
    """
    with server.connect() as connection:
        rows = connection.execute(sql.load("postgres/topology/standbys")).all()
    if not all(row.may_see for row in rows):
        raise NotPermitted(
            f"{server.where}: the role may not see how far the standbys are",
            hint="grant it pg_read_all_stats, or name each standby with --node",
        )
    return [Standby(row.name, row.address, Lsn(row.replayed)) for row in rows]


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
