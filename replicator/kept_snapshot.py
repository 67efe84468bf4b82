"""A feed's snapshot in the store: Arrow batches of rows, a blob each, in the order of the blobs' names.

It is kept like a checkpoint, so it flows to every standby, and a run that starts again from any cursor reads the same
rows in the same order. What a batch of changes has beside its rows follows from a row's number, and is not stored.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from replicator.batch import CHANGE_FIELDS, OP_NAMES, OPS, with_changes
from replicator.change import Op
from replicator.database import Database
from replicator.errors import StoreCorrupt
from replicator.feed.definition import Definition
from replicator.store import reader
from replicator.store.manifest import Blob
from replicator.store.writer import Writer

KIND = "snapshot"
_SNAPSHOT = OPS.index(Op.SNAPSHOT)


def keep(writer: Writer, name: str, rows: pa.RecordBatch) -> Blob:
    """Store rows, which are at least one. Raises: as `Writer.put`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_batch(rows)
    return writer.put(name, sink.getvalue(), {"rows": rows.num_rows})


def kept(database: Database, blob: Blob) -> pa.RecordBatch:
    """Return the rows of a blob. Raises: StoreCorrupt, NodeLost."""
    try:
        with pa.ipc.open_stream(reader.read(database, blob)) as stream:
            rows = stream.read_next_batch()
    except pa.ArrowInvalid as error:
        raise StoreCorrupt(f"{database.where}: blob {blob.name} holds no rows: {error}") from error
    if rows.num_rows != blob.attributes["rows"]:
        raise StoreCorrupt(f"{database.where}: blob {blob.name} holds {rows.num_rows} rows")
    return rows


class KeptSnapshot:
    """A feed's snapshot, to be read.

    Args:
        database: node that has its artifact.
        definition: the feed.

    Raises:
        ArtifactMissing: the node has not replayed the snapshot yet, or lost it in a takeover.
    """

    def __init__(self, database: Database, definition: Definition) -> None:
        self._database = database
        self._end = definition.start
        self._blobs = reader.manifest(database, definition.snapshot_id).blobs
        self._length: int = sum(blob.attributes["rows"] for blob in self._blobs)

    def __len__(self) -> int:
        return self._length

    def batches(self, start: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows from number `start` on. Raises: StoreCorrupt, NodeLost."""
        first = 0
        for blob in self._blobs:
            behind = first + blob.attributes["rows"]
            if start < behind:
                done = max(0, start - first)
                yield self._numbered(kept(self._database, blob).slice(done), first + done)
            first = behind

    def _numbered(self, rows: pa.RecordBatch, first: int) -> pa.RecordBatch:
        """Give each row its cursor: its number, and the last of all where the stream begins."""
        count = rows.num_rows
        seq = np.arange(first + 1, first + count + 1, dtype=np.uint64)
        lsn = np.zeros(count, np.uint64)
        if first + count == self._length:
            lsn[-1], seq[-1] = self._end, 0
        ops = pa.DictionaryArray.from_arrays(pa.array(np.full(count, _SNAPSHOT, np.int8)), OP_NAMES)
        nulls = [pa.nulls(count, field.type) for field in CHANGE_FIELDS[-2:]]
        return with_changes(rows, ops, pa.array(lsn), pa.array(seq), *nulls)
