"""What has rows on a physical pair, and how they are read so that equal digests mean equal rows.

A row is hashed as the server would send it in binary form: every bit of every column counts, while a value behind a
TOAST pointer is the value and not the pointer. A type that has no binary form sends the whole row as text. The
functions that hash for equality would not do: to them 1.0 is 1.00, and 0 is -0.

Bytes are hashed by themselves from PostgreSQL 18 on; before, the hash of a record that has nothing else comes to the
same. One of several values would not: it is a sum of theirs, and two rows that exchange a value would cancel.

By pages, what is hashed is what stands on disk, the TOAST table as a table of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from sqlalchemy import Row, TextClause

from replicator import sql
from replicator.postgres.verify.tuple_session import TupleSession

END = (1 << 32) - 1  # the number of no block: those of a table stand before it
_SPAN_BYTES = 32 << 20
_MOST_BLOCKS = 4096
_MOST_MISSES = 8
_BYTES_SINCE = 180_000  # hashbyteaextended, as servers count versions
_BY_BITS = "record_send(tuple.*)"
_AS_TEXT = "textsend(concat(tuple.*))"
_CHUNK = "record_send(row(tuple.chunk_id, tuple.chunk_seq, tuple.chunk_data))"  # a TOAST table has no row type
_PLACES_ALONE = "cast('' as bytea)"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of blocks.

    Attributes:
        first: the first.
        behind: the block behind the last; `END` for the end of the table, wherever it is.
    """

    first: int
    behind: int

    def halves(self, blocks: int) -> list[Span]:
        """Return two spans that make this one, or none where it is one block; the table has so many."""
        end = min(self.behind, max(blocks, self.first + 1))
        if end - self.first < 2:
            return []
        middle = (self.first + end) // 2
        return [Span(self.first, middle), Span(middle, self.behind)]


@dataclass(slots=True)
class Relation:
    """A table, a partition, a materialized view or a TOAST table.

    Attributes:
        oid: its.
        name: qualified and quoted.
        filenode: of its file; another when it was rewritten.
        blocks: that it had.
        size: bytes that are read for all of it.
        toast: its TOAST table, where pages are read; None where there is none, or values are read whole.
        owner: the table whose TOAST table it is.
        version: of the server, as it counts them.
        pageinspect: the extension's schema where pages are read.
        as_text: whether a value turned up that has no binary form.
        misses: how much oftener its pages looked different than the same.
    """

    oid: int
    name: str
    filenode: int
    blocks: int
    size: int
    toast: Relation | None = None
    owner: str | None = None
    version: int = _BYTES_SINCE
    pageinspect: str | None = None
    as_text: bool = False
    misses: int = 0

    def spans(self, gaps: Iterable[Span] = (Span(0, END),), most_bytes: float | None = None) -> list[Span]:
        """Return the parts that it is read in, the last one of an open gap open: its file may be longer by now.

        Args:
            gaps: what is to be read of it.
            most_bytes: how much one part may be at most, as far as blocks allow.
        """
        step = _MOST_BLOCKS
        if self.blocks:
            most = min(_SPAN_BYTES, most_bytes or _SPAN_BYTES)
            step = max(1, min(step, int(most * self.blocks / max(self.size, 1))))
        parts = []
        for gap in gaps:
            end = min(gap.behind, max(self.blocks, gap.first + 1))
            edges = [*range(gap.first, end, step), gap.behind]
            parts += [Span(first, behind) for first, behind in itertools.pairwise(edges)]
        return parts

    @property
    def parts(self) -> list[Relation]:
        """Itself, behind its TOAST table where that is read for itself."""
        return [self] if self.toast is None else [self.toast, self]

    def by_rows(self) -> Relation:
        """Return the same, to be read row by row."""
        return replace(self, pageinspect=None)

    @property
    def by_pages(self) -> bool:
        """Whether pages are worth the reading: where most are being written to, they only come on top."""
        return self.pageinspect is not None and self.misses < _MOST_MISSES

    def bytes_of(self, span: Span) -> int:
        """Return how much is read for a span, TOAST included."""
        blocks = min(span.behind, self.blocks) - span.first
        return round(self.size * max(blocks, 0) / self.blocks) if self.blocks else 0

    def span_digests(self) -> TextClause:
        """Return the statement that hashes spans."""
        seed = self._hash("xidsend(tuple.xmin)", "hashtidextended(tuple.ctid, 0)")
        return sql.filled("postgres/verify/span_digests", table=self.name, hash=self._hash(self._image, seed))

    def page_digests(self) -> TextClause:
        """Return the statement that hashes spans by pages."""
        hashed = self._hash("item.t_data", self._hash("xidsend(item.t_xmin)", "item.header"))
        return sql.filled("postgres/verify/page_digests", pageinspect=self.pageinspect or "public", hash=hashed)

    def tuples_in_blocks(self, *, content: bool = True) -> TextClause:
        """Return the statement that lists blocks' row versions; without content, what they hold is not looked at."""
        hashed = self._hash(self._image if content else _PLACES_ALONE, "0")
        return sql.filled("postgres/verify/tuples_in_blocks", table=self.name, hash=hashed)

    def tuples_at(self, *, content: bool = True) -> TextClause:
        """Return the statement that reads row versions at places; without content, as above."""
        hashed = self._hash(self._image if content else _PLACES_ALONE, "0")
        return sql.filled("postgres/verify/tuples_at", table=self.name, hash=hashed)

    def tuple_columns(self, columns: Sequence[str]) -> TextClause:
        """Return the statement that reads one row version column by column."""
        quoted = [f"tuple.{sql.identifier(column)}" for column in columns]
        binary = "textsend(cast({} as text))" if self.as_text else "record_send(row({}))"
        return sql.filled(
            "postgres/verify/tuple_columns",
            table=self.name,
            digests=", ".join(self._hash(binary.format(one), "0") for one in quoted),
            texts=", ".join(f"textsend(cast({one} as text))" for one in quoted),
        )

    def _hash(self, image: str, seed: str) -> str:
        if self.version >= _BYTES_SINCE:
            return f"hashbyteaextended({image}, {seed})"
        return f"hash_record_extended(row({image}), {seed})"

    @property
    def _image(self) -> str:
        if self.owner is not None:
            return _CHUNK
        return _AS_TEXT if self.as_text else _BY_BITS


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is to compare.

    Attributes:
        relations: what is compared.
        left_out: names of what is not, with the reason.
        refused: names of what the role may not read.
        refused_catalogs: the same of the server's own.
    """

    relations: list[Relation]
    left_out: list[tuple[str, str]]
    refused: list[str]
    refused_catalogs: list[str]


def stored(primary: TupleSession, patterns: Sequence[str], *, catalogs: bool, pageinspect: str | None) -> Stored:
    """Return what of the primary's database is to be compared.

    Args:
        primary: its session.
        patterns: of `schema.table`; a partitioned table's stands for its partitions.
        catalogs: whether the server's own belong to it.
        pageinspect: the extension's quoted schema, where pages are to be read.

    Raises: as `TupleSession.ask`.
    """
    found = Stored([], [], [], [])
    for row in primary.ask(sql.load("postgres/verify/stored_relations")):
        if (row.catalog and not catalogs) or not is_chosen((row.name, row.plain, *row.over), patterns):
            continue
        if row.unlogged:
            found.left_out.append((row.name, "unlogged: a standby has none of its rows"))
        elif not row.populated:
            found.left_out.append((row.name, "a materialized view that was never filled"))
        elif row.method != "heap":
            found.left_out.append((row.name, f"stored by {row.method}, whose tuples have no places of the heap's kind"))
        elif not row.permitted:
            (found.refused_catalogs if row.catalog else found.refused).append(row.name)
        else:
            found.relations.append(_relation(row, pageinspect))
    return found


def again(primary: TupleSession, relation: Relation) -> Relation | None:
    """Return a relation as it is now, or None if it was dropped. Raises: as `TupleSession.ask`."""
    rows = primary.ask(sql.load("postgres/verify/stored_relations"))
    return next((_relation(row, relation.pageinspect) for row in rows if row.oid == relation.oid), None)


def is_chosen(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Return whether one of an object's names is asked for."""
    return not patterns or any(fnmatchcase(name, one) for name in names for one in patterns)


def _relation(row: Row[tuple[object, ...]], pageinspect: str | None) -> Relation:
    if pageinspect is None:
        return Relation(row.oid, row.name, row.filenode, row.blocks, row.size, version=row.version)
    toast = None
    if row.toast is not None:
        stored_there = row.toast_oid, row.toast, row.toast_filenode, row.toast_blocks, row.toast_size
        toast = Relation(*stored_there, owner=row.name, version=row.version, pageinspect=pageinspect)
    stored_here = row.oid, row.name, row.filenode, row.blocks, row.heap, toast
    return Relation(*stored_here, version=row.version, pageinspect=pageinspect)
