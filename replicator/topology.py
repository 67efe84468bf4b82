"""Who is primary, who follows, and how far behind: values, no engine named."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from replicator.errors import BadInput
from replicator.position import Lsn


class Role(enum.StrEnum):
    """What a node does in its pair."""

    PRIMARY = "primary"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it answered just now.

    Attributes:
        where: its address, for messages.
        role: primary or standby.
        timeline: the timeline it writes or replays.
        lsn: end of its log: written on a primary, replayed on a standby.
    """

    where: str
    role: Role
    timeline: int
    lsn: Lsn


@dataclass(frozen=True, slots=True)
class Standby:
    """A standby as the node that it follows knows it.

    Attributes:
        name: under which it follows: its application_name, or its host.
        address: where it connects from; None for a socket.
        replayed: end of what it said last that it had replayed.
    """

    name: str
    address: str | None
    replayed: Lsn


def lag_bytes(primary: Node, standby: Node) -> int:
    """Return how many bytes of the primary's log the standby has still to replay, at least 0."""
    return max(0, primary.lsn - standby.lsn)


def require(where: str, role: Role, wanted: Role) -> None:
    """Check that a node has the role its URL was given for.

    Raises:
        BadInput: it has another.
    """
    if role is not wanted:
        raise BadInput(f"{where} is a {role}, not a {wanted}", hint=f"give the URL of the {wanted} in its place")
