"""Ranges of blocks: all of a table in them, halved where they take too long, remembered where they were the same."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import BadInput, QueryTimedOut, RecoveryConflict
from replicator.position import Lsn
from replicator.postgres.verify import span_comparison
from replicator.postgres.verify.pace import Pace
from replicator.postgres.verify.resumption import Resumption
from replicator.postgres.verify.span_comparison import Sessions
from replicator.postgres.verify.stored_relation import END, Relation, Span
from replicator.postgres.verify.tuple_session import Locked, TupleSession, Unreadable, isolated


def _relation(blocks: int, size: int | None = None) -> Relation:
    return Relation(7, "public.t", 7, blocks, blocks * 8192 if size is None else size)


@settings(deadline=None)
@given(blocks=st.integers(0, 5000), toast=st.integers(0, 1 << 40), rate=st.none() | st.floats(1, 1e9))
def test_the_parts_of_a_table_are_all_of_it(blocks: int, toast: int, rate: float | None) -> None:
    """Each block is in one part, what comes behind the last as well, and no part is larger than it may be."""
    relation = _relation(blocks, blocks * 8192 + toast)
    gaps = [Span(0, 10), Span(20, END)]
    for wanted in ([Span(0, END)], gaps):
        parts = relation.spans(wanted, rate)
        joined: list[Span] = []
        for part in parts:
            assert part.first < part.behind
            if joined and joined[-1].behind == part.first:
                joined[-1] = Span(joined[-1].first, part.behind)
            else:
                joined.append(part)
        assert joined == wanted
        for part in parts:
            assert relation.bytes_of(part) <= max(32 << 20, 1) or min(part.behind, blocks) - part.first == 1
    assert abs(sum(map(relation.bytes_of, relation.spans())) - relation.size) <= len(relation.spans()) or not blocks


class _Node:
    """A node of so many equal blocks that answers as a test says."""

    def __init__(self, refuse: Callable[[int, int], Exception | None]) -> None:
        self.where = "here"
        self.asked: list[tuple[int, int]] = []
        self._refuse = refuse

    def ask(self, _: object, **parameters: Any) -> list[SimpleNamespace]:
        """Answer a question about one span."""
        ((first, behind),) = zip(parameters["firsts"], parameters["behinds"], strict=True)
        self.asked.append((first, behind))
        refusal = self._refuse(first, behind)
        if refusal is not None:
            raise refusal
        return [SimpleNamespace(item=first, tuples=min(behind, 64) - first, digest="1", filenode=7)]


@pytest.fixture
def helper() -> Iterator[ThreadPoolExecutor]:
    """Make a thread that reads the second node."""
    with ThreadPoolExecutor(1) as made:
        yield made


def _sessions(helper: ThreadPoolExecutor, refuse: Callable[[int, int], Exception | None]) -> tuple[Sessions, _Node]:
    here, there = _Node(lambda _, __: None), _Node(refuse)
    return Sessions(cast("TupleSession", here), cast("TupleSession", there), helper), there


@pytest.mark.parametrize("kind", [QueryTimedOut, RecoveryConflict])
def test_a_range_that_takes_too_long_is_halved(helper: ThreadPoolExecutor, kind: type[Exception]) -> None:
    """Whether time ran out or replay wanted it: halves are read in its place, and each block is compared once."""
    sessions, there = _sessions(helper, lambda first, behind: kind("no") if min(behind, 64) - first > 8 else None)
    seen = span_comparison.compared(sessions, _relation(64), Span(0, END), patience_s=0)
    assert seen.is_clean
    assert seen.tuples == 64
    read = sorted(span for span in there.asked if min(span[1], 64) - span[0] <= 8)
    assert read == [*((first, first + 8) for first in range(0, 56, 8)), (56, END)]


def test_one_block_that_is_never_read_is_open(helper: ThreadPoolExecutor) -> None:
    """What cannot be halved any more is given up when the time is over; the others are compared."""
    sessions, _ = _sessions(helper, lambda first, behind: QueryTimedOut("slow") if first <= 5 < behind else None)
    seen = span_comparison.compared(sessions, _relation(64), Span(0, END), patience_s=0)
    assert [(part, why) for part, why in seen.open] == [(Span(5, 6), "slow")]
    assert seen.tuples == 63


def test_a_lock_is_waited_for_and_not_halved(helper: ThreadPoolExecutor) -> None:
    """A range that is locked would be locked by halves as well."""
    sessions, there = _sessions(helper, lambda _, __: Locked("locked"))
    seen = span_comparison.compared(sessions, _relation(64), Span(0, END), patience_s=0)
    assert seen.open == [(Span(0, END), "locked")]
    assert there.asked == [(0, END)]


@given(items=st.lists(st.integers(0, 200), min_size=1, unique=True), damaged=st.sets(st.integers(0, 200), max_size=5))
def test_what_is_damaged_is_told_from_the_rest(items: list[int], damaged: set[int]) -> None:
    """Each item is answered once, in order, and only those that are damaged are damaged."""

    def ask(some: Any) -> list[int]:
        if damaged & set(some):
            raise Unreadable("broken")
        return list(some)

    answers = list(isolated(ask, items))
    assert [item for some, _ in answers for item in some] == items
    broken = {item for some, answer in answers if isinstance(answer, Unreadable) for item in some}
    assert broken == damaged & set(items)


def test_readers_share_one_pace() -> None:
    """Whoever comes is let go when the ones before have had their time."""
    pace, stopped = Pace(1000.0), threading.Event()
    stopped.set()  # so that nobody waits
    before = pace._free_at
    for _ in range(4):
        pace.wait(500, stopped)
    assert pace._free_at == pytest.approx(before + 2, abs=0.1)


def test_a_comparison_goes_on_from_what_was_the_same(tmp_path: Path) -> None:
    """Only what a file says of the very same file of a table counts, and the oldest of its positions."""
    state, relation = tmp_path / "state", _relation(100)
    first = Resumption(state, "pair/db")
    with contextlib.suppress(KeyboardInterrupt), first.kept():
        first.same(relation, Span(10, 20), 5, Lsn(300))
        first.same(relation, Span(30, END), 7, Lsn(200))
        raise KeyboardInterrupt
    with state.open("a") as file:
        file.write('{"oid": 7, "filen')  # as a kill leaves it
    again = Resumption(state, "pair/db")
    known = again.known(relation)
    assert (known.gaps, known.tuples, known.lsn) == ([Span(0, 10), Span(20, 30)], 12, 200)
    assert again.known(Relation(7, "public.t", 8, 100, 1)).gaps == [Span(0, END)]
    with again.kept():
        again.same(relation, Span(0, 10), 1, Lsn(400))
        assert Resumption(state, "pair/db").known(relation).gaps == [Span(20, 30)]
    assert not state.exists()


@pytest.mark.parametrize("content", ["x\n", '{"pair": 1}\n{"oid": 1}\n', "[]\n", '{"pair": "another/db"}\n'])
def test_a_file_that_is_none_of_ours_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    """Neither another program's file nor another pair's is written to."""
    state = tmp_path / "state"
    state.write_text(content)
    with pytest.raises(BadInput):
        Resumption(state, "pair/db")
    assert state.read_text() == content
