"""Spare slots for a feed that exists already, on nodes that came later: see `postgres.spare`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from replicator.errors import BadInput
from replicator.feed import definition as definitions
from replicator.position import Lsn
from replicator.postgres import spare, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.topology import Role, require


@dataclass(frozen=True, slots=True)
class SpareSlot:
    """A spare slot.

    Attributes:
        node: where it is.
        slot: its name.
        ready_from: reading can go on from it behind a cursor that lies here or later.
    """

    node: str
    slot: str
    ready_from: Lsn


def add(name: str, *, primary_url: str, node_urls: Sequence[str]) -> list[SpareSlot]:
    """Give each of these nodes a spare slot, unless it has one.

    Args:
        name: the feed's.
        primary_url: node that takes writes.
        node_urls: nodes that get one.

    Raises:
        BadInput: no such feed, or this is not the primary.
        HadrianError: as `spare.add`; the nodes before that one have theirs, call it again.
    """
    with contextlib.ExitStack() as stack:
        primary, *nodes = (
            stack.enter_context(contextlib.closing(PostgresDatabase(url)))
            for url in (primary_url, *dict.fromkeys(node_urls))
        )
        require(primary.where, topology.look(primary).role, Role.PRIMARY)
        definition = definitions.find(primary, name)
        if definition is None:
            raise BadInput(f"{primary.where} has no feed {name}", hint="list what is there: hadrian feed list")
        if definition.is_journal:
            raise BadInput(
                f"feed {name} reads a journal, which every node has: it needs no slot",
                hint="name its nodes when reading",
            )
        slot = definition.slot
        return [SpareSlot(node.where, slot, spare.add(node, slot, primary)) for node in nodes]
