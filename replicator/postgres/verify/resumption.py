"""How far a comparison of rows came, in a file, so that one that was cut off goes on.

A line is a range of a table's file that was the same on both nodes, and the position it was compared at. Lines are only
added, each whole or, where the writer was killed, not at all: a torn last line is passed over. What was not the same is
not in it, and so is looked at again. A table that was rewritten has another file, for which nothing is known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from replicator.errors import BadInput
from replicator.position import Lsn
from replicator.postgres.verify.stored_relation import END, Relation, Span
from replicator.progress_file import ProgressFile


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
        self._file = ProgressFile(path, pair)
        self._known: dict[tuple[int, int], list[tuple[int, int, int, Lsn]]] = {}
        try:
            for one in self._file.lines:
                span = (*one["blocks"], one["tuples"], Lsn(one["lsn"]))
                self._known.setdefault((one["oid"], one["filenode"]), []).append(span)
        except (KeyError, TypeError, BadInput):
            raise BadInput(f"{path} is no progress of hadrian verify", hint="name another file") from None

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
        self._file.add(
            {"oid": relation.oid, "filenode": relation.filenode, "blocks": blocks, "tuples": tuples, "lsn": str(lsn)}
        )

    @contextlib.contextmanager
    def kept(self) -> Iterator[Resumption]:
        """Keep the file unless the block comes to its end: then all was compared, and the next begins anew."""
        with self._file.kept():
            yield self
