"""How far a long piece of work came, in a file of lines, so that one that was cut off goes on.

Lines are only added, each whole or, where the writer was killed, not at all: a torn last line is passed over.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from replicator.errors import BadInput


class ProgressFile:
    """Lines that were kept, and more to come.

    Args:
        path: the file; None for none.
        whose: what the work is about, so that no other's file is gone on with.

    Attributes:
        lines: those that were in it.

    Raises:
        BadInput: the file cannot be used, or is of other work.
    """

    def __init__(self, path: Path | None, whose: str) -> None:
        self._path = path
        self.lines: list[dict[str, Any]] = []
        if path is None:
            return
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            self._take(whole.splitlines(), whose)
            self._file = path.open("a", encoding="utf-8")
            self._file.truncate(len(whole))
        except OSError as error:
            raise BadInput(f"cannot use {path}: {error.strerror}", hint="name a file that can be made") from error
        if not whole:
            self.add({"whose": whose})

    def _take(self, lines: list[bytes], whose: str) -> None:
        try:
            parsed = [dict(json.loads(line)) for line in lines]
            other = parsed[0]["whose"] if parsed else whose
        except (ValueError, KeyError, TypeError):
            raise BadInput(f"{self._path} is no progress of hadrian's", hint="name another file") from None
        if other != whose:
            raise BadInput(f"{self._path} is of another pair or database", hint="name another file, or remove it")
        self.lines = parsed[1:]

    def add(self, line: Mapping[str, object]) -> None:
        """Keep a line. Raises: BadInput if there is no room for it."""
        if self._path is None:
            return
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            said = f"cannot write {self._path}: {error.strerror}"
            raise BadInput(said, hint="make room, and run it again") from error

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the file unless the block comes to its end: then all is done, and the next begins anew."""
        if self._path is None:
            yield
            return
        with self._file:
            yield
        self._path.unlink(missing_ok=True)
