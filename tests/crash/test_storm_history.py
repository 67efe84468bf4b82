"""The check of a storm's output finds each way in which an output may depart from the history."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.crash.storm_history import Operation, Row, Snapshot, Transaction, differences


def _of(end: int, still_open: set[int], *operations: Operation) -> Transaction:
    return Transaction(Snapshot(end, frozenset(still_open)), operations)


# 10 comes before the feed, 13 began first of the others and committed last, 11 and 12 were open at once.
_HISTORY = {
    10: _of(10, set(), Operation(1, "insert", 1, "a"), Operation(2, "insert", 2, "b")),
    11: _of(14, {12, 13}, Operation(4, "update", 1, "c"), Operation(6, "delete", 2, None)),
    12: _of(14, {11, 13}, Operation(5, "insert", 3, "d")),
    13: _of(14, set(), Operation(3, "insert", 4, "e"), Operation(7, "insert", 2, "f")),
}
_OUTPUT = [
    Row(0, 1, None, "snapshot", 1, "a"),
    Row(100, 0, None, "snapshot", 2, "b"),
    Row(110, 1, 11, "update", 1, "c"),
    Row(115, 0, 11, "delete", 2, None),
    Row(125, 0, 12, "insert", 3, "d"),
    Row(130, 1, 13, "insert", 4, "e"),
    Row(135, 0, 13, "insert", 2, "f"),
]


def test_an_output_that_is_the_history_has_no_difference() -> None:
    """Also where two transactions that were open at once come the other way round."""
    assert differences(_OUTPUT, _HISTORY) == []
    other = [*_OUTPUT[:2], Row(105, 0, *_OUTPUT[4][2:]), *_OUTPUT[2:4], *_OUTPUT[5:]]
    assert differences(other, _HISTORY) == []


@pytest.mark.parametrize(
    ("output", "found"),
    [
        pytest.param(_OUTPUT[:6], "transaction 13 has 1 rows, it did 2 things", id="a tail is lost"),
        pytest.param([*_OUTPUT[:2], *_OUTPUT[3:]], "transaction 11 has 1 rows", id="a head is lost"),
        pytest.param([*_OUTPUT[:4], *_OUTPUT[5:]], "for 3; what is not in the stream left d", id="one is lost"),
        pytest.param(_OUTPUT[:5], "transaction 13 is missing: it saw 12 committed", id="the last is lost"),
        pytest.param([*_OUTPUT, _OUTPUT[-1]], "does not lie behind", id="a row comes twice"),
        pytest.param([*_OUTPUT, Row(140, 0, 12, "insert", 3, "d")], "12 comes in 2 parts", id="one comes twice"),
        pytest.param([*_OUTPUT, Row(140, 0, 14, "insert", 9, "d")], "14 never committed", id="what never happened"),
        pytest.param(_OUTPUT[1:], "the snapshot has None for 1", id="the snapshot lacks a row"),
        pytest.param([*_OUTPUT[:2], *_OUTPUT[4:]], "the snapshot has a for 1; ", id="one is in neither"),
        pytest.param(
            [*_OUTPUT[:4], Row(125, 0, 12, "insert", 3, "x"), *_OUTPUT[5:]], "they differ from 0 on", id="a wrong value"
        ),
        pytest.param(
            [*_OUTPUT[:2], Row(104, 1, *_OUTPUT[5][2:]), Row(105, 0, *_OUTPUT[6][2:]), *_OUTPUT[2:5]],
            "transaction 13 saw 11 committed, which comes behind it",
            id="not in commit order",
        ),
        pytest.param(
            [*_OUTPUT[:2], Row(110, 1, *_OUTPUT[3][2:]), Row(115, 0, *_OUTPUT[2][2:]), *_OUTPUT[4:]],
            "they differ from 0 on",
            id="not in a transaction's order",
        ),
        pytest.param(
            [*_OUTPUT[:5], Row(130, 2, *_OUTPUT[5][2:]), _OUTPUT[6]], "13 is numbered [2, 0]", id="a wrong number"
        ),
    ],
)
def test_a_departure_from_the_history_is_named(output: Sequence[Row], found: str) -> None:
    """Lost, twice, invented, changed, or out of order."""
    assert found in "\n".join(differences(output, _HISTORY))
