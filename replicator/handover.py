"""From nothing to a feed: a slot, the rows as they stood where it begins, and the record of both.

The snapshot is kept in the store, so it flows to the standby like a checkpoint, and a run that starts again from
any cursor reads the same rows. The feed exists once one last transaction has made its snapshot and its record
exist together; a hand-over that is interrupted leaves a slot that the next attempt drops and chunks without a manifest.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from replicator.errors import AlreadyThere, BadInput
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.kept_snapshot import KIND, keep
from replicator.postgres import placement, spare
from replicator.postgres import slot as slots
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.snapshot import Part, Snapshot, open_snapshot, read_part, session
from replicator.store.manifest import Blob
from replicator.store.writer import Writer, publish

_SESSIONS = 2

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class Created:
    """A feed that was made.

    Attributes:
        feed: what it is.
        node: where its slot lives.
        reasons: why there, and what follows from it.
        spares: nodes with a spare slot.
    """

    feed: Definition
    node: str
    reasons: tuple[str, ...]
    spares: tuple[str, ...]


def create_feed(
    name: str,
    publication: str,
    *,
    source: PostgresDatabase,
    primary: PostgresDatabase,
    spares: Sequence[PostgresDatabase] = (),
    failover: bool = False,
    progress: Progress = lambda *_: None,
) -> Definition:
    """Create a feed: read the snapshot from `source`, keep it on `primary`.

    Args:
        name: the feed's, lower-case letters, digits and `_`.
        publication: it must have exactly one table.
        source: node that gets the slot; a standby from PostgreSQL 16 on.
        primary: node that takes writes (it may be the same).
        spares: nodes that get a spare slot; see `spare.choose`.
        failover: make the slot one that standbys copy; see `failover_slot`.
        progress: called when a part is read: its blocks, of how many in all, and the rows read so far.

    Raises:
        AlreadyThere: a feed of that name exists.
        BadInput, TableUnfit, NotConfigured, NotPermitted: as `spare.open_spares` and `open_snapshot`.
        NodeLost, NodeUnreachable, DiskFull: nothing exists, call again; or, if the node went during the last
            commit, the feed does: `definition.find` tells.
    """
    slot = slots.slot_name(name)
    if definitions.find(primary, name) is not None:
        raise AlreadyThere(f"{primary.where} has a feed {name} already", hint="choose another name")
    if spares:
        slots.published_table(source, publication)  # before a spare is made for nothing
    with (
        spare.open_spares(spares, source, primary, slot) as made,
        open_snapshot(source, primary, publication, slot, failover=failover) as (snapshot, exported),
    ):
        blobs = _keep(snapshot, exported, source, primary, progress)
        with publish(primary, KIND, name, blobs) as (transaction, artifact_id):
            definition = Definition(name, publication, slot, snapshot.end, snapshot.timeline, artifact_id)
            definitions.record(primary, transaction, definition)
            snapshot.slot_in_use = made.in_use = True
    return definition


def create(
    name: str,
    publication: str,
    *,
    primary_url: str,
    standby_url: str | None = None,
    failover: bool = False,
    node_urls: Sequence[str] = (),
    spares: spare.Wanted = 0,
    progress: Progress = lambda *_: None,
) -> Created:
    """Create a feed on the nodes of these URLs.

    Args:
        name: as for `create_feed`.
        publication: as for `create_feed`.
        primary_url: node that takes writes.
        standby_url: the one to read from, if there is any.
        failover: whether the primary gets a slot that the standby copies.
        node_urls: those that may get a spare slot, in this order.
        spares: which of them do.
        progress: as for `create_feed`.

    Raises:
        BadInput: a spare is asked for beside a failover slot, or as `placement.place` and `spare.choose`.
        HadrianError: as `create_feed` and `placement.place`.
    """
    if failover and spares != 0:
        raise BadInput(
            "a failover slot's copy on the standby has the name that a spare would have", hint="leave out --spare"
        )
    with contextlib.ExitStack() as stack:
        primary, *nodes = (
            stack.enter_context(contextlib.closing(PostgresDatabase(url))) for url in (primary_url, *node_urls)
        )
        standby = standby_url and stack.enter_context(contextlib.closing(PostgresDatabase(standby_url)))
        placed = placement.place(primary, standby or None, failover=failover)
        chosen = spare.choose(nodes, placed.node, spares)
        definition = create_feed(
            name, publication, source=placed.node, primary=primary, spares=chosen, failover=failover, progress=progress
        )
        return Created(definition, placed.node.where, placed.reasons, tuple(node.where for node in chosen))


def _keep(
    snapshot: Snapshot, exported: str, source: PostgresDatabase, primary: PostgresDatabase, progress: Progress
) -> list[Blob]:
    """Read the parts, several at once, and store them."""
    total = sum(part.blocks for part in snapshot.parts)
    blobs: list[Blob] = []
    rows = 0
    with contextlib.ExitStack() as stack:
        free: queue.SimpleQueue[tuple[Connection[Any], Writer]] = queue.SimpleQueue()
        for _ in range(_SESSIONS):
            free.put((stack.enter_context(session(source, exported)), Writer(primary)))

        def work(part: Part) -> list[Blob]:
            connection, writer = free.get()
            try:
                batches = read_part(connection, snapshot, part, source.where)
                made = [keep(writer, f"rows/{part.number:09d}/{at:06d}", batch) for at, batch in enumerate(batches)]
                writer.flush()
            finally:
                free.put((connection, writer))
            return made

        pool = stack.enter_context(ThreadPoolExecutor(_SESSIONS))
        stack.callback(pool.shutdown, cancel_futures=True)
        futures = {pool.submit(work, part): part for part in snapshot.parts}
        for future in as_completed(futures):
            blobs += future.result()
            rows += sum(blob.attributes["rows"] for blob in future.result())
            progress(futures[future].blocks, total, rows)
    return blobs
