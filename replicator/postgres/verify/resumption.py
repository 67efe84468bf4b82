"""How far a comparison of rows came, in a file, so that one that was cut off goes on.

A line is a range of a table's file that was the same on both nodes, and the position it was compared at. Lines are only
added, each whole or, where the writer was killed, not at all: a torn last line is passed over. What was not the same is
not in it, and so is looked at again. A table that was rewritten has another file, for which nothing is known.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from replicator.errors import BadInput
from replicator.position import Lsn
from replicator.postgres.verify.stored_relation import END, Relation, Span


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one relation.

    Attributes:
        gaps: what is still to be read.
        tuples: row versions in what is known to be the same.
        lsn: the oldest position at which that was so; None where nothing is known.
    """

    gaps: list[Span]
    tuples: int
    lsn: Lsn | None


class Resumption:
    """What is known to be the same.

    Args:
        path: the file; None for none.
        pair: names the pair and the database, so that no other's file is gone on with.

    Raises:
        BadInput: the file cannot be used, or is of another pair.
    """

    def __init__(self, path: Path | None, pair: str) -> None:
        self._path = path
        self._known: dict[tuple[int, int], list[tuple[int, int, int, Lsn]]] = {}
        if path is None:
            return
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = content[: content.rfind(b"\n") + 1]
            if whole:
                self._take(whole.splitlines(), pair)
            self._file = path.open("a", encoding="utf-8")
            self._file.truncate(len(whole))
            if not whole:
                self._write({"pair": pair})
        except OSError as error:
            raise BadInput(f"cannot use {path}: {error.strerror}", hint="name a file that can be made") from error

    def _take(self, lines: list[bytes], pair: str) -> None:
        try:
            first, *rest = map(json.loads, lines)
            whose = first["pair"]
            spans = [(one["oid"], one["filenode"], *one["blocks"], one["tuples"], Lsn(one["lsn"])) for one in rest]
        except (ValueError, KeyError, TypeError, AttributeError, BadInput):
            raise BadInput(f"{self._path} is no progress of hadrian verify", hint="name another file") from None
        if whose != pair:
            raise BadInput(f"{self._path} is of another pair or database", hint="name another file, or remove it")
        for oid, filenode, *span in spans:
            self._known.setdefault((oid, filenode), []).append(tuple(span))

    def known(self, relation: Relation) -> Known:
        """Return what is known of a relation, and what is not."""
        covered, tuples, lsn = 0, 0, None
        gaps = []
        for first, behind, count, position in sorted(self._known.get((relation.oid, relation.filenode), ())):
            if first < covered:
                continue
            if first > covered:
                gaps.append(Span(covered, first))
            covered, tuples = behind, tuples + count
            lsn = position if lsn is None else min(lsn, position)
        if covered < END:
            gaps.append(Span(covered, END))
        return Known(gaps, tuples, lsn)

    def same(self, relation: Relation, span: Span, tuples: int, lsn: Lsn) -> None:
        """Keep that a span is the same."""
        blocks = [span.first, span.behind]
        self._write(
            {"oid": relation.oid, "filenode": relation.filenode, "blocks": blocks, "tuples": tuples, "lsn": str(lsn)}
        )

    def _write(self, line: dict[str, object]) -> None:
        if self._path is None:
            return
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise BadInput(
                f"cannot write {self._path}: {error.strerror}", hint="make room, and run it again"
            ) from error

    @contextlib.contextmanager
    def kept(self) -> Iterator[Resumption]:
        """Keep the file unless the block comes to its end: then all was compared, and the next begins anew."""
        if self._path is None:
            yield self
            return
        with self._file:
            yield self
        self._path.unlink(missing_ok=True)
