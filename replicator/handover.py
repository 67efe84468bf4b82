"""From nothing to a feed: a slot, the rows as they stood where it begins, and the record of both.

The snapshot is kept in the store, so it flows to the standby like a checkpoint, and a run that starts again from any
cursor reads the same rows. The feed exists once one last transaction has made its snapshot and its record exist
together.

Until then each part that is read is recorded. Whoever creates the feed again, after this process or a node was killed,
goes on from there (`changed_keys` says why that is exact), and so does this process itself where only the snapshot's
session was lost. What is given up for another reason, or interrupted by hand, leaves nothing but chunks without a
manifest.
"""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from replicator import unfinished_snapshot
from replicator.errors import AlreadyThere, BadInput, HadrianError, NodeLost, NodeUnreachable, RecoveryConflict
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.kept_snapshot import KIND, keep, kept
from replicator.postgres import placement, spare
from replicator.postgres import slot as slots
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.snapshot import Snapshot, open_snapshot, read_changed, read_part
from replicator.postgres.snapshot_plan import Part, Stale
from replicator.store.manifest import Blob
from replicator.store.writer import Writer, publish
from replicator.unfinished_snapshot import Unfinished

_SESSIONS = 2
_TRIES = 5  # of a part whose query a standby cancels

Progress = Callable[[int, int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Created:
    """A feed that was made.

    Attributes:
        feed: what it is.
        node: where its slot lives.
        reasons: why there, what follows from it, and what became of an attempt before.
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
    say: Say = lambda _: None,
) -> Definition:
    """Create a feed: read the snapshot from `source`, keep it on `primary`.

    Args:
        name: the feed's, lower-case letters, digits and `_`.
        publication: it must have exactly one table.
        source: node that gets the slot; a standby from PostgreSQL 16 on.
        primary: node that takes writes (it may be the same).
        spares: nodes that get a spare slot; see `spare.choose`.
        failover: make the slot one that standbys copy; see `failover_slot`.
        progress: called when a part is kept: its blocks, of how many in all, and the rows kept so far.
        say: told what becomes of an earlier attempt.

    Raises:
        AlreadyThere: a feed of that name exists.
        SlotInUse: somebody else is creating it.
        BadInput, TableUnfit, NotConfigured, NotPermitted: as `spare.open_spares` and `open_snapshot`.
        NodeLost, NodeUnreachable: call again, and the snapshot is gone on with; or, if the node went during the last
            commit, the feed exists: `definition.find` tells.
        DiskFull: nothing exists, call again.
    """
    slots.slot_name(name)
    with primary.creating(name):
        return _Creation(name, publication, source, primary, spares, failover, progress, say).run()


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
        said: list[str] = []
        definition = create_feed(
            name, publication, source=placed.node, primary=primary, spares=chosen, failover=failover, progress=progress,
            say=said.append,
        )  # fmt: skip
        return Created(definition, placed.node.where, (*placed.reasons, *said), tuple(node.where for node in chosen))


@dataclass
class _Creation:
    """One call of `create_feed`."""

    name: str
    publication: str
    source: PostgresDatabase
    primary: PostgresDatabase
    spares: Sequence[PostgresDatabase]
    failover: bool
    progress: Progress
    say: Say
    in_doubt: bool = False

    @property
    def slot(self) -> str:
        return slots.slot_name(self.name)

    def run(self) -> Definition:
        """Try until the feed is there, as long as each attempt comes further than the one before."""
        while True:
            if definitions.find(self.primary, self.name) is not None:
                raise AlreadyThere(f"{self.primary.where} has a feed {self.name} already", hint="choose another name")
            earlier = unfinished_snapshot.find(self.primary, self.name)
            try:
                return self._attempt(earlier)
            except Stale as stale:
                self._give_up()
                if earlier is None:
                    raise
                self.say(f"an earlier attempt cannot be gone on with, all is read again: {stale}")
            except (NodeLost, NodeUnreachable):
                left = unfinished_snapshot.find(self.primary, self.name)
                if left is None or len(left.parts) <= (len(earlier.parts) if earlier is not None else 0):
                    raise
            except BaseException:
                if not self.in_doubt:
                    self._give_up()
                raise

    def _give_up(self) -> None:
        with contextlib.suppress(HadrianError), self.primary.begin() as transaction:
            unfinished_snapshot.forget(self.primary, transaction, self.name)
        with contextlib.suppress(HadrianError):
            slots.drop(self.source, self.slot)

    def _attempt(self, earlier: Unfinished | None) -> Definition:
        if self.spares:
            slots.published_table(self.source, self.publication)  # before a spare is made for nothing
        if earlier is not None:
            unfinished_snapshot.check_chunks(self.primary, earlier)
        begun = earlier.begun if earlier is not None else None
        with (
            spare.open_spares(self.spares, self.source, self.primary, self.slot) as made,
            open_snapshot(
                self.source, self.primary, self.publication, self.slot, begun, failover=self.failover
            ) as snapshot,
        ):
            blobs = self._keep(snapshot, earlier)
            with publish(self.primary, KIND, self.name, blobs) as (transaction, artifact_id):
                definition = Definition(
                    self.name, self.publication, self.slot, snapshot.end, snapshot.timeline, artifact_id
                )
                definitions.record(self.primary, transaction, definition)
                unfinished_snapshot.forget(self.primary, transaction, self.name)
                snapshot.slot_in_use = made.in_use = self.in_doubt = True
        if earlier is not None:
            self._advance(snapshot)
        return definition

    def _advance(self, snapshot: Snapshot) -> None:
        """Let the slot forget what lies before the snapshot that the feed begins with; it would later on anyway."""
        with contextlib.suppress(HadrianError):
            slots.advance(self.source, self.slot, snapshot.end)

    def _keep(self, snapshot: Snapshot, earlier: Unfinished | None) -> list[Blob]:
        """Read the parts that are missing, several at once, and store them; return the blobs of all."""
        if earlier is None:
            unfinished_snapshot.begin(self.primary, self.name, snapshot.begun)
        parts = snapshot.plan.parts
        there = earlier.parts if earlier is not None else {}
        blobs = {number: self._cleaned(snapshot, blobs) for number, blobs in there.items()}
        total = sum(part.blocks for part in parts)
        rows = sum(_rows(blobs) for blobs in blobs.values())
        if earlier is not None:
            self.say(f"an earlier attempt is gone on with: {len(there)} of {len(parts)} parts were read")
            self.progress(sum(part.blocks for part in parts if part.number in there), total, rows)
        for part, made in self._read(snapshot, [part for part in parts if part.number not in there]):
            snapshot.slot_in_use = True
            blobs[part.number] = made
            rows += _rows(made)
            self.progress(part.blocks, total, rows)
        writer = Writer(self.primary)
        changed = [
            keep(writer, _blob_name(len(parts), index), batch)
            for index, batch in enumerate(read_changed(self.source, snapshot))
        ]
        writer.flush()
        return [*(blob for part in parts for blob in blobs[part.number]), *changed]

    def _cleaned(self, snapshot: Snapshot, blobs: Sequence[Blob]) -> list[Blob]:
        """Leave out of a part that an earlier attempt read the rows that changed since."""
        if not len(snapshot.changed):
            return list(blobs)
        writer = Writer(self.primary)
        cleaned: list[Blob] = []
        for blob in blobs:
            rows = kept(self.primary, blob)
            left = snapshot.changed.without(rows)
            if left.num_rows == rows.num_rows:
                cleaned.append(blob)
            elif left.num_rows:
                cleaned.append(keep(writer, blob.name, left))
        writer.flush()
        return cleaned

    def _read(self, snapshot: Snapshot, parts: Sequence[Part]) -> Iterator[tuple[Part, list[Blob]]]:
        """Yield parts as they are kept."""
        writers: queue.SimpleQueue[Writer] = queue.SimpleQueue()
        for _ in range(_SESSIONS):
            writers.put(Writer(self.primary))

        def work(part: Part) -> list[Blob]:
            writer = writers.get()
            try:
                return self._keep_part(writer, snapshot, part)
            finally:
                writers.put(writer)

        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(_SESSIONS, "snapshot"))
            stack.callback(pool.shutdown, cancel_futures=True)
            futures = {pool.submit(work, part): part for part in parts}
            for future in as_completed(futures):
                yield futures[future], future.result()

    def _keep_part(self, writer: Writer, snapshot: Snapshot, part: Part) -> list[Blob]:
        for tries_left in reversed(range(_TRIES)):
            try:
                blobs = [
                    keep(writer, _blob_name(part.number, index), batch)
                    for index, batch in enumerate(read_part(self.source, snapshot, part))
                ]
                break
            except RecoveryConflict:
                if not tries_left:
                    raise
        writer.flush()
        unfinished_snapshot.keep_part(self.primary, self.name, part.number, blobs)
        return blobs


def _blob_name(part: int, index: int) -> str:
    return f"rows/{part:09d}/{index:06d}"


def _rows(blobs: Sequence[Blob]) -> int:
    return sum(blob.attributes["rows"] for blob in blobs)
