"""A slot's stream on a real pair: large and prepared transactions, both forms of values, a reader that is away."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from replicator.postgres import receiver, topology
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.tap import Tap, as_reference, behind, rest, rows_of

_MOST_MEMORY = 512 << 20
_SETTINGS = """
logical_decoding_work_mem = 64kB
max_prepared_transactions = 10
wal_sender_timeout = 2s
"""
_READER = Path(__file__).parent / "large_reader.py"


@pytest.fixture(scope="module")
def small() -> Iterator[Pair]:
    """Make a pair whose servers send a transaction in pieces from 64 kB on, and wait 2 s for a sign of life."""
    with fresh_pair(_SETTINGS) as made:
        yield made


@contextlib.contextmanager
def _sessions(pair: Pair, count: int) -> Iterator[list[psycopg.Connection]]:
    """Open sessions on the primary, each with a transaction of its own."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(psycopg.connect(pair.primary.conninfo)) for _ in range(count)]


def _write(session: psycopg.Connection, chance: random.Random, table: str, ids: Iterator[int]) -> None:
    """Do something in the session's transaction: often rows, sometimes savepoints, now and then its end."""
    match chance.randrange(8):
        case 0:
            session.commit()
        case 1:
            session.rollback()
        case 2:
            with contextlib.suppress(ZeroDivisionError), session.transaction():
                session.execute(_insert(table, [next(ids) for _ in range(300)]))
                with session.transaction():
                    session.execute(_insert(table, [next(ids) for _ in range(chance.randrange(400))]))
                _ = 1 / chance.randrange(2)
        case _:
            session.execute(_insert(table, [next(ids) for _ in range(chance.randrange(300))]))


def _insert(table: str, ids: list[int]) -> bytes:
    return f"insert into {table} select i, repeat(i::text, 30) from unnest(array{ids}::bigint[]) as i".encode()


def test_pieces_of_transactions_give_what_whole_ones_do(small: Pair) -> None:
    """Rows, order and cursors of interleaved large transactions, with savepoints rolled back, are the same."""
    tap = Tap(small, "pieces")
    ids, chance = iter(range(10**9)), random.Random(5)
    with _sessions(small, 3) as sessions:
        for _ in range(60):
            _write(chance.choice(sessions), chance, "pieces", ids)
        for session in sessions:
            session.commit()
    expected = tap.reference()
    assert len(expected) > 3000
    rows = tap.rows()
    assert list(map(as_reference, rows)) == expected
    ((streamed,),) = small.run(
        "select stream_txns from pg_stat_force_next_flush(), pg_stat_replication_slots where slot_name = 'pieces'", "b"
    )
    assert int(str(streamed)) > 3
    # From a cursor in one of them, and behind it.
    for place in (len(rows) // 2, len(rows) // 2 + 7, len(rows) - 1):
        assert tap.rows(behind(rows[place])) == rows[place + 1 :]


def test_a_prepared_transaction_comes_when_it_is_committed(small: Pair) -> None:
    """Nothing at PREPARE, the rows in commit order at COMMIT PREPARED, and never those of ROLLBACK PREPARED."""
    tap = Tap(small, "prepared")
    for name, first in (("kept", 1), ("large", 1000), ("dropped", 5000)):
        with _sessions(small, 1) as (session,):
            session.execute(_insert("prepared", list(range(first, first + (2000 if first > 1 else 2)))))
            session.execute(f"prepare transaction '{name}'".encode())
    small.run("insert into prepared values (0, 'between')")
    with tap.stream() as stream:
        assert [row["id"] for row in rows_of(list(rest(stream, small.primary)))] == [0]
        small.run("commit prepared 'large'")
        small.run("rollback prepared 'dropped'")
        small.run("insert into prepared values (-1, 'later')")
        small.run("commit prepared 'kept'")
        found = [row["id"] for row in rows_of(list(rest(stream, small.primary)))]
    assert found == [*range(1000, 3000), -1, 1, 2]


@pytest.mark.parametrize("rows", [200_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_a_large_transaction_needs_little_memory(small: Pair, rows: int) -> None:
    """The reader's process stays below 512 MB, and the savepoints rolled back inside are not among the rows."""
    name = f"large_{rows}"
    tap = Tap(small, name)
    with _sessions(small, 1) as (session,):
        for part in range(10):
            values = f"select i, repeat('x', 100) from generate_series({part}, {rows - 1}, 10) as i"
            session.execute(f"insert into {name} {values}".encode())
            with contextlib.suppress(ZeroDivisionError), session.transaction():
                session.execute(
                    f"insert into {name} select i, '' from generate_series({rows}, {2 * rows}) as i".encode()
                )
                _ = 1 / 0
        session.commit()
    # In a process of its own, whose peak is its own.
    process = subprocess.run(
        [sys.executable, _READER, str(small.standby.conninfo), name, str(tap.begin.lsn), str(rows)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    read, total, peak = map(int, process.stdout.split())
    assert (read, total) == (rows, sum(range(rows)))
    assert peak < _MOST_MEMORY


def test_a_reader_may_be_away_for_longer_than_the_server_waits(small: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is answered meanwhile, what waits is bounded, and not a row is lost."""
    monkeypatch.setattr(receiver, "_QUEUED_BYTES", 50_000)
    tap = Tap(small, "away")
    with tap.stream() as stream:
        for part in range(20):
            small.run(f"insert into away select i, repeat('x', 500) from generate_series({part}, 19999, 20) as i")
        end = topology.committed(small.primary)
        ((began,),) = small.run("select now()::text", "b")
        waited = (
            f"select reply_time > '{began}'::timestamptz + interval '3 s' from pg_stat_replication "
            "where state = 'streaming'"
        )
        topology.wait_until(lambda: small.run(waited, "b") == [(True,)], "three seconds of answers", timeout_s=30)
        assert stream.reached < end
        ids = [row["id"] for row in rows_of(list(rest(stream, small.primary)))]
    assert ids == [i for part in range(20) for i in range(part, 20_000, 20)]


def test_a_column_that_is_read_as_text_may_be_added_in_mid_stream(small: Pair) -> None:
    """Values come in binary form until then and as text from then on; no row twice, none missed, the same cursors."""
    tap = Tap(small, "retold", "id bigint primary key, at timestamptz default '2026-11-25 01:02:03.4+00'")
    small.run("insert into retold select generate_series(1, 3)")
    small.run("begin; insert into retold values (4); alter table retold add n numeric(6, 2); "
              "insert into retold (id, n) values (5, 1.5), (6, -0.01); commit")  # fmt: skip
    small.run("alter table retold drop n")
    small.run("insert into retold values (7)")
    rows = tap.rows()
    assert [(row["id"], str(row["n"]) if "n" in row else "") for row in rows] == [
        *((i, "") for i in range(1, 5)), (5, "1.50"), (6, "-0.01"), (7, "")]  # fmt: skip
    assert [(row["_op"], row["_lsn"], row["_seq"]) for row in rows] == [change[:3] for change in tap.reference()]
    assert {str(row["at"]) for row in rows} == {"2026-11-25 01:02:03.400000+00:00"}
    for place, row in enumerate(rows):
        # Nor does a reader that does not wait take the new start for the end.
        assert tap.rows(behind(row), wait_s=0) == rows[place + 1 :]


def test_a_table_whose_types_have_it_is_read_in_binary_form(small: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that has a type that is read as text is not."""
    forms: list[bytes] = []

    class Listening(receiver.Receiver):
        """Remembers in which form the first value of each insert came."""

        def take(self, timeout_s: float) -> list[bytes] | None:
            """Take, and remember."""
            messages = super().take(timeout_s)
            forms.extend(message[33:34] for message in messages or [] if message[25:26] == b"I")
            return messages

    monkeypatch.setattr("replicator.postgres.stream.Receiver", Listening)
    for name, columns, form in (
        ("as_binary", "id bigint primary key", b"b"),
        ("as_text", "id numeric primary key", b"t"),
    ):
        tap = Tap(small, name, columns)
        small.run(f"insert into {name} values (7)")
        assert [str(row["id"]) for row in tap.rows()] == ["7"]
        assert forms == [form]
        forms.clear()
