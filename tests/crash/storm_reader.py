"""A reader as a user may write one: rows go to a file, durably, and only what is durable is confirmed.

The file holds a JSON line a row and, behind each group of them, a line with the cursor. A start cuts off what has
no cursor behind it, and so does a fork with what the new timeline never had.

Usage: python -m tests.crash.storm_reader FEED FILE URL...
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from replicator.change import Change, Op
from replicator.errors import HadrianError, TimelineForked
from replicator.feed.reader import start
from replicator.follow import Feed
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import spare
from replicator.postgres.connection import Server

FORKED = "forked"  # what is said on standard error each time
_GROUP = 5  # rows, or one less: the reader mostly goes on inside a transaction after a kill
_IDLE_S = 0.2
_SPARES_S = 1.0
_PIECE = 256
_TAIL = 200 * _GROUP  # bytes: more than a group has
_CURSOR = b'{"cursor": '


class Output:
    """The file, as it is after its last cursor."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self.cursor = start()
        self._cut(None)

    def append(self, rows: Sequence[tuple[Any, ...]], cursor: Cursor) -> None:
        """Add rows and the cursor behind them; they are durable on return."""
        if cursor == self.cursor and cursor.timeline == self.cursor.timeline:
            return
        lines = [json.dumps(row).encode() for row in rows]
        lines.append(_CURSOR + json.dumps(str(cursor)).encode() + b"}")
        text = b"".join(line + b"\n" for line in lines)
        for at in range(0, len(text), _PIECE):  # a kill may come between two pieces
            self._file.write(text[at : at + _PIECE])
        os.fsync(self._file.fileno())
        self.cursor = cursor

    def cut_back(self, fork: Lsn) -> None:
        """Forget what lies behind the fork."""
        self._cut(fork)

    def _cut(self, fork: Lsn | None) -> None:
        end, self.cursor = 0, start()
        with self._path.open("rb") as file:
            for cursor, behind in _cursors(file):
                if fork is not None and cursor.position > (fork, 0):
                    break
                end, self.cursor = behind, cursor
        self._file.truncate(end)
        self._file.seek(end)


def _cursors(file: BinaryIO) -> Iterator[tuple[Cursor, int]]:
    behind = 0
    for line in file:
        behind += len(line)
        if line.startswith(_CURSOR) and line.endswith(b"}\n"):
            yield Cursor.parse(json.loads(line)["cursor"]), behind


def last_cursor(path: Path) -> Cursor:
    """Return the last cursor of a file that is being written."""
    if not path.exists():
        return start()
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return max((cursor for cursor, _ in _cursors(file)), default=start())


def rows_of(path: Path) -> Iterator[list[Any]]:
    """Yield a file's rows, up to its last cursor."""
    held: list[list[Any]] = []
    for line in path.read_bytes().splitlines():
        if line.startswith(_CURSOR):
            yield from held
            held = []
        else:
            held.append(json.loads(line))


def digest(values: Mapping[str, Any]) -> str:
    """Return what the audit's trigger makes of the same row."""
    body = "~" if values["body"] is None else values["body"]
    text = "|".join(map(str, (values["id"], values["version"], values["amount"], body)))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _row(change: Change, xid: int | None) -> tuple[Any, ...]:
    values = change.values
    kept = None if change.op is Op.DELETE else digest(values)
    return (change.after.lsn, change.after.seq, xid, change.op, values["id"], kept)


class Reading:
    """One session of the reader, from its cursor on."""

    def __init__(self, feed: Feed, output: Output, spares: Sequence[Server], slot: str) -> None:
        self._feed = feed
        self._output = output
        self._spares = spares
        self._slot = slot
        self._spares_at = 0.0
        self._held: list[tuple[Change, int | None]] = []

    def follow(self) -> NoReturn:
        """Read, write, confirm, without an end. Raises: as `Feed.read`."""
        while True:
            batch = self._feed.read(_IDLE_S)
            if batch is None:
                self._write(len(self._held))
                self._output.append((), self._feed.cursor())
            else:
                self._held += zip(self._feed.changes(batch), batch.column("_xid").to_pylist(), strict=True)
                while len(self._held) >= _GROUP:
                    self._write(_GROUP if self._held[_GROUP - 1][0].after.seq else _GROUP - 1)
            self._confirm()

    def _write(self, count: int) -> None:
        group, self._held = self._held[:count], self._held[count:]
        if group:
            self._output.append([_row(*one) for one in group], group[-1][0].after)

    def _confirm(self) -> None:
        cursor = self._output.cursor
        self._feed.confirm(cursor)
        if time.monotonic() < self._spares_at:
            return
        self._spares_at = time.monotonic() + _SPARES_S
        for node in self._spares:
            # The file is on no node, so what must have come to a spare's is only the log before the cursor.
            with contextlib.suppress(HadrianError):  # it is away, behind, or the one that is read
                spare.advance(node, self._slot, cursor, cursor)


def main(name: str, path: str, *urls: str) -> NoReturn:
    """Read until killed."""
    output = Output(Path(path))
    spares = [Server(url) for url in urls]
    while True:
        try:
            with Feed(name, urls, after=output.cursor) as feed:
                Reading(feed, output, spares, slots.slot_name(name)).follow()
        except TimelineForked as forked:
            if forked.fork_lsn is None:
                raise
            sys.stderr.write(f"{FORKED} at {Lsn(forked.fork_lsn)}: {forked}\n")
            output.cut_back(Lsn(forked.fork_lsn))


if __name__ == "__main__":
    main(*sys.argv[1:])
