"""The step journal on a real pair: exact bits, one row a step, only forward, and on the standby too."""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replicator import migrate, step_journal
from replicator.errors import AlreadyThere, BadInput, HadrianError
from replicator.position import Cursor, Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.topology import wait_replayed
from replicator.step_journal import Step
from replicator.store.writer import publish
from tests.fixtures.pair import Pair

_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def primary(shared_pair: Pair) -> Iterator[PostgresDatabase]:
    """Make the schema, feeds `f` and `g`, and run `bits`."""
    migrate.install(shared_pair.embedded.url("a"))
    feed = "insert into hadrian.feed (name, publication, slot, start_lsn, timeline, snapshot_id) "
    feed += "values (%s, 'p', 's', '0/1', 1, %s)"
    with contextlib.closing(PostgresDatabase(shared_pair.embedded.url("a"))) as database:
        for name in "fg":
            with publish(database, "snapshot", name, []) as (transaction, artifact_id):
                transaction.exec_driver_sql(feed, (name, artifact_id))
        step_journal.open_run(database, "bits", "f", "{}")
        yield database


@pytest.fixture
def run(primary: PostgresDatabase, request: pytest.FixtureRequest) -> str:
    """Make a run of the test's own."""
    name = f"run_{request.node.name}"
    step_journal.open_run(primary, name, "f", "{}")
    return name


def _step(number: int, *, before: Cursor | None = None, after: Cursor | None = None) -> Step:
    start = before or Cursor(Lsn(number), 0)
    return Step(number, start, after or Cursor(Lsn(number + 1), 0), 8, bytes([number % 256]) * 32, 1 / number, 3.5)


def _bits(*values: float) -> bytes:
    return struct.pack(f">{len(values)}d", *values)


@settings(deadline=None, max_examples=60)
@given(
    _FINITE, _FINITE, st.integers(0, (1 << 64) - 2), st.integers(0, (1 << 63) - 1), st.binary(min_size=32, max_size=32)
)
@example(-0.0, 0.0, 0, 0, bytes(32))
@example(5e-324, 1.7976931348623157e308, (1 << 64) - 2, (1 << 63) - 1, b"\xff" * 32)
def test_a_step_comes_back_to_the_bit(
    primary: PostgresDatabase, loss: float, grad_norm: float, lsn: int, seq: int, rows_sha256: bytes
) -> None:
    """Floats of every size, minus zero, and positions up to the last: the recorded step checks against the written."""
    number = next(_NUMBERS)
    before, after = Cursor(Lsn(lsn), seq, 3), Cursor(Lsn(lsn + 1), 0, 3)
    step = Step(number, before, after, 1, rows_sha256, loss, grad_norm)
    step_journal.append(primary, "bits", step)
    (found,) = step_journal.steps(primary, "bits", after=number - 1).values()
    assert found == step
    assert _bits(found.loss, found.grad_norm) == _bits(loss, grad_norm)
    assert found.after.timeline == 3
    step.check(found)


def test_a_step_is_recorded_once(primary: PostgresDatabase, run: str) -> None:
    """The journal never changes what it has said."""
    step_journal.append(primary, run, _step(1))
    with pytest.raises(AlreadyThere):
        step_journal.append(primary, run, Step(1, Cursor(Lsn(5), 0), Cursor(Lsn(6), 0), 1, bytes(32), 0.0, 0.0))
    assert step_journal.steps(primary, run) == {1: _step(1)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Cursor(Lsn(9), 1), Cursor(Lsn(9), 1)),
        (Cursor(Lsn(9), 1), Cursor(Lsn(9), 0)),
        (Cursor(Lsn(9), 0), Cursor(Lsn(8), 5)),
    ],
)
def test_the_cursor_only_moves_forward(primary: PostgresDatabase, before: Cursor, after: Cursor) -> None:
    """A step that consumed nothing, or went back, is refused by the table itself."""
    with pytest.raises(HadrianError, match="cursor_moves_forward"):
        step_journal.append(primary, "bits", _step(10**6, before=before, after=after))
    forward = _step(next(_NUMBERS), before=Cursor(Lsn(9), 5), after=Cursor(Lsn(10), 0))
    step_journal.append(primary, "bits", forward)


def test_steps_behind_a_number_come_in_order(primary: PostgresDatabase, run: str) -> None:
    """Recovery asks for what follows its checkpoint, of its own run alone."""
    for number in (3, 1, 2):
        step_journal.append(primary, run, _step(number))
    assert list(step_journal.steps(primary, run)) == [1, 2, 3]
    assert step_journal.steps(primary, run, after=1) == {2: _step(2), 3: _step(3)}
    assert step_journal.steps(primary, run, after=3) == {}
    assert step_journal.steps(primary, "no such run") == {}


def test_a_run_is_found_as_it_was_begun(primary: PostgresDatabase, run: str) -> None:
    """The same feed and recipe open it again; another of either is refused, and changes nothing."""
    step_journal.open_run(primary, run, "f", "{}")
    for feed, recipe in (("f", '{"seed":1}'), ("g", "{}")):
        with pytest.raises(BadInput, match=f"run {run} was begun with another recipe"):
            step_journal.open_run(primary, run, feed, recipe)
    step_journal.open_run(primary, run, "f", "{}")


def test_a_run_of_no_feed_is_refused(primary: PostgresDatabase) -> None:
    """A run belongs to a feed of this database."""
    with pytest.raises(HadrianError, match="foreign key"):
        step_journal.open_run(primary, "lost", "no_such_feed", "{}")


def test_steps_reach_the_standby(primary: PostgresDatabase, run: str, shared_pair: Pair) -> None:
    """The journal is an ordinary logged table: what was appended is on the standby, bit for bit."""
    step_journal.append(primary, run, _step(3))
    with contextlib.closing(PostgresDatabase(shared_pair.embedded.url("b"))) as standby:
        wait_replayed(standby, primary.committed())
        assert step_journal.steps(standby, run) == {3: _step(3)}
