"""The proof of "every row exactly once": it accepts every true history and rejects every false one."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.change import Change, Op
from replicator.position import Cursor, Lsn
from trainer.drill.ledger import Operation, Proof, prove

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_HERE = Cursor(Lsn(1), 0)
_KEYS = [(module, name) for module in ("json", "csv", "os") for name in ("a", "b", "c")]


def _in_scope(module: str) -> bool:
    return module != "os"


def _digest(op: int) -> bytes:
    return hashlib.sha256(f"()\ntext {op}".encode()).digest()


def _change(kind: Op, key: tuple[str, str], revision: int) -> Change:
    values: dict[str, object] = {"module": key[0], "qualname": key[1], "revision": revision}
    return Change(kind, {**values, "signature": "()", "doc": f"text {revision}"}, _HERE)


def _ledger(choices: Sequence[tuple[int, bool]]) -> list[Operation]:
    """Make a history that could have happened: an absent row is inserted, another updated or deleted."""
    there: set[tuple[str, str]] = set()
    ledger = []
    for op, (index, is_delete) in enumerate(choices, 1):
        key = _KEYS[index]
        kind = Op.INSERT if key not in there else Op.DELETE if is_delete else Op.UPDATE
        (there.discard if kind is Op.DELETE else there.add)(key)
        ledger.append(Operation(op, kind, *key, None if kind is Op.DELETE else _digest(op)))
    return ledger


def _feed(ledger: Sequence[Operation], first: int, last: int) -> tuple[list[Change], list[Change]]:
    """Do what a right feed does: a snapshot after op `first`, and what follows up to op `last`."""
    table: dict[tuple[str, str], int] = {}
    snapshot: list[Change] = []
    stream: list[Change] = []
    for operation in ledger[:last]:
        if operation.op == first + 1:
            snapshot = [_change(Op.SNAPSHOT, key, table[key]) for key in sorted(table)]
        revision = operation.op
        if operation.kind is Op.DELETE:
            revision = table.pop(operation.key) if _in_scope(operation.module) else 0
        elif _in_scope(operation.module):
            table[operation.key] = operation.op
        if operation.op > first and _in_scope(operation.module):
            stream.append(_change(operation.kind, operation.key, revision))
    if last <= first:
        snapshot = [_change(Op.SNAPSHOT, key, table[key]) for key in sorted(table)]
    return snapshot, stream


_CHOICES = st.lists(st.tuples(st.integers(0, len(_KEYS) - 1), st.booleans()), min_size=1, max_size=40)


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[Operation], int, int]:
    ledger = _ledger(draw(_CHOICES))
    first = draw(st.integers(0, len(ledger)))
    return ledger, first, draw(st.integers(first, len(ledger)))


@st.composite
def _streams(draw: st.DrawFn) -> tuple[list[Operation], list[Change], list[Change]]:
    """Make a ledger, a snapshot and a stream of two changes or more."""
    ledger = _ledger(draw(st.lists(st.tuples(st.integers(0, len(_KEYS) - 1), st.booleans()), min_size=4, max_size=40)))
    scoped = [operation.op for operation in ledger if _in_scope(operation.module)]
    if len(scoped) < 2:
        ledger = _ledger([(0, False), (1, False), (0, True), (0, False)])
        scoped = [1, 2, 3, 4]
    snapshot, stream = _feed(ledger, draw(st.integers(0, scoped[-2] - 1)), len(ledger))
    return ledger, snapshot, stream


def _prove(ledger: Sequence[Operation], *changes: Sequence[Change]) -> Proof:
    return prove(ledger, _in_scope, [change for part in changes for change in part])


@_PATIENT
@given(_histories())
def test_any_snapshot_and_any_stretch_of_the_stream_behind_it_is_accepted(
    history: tuple[list[Operation], int, int],
) -> None:
    """What a right feed gave is proven, wherever the trainer began and stopped."""
    ledger, first, last = history
    snapshot, stream = _feed(ledger, first, last)
    proof = _prove(ledger, snapshot, stream)
    assert proof.differences == ()
    assert proof.holds
    assert proof.rows == proof.distinct == len(snapshot) + sum(change.has_row for change in stream)


@_PATIENT
@given(_streams())
def test_the_proof_says_where_the_snapshot_ended_and_where_the_trainer_stopped(
    history: tuple[list[Operation], list[Change], list[Change]],
) -> None:
    """Deletes leave no revision behind, yet the positions are exact."""
    ledger, snapshot, stream = history
    scoped = [operation.op for operation in ledger if _in_scope(operation.module)]
    proof = _prove(ledger, snapshot, stream)
    assert proof.snapshot_ops == [0, *scoped][len(scoped) - len(stream)]
    assert proof.last_op == scoped[-1]


@_PATIENT
@given(_streams(), st.data())
def test_a_lost_change_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """Whichever is missing, but for the last: without it the trainer merely stopped earlier."""
    ledger, snapshot, stream = history
    del stream[data.draw(st.integers(0, len(stream) - 2))]
    assert not _prove(ledger, snapshot, stream).holds


@_PATIENT
@given(_streams(), st.data())
def test_a_lost_row_of_the_snapshot_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """The stream says where the snapshot ended, so a missing row cannot pass for an earlier table."""
    ledger, snapshot, stream = history
    if snapshot:
        del snapshot[data.draw(st.integers(0, len(snapshot) - 1))]
        assert not _prove(ledger, snapshot, stream).holds


@_PATIENT
@given(_streams(), st.data())
def test_a_repeated_change_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """Snapshot or stream, at once or later."""
    ledger, snapshot, stream = history
    in_snapshot: bool = data.draw(st.booleans())
    part = snapshot if snapshot and in_snapshot else stream
    index = data.draw(st.integers(0, len(part) - 1))
    part.insert(data.draw(st.integers(index, len(part))), part[index])
    assert not _prove(ledger, snapshot, stream).holds


@_PATIENT
@given(_streams(), st.data())
def test_two_changes_in_the_wrong_order_are_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """Commit order is part of the promise."""
    ledger, snapshot, stream = history
    one, other = sorted(data.draw(st.sets(st.integers(0, len(stream) - 1), min_size=2, max_size=2)))
    stream[one], stream[other] = stream[other], stream[one]
    assert not _prove(ledger, snapshot, stream).holds


@_PATIENT
@given(_streams(), st.data())
def test_a_wrong_revision_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """An old version of a row, or one that never was, is not the row."""
    ledger, snapshot, stream = history
    changes = [*snapshot, *stream]
    index = data.draw(st.integers(0, len(changes) - 1))
    right = changes[index].values["revision"]
    wrong = data.draw(st.integers(1, len(ledger) + 3).filter(lambda revision: revision != right))
    changes[index] = dataclasses.replace(changes[index], values={**changes[index].values, "revision": wrong})
    assert not _prove(ledger, changes).holds


@_PATIENT
@given(_streams(), st.data())
def test_a_row_that_is_not_published_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """A row out of scope, or one that nobody wrote, must not have been trained on."""
    ledger, snapshot, stream = history
    elsewhere = [_change(op.kind, op.key, op.op) for op in ledger if not _in_scope(op.module)]
    foreign = data.draw(st.sampled_from([*elsewhere, _change(Op.INSERT, ("json", "z"), 1)]))
    if data.draw(st.booleans()):
        snapshot.append(dataclasses.replace(foreign, op=Op.SNAPSHOT))
    else:
        stream.insert(data.draw(st.integers(0, len(stream))), foreign)
    assert not _prove(ledger, snapshot, stream).holds


@_PATIENT
@given(_streams(), st.data())
def test_a_wrong_kind_of_change_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """An insert that came as an update, or a snapshot row in the stream, is not what happened."""
    ledger, snapshot, stream = history
    index = data.draw(st.integers(0, len(stream) - 1))
    # The first as a snapshot's row could be a true history: the table as it was one operation later.
    kinds = [kind for kind in Op if kind is not stream[index].op and (index > 0 or kind is not Op.SNAPSHOT)]
    stream[index] = dataclasses.replace(stream[index], op=data.draw(st.sampled_from(kinds)))
    assert not _prove(ledger, snapshot, stream).holds


@_PATIENT
@given(_streams(), st.data())
def test_a_wrong_text_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """An out-of-line value that was put together wrongly has the right revision and the wrong text."""
    ledger, snapshot, stream = history
    changes = [*snapshot, *stream]
    index = data.draw(st.integers(0, len(changes) - 1))
    changes[index] = dataclasses.replace(changes[index], values={**changes[index].values, "doc": "other"})
    (difference,) = _prove(ledger, changes).differences
    assert difference.startswith("content: ")


@_PATIENT
@given(_streams(), st.data())
def test_a_change_past_the_fork_is_found(
    history: tuple[list[Operation], list[Change], list[Change]], data: st.DataObject
) -> None:
    """The surviving ledger ends before what the trainer was given: it has learnt what never happened."""
    ledger, snapshot, stream = history
    last = max(operation.op for operation in ledger if _in_scope(operation.module))
    survived = ledger[: data.draw(st.integers(0, last - 1))]
    assert not _prove(survived, snapshot, stream).holds


@pytest.mark.parametrize("values", [{}, {"module": "csv", "qualname": "a", "revision": None}, {"revision": "x"}])
def test_a_change_without_a_key_or_a_revision_proves_nothing(values: dict[str, str | None]) -> None:
    """It cannot be told from any other, so it is named by its number."""
    ledger = _ledger([(3, False)])
    proof = _prove(ledger, [_change(Op.INSERT, ("csv", "a"), 1), Change(Op.TRUNCATE, values, _HERE)])
    assert proof.differences == ("change 2: truncate without module, qualname or revision",)


def test_a_table_that_stood_the_same_twice_is_told_apart_by_the_stream() -> None:
    """Operations 2 and 3 cancel out: the snapshot fits before and after them."""
    ledger = _ledger([(0, False), (1, False), (1, True), (1, False)])
    snapshot = [_change(Op.SNAPSHOT, ("json", "a"), 1)]
    assert _prove(ledger, snapshot).snapshot_ops == 1
    assert _prove(ledger, snapshot, [_change(Op.INSERT, ("json", "b"), 4)]).snapshot_ops == 3
    before = _prove(ledger, snapshot, [_change(Op.INSERT, ("json", "b"), 2), _change(Op.DELETE, ("json", "b"), 2)])
    assert (before.holds, before.snapshot_ops, before.last_op) == (True, 1, 3)


def test_an_operation_done_again_after_a_takeover_is_told_from_the_lost_one_by_its_text() -> None:
    """Number, kind and key are the same on both timelines."""
    ledger = [Operation(1, Op.INSERT, "csv", "a", hashlib.sha256(b"()\nnew text").digest())]
    (difference,) = _prove(ledger, [_change(Op.INSERT, ("csv", "a"), 1)]).differences
    assert difference == "content: insert of csv.a at revision 1 does not have the text that op 1 wrote"


@pytest.mark.parametrize(
    ("ledger", "difference"),
    [
        ([Operation(2, Op.INSERT, "csv", "a")], "ledger: op 2 stands where op 1 belongs"),
        ([Operation(1, Op.UPDATE, "csv", "a")], "ledger: op 1 is update of csv.a, which is not there"),
        ([Operation(1, Op.DELETE, "csv", "a")], "ledger: op 1 is delete of csv.a, which is not there"),
        (
            [Operation(1, Op.INSERT, "csv", "a"), Operation(2, Op.INSERT, "csv", "a")],
            "ledger: op 2 is insert of csv.a, which is there already",
        ),
    ],
)
def test_a_ledger_that_could_not_have_happened_proves_nothing(ledger: list[Operation], difference: str) -> None:
    """A gap, a repeat or a contradiction in the ledger itself is told."""
    assert _prove(ledger).differences[0] == difference


def test_a_change_that_came_late_is_all_that_is_told_of_it() -> None:
    """The snapshot is measured from the earliest streamed operation, be it the first to come or not."""
    stream = [_change(Op.INSERT, ("json", name), op) for op, name in ((2, "b"), (1, "a"))]
    (difference,) = _prove(_ledger([(0, False), (1, False)]), stream).differences
    assert difference == "stream: op 1, insert of json.a at revision 1, came after op 2"


def test_differences_name_operation_and_row() -> None:
    """A person can look up what is named."""
    ledger = _ledger([(0, False), (1, False), (0, False), (1, True), (2, False)])
    json_a, json_b = ("json", "a"), ("json", "b")
    proof = _prove(
        ledger,
        [_change(Op.SNAPSHOT, json_a, 1), _change(Op.SNAPSHOT, json_a, 1)],
        [_change(Op.UPDATE, json_a, 3), _change(Op.UPDATE, json_a, 3), _change(Op.INSERT, ("json", "c"), 5)],
        [_change(Op.UPDATE, json_b, 9)],
    )
    assert proof == Proof(
        rows=6,
        distinct=4,
        snapshot_ops=2,
        last_op=5,
        differences=(
            "snapshot: json.a came 2 times",
            "snapshot: json.b at revision 2 did not come, it was in the table after op 2",
            "stream: op 3, update of json.a at revision 3, came twice",
            "stream: update of json.b at revision 9 is not in the ledger",
            "stream: op 4, delete of json.b at revision 2, did not come",
        ),
    )
