"""Which standbys a checkpoint is asked to be on, what they are called, and which of them have it.

A standby is seen directly, by a URL of its own, or, where none is given, through its primary: PostgreSQL's
pg_stat_replication and Db2's MON_GET_HADR tell how far each one has replayed. It goes by the name under which it
follows (`application_name`; on Db2 its host), and by its address, with or without port and database.

A standby has a checkpoint once it has replayed a position behind the checkpoint's commit. Where that was not noted, the
end of the primary's log is one too, though later than it need be.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from replicator.database import Database
from replicator.errors import BadInput, NodeLost, NodeUnreachable, NotConfigured, NotPermitted
from replicator.position import Lsn, TimelineHistory
from replicator.store import checkpoints
from replicator.store.checkpoints import Checkpoint
from replicator.topology import Standby

_NAME = re.compile(r"[^-].*")
_COUNT = re.compile(r"[0-9]{1,3}", re.ASCII)

_Answer = TypeVar("_Answer")
_Artifact = tuple[int, dt.datetime]  # two timelines may give one number to different artifacts


class Follower(Protocol):
    """A standby, however it is seen; a `Database` is one."""

    @property
    def where(self) -> str:
        """Its address, or what there is of one, for messages."""
        ...

    def known_as(self) -> str | None:
        """Return the name under which it follows, None if that cannot be told."""
        ...

    def replayed(self) -> Lsn:
        """Return how far it has replayed. Raises: NodeUnreachable, NodeLost."""
        ...

    def timeline_history(self) -> TimelineHistory:
        """Return the forks that led to what it replays."""
        ...


class Streamed:
    """A standby as its primary sees it: on the primary's own timeline, and lost once it is sent nothing.

    Args:
        primary: sends it its log.
        standby: how that knows it.
    """

    def __init__(self, primary: Database, standby: Standby) -> None:
        self._primary = primary
        self._key = (standby.name, standby.address)
        self.where = _where(standby)

    def known_as(self) -> str | None:
        """Return the name."""
        return self._key[0]

    def replayed(self) -> Lsn:
        """Return how far it said last that it was; of two of one name the one that is less far."""
        found = [one.replayed for one in self._primary.standbys() if (one.name, one.address) == self._key]
        if not found:
            raise NodeLost(
                f"{self._primary.where} sends its log to {self.where} no more", hint="start the standby again"
            )
        return min(found)

    def timeline_history(self) -> TimelineHistory:
        """Return the primary's."""
        return self._primary.timeline_history()


def _where(standby: Standby) -> str:
    return standby.name if standby.address is None else f"{standby.address}/{standby.name}"


def followers(primary: Database, nodes: Iterable[Database]) -> list[Follower]:
    """Return the standbys among these nodes, each once; where there are no nodes, those that the primary sees.

    A node that does not answer is one, and away.

    Raises:
        NotPermitted: the primary may not tell.
        NodeUnreachable, NodeLost: the primary does not answer.
    """
    named = {node.where: node for node in nodes}
    if not named:
        seen = [Streamed(primary, standby) for standby in primary.standbys()]
        return list({one.where: one for one in seen}.values())
    return [node for node in named.values() if _asked(node.is_standby) is not False]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which standbys are to have a checkpoint; with neither count nor names, all that there are.

    Attributes:
        count: so many, whichever; 0 where the primary alone will do.
        names: each of these.
    """

    count: int | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Read `all`, `any`, a number, or names with commas between them. Raises: BadInput."""
        if text in ("all", "any"):
            return cls(count=1 if text == "any" else None)
        if _COUNT.fullmatch(text):
            return cls(count=int(text))
        names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
        if not all(map(_NAME.fullmatch, names)):
            raise BadInput(
                f"not standbys: {text!r}", hint="write any, all, a number, or names with commas between them"
            )
        return cls(names=names)

    def among(self, standbys: Sequence[Follower]) -> tuple[list[Follower], int]:
        """Return the standbys that count, and how many of these are needed: more than there are if some lack."""
        if self.names:
            called = {standby: names_of(standby) for standby in standbys}
            missing = [name for name in self.names if not any(name in names for names in called.values())]
            counted = [standby for standby, names in called.items() if names & set(self.names)]
            return counted, len(counted) + len(missing)
        return list(standbys), len(standbys) if self.count is None else self.count

    def check(self, standbys: Sequence[Follower]) -> None:
        """Check that there are as many, or those. Raises: BadInput."""
        counted, needed = self.among(standbys)
        if len(counted) < needed:
            wanted = f"standbys {', '.join(self.names)} are" if self.names else f"{needed} standbys are"
            there = ", ".join(one.where for one in standbys) or "none"
            raise BadInput(
                f"{wanted} wanted, and there are: {there}",
                hint="name each with --node, or ask for others with --durable",
            )


ALL = Wanted()


def _asked(question: Callable[[], _Answer]) -> _Answer | None:
    """Return what a node says, None if it does not answer."""
    try:
        return question()
    except (NodeUnreachable, NodeLost):
        return None


def names_of(standby: Follower) -> frozenset[str]:
    """Return what a standby is called: the name under which it follows, `host:port/database`, `host:port`, `host`."""
    host_port = standby.where.rpartition("/")[0] or standby.where
    names = {_asked(standby.known_as), standby.where, host_port, host_port.rpartition(":")[0]}
    return frozenset(name for name in names if name)


def position(standby: Follower) -> Lsn | None:
    """Return how far a standby has replayed, None if it does not answer."""
    return _asked(standby.replayed)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a standby is.

    Attributes:
        name: its name if that can be told, else its address.
        where: its address.
        replayed: how far it has replayed; None if it does not answer.
        behind: bytes of the other node's log that it has not replayed.
        readable: the checkpoints that can be read there; None where nobody looked.
    """

    name: str
    where: str
    replayed: Lsn | None
    behind: int | None
    readable: frozenset[_Artifact] | None

    def has(self, checkpoint: Checkpoint, end: Lsn) -> bool:
        """Return whether a checkpoint that was committed before `end` is here."""
        if self.replayed is None or self.replayed < (checkpoint.committed or end):
            return False
        # What took over has positions of its own; a row comes through the log only.
        return self.readable is None or _artifact(checkpoint) in self.readable


@dataclass(frozen=True, slots=True)
class Standing:
    """Which standbys have which checkpoints.

    Attributes:
        checkpoints: as `checkpoints.found`.
        standbys: each as far as it is.
        durable_on: names of the standbys that have it, for each checkpoint.
        unseen: why nobody can tell, if so.
    """

    checkpoints: list[Checkpoint]
    standbys: list[Reach]
    durable_on: list[list[str]]
    unseen: str | None = None


def standing(database: Database, nodes: Sequence[Database], run: str | None = None) -> Standing:
    """Look which standbys have the checkpoints of a run (of every run if None) that a node has."""
    found = checkpoints.found(database, run)
    try:
        end = database.replayed()
        if nodes:
            named = {node.where: node for node in nodes if node.where != database.where}
            reached = [one for node in named.values() if (one := _reached(node, run, end)) is not None]
        else:
            reached = [_reach(one.name, _where(one), one.replayed, end) for one in database.standbys()]
    except (NotPermitted, NotConfigured) as error:
        return Standing(found, [], [[] for _ in found], f"{error}; {error.hint}")
    return Standing(found, reached, [[one.name for one in reached if one.has(each, end)] for each in found])


def _reached(node: Database, run: str | None, end: Lsn) -> Reach | None:
    """Return how far a node is, None if it is no standby."""
    try:
        if not node.is_standby():
            return None
        readable = frozenset(map(_artifact, checkpoints.found(node, run)))
        return _reach(node.known_as() or node.where, node.where, node.replayed(), end, readable)
    except (NodeUnreachable, NodeLost):
        return Reach(node.where, node.where, None, None, frozenset())


def _reach(name: str, where: str, replayed: Lsn, end: Lsn, readable: frozenset[_Artifact] | None = None) -> Reach:
    return Reach(name, where, replayed, max(0, end - replayed), readable)


def _artifact(checkpoint: Checkpoint) -> _Artifact:
    return checkpoint.artifact_id, checkpoint.created_at
