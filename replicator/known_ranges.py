"""Which ranges of tables' keys were compared before a comparison was cut off, so that the next one goes on from there.

A line is a range: the key that it lies above, its last key, and how many rows it had if it was the same on both nodes.
A range that was not is read again, and so has no number. As each begins where another ends, the next comparison cuts a
table in the same places. What is known of a table whose columns or key are others by now is not gone on with.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from replicator.errors import BadInput
from replicator.position import Lsn
from replicator.progress_file import ProgressFile

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A range that was compared.

    Attributes:
        upto: its last key, None for the end of the table.
        rows: how many it had; None if it was not the same.
        lsn: a position of the primary before it was read.
    """

    upto: Key | None
    rows: int | None
    lsn: Lsn


class KnownRanges:
    """The ranges of all tables of a pair.

    Args:
        path: the file; None for none.
        pair: names it, so that no other's file is gone on with.

    Raises:
        BadInput: the file cannot be used, or is of another pair.
    """

    def __init__(self, path: Path | None, pair: str) -> None:
        self._file = ProgressFile(path, pair)
        self._known: dict[tuple[str, str, Key | None], Known] = {}
        try:
            for line in self._file.lines:
                place = line["table"], line["shape"], _key(line["above"])
                self._known[place] = Known(_key(line["upto"]), line["rows"], Lsn(line["lsn"]))
        except (KeyError, TypeError) as error:
            raise BadInput(f"{path} is no progress of a comparison by keys", hint="name another file") from error

    def of(self, table: str, definition: object) -> TableRanges:
        """Return the ranges of one table, as it is defined now."""
        shape = hashlib.sha256(repr(definition).encode()).hexdigest()[:16]
        return TableRanges(self._file, self._known, table, shape)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the file unless the block comes to its end: then all was compared, and the next begins anew."""
        with self._file.kept():
            yield


class TableRanges:
    """The ranges of one table; `KnownRanges.of` makes it."""

    def __init__(
        self, file: ProgressFile, known: dict[tuple[str, str, Key | None], Known], table: str, shape: str
    ) -> None:
        self._file = file
        self._known = known
        self._table = table
        self._shape = shape

    def behind(self, above: Key | None) -> Known | None:
        """Return the range that lies above a key, if it was compared."""
        return self._known.get((self._table, self._shape, above))

    def keep(self, above: Key | None, known: Known) -> None:
        """Keep that a range was compared. Raises: BadInput if there is no room for it."""
        self._file.add(
            {
                "table": self._table,
                "shape": self._shape,
                "above": above,
                "upto": known.upto,
                "rows": known.rows,
                "lsn": str(known.lsn),
            }
        )


def _key(texts: list[str] | None) -> Key | None:
    return None if texts is None else tuple(texts)
