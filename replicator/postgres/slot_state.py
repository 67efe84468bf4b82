"""A feed's slot as its node shows it: where it stands, what log it holds back, whether it can still be read."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from replicator import sql
from replicator.errors import FeedBroken, SlotInUse
from replicator.position import Cursor, Lsn
from replicator.postgres.connection import Server


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot on a node, or its absence there. None stands for what the node's version does not show.

    Attributes:
        node: its address without secrets.
        slot: the name.
        present: whether this database's log is kept there under that name.
        active: whether somebody reads from it.
        active_pid: which server process does.
        confirmed: position up to which rows are no longer kept.
        held_bytes: log that the node keeps for it; None once it is invalidated for its log.
        wal_status: reserved, extended, unreserved or lost.
        safe_bytes: log that may be written before the slot is in danger.
        invalidation: why it cannot be read any more.
        inactive_since: when its last reader left.
        log_end: end of the node's log, received on a standby.
        keep_bytes: the node's max_slot_wal_keep_size; None if it is unlimited.
        idle_limit_s: the node's idle_replication_slot_timeout; None if there is none.
        in_recovery: whether the node is a standby.
        exposed: why vacuum on the primary may remove rows that decoding on this standby needs.
        failover: whether standbys copy it.
        copied: whether it is a standby's copy of the primary's, which cannot be read before a promotion.
        finished: whether a promotion keeps it: a copy is begun before the standby has all that it needs.
        awaited: slots in synchronized_standby_slots that its rows wait for, and nobody uses.
    """

    node: str
    slot: str
    present: bool
    active: bool
    active_pid: int | None
    confirmed: Lsn | None
    held_bytes: int | None
    wal_status: str | None
    safe_bytes: int | None
    invalidation: str | None
    inactive_since: dt.datetime | None
    log_end: Lsn
    keep_bytes: int | None
    idle_limit_s: int | None
    in_recovery: bool
    exposed: str | None
    failover: bool
    copied: bool
    finished: bool
    awaited: tuple[str, ...]

    @property
    def readable(self) -> bool:
        """Whether it can be read here and now, if nobody else does."""
        return self.present and self.invalidation is None and not self.copied

    def keeps(self, start: Lsn) -> bool:
        """Return whether it can be read, and has every row behind `start`."""
        return self.readable and self.confirmed is not None and self.confirmed <= start

    def check_readable(self) -> None:
        """Check that it is there, can be read, and that nobody reads it.

        Raises:
            FeedBroken: the node does not have it, or it was invalidated, or it is a copy of the primary's.
            SlotInUse: somebody reads from it.
        """
        self._check_there()
        self.check_free()

    def check_keeps(self, after: Cursor) -> None:
        """Check that it is there, can be read, and has every row behind a cursor.

        Raises:
            FeedBroken: as `check_readable`, or rows behind the cursor are forgotten.
        """
        self._check_there()
        if not self.keeps(after.lsn):
            raise FeedBroken(f"{self.node}: slot {self.slot} keeps rows from {self.confirmed} on, wanted from {after}")

    def _check_there(self) -> None:
        if not self.present:
            raise FeedBroken(f"{self.node} has no slot {self.slot}", hint="read from the node that has it")
        self.check_valid()
        if self.copied:
            raise FeedBroken(
                f"{self.node}: slot {self.slot} is a copy of the primary's, readable once this node is promoted",
                hint="read from the primary",
            )

    def check_valid(self) -> None:
        """Check that it was not invalidated. Raises: FeedBroken."""
        if self.invalidation is not None:
            raise FeedBroken(
                f"{self.node}: slot {self.slot} is invalidated: {self.invalidation}; what was committed behind"
                f" {self.confirmed} cannot be read there any more, and nothing is lost of what was read",
                hint="read on from a spare slot on another node (hadrian feed status), or create the feed again",
            )

    def check_free(self) -> None:
        """Check that nobody reads from it. Raises: SlotInUse."""
        if self.active:
            raise SlotInUse(f"{self.node}: slot {self.slot} is being read, by server process {self.active_pid}")


def look(server: Server, slot: str) -> SlotState:
    """Ask a node for a slot. Raises: NodeUnreachable, NodeLost."""
    with server.connect() as connection:
        row = connection.execute(sql.load("postgres/feed/slot_state"), {"slot": slot}).one()
    return SlotState(
        server.where,
        slot,
        row.present,
        row.active,
        row.active_pid,
        Lsn(row.confirmed) if row.confirmed is not None else None,
        row.held_bytes,
        row.wal_status,
        row.safe_bytes,
        row.invalidation,
        row.inactive_since,
        Lsn(row.log_end),
        row.keep_bytes,
        row.idle_limit_s,
        row.in_recovery,
        row.exposed,
        row.failover,
        row.copied,
        row.finished,
        tuple(row.awaited),
    )
