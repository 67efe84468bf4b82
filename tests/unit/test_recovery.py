"""Which steps can be built again: planned as counting them one by one gives it."""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from replicator.feed.reader import start
from replicator.position import Cursor, Lsn
from replicator.recovery import BEGINNING, Kept, Leg, Plan, Start, possible

_SNAPSHOT_END = Cursor(Lsn(100), 0)


@st.composite
def _runs(draw: st.DrawFn) -> tuple[Kept, list[Start], list[Cursor]]:
    """Return what is kept, what is at hand (newest first), and the cursor behind each step, the beginning's first."""
    in_snapshot = draw(st.integers(0, 5))
    behind = draw(st.lists(st.tuples(st.integers(100, 130), st.integers(0, 3)), min_size=1, max_size=12, unique=True))
    cursors = [start(), *(Cursor(Lsn(0), 3 * n) for n in range(1, in_snapshot + 1))]
    cursors += sorted(Cursor(Lsn(lsn), seq) for lsn, seq in behind)
    steps = draw(st.sets(st.integers(1, len(cursors) - 1)))
    starts = []
    for step in sorted(steps, reverse=True):
        passed = Cursor(Lsn(draw(st.integers(100, 140))), 0)  # behind the checkpoint, and before the next row
        is_between = cursors[step] < passed and all(passed < cursor for cursor in cursors[step + 1 :])
        starts.append(Start(step, step, cursors[step], passed if is_between else cursors[step]))
    log_from = draw(st.none() | st.integers(95, 135).map(Lsn))
    return Kept(_SNAPSHOT_END, log_from), [*starts, BEGINNING], cursors


def _leads(log_from: Lsn | None, begin: Start, end: Cursor) -> bool:
    """Return whether what lies between is nothing, or in the snapshot, or behind where the log is kept from."""
    if begin.cursor == end or end <= _SNAPSHOT_END:
        return True
    return log_from is not None and log_from <= max(_SNAPSHOT_END.lsn, begin.read_from.lsn)


@given(_runs())
def test_what_is_said_to_be_possible_is_what_some_start_leads_to(run: tuple[Kept, list[Start], list[Cursor]]) -> None:
    """A step is in a range exactly if the rows between some state before it and its cursor are all kept."""
    kept, starts, cursors = run
    last = len(cursors) - 1
    in_snapshot = max(step for step in range(last + 1) if cursors[step] <= _SNAPSHOT_END)
    ranges = possible(kept, starts, in_snapshot, last)
    had = {
        step
        for step in range(1, last + 1)
        if any(_leads(kept.log_from, one, cursors[step]) for one in starts if one.step <= step)
    }
    assert {step for first, end in ranges for step in range(first, end + 1)} == had
    assert all(end + 1 < first for (_, end), (first, _) in itertools.pairwise(ranges)), "merged, in order"


def _cursors() -> st.SearchStrategy[Cursor]:
    return st.builds(Cursor, st.integers(0, (1 << 64) - 1).map(Lsn), st.integers(0, 1 << 40), st.integers(1, 9))


@given(st.lists(_cursors(), min_size=3, max_size=3), st.none() | st.integers(1), st.none() | st.integers(1))
def test_every_rank_gets_the_plan_that_was_made(
    cursors: list[Cursor], begin_id: int | None, end_id: int | None
) -> None:
    """It comes back from JSON as it was, timelines too."""
    first, read_from, behind = cursors
    plan = Plan(1, 0, (Leg(Start(3, begin_id, first, read_from), 7, behind, end_id), Leg(BEGINNING, 7, behind, end_id)))
    back = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert back == plan
    assert [leg.cursor.timeline for leg in back.legs] == [behind.timeline] * 2
    assert (back.legs[0].start.read_from.timeline, back.legs[0].start.cursor.timeline) == (
        read_from.timeline, first.timeline,
    )  # fmt: skip
