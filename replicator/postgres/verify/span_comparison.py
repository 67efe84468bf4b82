"""A range of blocks on both nodes at once: digests, narrowed to blocks and to row versions where they differ.

Nothing is proven here. What comes out are suspects: row versions that one node showed and the other did not, or showed
otherwise, less those that the two snapshots explain. A range that took too long, or that replay wanted, is halved and
read again, down to one block; what is left then is open.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Row, TextClause

from replicator import sql
from replicator.comparison import Word
from replicator.errors import HadrianError, NodeLost, QueryTimedOut, SchemaMissing
from replicator.postgres.verify.stored_relation import Relation, Span
from replicator.postgres.verify.tuple_session import (
    Locked,
    NoBinaryForm,
    TupleSession,
    Unreadable,
    isolated,
    on_both,
)
from replicator.postgres.verify.tuple_version import Snapshot, Version, explained

_LISTED_BLOCKS = 64  # whose row versions are held at once
_HASHED_BLOCKS = 4096
_SUSPECTS = 5_000  # that are brought from one span at once
_POLL_S = 0.1

_Digest = tuple[int, str] | None  # how many tuples, and what they hash to; None where they cannot be read
_Answer = TypeVar("_Answer")

Suspects = dict[str, tuple[Version | None, Version | None]]


class Rewritten(HadrianError):
    """The primary's table has another file by now, or is gone."""


class Behind(HadrianError):
    """The standby has not replayed yet that the table has this file."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """A session on each node, and who reads the second while the first is read."""

    primary: TupleSession
    standby: TupleSession
    helper: Executor

    def stop(self) -> None:
        """Have neither ask for anything more."""
        self.primary.stop()
        self.standby.stop()

    def give_up(self) -> None:
        """Wait no longer for one that is silent."""
        self.primary.give_up()
        self.standby.give_up()

    def cancel(self) -> None:
        """End what either is asking for."""
        self.primary.cancel()
        self.standby.cancel()

    def close(self) -> None:
        """Close both."""
        self.primary.close()
        self.standby.close()


@dataclass(slots=True)
class SpanSeen:
    """What was seen of a span.

    Attributes:
        tuples: row versions on the primary.
        suspects: by place, what the primary and what the standby showed.
        settled: how often what explanation held.
        damaged: blocks that cannot be read, with the word and the reason.
        open: what could not be compared in time, and why.
        rewritten: whether the table has another file by now.
        left: what is still to be looked at, once there is room for more suspects.
    """

    tuples: int = 0
    suspects: Suspects = field(default_factory=dict)
    settled: Counter[str] = field(default_factory=Counter)
    damaged: dict[int, tuple[Word, str]] = field(default_factory=dict)
    open: list[tuple[Span, str]] = field(default_factory=list)
    rewritten: bool = False
    left: list[Span] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing of it is left to be looked at."""
        return not (self.suspects or self.damaged or self.open or self.rewritten or self.left)

    def add(self, part: SpanSeen) -> None:
        """Add what was seen of a part of it."""
        self.tuples += part.tuples
        self.suspects |= part.suspects
        self.settled += part.settled
        self.damaged |= part.damaged
        self.left += part.left


def compared(sessions: Sessions, relation: Relation, span: Span, patience_s: float) -> SpanSeen:
    """Compare a span of a relation.

    Raises:
        NotPermitted: the role may not read it.
        NodeUnreachable, NodeLost: a node went away.
    """
    seen = SpanSeen()
    deadline = time.monotonic() + patience_s
    waiting = [span]
    while waiting and not seen.left:
        part = waiting.pop()
        try:
            seen.add(_part(sessions, relation, part))
        except NoBinaryForm:
            if relation.as_text:
                raise
            relation.as_text = True
            waiting.append(part)
        except Rewritten:
            seen.rewritten = True
            return seen
        except (NodeLost, QueryTimedOut, SchemaMissing, Behind) as error:
            halves = part.halves(relation.blocks) if not isinstance(error, Locked | SchemaMissing | Behind) else []
            if halves:
                waiting += reversed(halves)
            elif time.monotonic() < deadline:
                time.sleep(_POLL_S)
                waiting.append(part)
            else:
                seen.open.append((part, str(error)))
    seen.left += reversed(waiting)
    return seen


def _part(sessions: Sessions, relation: Relation, span: Span) -> SpanSeen:
    if relation.by_pages:
        here, there = _digests(sessions, relation, relation.page_digests(), span)
        if here is not None and here == there:
            relation.misses -= 1
            return SpanSeen(here[0])
        relation.misses += 1
    here, there = _digests(sessions, relation, relation.span_digests(), span)
    if here is not None and here == there:
        return SpanSeen(here[0])
    seen = SpanSeen(here[0] if here is not None else 0)
    blocks = list(_different_blocks(sessions, relation, span))
    for first in range(0, len(blocks), _LISTED_BLOCKS):
        if len(seen.suspects) > _SUSPECTS:
            seen.left.append(Span(blocks[first], span.behind))
            seen.tuples = 0  # of a part that is read again in part
            break
        _list(sessions, relation, blocks[first : first + _LISTED_BLOCKS], seen)
    return seen


def _digests(sessions: Sessions, relation: Relation, statement: TextClause, span: Span) -> tuple[_Digest, _Digest]:
    """Return each node's digest of a span."""
    asked = {"table": relation.name, "firsts": [span.first], "behinds": [span.behind]}

    def ask(session: TupleSession) -> Row[Any] | None:
        try:
            return session.ask(statement, **asked)[0]
        except Unreadable:
            return None

    here, there = on_both(sessions.helper, lambda: _primarys(ask, sessions), lambda: ask(sessions.standby))
    if here is not None and here.filenode != relation.filenode:
        raise Rewritten(f"{relation.name} was rewritten")
    if there is not None and there.filenode != relation.filenode:
        raise Behind(f"{sessions.standby.where}: {relation.name} has another file there")
    return (
        None if here is None else (here.tuples, here.digest),
        None if there is None else (there.tuples, there.digest),
    )


def _primarys(ask: Callable[[TupleSession], _Answer], sessions: Sessions) -> _Answer:
    try:
        return ask(sessions.primary)
    except SchemaMissing as error:
        raise Rewritten(str(error)) from error


def _different_blocks(sessions: Sessions, relation: Relation, span: Span) -> Iterator[int]:
    """Yield the blocks of a span whose digests differ, or that a node cannot read."""

    def blocks_of(session: TupleSession) -> int:
        size = session.ask(sql.load("postgres/verify/relation_size"), table=relation.name)
        return int(size[0].blocks or 0)

    statement = relation.span_digests()

    def ask(session: TupleSession, blocks: Sequence[int]) -> dict[int, _Digest]:
        def some(part: Sequence[int]) -> dict[int, _Digest]:
            asked = {"firsts": list(part), "behinds": [block + 1 for block in part]}
            rows = session.ask(statement, table=relation.name, **asked)
            return {row.item: (row.tuples, row.digest) for row in rows}

        found: dict[int, _Digest] = dict.fromkeys(blocks)
        for _, answer in isolated(some, blocks):
            if not isinstance(answer, Unreadable):
                found |= answer
        return found

    sizes = on_both(sessions.helper, lambda: blocks_of(sessions.primary), lambda: blocks_of(sessions.standby))
    end = min(span.behind, max(sizes))
    for first in range(span.first, end, _HASHED_BLOCKS):
        blocks = range(first, min(first + _HASHED_BLOCKS, end))
        here, there = on_both(
            sessions.helper,
            lambda: _primarys(lambda session: ask(session, blocks), sessions),  # noqa: B023 - run before the next
            lambda: ask(sessions.standby, blocks),  # noqa: B023
        )
        yield from (block for block in blocks if here[block] is None or here[block] != there[block])


@dataclass(slots=True)
class _Listed:
    """What a node shows in some blocks: versions by place, blocks that cannot be read, and what it had seen by then."""

    versions: dict[str, Version] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)
    snapshot: Snapshot | None = None


def _list(sessions: Sessions, relation: Relation, blocks: Sequence[int], seen: SpanSeen) -> None:
    """Compare blocks version by version."""
    here, there = on_both(
        sessions.helper,
        lambda: _primarys(lambda session: _listed(session, relation, blocks), sessions),
        lambda: _listed(sessions.standby, relation, blocks),
    )
    for block in here.damaged.keys() | there.damaged.keys():
        seen.damaged[block] = _damage(here.damaged.get(block), there.damaged.get(block))
    for place in here.versions.keys() | there.versions.keys():
        ours, theirs = here.versions.get(place), there.versions.get(place)
        if block_of(place) in seen.damaged or (ours is not None and ours.is_as(theirs)):
            continue
        why = ""
        if here.snapshot is not None and there.snapshot is not None:
            why = explained(ours, theirs, here.snapshot, there.snapshot)
        if why:
            seen.settled[why] += 1
        else:
            seen.suspects[place] = (ours, theirs)


def _listed(session: TupleSession, relation: Relation, blocks: Sequence[int]) -> _Listed:
    try:
        with session.snapshot() as text:
            rows = session.ask(relation.tuples_in_blocks(), blocks=list(blocks))
        return _Listed(versions_of(rows), {}, Snapshot.parse(text))
    except Unreadable:
        pass  # a transaction that failed shows no more, so each part is read in one of its own
    found = _Listed()
    for some, answer in isolated(lambda part: session.ask(relation.tuples_in_blocks(), blocks=list(part)), blocks):
        if not isinstance(answer, Unreadable):
            found.versions |= versions_of(answer)
            continue
        try:
            places = session.ask(relation.tuples_in_blocks(content=False), blocks=list(some))
        except Unreadable as damage:
            found.damaged[some[0]] = str(damage)
            continue
        found.versions |= versions_at(session, relation, [row.ctid for row in places])
    return found


def versions_at(session: TupleSession, relation: Relation, places: Sequence[str]) -> dict[str, Version]:
    """Return the row versions that a node shows at some places, those that cannot be read too.

    Raises: as `TupleSession.ask`, but for what is damaged.
    """
    found: dict[str, Version] = {}
    for some, answer in isolated(lambda part: session.ask(relation.tuples_at(), ctids=list(part)), places):
        if not isinstance(answer, Unreadable):
            found |= versions_of(answer)
            continue
        try:
            bare = session.ask(relation.tuples_at(content=False), ctids=list(some))
        except Unreadable:
            bare = []
        known = versions_of(bare).get(some[0], Version(0, 0, None))
        found[some[0]] = known._replace(digest=None, damage=str(answer))
    return found


def versions_of(rows: Iterable[Row[Any]]) -> dict[str, Version]:
    """Return row versions by place."""
    return {row.ctid: Version(row.xmin, row.xmax, row.digest) for row in rows}


def block_of(place: str) -> int:
    """Return the block of a place, `(block,number)`."""
    return int(place[1:].partition(",")[0])


def _damage(here: str | None, there: str | None) -> tuple[Word, str]:
    if here is None:
        return Word.DIFFERENT, f"cannot be read on the standby: {there}"
    if there is None:
        return Word.DIFFERENT, f"cannot be read on the primary: {here}"
    return Word.UNSETTLED, f"can be read on neither node: {here}; {there}"
