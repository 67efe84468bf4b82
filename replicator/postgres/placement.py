"""Which node gets a feed's slot, and why: what `hadrian feed create` decides and says.

A slot on the standby costs the primary nothing, neither log nor decoding; so it goes there where a standby can decode.
A failover slot lives on the primary, and costs it both, but PostgreSQL itself copies it to the standby.

Source: PostgreSQL 18 documentation, 47.2.2 "Replication Slots" and 47.2.3 "Replication Slot Synchronization".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from replicator.errors import BadInput, NotConfigured
from replicator.postgres import failover_slot
from replicator.postgres.connection import Server
from replicator.postgres.slot import STANDBY_DECODING, Decoding, ask_decoding
from replicator.topology import Role, require

_FAILOVER_SLOTS = 170000
_Node = TypeVar("_Node", bound=Server)


@dataclass(frozen=True, slots=True)
class Placement(Generic[_Node]):
    """Where the slot goes.

    Attributes:
        node: it gets the slot.
        failover: whether the slot is one that the standby copies.
        reasons: why there, and what follows from it; a sentence each.
    """

    node: _Node
    failover: bool
    reasons: tuple[str, ...]


def place(primary: _Node, standby: _Node | None, *, failover: bool) -> Placement[_Node]:
    """Decide where a new feed's slot lives.

    Args:
        primary: node that takes writes.
        standby: the one to read from, if there is any.
        failover: whether a failover slot is asked for.

    Raises:
        BadInput: a node has not the role it was named for, or a failover slot is asked for without a standby.
        NotConfigured: a failover slot is asked for, and the server is too old or the standby would not copy it.
        NodeUnreachable, NodeLost: a node does not answer.
    """
    above = _ask(primary, Role.PRIMARY)
    here = _ask(standby, Role.STANDBY) if standby is not None else None
    if failover:
        return _place_copied(primary, above, standby)
    if standby is None or here is None:
        why = "no standby is named"
    elif here.version < STANDBY_DECODING:
        why = f"{standby.where} runs PostgreSQL {_major(here)}, and a standby decodes from 16 on"
    else:
        return Placement(standby, False, (
            f"a standby decodes from PostgreSQL 16 on, {standby.where} runs {_major(here)}: so the primary need not",
            "nothing copies a slot that lives on a standby: have a spare slot elsewhere for when that node is lost",
        ))  # fmt: skip
    return Placement(primary, False, (
        f"on the primary {primary.where}: {why}",
        f"the slot is lost with that node, and the feed with it, {_way_out(above)}",
    ))  # fmt: skip


def _way_out(above: Decoding) -> str:
    if above.version < STANDBY_DECODING:
        return "until the pair runs 16 or newer, where a standby can have a spare slot"
    copied = " or copies a failover slot (--failover)" if above.version >= _FAILOVER_SLOTS else ""
    return f"unless a standby has a spare slot (--spare){copied}"


def _place_copied(primary: _Node, above: Decoding, standby: _Node | None) -> Placement[_Node]:
    if above.version < _FAILOVER_SLOTS:
        raise NotConfigured(
            f"{primary.where} runs PostgreSQL {_major(above)}: failover slots came with 17",
            hint="leave out --failover, or upgrade the pair",
        )
    if standby is None:
        raise BadInput("a failover slot needs a standby that copies it", hint="name it with --standby")
    failover_slot.check_copied(primary, standby)
    return Placement(primary, True, (
        f"on the primary {primary.where}: a failover slot is asked for, and lives there",
        f"{standby.where} copies it once a durable cursor has moved it, and goes on with the copy when it is promoted",
        "rows are handed out only once that standby has them (synchronized_standby_slots)",
    ))  # fmt: skip


def _ask(server: Server, wanted: Role) -> Decoding:
    decoding = ask_decoding(server)
    require(server.where, Role.STANDBY if decoding.in_recovery else Role.PRIMARY, wanted)
    return decoding


def _major(decoding: Decoding) -> int:
    return decoding.version // 10000
