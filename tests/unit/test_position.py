"""Positions: text and back, one total order, and what a fork leaves."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replicator.errors import BadInput, TimelineForked
from replicator.position import Cursor, Lsn, TimelineHistory

lsns = st.integers(0, 2**64 - 1).map(Lsn)
cursors = st.builds(Cursor, lsns, st.integers(0, 2**40), st.integers(1, 9))


@given(st.integers(0, 2**64 - 1))
def test_a_position_survives_its_text(value: int) -> None:
    """Printed and read again it is the same number, in either case of its digits."""
    lsn = Lsn(value)
    assert Lsn(str(lsn)) == Lsn(str(lsn).lower()) == value


def test_a_position_is_printed_as_the_server_prints_it() -> None:
    """Two hexadecimal halves, capitals, no leading zeros."""
    assert str(Lsn(0x16B374D848)) == "16/B374D848"
    assert repr(Lsn(0x100000001)) == "1/1"
    assert f"{Lsn('0/0')}" == "0/0"


@given(lsns, lsns)
def test_positions_are_ordered_as_addresses(one: Lsn, other: Lsn) -> None:
    """The order is that of the bytes of the log, not that of the text."""
    assert (one < other) == (int(one) < int(other))
    assert Lsn("9/0") < Lsn("10/0")


@given(st.text(max_size=20) | st.from_regex(r"[0-9A-Fa-f]{0,10}/[0-9A-Fa-f]{0,10}", fullmatch=True))
@example("1/1\n")
@example("\u0661/\u0661")
@example("100000000/0")
@example("-1/0")
@example("0x1/0")
def test_junk_is_no_position(text: str) -> None:
    """Any text is a position or BadInput."""
    with contextlib.suppress(BadInput):
        assert str(Lsn(text)) == "/".join(half.upper().lstrip("0") or "0" for half in text.split("/"))


@pytest.mark.parametrize("value", [-1, 2**64])
def test_a_number_that_does_not_fit_is_refused(value: int) -> None:
    """A position has 64 bits and no sign."""
    with pytest.raises(BadInput):
        Lsn(value)


@given(cursors, cursors)
def test_cursors_are_ordered_by_transaction_then_row(one: Cursor, other: Cursor) -> None:
    """The order is total, and the timeline is no part of it."""
    assert (one < other) == ((one.lsn, one.seq) < (other.lsn, other.seq))
    assert (one < other) + (one == other) + (one > other) == 1
    assert Cursor(one.lsn, one.seq, one.timeline + 1) == one


def test_a_cursor_is_printed_with_its_row() -> None:
    """Position, plus the rows of the next transaction."""
    assert str(Cursor(Lsn("0/1A"), 3)) == "0/1A+3"
    assert str(Cursor(Lsn("0/1A"), 3, 2)) == "0/1A+3@2"


@given(cursors)
def test_a_cursor_survives_its_text_with_its_timeline(cursor: Cursor) -> None:
    """What is printed names the same point of the same timeline."""
    again = Cursor.parse(str(cursor))
    assert (again.lsn, again.seq, again.timeline) == (cursor.lsn, cursor.seq, cursor.timeline)


@given(st.text(max_size=20) | st.from_regex(r"[0-9A-F]{0,9}/[0-9A-F]{0,9}\+[0-9]{0,20}(@[0-9]{0,12})?", fullmatch=True))
@example("0/0")
@example("0/0+")
@example("0/0+1@0")
@example("0/0+1@")
@example("0/0+1\n")
@example("0/0+\u0661")
@example("0/0+-1")
def test_junk_is_no_cursor(text: str) -> None:
    """Any text is a cursor or BadInput."""
    with contextlib.suppress(BadInput):
        cursor = Cursor.parse(text)
        assert cursor.timeline > 0
        assert Cursor.parse(str(cursor)) == cursor
        assert re.fullmatch(r"[0-9A-Fa-f]+/[0-9A-Fa-f]+\+[0-9]+(@[0-9]+)?", text)


@st.composite
def histories(draw: st.DrawFn) -> TimelineHistory:
    """Draw a history as a server has it: ever later forks of ever higher timelines."""
    count = draw(st.integers(0, 5))
    timelines = sorted(draw(st.sets(st.integers(1, 50), min_size=count + 1, max_size=count + 1)))
    forks = sorted(draw(st.sets(st.integers(1, 2**64 - 1), min_size=count, max_size=count)))
    return TimelineHistory(timelines[-1], tuple(zip(timelines[:-1], map(Lsn, forks), strict=True)))


@given(histories(), st.sampled_from(["no recovery target specified", "before 2026-01-01 00:00:00+00", ""]))
def test_a_history_survives_its_file(history: TimelineHistory, reason: str) -> None:
    """Written as the server writes it, with comments and blank lines, it is read the same."""
    lines = [f"{timeline}\t{lsn}\t{reason}\n" for timeline, lsn in history.forks]
    assert TimelineHistory.parse(history.timeline, "# comment\n\n" + "\n".join(lines)) == history


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{0,3}[\t ][0-9A-F]{0,9}/[0-9A-F]{0,9}(\t.*)?", fullmatch=True))
@example("1\t")
@example("²\t0/1")
@example("1\t0/1\x00")
def test_junk_is_no_history(content: str) -> None:
    """Any text is a history or BadInput."""
    with contextlib.suppress(BadInput):
        TimelineHistory.parse(9, content)


@given(histories(), cursors)
def test_a_cursor_of_the_current_timeline_is_good(history: TimelineHistory, cursor: Cursor) -> None:
    """Where no fork lies between, nothing was lost."""
    history.check(Cursor(cursor.lsn, cursor.seq, history.timeline))


@given(histories().filter(lambda history: history.forks), st.data())
def test_a_cursor_is_good_up_to_the_fork(history: TimelineHistory, data: st.DataObject) -> None:
    """A whole transaction that ended at or before the fork happened; one that ended behind it did not."""
    timeline, fork = data.draw(st.sampled_from(history.forks))
    assert history.fork_of(timeline) == fork
    history.check(Cursor(Lsn(data.draw(st.integers(0, fork))), 0, timeline))
    if fork < 2**64 - 1:
        with pytest.raises(TimelineForked, match=str(fork)):
            history.check(Cursor(Lsn(data.draw(st.integers(fork + 1, 2**64 - 1))), 0, timeline))


@given(histories().filter(lambda history: history.forks), st.integers(1, 9), st.data())
def test_a_cursor_inside_a_transaction_is_good_if_it_committed_before_the_fork(
    history: TimelineHistory, seq: int, data: st.DataObject
) -> None:
    """Such a cursor stands where its transaction commits: at the fork that commit is lost, and its rows with it."""
    timeline, fork = data.draw(st.sampled_from(history.forks))
    history.check(Cursor(Lsn(data.draw(st.integers(0, fork - 1))), seq, timeline))
    with pytest.raises(TimelineForked, match=str(fork)):
        history.check(Cursor(Lsn(data.draw(st.integers(fork, 2**64 - 1))), seq, timeline))


@given(histories(), cursors)
def test_a_cursor_of_a_stranger_is_forked(history: TimelineHistory, cursor: Cursor) -> None:
    """A timeline that is no ancestor shares nothing."""
    stranger = max(history.timeline, 50) + 1
    with pytest.raises(TimelineForked, match="does not descend"):
        history.check(Cursor(cursor.lsn, cursor.seq, stranger))
