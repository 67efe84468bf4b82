"""A feed's changes in files: Parquet, Arrow IPC, or a JSON object a line.

A file appears under its name only when it is whole: it is written beside it, with `.partial` behind the name, and
renamed once it is on the disk. Where the table's shape changes, a Parquet or Arrow file ends, because such a file has
one schema, and the next one begins: `rows.parquet`, `rows.2.parquet`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from replicator.batch import as_json, row_columns
from replicator.change import Change
from replicator.errors import AlreadyThere, BadInput, DiskFull, TableUnfit

_GROUP_ROWS = 65_536  # rows that are written together: groups of a handful would cost more than they hold
SUFFIXES = (".jsonl", ".parquet", ".arrow")

Changes = Callable[[pa.RecordBatch], Iterator[Change]]


def lines(batch: pa.RecordBatch, changes: Changes) -> Iterator[str]:
    """Yield a batch's changes as JSON objects, a line each: _op, _cursor, _xid, _commit_time and the columns.

    Raises:
        TableUnfit: a column has the name of one of ours.
    """
    if "_cursor" in row_columns(batch):
        raise TableUnfit("the feed's table has a column _cursor of its own", hint="leave it out of the publication")
    beside = (batch.column(name).to_pylist() for name in ("_xid", "_commit_time"))
    for change, xid, time in zip(changes(batch), *beside, strict=True):
        ours = {"_op": change.op.value, "_cursor": str(change.after), "_xid": xid, "_commit_time": as_json(time)}
        yield json.dumps(ours | as_json(change.values), ensure_ascii=False) + "\n"


class Files:
    """Writes batches to a file, or to several where the schema changes.

    Calls: `write` as often as there are batches, then `close`; `abandon` instead, to leave nothing unfinished.

    Args:
        path: the first file's; its suffix says which format.
        changes: gives a batch's changes with their cursors.

    Attributes:
        done: the files that are whole.

    Raises:
        BadInput: a suffix of no format, or the folder cannot be written.
        AlreadyThere: the file exists.
        DiskFull: there is no room; so does every call.
    """

    def __init__(self, path: Path, changes: Changes) -> None:
        if path.suffix not in SUFFIXES:
            raise BadInput(f"{path} has the suffix of no format", hint=f"name it with {' or '.join(SUFFIXES)}")
        self._path = path
        self._changes = changes
        self.done: list[Path] = []
        self._part = _Part(path, changes)

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch in."""
        if not self._part.fits(batch):
            self._part.finish()
            self.done.append(self._part.path)
            number = len(self.done) + 1
            self._part = _Part(self._path.with_suffix(f".{number}{self._path.suffix}"), self._changes)
        self._part.write(batch)

    def close(self) -> None:
        """Finish the file that is open; one without a row is not kept, since it would have no schema."""
        if self._part.schema is None and self._path.suffix != ".jsonl":
            self._part.remove()
        else:
            self._part.finish()
            self.done.append(self._part.path)

    def abandon(self) -> None:
        """Remove the file that is not finished."""
        self._part.remove()


class _Part:
    """One file while it is written."""

    def __init__(self, path: Path, changes: Changes) -> None:
        if path.exists():
            raise AlreadyThere(f"{path} exists", hint="name another file, or remove it")
        self.path = path
        self.schema: pa.Schema | None = None
        self._changes = changes
        self._partial = path.with_name(f"{path.name}.partial")
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        with _translated(path):
            self._file: BinaryIO = self._partial.open("wb")
        self._writer: Any = None

    def fits(self, batch: pa.RecordBatch) -> bool:
        return self.path.suffix == ".jsonl" or self.schema is None or batch.schema.equals(self.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        self.schema = batch.schema
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        if self._waiting_rows >= _GROUP_ROWS:
            self._write_waiting()

    def _write_waiting(self) -> None:
        with _translated(self.path):
            if self.path.suffix == ".jsonl":
                for batch in self._waiting:
                    self._file.writelines(line.encode() for line in lines(batch, self._changes))
            elif self._waiting:
                made = pq.ParquetWriter if self.path.suffix == ".parquet" else pa.ipc.new_file
                self._writer = self._writer or made(self._file, self.schema)
                self._writer.write_table(pa.Table.from_batches(self._waiting).combine_chunks())
        self._waiting, self._waiting_rows = [], 0

    def finish(self) -> None:
        self._write_waiting()
        with _translated(self.path):
            if self._writer is not None:
                self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.rename(self.path)

    def remove(self) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = DiskFull if error.errno == errno.ENOSPC else BadInput
        raise kind(f"{path}: {error.strerror}") from error
