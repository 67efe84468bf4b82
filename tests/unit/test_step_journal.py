"""Comparing a replayed step with the recorded one: every field counts, and a float counts to its last bit."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replicator.errors import ReplayDiverged
from replicator.position import Cursor, Lsn
from replicator.step_journal import Step

_STEP = Step(7, Cursor(Lsn(100), 2), Cursor(Lsn(200), 0), 8, b"\x01" * 32, 2.5, 0.75)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("before", Cursor(Lsn(100), 3)),
        ("before", Cursor(Lsn(101), 2)),
        ("after", Cursor(Lsn(200), 1)),
        ("row_count", 9),
        ("rows_sha256", b"\x01" * 31 + b"\x02"),
        ("loss", 2.25),
        ("grad_norm", math.nextafter(0.75, 1)),
    ],
)
def test_a_difference_in_any_field_ends_the_replay(field: str, value: Any) -> None:
    """Each field is compared, and the message says which step and which field."""
    replayed = dataclasses.replace(_STEP, **{field: value})
    with pytest.raises(ReplayDiverged, match=f"^step 7: {field} is "):
        replayed.check(_STEP)
    with pytest.raises(ReplayDiverged, match=f"^step 7: {field} is "):
        _STEP.check(replayed)


def test_every_field_but_the_number_is_compared() -> None:
    """A field that is added to the step must be added to the comparison."""
    for field in dataclasses.fields(Step):
        if field.name != "number":
            with pytest.raises(ReplayDiverged, match=f"step 7: {field.name} is "):
                dataclasses.replace(_STEP, **{field.name: _other(getattr(_STEP, field.name))}).check(_STEP)


def _other(value: Any) -> Any:
    match value:
        case Cursor():
            return dataclasses.replace(value, seq=value.seq + 1)
        case bytes():
            return bytes(32)
        case _:
            return value + 1


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["loss", "grad_norm"]))
def test_one_unit_in_the_last_place_is_found(value: float, field: str) -> None:
    """The neighbouring float is another loss."""
    neighbour = math.nextafter(value, math.inf)
    assume(math.isfinite(neighbour))
    recorded = dataclasses.replace(_STEP, **{field: value})
    recorded.check(recorded)
    with pytest.raises(ReplayDiverged, match=field):
        dataclasses.replace(_STEP, **{field: neighbour}).check(recorded)


def test_minus_zero_is_not_zero() -> None:
    """They compare equal and are not the same bits."""
    with pytest.raises(ReplayDiverged, match=r"loss is -0x0.0p\+0, the journal has 0x0.0p\+0"):
        dataclasses.replace(_STEP, loss=-0.0).check(dataclasses.replace(_STEP, loss=0.0))


def test_the_same_step_read_on_another_timeline_is_the_same() -> None:
    """After a takeover the same rows are read on a new timeline, at the same positions."""
    before = dataclasses.replace(_STEP.before, timeline=2)
    dataclasses.replace(_STEP, before=before, loss=2.5).check(_STEP)
