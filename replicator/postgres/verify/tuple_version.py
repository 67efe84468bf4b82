"""Row versions as a node shows them, and what two snapshots say of one that only one node showed.

A version is named by its place and the transaction that inserted it, and is the same on both nodes for as long as both
show it: replay makes them so, and nothing changes a version's content. A snapshot says which transactions it could
not see. On the primary it names those that ran; on a standby it does not: there only what had not been assigned yet is
known to be unseen, and everything in between may be either.
Source: PostgreSQL, src/backend/storage/ipc/procarray.c, GetSnapshotData, and src/backend/utils/adt/xid8funcs.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_EPOCH = 1 << 32
_FIRST_NORMAL = 3  # before it stand the transactions of initdb and of freezing


class Version(NamedTuple):
    """A row version at its place.

    Attributes:
        xmin: the transaction that inserted it.
        xmax: the one that locks, updates or deletes it, or did; or a group of them.
        digest: hash of its content; None where that cannot be read.
        damage: why not.
    """

    xmin: int
    xmax: int
    digest: int | None
    damage: str = ""

    def is_as(self, other: Version | None) -> bool:
        """Whether the other node's is the same and can be read."""
        return other is not None and (self.xmin, self.digest) == (other.xmin, other.digest) and self.digest is not None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a node's snapshot sees, by whole transaction numbers.

    Attributes:
        xmax: the first that was not assigned yet.
        running: those that ran, as far as the node names them.
    """

    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read `xmin:xmax:running,...`."""
        _, xmax, running = text.split(":")
        return cls(int(xmax), frozenset(map(int, filter(None, running.split(",")))))


def whole(xid: int, before: int) -> int:
    """Return the newest transaction before another that has these lower 32 bits; negative if there was none."""
    found = before - before % _EPOCH + xid
    return found if found < before else found - _EPOCH


def explained(primary: Version | None, standby: Version | None, seen_there: Snapshot, seen_here: Snapshot) -> str:
    """Return why only one node showed a version, as far as the snapshots alone tell; empty if they do not.

    A frozen version may bear a number that has come round to one of those few between the snapshots: as likely as they
    are few, and only where four thousand million transactions passed.

    Args:
        primary: what the primary showed.
        standby: what the standby showed.
        seen_there: the primary's snapshot.
        seen_here: the standby's.
    """
    if primary is not None and standby is None and primary.xmin >= _FIRST_NORMAL:
        if whole(primary.xmin, seen_there.xmax) >= seen_here.xmax:
            return "inserted behind what the standby had replayed"
    elif standby is not None and primary is None and standby.xmin >= _FIRST_NORMAL:
        xid = whole(standby.xmin, max(seen_here.xmax, seen_there.xmax))
        if xid >= seen_there.xmax or xid in seen_there.running:
            return "committed behind the primary's snapshot"
    return ""
