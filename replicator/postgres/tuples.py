"""Many pgoutput messages as one run of bytes, and where the values lie in it: no loop over messages.

A tuple's values stand one behind the other, each with its length before it, so the place of the second column is known
only once the first is. But a column's place can be found in all messages at once: a step a column, over the messages of
a whole portion.

Source: PostgreSQL 18 documentation, 54.9 "Logical Replication Message Formats", TupleData.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from replicator.errors import FeedBroken, TableUnfit
from replicator.postgres.arrow_values import fixed

Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

NULL, UNCHANGED, TEXT, BINARY = b"nutb"
_MOST_BYTES = (1 << 31) - 1024  # places are counted in 31 bits by Arrow
_WIRE = {size: np.dtype(f">u{size}") for size in (2, 4, 8)}
_PAD = bytes(16)  # a number is read before it is known whether the message has that many bytes


@dataclass(frozen=True, slots=True)
class Cells:
    """One column's values in so many tuples: what kind each is of, and its bytes' place and number."""

    kinds: Bytes
    starts: Places
    lengths: Places

    def values(self, joined: Joined) -> pa.Array:
        """Return the bytes as a binary array, NULL where there is none."""
        # The bytes are cut at each value's start and end; every second piece is a value.
        cuts = np.empty(2 * len(self.starts), np.int32)
        cuts[0::2] = self.starts
        cuts[1::2] = self.starts + self.lengths
        pieces = pa.Array.from_buffers(pa.binary(), max(len(cuts) - 1, 0), [None, pa.py_buffer(cuts), joined.buffer])
        wanted = np.arange(0, len(cuts), 2, dtype=np.int32)
        is_null = self.kinds == NULL
        if is_null.any():
            return pieces.take(pa.array(wanted, mask=is_null))
        return pieces.take(fixed(pa.int32(), wanted))


class Joined:
    """Messages joined.

    Args:
        messages: as the server sent them.
        skip: bytes at the front of each that are not the message's.
        lengths: how many bytes each has, if that is known.

    Attributes:
        buffer: the bytes.
        starts: where each message begins, behind what is skipped.
        ends: where it ends.
        kinds: its first byte.
    """

    def __init__(self, messages: Sequence[bytes], skip: int, lengths: Places | None = None) -> None:
        if lengths is None:
            lengths = np.fromiter(map(len, messages), np.int64, len(messages))
        if (lengths <= skip).any():
            raise FeedBroken("a replication message is empty")
        if lengths.sum() > _MOST_BYTES:
            raise TableUnfit(
                "two rows behind one another have 2 GB between them, which is more than one batch can hold",
                hint="leave the column that is so large out of the publication",
            )
        joined = b"".join([*messages, _PAD])
        self.buffer = pa.py_buffer(joined)
        self.ends: Places = lengths.cumsum()
        self.starts: Places = self.ends - lengths + skip
        self._bytes: Bytes = np.frombuffer(joined, np.uint8)
        self._numbers = {
            size: np.ndarray((len(joined) - size + 1,), wire, joined, strides=(1,)) for size, wire in _WIRE.items()
        }
        self.kinds: Bytes = self._bytes[self.starts]

    def cut(self, count: int) -> None:
        """Leave out the messages behind the first so many."""
        self.starts, self.ends, self.kinds = self.starts[:count], self.ends[:count], self.kinds[:count]

    def byte(self, places: Places) -> Bytes:
        """Return the byte at each place."""
        return self._bytes[places]

    def number(self, places: Places, size: int) -> npt.NDArray[np.uint64]:
        """Return the big-endian number of that size at each place."""
        return self._numbers[size][places].astype(np.uint64)

    def message(self, index: int) -> bytes:
        """Return one message."""
        return bytes(self._bytes[self.starts[index] : self.ends[index]])

    def tuples(self, places: Places, ends: Places, width: int) -> tuple[list[Cells], Places]:
        """Read a tuple at each place.

        Args:
            places: where the tuples begin.
            ends: where their messages end.
            width: how many values each must have.

        Returns:
            Their values, a column each, and where they end.

        Raises:
            FeedBroken: these are no such tuples.
        """
        if (self.number(places, 2) != width).any():
            raise FeedBroken("a row came without a description that fits it")
        places = places + 2
        columns = []
        for _ in range(width):
            kinds = self._bytes[places]
            has_bytes = (kinds == TEXT) | (kinds == BINARY)
            if has_bytes.all():
                lengths = self._numbers[4][places + 1].astype(np.int64)
                starts = places + 5
            else:
                if not (has_bytes | (kinds == NULL) | (kinds == UNCHANGED)).all():
                    raise FeedBroken("a replication message has a value of unknown kind")
                lengths = np.where(has_bytes, self._numbers[4][places + 1], 0).astype(np.int64)
                starts = np.where(has_bytes, places + 5, places + 1)
            places = starts + lengths
            if (places > ends).any():
                raise FeedBroken("a replication message ends early")
            columns.append(Cells(kinds, starts, lengths))
        if (places > ends).any():
            raise FeedBroken("a replication message ends early")
        return columns, places
