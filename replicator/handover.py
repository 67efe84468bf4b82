"""From nothing to a feed: a slot, the rows as they stood where it begins, and the record of both.

The snapshot is kept in the store, so it flows to the standby like a checkpoint, and a run that starts again from
any cursor reads the same rows. The feed exists once one last transaction has made its snapshot and its record
exist together; a hand-over that is interrupted leaves a slot that the next attempt drops and chunks without a manifest.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Generator, Iterator, Sequence

from replicator.change import Change
from replicator.errors import AlreadyThere, BadInput
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import Feed, Row, start
from replicator.position import Cursor
from replicator.postgres import slot as slots
from replicator.postgres import slot_state, spare, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.snapshot import open_snapshot
from replicator.postgres.stream import Stream
from replicator.store import reader
from replicator.store.manifest import Blob, Manifest
from replicator.store.writer import Writer, publish

KIND = "snapshot"
_ROWS_A_BLOB = 2000
_FOLLOW_S = 0.5


def create_feed(
    name: str,
    publication: str,
    *,
    source: PostgresDatabase,
    primary: PostgresDatabase,
    spares: Sequence[PostgresDatabase] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Definition:
    """Create a feed: read the snapshot from `source`, keep it on `primary`.

    Args:
        name: the feed's, lower-case letters, digits and `_`.
        publication: it must have exactly one table.
        source: node that gets the slot; a standby from PostgreSQL 16 on.
        primary: node that takes writes (it may be the same).
        spares: nodes that get a spare slot; see `spare.choose`.
        progress: called with the number of rows kept so far.

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
        open_snapshot(source, primary, publication, slot) as snapshot,
    ):
        writer = Writer(primary)
        blobs: list[Blob] = []
        kept = 0
        for batch in _batches(snapshot.rows):
            blobs.append(_keep(writer, len(blobs), batch))
            kept += len(batch)
            progress(kept)
        writer.flush()
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
    source_url: str,
    node_urls: Sequence[str] = (),
    spare_count: int | None = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Definition, tuple[str, ...]]:
    """Create a feed on the nodes of these URLs.

    Args:
        name: as for `create_feed`.
        publication: as for `create_feed`.
        primary_url: node that takes writes.
        source_url: node that gets the slot.
        node_urls: those that may get a spare slot, in this order.
        spare_count: how many of them do, or None for all.
        progress: as for `create_feed`.

    Returns:
        The feed, and which nodes have a spare slot.

    Raises: as `create_feed` and `spare.choose`.
    """
    with contextlib.ExitStack() as stack:
        source, primary, *nodes = (
            stack.enter_context(contextlib.closing(PostgresDatabase(url)))
            for url in (source_url, primary_url, *node_urls)
        )
        spares = spare.choose(nodes, source, spare_count)
        definition = create_feed(name, publication, source=source, primary=primary, spares=spares, progress=progress)
        return definition, tuple(node.where for node in spares)


def _batches(rows: Iterator[dict[str, str | None]]) -> Iterator[list[dict[str, str | None]]]:
    while batch := list(itertools.islice(rows, _ROWS_A_BLOB)):
        yield batch


def _keep(writer: Writer, number: int, batch: list[dict[str, str | None]]) -> Blob:
    lines = "".join(f"{json.dumps(row, sort_keys=True)}\n" for row in batch)
    return writer.put(f"rows/{number:09d}", lines.encode(), {"rows": len(batch)})


class KeptSnapshot:
    """A feed's snapshot in the store."""

    def __init__(self, database: PostgresDatabase, manifest: Manifest) -> None:
        self._database = database
        self._manifest = manifest

    def __len__(self) -> int:
        return sum(blob.attributes["rows"] for blob in self._manifest.blobs)

    def rows(self, start: int) -> Iterator[Row]:
        """Yield the rows from number `start` on. Raises: StoreCorrupt, NodeLost."""
        first = 0
        for blob in self._manifest.blobs:
            if start < first + blob.attributes["rows"]:
                lines = reader.read(self._database, blob).decode().splitlines()
                yield from map(json.loads, lines[max(0, start - first) :])
            first += blob.attributes["rows"]


def open_feed(
    definition: Definition, *, source: PostgresDatabase, after: Cursor, slot: str | None = None, aside: bool = False
) -> Feed:
    """Read a feed from a node after a cursor.

    Args:
        definition: which feed.
        source: node that has the slot and has replayed the snapshot's artifact.
        after: where to go on.
        slot: read another slot that keeps the same rows, instead of the feed's own.
        aside: read a copy of the slot that goes with the session; nothing is ever confirmed.

    Raises:
        ArtifactMissing: the node has not replayed the snapshot yet, or lost it in a takeover.
    """
    snapshot = KeptSnapshot(source, reader.manifest(source, definition.snapshot_id))
    return Feed(
        definition,
        snapshot,
        lambda cursor: Stream(source, slot or definition.slot, definition.publication, cursor, aside=aside),
        after,
    )


def read_aside(
    name: str, *, url: str, after: Cursor | None = None, follow: bool = False
) -> Generator[Change | None, None, None]:
    """Yield a feed's changes without a trace: its slot neither moves nor is taken.

    Args:
        name: the feed's.
        url: node that has its slot.
        after: where to go on; None for the beginning.
        follow: go on when what was committed before the call has been read; each None says that nothing came.

    Raises:
        BadInput: no such feed, or no such cursor of it.
        NotConfigured: somebody reads the slot, or the server cannot copy one.
        FeedBroken, TimelineForked, ArtifactMissing, NodeLost: as `open_feed` and `Feed.read`.
    """
    with contextlib.closing(PostgresDatabase(url)) as node:
        definition = definitions.find(node, name)
        if definition is None:
            raise BadInput(f"{node.where} has no feed {name}", hint="list what is there: hadrian feed list")
        slot_state.look(node, definition.slot).check_readable()
        slots.check_decoding(node)
        end = topology.look(node).lsn
        with open_feed(definition, source=node, after=after or start(), aside=True) as feed:
            while follow:
                yield feed.read(_FOLLOW_S)
            yield from feed.read_until(end)
