"""From messages to Arrow record batches: what `transactions` does a change at a time, for whole runs of messages.

A batch holds the changes of one table between two changes of its shape, in the form that `replicator.batch` tells.

`transactions` is the reference: same changes, same cursors, same refusals. There are two differences: where a message
is refused, nothing of its portion is handed out, not even what came before it; and an old row is not read where it
supplies nothing, so that text in it which is not UTF-8 is not noticed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replicator.batch import CHANGE_FIELDS, OP_NAMES, OPS
from replicator.change import Op
from replicator.errors import FeedBroken, TableUnfit
from replicator.position import Cursor
from replicator.postgres.arrow_types import Catalog
from replicator.postgres.arrow_values import EPOCH_US, fixed
from replicator.postgres.few_rows import MOST_MESSAGES, few_rows
from replicator.postgres.shape import Shape, column_values, described
from replicator.postgres.tuples import NULL, UNCHANGED, Bytes, Cells, Joined, Places

_PORTION_BYTES = 16 << 20

_BEGIN, _COMMIT, _RELATION, _INSERT, _UPDATE, _DELETE, _TRUNCATE = b"BCRIUDT"
_NEW, _OLD, _KEY = b"NOK"
_OP_OF_KIND = np.zeros(256, np.int8)
for _kind, _op in ((_INSERT, Op.INSERT), (_UPDATE, Op.UPDATE), (_DELETE, Op.DELETE), (_TRUNCATE, Op.TRUNCATE)):
    _OP_OF_KIND[_kind] = OPS.index(_op)
_IS_ROW = np.isin(np.arange(256), list(b"IUDT"))
_IS_KNOWN = np.isin(np.arange(256), list(b"BCRIUDTOYM"))
_SHORTEST = np.zeros(256, np.int64)
_LONGEST = np.full(256, np.iinfo(np.int64).max)
for _kind, _size in ((_INSERT, 8), (_UPDATE, 8), (_DELETE, 8), (_TRUNCATE, 10)):
    _SHORTEST[_kind] = _size
for _kind, _size in ((_BEGIN, 21), (_COMMIT, 26)):
    _SHORTEST[_kind] = _LONGEST[_kind] = _size


@dataclass(frozen=True, slots=True)
class _Open:
    """A transaction whose end has not come yet, and how many of its changes have."""

    commit_lsn: int
    commit_time_us: int
    xid: int
    seq: int = 0


@dataclass(frozen=True, slots=True)
class _Rows:
    """The changes of a portion: a row each.

    Attributes:
        index: number of the message.
        lsn, seq: the cursor right behind it.
        xid, commit_time: of its transaction; the time in microseconds since 1970.
    """

    index: Places
    lsn: npt.NDArray[np.uint64]
    seq: npt.NDArray[np.uint64]
    xid: npt.NDArray[np.uint32]
    commit_time: Places

    def part(self, which: slice | npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(self.index[which], self.lsn[which], self.seq[which], self.xid[which], self.commit_time[which])


class Batches:
    """Turns a stream's messages into batches of the changes that follow a cursor.

    Args:
        after: where the reader left off; of the transaction that commits at `after.lsn` the first `after.seq`
            changes are passed over.
        catalog: asked for types that are not built in.
        skip: bytes in front of each message that are not its own: 25 if they come with their `w` header.
    """

    def __init__(self, after: Cursor, catalog: Catalog, *, skip: int = 0) -> None:
        self._after = after
        self._catalog = catalog
        self._skip_bytes = skip
        self._skip_rows = after.seq
        self._shapes: dict[int, Shape] = {}
        self._open: _Open | None = None
        self._held: list[bytes] = []

    def take(self, messages: Sequence[bytes]) -> list[pa.RecordBatch]:
        """Return the changes that these messages complete, in batches.

        A change is held back until it is known whether it was its transaction's last. After an error there is no
        going on, but with a copy (`copy.copy`) made before: what is known of the stream is replaced, never altered.

        Raises:
            FeedBroken: the messages do not fit one another, or the cursor, or are none of protocol version 1.
            TableUnfit: an update left out a TOASTed value that no old row supplies, or Arrow cannot hold a value.
            HadrianError: what the catalog raises.
        """
        if len(messages) <= MOST_MESSAGES and self._open is None and not self._held and not self._skip_rows:
            few = few_rows(messages, self._skip_bytes, self._shapes)
            if few is not None:
                return few
        messages = [*self._held, *messages]
        lengths = np.fromiter(map(len, messages), np.int64, len(messages))
        ends = lengths.cumsum()
        batches: list[pa.RecordBatch] = []
        begin = end = 0
        while end < len(messages):
            # So that a portion's bytes can be counted in 31 bits, and the work stays near the processor.
            before = ends[begin - 1] if begin else 0
            end = max(int(ends.searchsorted(before + _PORTION_BYTES, "right")), end + 1)
            joined = Joined(messages[begin:end], self._skip_bytes, lengths[begin:end])
            _check_sizes(joined)
            whole = _whole(joined.kinds)
            joined.cut(whole)
            batches += self._batches(joined)
            begin += whole
        self._held = messages[begin:]
        return batches

    def _batches(self, joined: Joined) -> Iterator[pa.RecordBatch]:
        rows = self._transactions(joined)
        descriptions = (joined.kinds == _RELATION).nonzero()[0]
        done = 0
        for stop, shape in [*self._changed(joined, descriptions), (len(joined.kinds), None)]:
            end = int(np.searchsorted(rows.index, stop))
            yield from self._runs(joined, rows.part(slice(done, end)))
            done = end
            if shape is not None:
                self._shapes = {**self._shapes, shape.oid: shape}

    def _changed(self, joined: Joined, descriptions: Places) -> Iterator[tuple[int, Shape]]:
        known = dict(self._shapes)
        for index in descriptions.tolist():
            shape = described(joined.message(index), self._catalog)
            if known.get(shape.oid) != shape:  # the server repeats them
                known[shape.oid] = shape
                yield index, shape

    def _transactions(self, joined: Joined) -> _Rows:
        """Find each row's transaction and cursor, and move on to the end of the portion."""
        kinds = joined.kinds
        begins, commits = (kinds == _BEGIN).nonzero()[0], (kinds == _COMMIT).nonzero()[0]
        rows = _IS_ROW[kinds].nonzero()[0]
        before = self._open
        fields = _begun(joined, begins)
        if before is not None:
            carried = np.array([[before.commit_lsn], [before.commit_time_us], [before.xid]], np.uint64)
            fields = np.concatenate([carried, fields], axis=1)
        started = (kinds == _BEGIN).cumsum() + (before is not None)
        ended = (kinds == _COMMIT).cumsum()
        if (started[begins] - ended[begins] != 1).any() or ((started != ended)[commits]).any():
            raise FeedBroken("a transaction begins or ends where another does not")
        number = started[rows] - 1
        if (ended[rows] != number).any():
            raise FeedBroken("a row came outside of a transaction")
        counts = np.bincount(number, minlength=fields.shape[1])
        firsts = counts.cumsum() - counts
        seq = np.arange(1, len(rows) + 1) - firsts[number]
        seen = before.seq if before is not None else 0
        seq[number == 0] += seen
        is_last = (np.diff(number, append=-1) != 0) & (number < len(commits))
        lsn = fields[0][number]
        lsn[is_last] = joined.number(joined.starts[commits] + 10, 8)[number[is_last]]
        found = _Rows(
            rows,
            lsn,
            np.where(is_last, 0, seq).astype(np.uint64),
            fields[2][number].astype(np.uint32),
            fields[1][number].astype(np.int64) + EPOCH_US,
        )
        found = self._passed_over(found, fields[0], counts, seq, bool(len(commits)), seen)
        self._open = None
        if fields.shape[1] > len(commits):
            commit_lsn, commit_time_us, xid = fields[:, -1].tolist()
            seen = int(counts[-1]) + (seen if fields.shape[1] == 1 else 0)
            self._open = _Open(commit_lsn, commit_time_us, xid, seen)
        return found

    def _passed_over(
        self, rows: _Rows, commit_lsns: npt.NDArray[np.uint64], counts: Places, seq: Places, ended: bool, seen: int
    ) -> _Rows:
        """Leave out what the cursor has consumed of the first transaction."""
        if not self._skip_rows or not len(commit_lsns):
            return rows
        if commit_lsns[0] != self._after.lsn:
            raise FeedBroken(f"the log has no transaction that commits at {self._after.lsn}, where the cursor stands")
        is_first = np.arange(len(rows.index)) < counts[0]
        kept = rows.part(~(is_first & (seq <= self._skip_rows)))
        if ended:
            if self._skip_rows >= counts[0] + seen:
                raise FeedBroken(f"cursor {self._after} stands behind the last row of its transaction")
            self._skip_rows = 0
        return kept

    def _runs(self, joined: Joined, rows: _Rows) -> Iterator[pa.RecordBatch]:
        """Cut where one table's changes end and another's begin."""
        starts = joined.starts[rows.index]
        oids = joined.number(starts + np.where(joined.kinds[rows.index] == _TRUNCATE, 6, 1), 4)
        cuts = [0, *((np.diff(oids)).nonzero()[0] + 1).tolist(), len(oids)]
        for begin, end in itertools.pairwise(cuts):
            if begin == end:
                continue
            shape = self._shapes.get(int(oids[begin]))
            if shape is None:
                raise FeedBroken(f"a row of relation {oids[begin]} came without a description that fits it")
            yield _batch(joined, rows.part(slice(begin, end)), shape)


def _whole(kinds: Bytes) -> int:
    """Return how many messages can be read: those before a last row whose transaction has not ended."""
    rows = _IS_ROW[kinds].nonzero()[0]
    if not len(rows) or (kinds[rows[-1] :] == _COMMIT).any():
        return len(kinds)
    return int(rows[-1])


def _check_sizes(joined: Joined) -> None:
    sizes = joined.ends - joined.starts
    if not _IS_KNOWN[joined.kinds].all():
        raise FeedBroken("a replication message of unknown kind")
    if (sizes < _SHORTEST[joined.kinds]).any():
        raise FeedBroken("a replication message ends early")
    is_truncate = joined.kinds == _TRUNCATE
    longest = _LONGEST[joined.kinds]
    if is_truncate.any():
        counts = joined.number(joined.starts[is_truncate] + 1, 4).astype(np.int64)
        longest[is_truncate] = 6 + 4 * counts
        if (sizes[is_truncate] < longest[is_truncate]).any():
            raise FeedBroken("a replication message ends early")
    if (sizes > longest).any():
        raise FeedBroken("a replication message has bytes too many")


def _begun(joined: Joined, begins: Places) -> npt.NDArray[np.uint64]:
    starts = joined.starts[begins]
    return np.stack([joined.number(starts + 1, 8), joined.number(starts + 9, 8), joined.number(starts + 17, 4)])


def _batch(joined: Joined, rows: _Rows, shape: Shape) -> pa.RecordBatch:
    cells = _cells(joined, rows.index, shape)
    columns = [column_values(joined, *pair, shape) for pair in zip(cells, shape.columns, shape.codecs, strict=True)]
    op, *others = (field.type for field in CHANGE_FIELDS)
    ops = pa.DictionaryArray.from_arrays(fixed(op.index_type, _OP_OF_KIND[joined.kinds[rows.index]]), OP_NAMES)
    values = (rows.lsn, rows.seq, rows.xid, rows.commit_time)
    arrays = [*columns, ops, *itertools.starmap(fixed, zip(others, values, strict=True))]
    return pa.RecordBatch.from_arrays(arrays, schema=shape.schema)


def _cells(joined: Joined, index: Places, shape: Shape) -> list[Cells]:
    """Return each column's values: of an insert or update the new ones, of a delete the old, of a truncate NULL."""
    kinds, starts, ends = joined.kinds[index], joined.starts[index], joined.ends[index]
    has_tuple = (kinds != _TRUNCATE).nonzero()[0]
    cells = _sent(joined, kinds[has_tuple], starts[has_tuple], ends[has_tuple], shape)
    if len(has_tuple) == len(index):
        return cells
    return [_spread(one, has_tuple, starts) for one in cells]


def _sent(joined: Joined, kinds: Bytes, starts: Places, ends: Places, shape: Shape) -> list[Cells]:
    width = len(shape.columns)
    marks = joined.byte(starts + 5)
    is_new, is_old = marks == _NEW, marks == _OLD
    has_old = is_old | (marks == _KEY)
    fits = np.where(kinds == _INSERT, is_new, np.where(kinds == _DELETE, has_old, is_new | has_old))
    if not fits.all():
        raise FeedBroken("a replication message has another kind of row where an old or a new one belongs")
    places = starts + 6
    updated = ((kinds == _UPDATE) & has_old).nonzero()[0]
    old: list[Cells] = []
    if len(updated):
        old, behind = joined.tuples(places[updated], ends[updated], width)
        if (joined.byte(behind) != _NEW).any():
            raise FeedBroken("a replication message has no new row behind the old one")
        places[updated] = behind + 1
    cells, stops = joined.tuples(places, ends, width)
    if (stops != ends).any():
        raise FeedBroken("a replication message has bytes too many")
    # A key comes with NULL for all that is not key: it supplies no value.
    supplies = is_old[updated]
    return [
        _resolved(one, updated[supplies], _part(old[number], supplies) if len(updated) else None, name, shape.table)
        for number, (one, (name, _, _)) in enumerate(zip(cells, shape.columns, strict=True))
    ]


def _resolved(new: Cells, updated: Places, old: Cells | None, column: str, table: str) -> Cells:
    """Put the old row's values where an update left them alone."""
    if not (new.kinds == UNCHANGED).any():
        return new
    if old is not None:
        left = new.kinds[updated] == UNCHANGED
        for mine, theirs in ((new.kinds, old.kinds), (new.starts, old.starts), (new.lengths, old.lengths)):
            mine[updated[left]] = theirs[left]
    if (new.kinds == UNCHANGED).any():
        raise TableUnfit(
            f"{table}: an update left {column} alone and the log does not hold it",
            hint=f"run: alter table {table} replica identity full",
        )
    return new


def _part(cells: Cells, which: npt.NDArray[np.bool_]) -> Cells:
    return Cells(cells.kinds[which], cells.starts[which], cells.lengths[which])


def _spread(cells: Cells, places: Places, starts: Places) -> Cells:
    """Give rows without a tuple a NULL."""
    kinds = np.full(len(starts), NULL, np.uint8)
    spread, lengths = starts.copy(), np.zeros(len(starts), np.int64)
    kinds[places], spread[places], lengths[places] = cells.kinds, cells.starts, cells.lengths
    return Cells(kinds, spread, lengths)
