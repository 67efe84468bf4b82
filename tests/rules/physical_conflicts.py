"""Experiments on queries of the standby that are in the way of replay.

The conflicts share one pair, each with a table of its own.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import psycopg

from tests.fixtures.defects import catch_up, configure
from tests.fixtures.pair import Pair, fresh_pair
from tests.rules.experiment import Experiment, Special
from tests.rules.hands import make_slot_on_standby, session, wait

_CANCELED = "canceling statement due to conflict with recovery"
_TERMINATED = "terminating connection due to conflict with recovery"

EXPERIMENTS: tuple[Experiment, ...] = ()


@contextlib.contextmanager
def busy(pair: Pair, *statements: str) -> Iterator[psycopg.Connection]:
    """Open a transaction on the standby, run statements in it, and leave it running one that does not end."""
    with session(pair, "b") as holder, session(pair, "b") as query:
        holder.execute("select pg_advisory_lock(1)")
        query.execute("begin isolation level repeatable read")
        for statement in statements:
            query.execute(statement)
        query.pgconn.send_query(b"select pg_advisory_lock(1)")
        query.pgconn.flush()
        state = "select wait_event from pg_stat_activity where pid = %s"
        wait(
            lambda: holder.execute(state, (query.info.backend_pid,)).fetchall() == [("advisory",)],
            "the query to run",
        )
        yield query


def end_of(query: psycopg.Connection) -> tuple[str, str, str]:
    """Wait for the end of a running statement, and return its SQLSTATE, message and detail."""
    result = query.pgconn.get_result()
    assert result is not None
    error = psycopg.errors.error_from_result(result)
    return str(error.sqlstate), str(error.diag.message_primary), str(error.diag.message_detail)


def wait_counted(pair: Pair, cause: str) -> None:
    """Wait until the standby has counted one conflict of this kind."""
    counter = f"select sum({cause}) from pg_stat_database_conflicts"
    wait(lambda: pair.run(counter, "b") == [(1,)], f"{cause} to be counted")


def fate_of(idle: psycopg.Connection) -> tuple[str, str, str]:
    """Return with what SQLSTATE, message and detail the server ended an idle session."""
    try:
        idle.execute("select")
    except psycopg.Error as error:
        return str(error.sqlstate), str(error.diag.message_primary), str(error.diag.message_detail)
    raise AssertionError("it goes on")


def snapshot(pair: Pair) -> str:
    """Vacuum rows that a query of the standby may still need."""
    with busy(pair, "select count(*) from public.snapshot") as query:
        pair.run("delete from public.snapshot where i <= 50")
        pair.run("vacuum public.snapshot")
        detail = "User query might have needed to see row versions that must be removed."
        assert end_of(query) == ("40001", _CANCELED, detail)
    wait_counted(pair, "confl_snapshot")
    return "select count(*) from public.snapshot"


def lock(pair: Pair) -> str:
    """Alter a table that a query of the standby has read."""
    with busy(pair, "select count(*) from public.lock") as query:
        pair.run("alter table public.lock add column more int")
        assert end_of(query) == ("40001", _CANCELED, "User was holding a relation lock for too long.")
    wait_counted(pair, "confl_lock")
    return "select more from public.lock where i = 1"


def idle(pair: Pair) -> str:
    """Alter a table that an idle transaction of the standby has read."""
    with session(pair, "b") as transaction:
        transaction.execute("begin")
        transaction.execute("select count(*) from public.idle")
        pair.run("alter table public.idle add column more int")
        catch_up(pair)
        assert fate_of(transaction) == ("40001", _TERMINATED, "User was holding a relation lock for too long.")
    return "select more from public.idle where i = 1"


def tablespace(pair: Pair) -> str:
    """Drop a tablespace in which a query of the standby keeps temporary files."""
    spill = (
        "set temp_tablespaces = spare",
        "set work_mem = '64kB'",
        "declare c cursor for select * from generate_series(1, 100000)",
        "fetch 1 from c",
    )
    with session(pair, "a") as primary:
        primary.execute("set allow_in_place_tablespaces = on")
        primary.execute("create tablespace spare location ''")
        catch_up(pair)
        with busy(pair, *spill) as query:
            primary.execute("drop tablespace spare")
            detail = "User was or might have been using tablespace that must be dropped."
            assert end_of(query) == ("40001", _CANCELED, detail)
    wait_counted(pair, "confl_tablespace")
    return "select count(*) from pg_tablespace where spcname = 'spare'"


def buffer_pin(pair: Pair) -> str:
    """Vacuum a page on which a cursor of the standby stands; what is removed was never visible to anyone."""
    with session(pair, "a") as primary:
        for statement in ("begin", "insert into public.buffer_pin values (0)", "rollback"):
            primary.execute(statement)
        catch_up(pair)
        with busy(pair, "declare c cursor for select * from public.buffer_pin", "fetch 1 from c") as query:
            primary.execute("vacuum freeze public.buffer_pin")
            assert end_of(query) == ("40001", _CANCELED, "User was holding shared buffer pin for too long.")
    wait_counted(pair, "confl_bufferpin")
    return "select count(*) from public.buffer_pin"


def database(pair: Pair) -> str:
    """Drop a database in which the standby has a session, which no setting lets replay wait for."""
    configure(pair, "b", "max_standby_streaming_delay", "-1")
    pair.run("create database gone")
    catch_up(pair)
    with session(pair, "b", "gone") as visitor:
        pair.run("drop database gone")
        catch_up(pair)
        ended = fate_of(visitor)
        assert ended == ("57P04", _TERMINATED, "User was connected to a database that must be dropped.")
    return "select count(*) from pg_database where datname = 'gone'"


_CONFLICTS: dict[str, Callable[[Pair], str]] = {
    "PGP-093": snapshot,
    "PGP-094": lock,
    "PGP-095": idle,
    "PGP-097": tablespace,
    "PGP-098": buffer_pin,
    "PGP-096": database,
}


@functools.cache
def outcomes() -> dict[str, bool]:
    """Make every conflict on one pair, fail over, and return whether what the primary did is there, by rule.

    The standby neither holds the primary back nor lets its queries hold replay up for long.
    """
    with fresh_pair() as pair:
        configure(pair, "b", "hot_standby_feedback", "off")
        configure(pair, "b", "max_standby_streaming_delay", "'200ms'")
        horizon = "select xmin is null from pg_replication_slots"
        wait(lambda: pair.run(horizon) == [(True,)], "the primary to hear that it need not keep rows")
        for table in ("snapshot", "lock", "idle", "buffer_pin"):
            pair.run(f"create table public.{table} as select i from generate_series(1, 100) as i")
        catch_up(pair)
        questions = {rule: conflict(pair) for rule, conflict in _CONFLICTS.items()}
        catch_up(pair)
        before = {rule: pair.run(question) for rule, question in questions.items()}
        pair.close()
        pair.fail_over()
        return {rule: pair.run(question, "b") == before[rule] for rule, question in questions.items()}


def kept(rule: str) -> bool:
    """Return whether what the primary did in a conflict is there after the takeover."""
    return outcomes()[rule]


def slot_with_feedback(value: str) -> bool:
    """Vacuum catalog rows that a slot of the standby needs, unless the standby says so."""
    with fresh_pair() as pair:
        make_slot_on_standby(pair, "own")
        configure(pair, "b", "hot_standby_feedback", value)
        reason = "select coalesce(invalidation_reason, 'none') from pg_replication_slots where slot_name = 'own'"

        def vacuumed() -> bool:
            for statement in ("create table public.churn ()", "drop table public.churn", "vacuum pg_class"):
                pair.run(statement)
            catch_up(pair)
            return pair.run(reason, "b") == [("rows_removed",)]

        if value == "off":
            wait(vacuumed, "the slot to fall")
        else:
            assert not any(vacuumed() for _ in range(5))
        pair.close()
        pair.fail_over()
        return pair.run(reason, "b") == [("none",)]


SPECIALS: tuple[Special, ...] = (
    Special("PGP-006", "slot_with_feedback", functools.partial(slot_with_feedback, "on")),
    Special("PGP-006", "slot_without_feedback", functools.partial(slot_with_feedback, "off")),
    *(Special(rule, conflict.__name__, functools.partial(kept, rule)) for rule, conflict in _CONFLICTS.items()),
)
