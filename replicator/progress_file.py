"""How far a long comparison came, in a file of lines, so that one that was cut off goes on.

Lines are only added, each whole or, where the writer was killed, not at all: a torn last line is passed over.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from replicator.errors import BadInput


class ProgressFile:
    """Lines that were kept, and more to come.

    Args:
        path: the file; None for none.
        pair: what is compared, so that no other's file is gone on with.

    Attributes:
        lines: those that were in it.

    Raises:
        BadInput: the file cannot be read, or is of another pair.
    """

    def __init__(self, path: Path | None, pair: str) -> None:
        self._path = path
        self._pair = pair
        self._whole = 0
        self._file: IO[str] | None = None
        self.lines: list[dict[str, Any]] = []
        if path is not None and path.exists():
            with self._usable():
                content = path.read_bytes()
            self._whole = content.rfind(b"\n") + 1
            self._take(content[: self._whole].splitlines())

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = f"cannot use {self._path}: {error.strerror}"
            raise BadInput(said, hint="name a file that can be made, on a disk with room") from error

    def _take(self, lines: list[bytes]) -> None:
        try:
            parsed = [dict(json.loads(line)) for line in lines]
            pair = parsed[0]["pair"] if parsed else self._pair
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"{self._path} is no progress of hadrian verify", hint="name another file") from None
        if pair != self._pair:
            raise BadInput(f"{self._path} is of another pair or database", hint="name another file, or remove it")
        self.lines = parsed[1:]

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Let lines be added; at the end of the block all was compared and the file goes, if it fails it stays.

        Raises:
            BadInput: the file cannot be made.
        """
        if self._path is None:
            yield
            return
        with self._usable():
            self._file = self._path.open("a", encoding="utf-8")
        with self._file:
            with self._usable():
                self._file.truncate(self._whole)
            if not self._whole:
                self.add({"pair": self._pair})
            yield
        self._path.unlink(missing_ok=True)

    def add(self, line: Mapping[str, object]) -> None:
        """Keep a line, inside of `kept`. Raises: BadInput if there is no room for it."""
        if self._file is not None:
            with self._usable():
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
