"""A feed's end: its slots or its journal, its record, its snapshot, and, if that is asked for, the runs that read it.

The rows are deleted first, in a transaction that stays open while the slots are dropped and commits last. So a removal
that is cut short leaves the record, by which the next one finds what is left; and one that the database refuses
has dropped no slot.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.errors import BadInput
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.postgres import slot as slots
from replicator.postgres import slot_state, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.journal import PostgresJournal
from replicator.topology import Role


@dataclass(frozen=True, slots=True)
class RemovedRun:
    """A run that went with its feed."""

    name: str
    checkpoints: int
    steps: int


@dataclass(frozen=True, slots=True)
class Removed:
    """What was there and is no more.

    Attributes:
        feed: the name.
        record: whether the feed's record and its snapshot were there; they were not if its creation was cut off, or an
            earlier removal left a slot on a node that it was not told of.
        slot: the name of the slots.
        slots: nodes that had one.
        runs: that went along.
        journal: whether there was a journal with its triggers, of this feed or of one whose creation was cut off.
    """

    feed: str
    record: bool
    slot: str
    slots: tuple[str, ...]
    runs: tuple[RemovedRun, ...]
    journal: bool = False


def remove(name: str, *, primary_url: str, node_urls: Sequence[str], with_runs: bool = False) -> Removed:
    """Remove a feed.

    Args:
        name: the feed's.
        primary_url: node that takes writes.
        node_urls: every node that may have its slot; the primary is looked at as well.
        with_runs: delete the runs that read it too, with their checkpoints and journals.

    Raises:
        BadInput: there is neither such a feed nor its slot, nor a snapshot for it that was cut off; or a run refers to
            it, or this is not the primary.
        NotConfigured: a slot is being read, or the feed is being created.
        NodeUnreachable, NodeLost: nothing was removed, or not all: call it again.
    """
    with contextlib.ExitStack() as stack:
        urls = dict.fromkeys([primary_url, *node_urls])
        primary, *others = [stack.enter_context(contextlib.closing(PostgresDatabase(url))) for url in urls]
        return _remove(name, primary, [primary, *others], with_runs=with_runs)


def _remove(name: str, primary: PostgresDatabase, nodes: Sequence[PostgresDatabase], *, with_runs: bool) -> Removed:
    if topology.look(primary).role is not Role.PRIMARY:
        raise BadInput(f"{primary.where} is a standby", hint="give the primary's URL")
    definition = definitions.find(primary, name)
    slot = (definition.slot if definition is not None else None) or slots.slot_name(name)
    states = {node: slot_state.look(node, slot) for node in nodes}
    holders = [node for node, state in states.items() if state.present and not state.copied]
    for state in states.values():
        state.check_free()
    with primary.creating(name), primary.begin() as transaction:
        runs = _delete(primary, transaction, definition, with_runs=with_runs) if definition is not None else []
        unfinished = transaction.execute(primary.statement("feed/delete_snapshot"), {"feed": name}).rowcount
        journal = PostgresJournal(primary, name)
        has_journal = journal.is_there()
        if has_journal:
            journal.drop(transaction)
        if definition is None and not (holders or unfinished or has_journal):
            raise BadInput(f"{primary.where} has no feed {name}", hint="list what is there: hadrian feed list")
        for node in holders:
            slots.drop(node, slot)
    where = tuple(node.where for node in holders)
    return Removed(name, definition is not None, slot, where, tuple(runs), has_journal)


def _delete(
    primary: PostgresDatabase, transaction: Connection, definition: Definition, *, with_runs: bool
) -> list[RemovedRun]:
    rows = transaction.execute(primary.statement("feed/readers"), {"feed": definition.name}).all()
    names = [row.run for row in rows]
    if names and not with_runs:
        raise BadInput(
            f"feed {definition.name} is read by {'run' if len(names) == 1 else 'runs'} {', '.join(names)}",
            hint="add --with-runs to delete them too, checkpoints and journals included",
        )
    removed = [_delete_run(primary, transaction, run) for run in names]
    transaction.execute(primary.statement("feed/delete_feed"), {"name": definition.name})
    transaction.execute(primary.statement("feed/delete_artifact"), {"artifact_id": definition.snapshot_id})
    return removed


def _delete_run(primary: PostgresDatabase, transaction: Connection, run: str) -> RemovedRun:
    steps = transaction.execute(primary.statement("run/delete_steps"), {"run": run}).rowcount
    artifacts = transaction.execute(primary.statement("run/delete_checkpoints"), {"run": run}).scalars().all()
    for artifact_id in artifacts:
        transaction.execute(primary.statement("feed/delete_artifact"), {"artifact_id": artifact_id})
    transaction.execute(primary.statement("run/delete_run"), {"run": run})
    return RemovedRun(run, len(artifacts), steps)
