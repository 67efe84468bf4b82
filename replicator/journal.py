"""A journal: a table that triggers fill with a table's changes, for databases whose log nobody may decode.

What makes it a stream is the *seal*. Entries come in any order and commit in any other; the sealer gives those that are
committed a batch number and a place in it, in a first transaction, and says in a second one that the batch is whole:

    first    every committed entry without a batch: batch n, place 1, 2, 3, ...
    second   a seal: number n, so many rows

**Each committed row once.** The second transaction begins when the first has committed, and a standby replays the one
behind the other. So whoever sees the seal finds every entry of the batch, even a reader of a Db2 standby, which sees
what is not committed yet (isolation UR is all that there is). Entries of a sealed batch never change. What it
cannot see whole for another reason, it waits for: the seal counts the rows. If the sealer dies between the two, or the
second is rolled back after some reader saw its seal, the next sealer finds batch n filled and seals it as it stands.

**In an order that agrees with commits.** An entry's number is taken by the trigger, inside the writer's transaction. A
transaction that saw what another had done began its statement when that had committed, so its trigger fired later: its
entry's number is above all of the other's. Batches are filled with what one look shows, and a look that shows the
later one shows the earlier. Inside a batch, where the engine names transactions, they follow one another by their
*last* entry, each whole: of two that depend on one another the later has the higher last entry. Elsewhere entries
follow one another by number, so that transactions that ran at the same time are interleaved, and nothing comes before
what it depends on.

**Cursors.** A batch is to the cursor what a transaction of the log is: `(n, 0)` is behind batch n, and `(n - 1, k)`
behind the first k rows of batch n. A feed's snapshot is its batch 1. A promoted standby has the seals that it had
replayed; each names its timeline, so a cursor behind a seal that never came lies past the fork, as in the log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute
from sqlalchemy import Connection

from replicator.batch import CHANGE_FIELDS, OP_NAMES, with_changes
from replicator.position import Lsn, TimelineHistory
from replicator.schema import TableName

pc: Any = pyarrow.compute  # its functions are made when it is imported, where no type checker sees them

# What a journal has in front of the table's columns.
ENTRY_COLUMNS = ("_entry", "_op", "_xid", "_batch", "_seq", "_commit_time")
RESERVED = frozenset({*ENTRY_COLUMNS, *(field.name for field in CHANGE_FIELDS)})

# Where a feed's snapshot ends and its first sealed batch follows.
START = Lsn(1)


@dataclass(frozen=True, slots=True)
class Seal:
    """What says that a batch is whole.

    Attributes:
        number: the batch's.
        rows: how many it has.
    """

    number: int
    rows: int


@dataclass(frozen=True, slots=True)
class JournalState:
    """How far a journal is, as one node has it.

    Attributes:
        node: where.
        sealed: number of the newest batch.
        sealed_at: when it was sealed.
        confirmed: up to which number batches are consumed for good.
        waiting: how many committed entries are in no batch yet.
        size_bytes: on disk.
    """

    node: str
    sealed: int
    sealed_at: dt.datetime | None
    confirmed: int
    waiting: int
    size_bytes: int


class Sealing(Protocol):
    """A transaction of the sealer, which is the only one at work on its journal as long as it is open."""

    def newest(self) -> int:
        """Return the number of the newest seal."""
        ...

    def filled(self, number: int) -> int:
        """Return how many entries have this batch number."""
        ...

    def fill(self, number: int) -> None:
        """Give every committed entry that has no batch this one, and its place in it."""
        ...

    def seal(self, number: int, rows: int) -> None:
        """Say that the batch is whole."""
        ...

    def prune(self) -> None:
        """Delete what is confirmed: entries, and seals but for the last of each timeline, which tells its end."""
        ...


class Journal(Protocol):
    """One feed's journal on one node. Any call in any order; none keeps a session open after it returned."""

    @property
    def where(self) -> str:
        """The node's address without secrets, for messages."""
        ...

    def sealing(self) -> AbstractContextManager[Sealing]:
        """Open a transaction of the sealer, once no other is at work; it commits with the block (primary)."""
        ...

    def newest(self) -> int:
        """Return the number up to which batches were made, as far as this node knows."""
        ...

    def seal(self, number: int) -> Seal | None:
        """Return the seal of that number, or None if it is not here."""
        ...

    def rows(self, seal: Seal, after: int) -> pa.RecordBatch:
        """Return what is seen behind the first `after` rows of a sealed batch, as changes: all, or some megabytes."""
        ...

    def history(self) -> TimelineHistory:
        """Return the forks that led to this node's timeline, counted in seals."""
        ...

    def writes_on(self) -> int | None:
        """Return the timeline that the node writes, None if it is a standby."""
        ...

    def confirmed(self) -> int:
        """Return the number up to which batches are consumed for good."""
        ...

    def confirm(self, number: int) -> None:
        """Say that batches up to this number are consumed for good (primary). Going back has no effect."""
        ...

    def close(self) -> None:
        """Close every session; a later call opens new ones."""
        ...


class OpenSnapshot(Protocol):
    """A table's rows and its journal's first entries, divided without a gap.

    Attributes:
        timeline: the node's.
        batches: the rows, to be read while it is open; the entries of what they show are gone when it is closed.
    """

    timeline: int
    batches: Iterator[pa.RecordBatch]


class CreatableJournal(Journal, Protocol):
    """The same, with its making and its end.

    `create`, `snapshot` to its end and `record`, in this order; `drop` at any time. All of it on the primary.
    """

    def create(self, table: str) -> TableName:
        """Make the journal of a table, as a query names it, and its triggers, in place of one that is there.

        Raises:
            BadInput: no such table.
            TableUnfit: not all of its changes would be seen, or its rows could not be told apart.
            QueryTimedOut: transactions that wrote to the table are still open.
        """
        ...

    def snapshot(self, table: TableName) -> AbstractContextManager[OpenSnapshot]:
        """Divide the changes between the table's rows as they are now and the journal's entries from now on.

        If the block fails, no entry is gone.
        """
        ...

    def record(self, transaction: Connection, table: TableName) -> None:
        """Make the journal known, inside the transaction that makes the feed exist."""
        ...

    def drop(self, transaction: Connection) -> None:
        """Remove triggers and journal, if they are there, inside a transaction."""
        ...


def as_changes(
    rows: pa.RecordBatch, ops: pa.Array, seqs: pa.Array, xids: pa.Array, commit_times: pa.Array, seal: Seal
) -> pa.RecordBatch:
    """Put behind rows what happened to them and the cursor of each.

    Args:
        rows: the table's columns.
        ops: what happened, as text.
        seqs: places in the batch.
        xids: the transactions, as far as they are known.
        commit_times: when they committed, as far as that is known.
        seal: the batch's.
    """
    kinds = pa.DictionaryArray.from_arrays(pc.index_in(ops, OP_NAMES).cast(pa.int8()), OP_NAMES)
    seq = np.asarray(seqs.cast(pa.uint64()))
    is_last = seq == seal.rows
    lsn = np.where(is_last, seal.number, seal.number - 1).astype(np.uint64)
    return with_changes(
        rows,
        kinds,
        pa.array(lsn),
        pa.array(np.where(is_last, 0, seq).astype(np.uint64)),
        xids.cast(pa.uint32()),
        commit_times.cast(CHANGE_FIELDS[-1].type),
    )


def history(last_seals: Iterable[tuple[int, int]]) -> TimelineHistory:
    """Return a node's history from the last seal of each timeline: (timeline, number), oldest first."""
    *left, (timeline, _) = last_seals
    return TimelineHistory(timeline, tuple((parent, Lsn(number)) for parent, number in left))
