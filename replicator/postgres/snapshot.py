"""A table's rows exactly as they stood at one point of the log, to be read in parts by several sessions at once.

The feed's slot is made with an exported snapshot, which shows what was committed before the slot's beginning and
nothing else, and each session that reads a part takes that snapshot as its own. So the stream goes on where the rows
end, while others write at full speed: nobody waits.

The snapshot lasts as long as the session that exported it. When that is cut off, a second, passing slot exports a new
one further on, and what was read until then is kept: see `changed_keys`. The feed then begins where the new one
stands; its own slot, which has the changes in between, stays as it is.

A part's rows come packed, many blocks at a time, where they are small: see `packed_rows`.

On a standby a part's query may be cancelled when it keeps replay from going on. It is then asked again in the same
snapshot, which shows the same.

Source: PostgreSQL 18 documentation, 9.28.5 "Snapshot Synchronization Functions", 54.4 CREATE_REPLICATION_SLOT, 26.4.2
"Handling Query Conflicts".
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql as pgsql
from sqlalchemy import Connection

from replicator import sql
from replicator.batch import python_values
from replicator.errors import HadrianError, NodeLost, TableUnfit, TimelineForked
from replicator.position import Cursor, Lsn
from replicator.postgres import changed_keys, copy_rows, slot_state, topology
from replicator.postgres import slot as slots
from replicator.postgres.changed_keys import ChangedKeys
from replicator.postgres.connection import Server, driver
from replicator.postgres.packed_rows import Packing
from replicator.postgres.snapshot_plan import Part, Plan, Stale, lock, plan, row_filter, shape_of

_FEW_BLOCKS, _MANY_BLOCKS = 16, 512  # that are read at once
_LARGE_BYTES = 64 << 10  # of the rows of a block
_NO_SNAPSHOT = ("22023", "42704", "55000")  # what `set transaction snapshot` says when its session has ended


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a snapshot began that was cut off.

    Attributes:
        start: its slot's beginning.
        timeline: of the node it was read on.
        marks, part_blocks, blocks: its plan's.
    """

    start: Lsn
    timeline: int
    marks: str
    part_blocks: int
    blocks: tuple[int, ...]


@dataclass(slots=True)
class Snapshot:
    """An open snapshot.

    Attributes:
        plan: what is read.
        begun: where the first one began: this one, unless it goes on from another.
        end: where this one stands: the stream goes on from here.
        timeline: of the node it is read on.
        exported: its name, for sessions of that node.
        changed: keys of the rows that changed since the first one.
        slot_in_use: whether the slot stays when the block fails. It must once a part is kept, to be gone on with; and
            before the commit that makes its feed exist, which may have happened though the answer is lost.
    """

    plan: Plan
    begun: Begun
    end: Lsn
    timeline: int
    exported: str
    changed: ChangedKeys
    slot_in_use: bool = False


@contextlib.contextmanager
def open_snapshot(
    source: Server, primary: Server, publication: str, slot: str, begun: Begun | None = None, *, failover: bool = False
) -> Iterator[Snapshot]:
    """Take a snapshot of a publication's table where a slot begins; no lock, no pause for writers.

    Args:
        source: node that has the slot, or gets it.
        primary: node that takes writes.
        publication: it has one table.
        slot: the feed's.
        begun: go on from this one; without it the slot is made.
        failover: make it one that standbys copy.

    Raises:
        Stale: what was begun cannot be gone on with.
        HadrianError: as `slot.check_decoding`, `slot.published_table` and `slot.create_exporting`.
    """
    slots.check_decoding(source)
    slots.published_table(source, publication)  # before a slot is made for nothing
    if begun is not None:
        _check_kept(source, slot, begun)
    elif slot_state.look(source, slot).present:
        slots.drop(source, slot)  # left by an attempt that was interrupted: no feed refers to it
    made = slot if begun is None else slots.passing_name()
    exporter = source.replication()
    snapshot: Snapshot | None = None
    try:
        end, exported = slots.create_exporting(
            source, exporter, made, lambda: nudge(primary, source), failover=failover and begun is None,
            passing=begun is not None,
        )  # fmt: skip
        try:
            snapshot = _planned(source, publication, slot, begun, end, exported)
            yield snapshot
        except BaseException:
            exporter.finish()
            if begun is None and not (snapshot is not None and snapshot.slot_in_use):
                with contextlib.suppress(HadrianError):
                    slots.drop(source, slot)
            raise
    finally:
        exporter.finish()


def _check_kept(source: Server, slot: str, begun: Begun) -> None:
    if not slot_state.look(source, slot).keeps(begun.start):
        raise Stale(f"{source.where} has no slot {slot} that keeps what was committed since")
    try:
        topology.timeline_history(source).check(Cursor(begun.start, 0, begun.timeline))
    except TimelineForked as error:
        raise Stale(str(error)) from error


def _planned(source: Server, publication: str, slot: str, begun: Begun | None, end: Lsn, exported: str) -> Snapshot:
    # Not before the slot is made: a node promoted in between would have begun it on the later timeline.
    timeline = topology.look(source).timeline
    with session(source, exported) as connection:
        planned = plan(source, connection, publication)
    if begun is None:
        begun = Begun(end, timeline, planned.marks, planned.part_blocks, planned.blocks)
        return Snapshot(planned, begun, end, timeline, exported, ChangedKeys(planned, ()))
    if begun.marks != planned.marks:
        raise Stale(f"{planned.table.name}, or publication {publication}, was altered since it was begun")
    planned = dataclasses.replace(planned, part_blocks=begun.part_blocks, blocks=begun.blocks)
    changed = changed_keys.find(source, slot, publication, planned, end)
    return Snapshot(planned, begun, end, timeline, exported, changed)


@contextlib.contextmanager
def session(source: Server, exported: str) -> Iterator[Connection]:
    """Open a session that sees what an exported snapshot shows.

    Raises:
        NodeLost: the snapshot's own session has ended, or the node went away.
        NodeUnreachable: no answer.
    """
    with source.connect() as connection:
        raw = driver(connection)
        try:
            raw.execute("set transaction isolation level repeatable read, read only")
            try:
                raw.execute(pgsql.SQL("set transaction snapshot {}").format(pgsql.Literal(exported)))
            except psycopg.Error as error:
                if error.sqlstate in _NO_SNAPSHOT:
                    raise NodeLost(f"{source.where}: the session that took the snapshot has ended") from error
                raise
            yield connection
        except BaseException:
            connection.invalidate()  # it may be in the middle of a COPY
            raise


def read_part(source: Server, snapshot: Snapshot, part: Part) -> Iterator[pa.RecordBatch]:
    """Yield a part's rows whose key has not changed since the first snapshot, in the order of their blocks.

    Raises:
        Stale: the table is another since.
        RecoveryConflict: begin this part once more.
        HadrianError: as `session` and `copy_rows.copied`.
    """
    with session(source, snapshot.exported) as connection:
        lock(connection, part)
        for batch in _in_blocks(connection, snapshot.plan, part, source):
            left = snapshot.changed.without(batch)
            if left.num_rows:
                yield left


def _in_blocks(connection: Connection, planned: Plan, part: Part, server: Server) -> Iterator[pa.RecordBatch]:
    """Yield a part's rows, many blocks at a time; a row at a time where rows are large."""
    condition = row_filter(planned.table)
    packing = Packing(connection, planned.shape, server.where)
    _set_up(connection)
    first, end = part.first, part.first + max(part.blocks, 1)
    blocks = _FEW_BLOCKS
    while first < end and blocks:
        behind = min(first + blocks, end)
        try:
            batch = packing.read(part.table, condition, first, behind, to_the_end=behind == end and part.behind is None)
        except TableUnfit:  # together they are too much, or one is no row to be fed, which is then said of it
            break
        yield batch
        blocks = _MANY_BLOCKS if batch.nbytes < (behind - first) * _LARGE_BYTES else 0
        first = behind
    if first < end:
        conditions = [condition, pgsql.SQL("ctid >= {}").format(_block(first))]
        if part.behind is not None:
            conditions.append(pgsql.SQL("ctid < {}").format(_block(part.behind)))
        query = pgsql.SQL("select {columns} from only {table} where {conditions}").format(
            columns=copy_rows.columns(planned.shape),
            table=pgsql.Identifier(part.table.schema, part.table.name),
            conditions=pgsql.SQL(" and ").join(conditions),
        )
        yield from copy_rows.copied(driver(connection), query, planned.shape, server.where)


def read_changed(source: Server, snapshot: Snapshot) -> Iterator[pa.RecordBatch]:
    """Yield the rows whose key has changed since the first snapshot, as this one shows them. Raises: as `read_part`."""
    with session(source, snapshot.exported) as connection:
        for part in {part.table: part for part in snapshot.plan.parts}.values():
            lock(connection, part)
        _set_up(connection)
        for query in snapshot.changed.queries():
            yield from copy_rows.copied(driver(connection), query, snapshot.plan.shape, source.where)


def _set_up(connection: Connection) -> None:
    """Have a transaction send rows as the stream does; behind what asks the catalog for names."""
    connection.execute(sql.load("postgres/feed/read_settings"), {"local": True})


def _block(number: int) -> pgsql.Composed:
    return pgsql.SQL("{}::tid").format(pgsql.Literal(f"({number},0)"))


def nudge(*servers: Server) -> None:
    """Make whichever of them takes writes now log the list of running transactions: a slot on a standby waits for it.

    A takeover may happen while one waits, so name each that may be the primary. Without the privilege one waits for
    the background writer, which does it every 15 s.
    """
    for server in servers:
        with contextlib.suppress(HadrianError), server.autocommit() as connection:
            connection.execute(sql.load("postgres/feed/log_standby_snapshot"))


def read_published(server: Server, publication: str, limit: int) -> list[dict[str, Any]]:
    """Return the first rows of a publication's table in key order, as they are now.

    Raises:
        BadInput, TableUnfit: as `slot.published_table`.
    """
    table = slots.published_table(server, publication)
    with server.connect() as connection:
        shape = shape_of(server, connection, table)
        query = pgsql.SQL("select {columns} from {table} where {row_filter} order by {key} limit {limit}").format(
            columns=copy_rows.columns(shape),
            table=pgsql.Identifier(table.name.schema, table.name.name),
            row_filter=row_filter(table),
            key=pgsql.SQL(", ").join(map(pgsql.Identifier, table.key)),
            limit=limit,
        )
        _set_up(connection)
        batches = list(copy_rows.copied(driver(connection), query, shape, server.where))
    names = shape.row_schema.names
    return [
        dict(zip(names, row, strict=True))
        for batch in batches
        for row in zip(*map(python_values, batch.columns), strict=True)
    ]
