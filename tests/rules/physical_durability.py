"""Experiments on what a commit waits for before it is answered.

All on one pair. At its end nothing more leaves the primary (its sender and its WAL writer are halted), commits are
still answered there, and it is killed. A row is kept if the promoted standby has it.
"""

from __future__ import annotations

import contextlib
import functools
import signal

import psutil
import psycopg

from replicator.postgres.embedded import NodeName
from tests.fixtures.defects import catch_up, configure, refusal
from tests.fixtures.pair import Pair, fresh_pair
from tests.rules.experiment import Experiment, Special
from tests.rules.hands import session, wait

_REMOTE = ("remote_write", "on", "remote_apply")

EXPERIMENTS: tuple[Experiment, ...] = ()


def halt(pair: Pair, node: NodeName, title: str) -> None:
    """Halt a server process of a node, by what it calls itself."""
    (process,) = (
        child
        for child in psutil.Process(pair.embedded.postmaster(node)).children()
        if title in " ".join(child.cmdline())
    )
    process.send_signal(signal.SIGSTOP)


def commit(primary: psycopg.Connection, row: str, level: str) -> None:
    """Commit a row at one level of synchronous_commit, and return once the server has answered."""
    primary.execute(f"set synchronous_commit = {level}")
    primary.execute("insert into t values (%s)", (row,))


def has(standby: psycopg.Connection, row: str) -> bool:
    """Return whether a node shows a row."""
    return standby.execute("select count(*) from t where row = %s", (row,)).fetchall() == [(1,)]


def unsafe(pair: Pair, primary: psycopg.Connection) -> None:
    """Let the primary trust the operating system, to the end: a base backup of the standby is refused."""
    configure(pair, "a", "fsync", "off")
    configure(pair, "a", "full_page_writes", "off")
    commit(primary, "unsafe", "on")
    catch_up(pair)
    said = refusal(pair, "select pg_backup_start('standby', true)", "b")
    assert 'WAL generated with "full_page_writes=off" was replayed since last restartpoint' in said


def asynchronous(primary: psycopg.Connection, standby: psycopg.Connection) -> None:
    """Commit while no standby is named, and wait until the standby shows it."""
    for row, level in (("sent asynchronous", "on"), ("flushed off", "off")):
        commit(primary, row, level)
        wait(functools.partial(has, standby, row), row)


def synchronous(
    pair: Pair, primary: psycopg.Connection, other: psycopg.Connection, standby: psycopg.Connection
) -> None:
    """Name the standby, and commit at each level; with replay paused, see which level waits for it."""
    name(pair, "b")
    for level in _REMOTE:
        commit(primary, f"answered {level}", level)
    assert has(standby, "answered remote_apply")  # by the very next read
    commit(primary, "sent local", "local")
    wait(functools.partial(has, standby, "sent local"), "the row")

    pause(pair)
    for level in ("remote_write", "on"):
        commit(primary, f"paused {level}", level)
        assert not has(standby, f"paused {level}")
    begin_commit(pair, other, "paused remote_apply", "remote_apply")
    pair.run("select pg_wal_replay_resume()", "b")
    assert answer_of(other) == b"INSERT 0 1"
    assert has(standby, "paused remote_apply")


def unanswered(pair: Pair, other: psycopg.Connection, standby: psycopg.Connection) -> None:
    """Name a standby that is not there: the other one shows the commit, and its client has no answer."""
    configure(pair, "a", "synchronous_standby_names", "'nobody'")
    begin_commit(pair, other, "unanswered", "on")
    wait(functools.partial(has, standby, "unanswered"), "the row")
    other.pgconn.consume_input()
    assert other.pgconn.is_busy()
    pair.run(f"select pg_cancel_backend({other.info.backend_pid})")
    assert answer_of(other) == b"INSERT 0 1"  # a warning says that it may not be replicated
    assert has(other, "unanswered")


def delayed(pair: Pair, primary: psycopg.Connection, standby: psycopg.Connection) -> None:
    """Have the standby replay commits an hour late: it has the commit, and does not show it."""
    name(pair, "b")
    pause(pair)  # so that replay reads the setting before the commit
    configure(pair, "b", "recovery_min_apply_delay", "'1h'")
    commit(primary, "delayed", "on")
    pair.run("select pg_wal_replay_resume()", "b")
    waits = "select wait_event from pg_stat_activity where backend_type = 'startup'"
    wait(lambda: pair.run(waits, "b") == [("RecoveryApplyDelay",)], "replay to wait")
    assert not has(standby, "delayed")


def unsent(pair: Pair, primary: psycopg.Connection) -> None:
    """Halt what sends and what flushes the log: every level but a synchronous one still answers."""
    halt(pair, "a", "walsender")
    commit(primary, "unsent local", "local")
    configure(pair, "a", "synchronous_standby_names", "''")
    commit(primary, "unsent on", "on")
    commit(primary, "unsent asynchronous", "on")
    halt(pair, "a", "walwriter")
    commit(primary, "unflushed off", "off")


def name(pair: Pair, standby: str) -> None:
    """Make a standby the synchronous one."""
    configure(pair, "a", "synchronous_standby_names", f"'{standby}'")
    state = "select application_name, sync_state from pg_stat_replication"
    wait(lambda: pair.run(state) == [(standby, "sync")], "a synchronous standby")


def pause(pair: Pair) -> None:
    """Pause replay."""
    pair.run("select pg_wal_replay_pause()", "b")
    wait(lambda: pair.run("select pg_get_wal_replay_pause_state()", "b") == [("paused",)], "replay to pause")


def begin_commit(pair: Pair, other: psycopg.Connection, row: str, level: str) -> None:
    """Commit a row without waiting for the answer, and return once the commit waits for a standby."""
    other.execute(f"set synchronous_commit = {level}")
    other.pgconn.send_query(f"insert into public.t values ('{row}')".encode())
    other.pgconn.flush()
    state = f"select wait_event from pg_stat_activity where pid = {other.info.backend_pid}"
    wait(lambda: pair.run(state) == [("SyncRep",)], "the commit to wait")


def answer_of(other: psycopg.Connection) -> bytes | None:
    """Wait for the answer to a commit, and return it."""
    result = other.pgconn.get_result()
    assert result is not None
    assert other.pgconn.get_result() is None
    return result.command_status


@functools.cache
def rows() -> frozenset[str]:
    """Commit a row in every way, lose the primary, and return the rows that the promoted standby has."""
    with fresh_pair() as pair:
        pair.run("create table public.t (row text)")
        catch_up(pair)
        with contextlib.ExitStack() as sessions:
            primary, other = (sessions.enter_context(session(pair, "a")) for _ in range(2))
            standby = sessions.enter_context(session(pair, "b"))
            configure(pair, "a", "autovacuum", "off")  # its commits would flush ours
            unsafe(pair, primary)
            asynchronous(primary, standby)
            synchronous(pair, primary, other, standby)
            unanswered(pair, other, standby)
            delayed(pair, primary, standby)
            unsent(pair, primary)
            pair.embedded.kill("a")
        pair.close()
        pair.embedded.promote("b")
        found = frozenset(str(row) for (row,) in pair.run("select row from public.t", "b"))
        # Its process is dead, but whoever adopted it may not have noticed.
        for lock in (pair.embedded.directory / "a" / "postmaster.pid", pair.embedded.socket / ".s.PGSQL.5432.lock"):
            lock.unlink()
        pair.embedded._start("a")
        own = frozenset(str(row) for (row,) in pair.run("select row from public.t"))
        assert own - found == {"unsent local", "unsent on", "unsent asynchronous"}
        assert found - own == frozenset()
        return found


def kept(row: str) -> bool:
    """Return whether the promoted standby has a row."""
    return row in rows()


SPECIALS: tuple[Special, ...] = tuple(
    Special(rule, row.replace(" ", "_"), functools.partial(kept, row))
    for rule, row in (
        ("PGP-099", "flushed off"),
        ("PGP-099", "unflushed off"),
        ("PGP-100", "sent local"),
        ("PGP-100", "unsent local"),
        *(("PGP-101", f"answered {level}") for level in _REMOTE),
        ("PGP-101", "unsent on"),
        ("PGP-102", "sent asynchronous"),
        ("PGP-102", "unsent asynchronous"),
        ("PGP-103", "unanswered"),
        ("PGP-104", "delayed"),
        ("PGP-105", "unsafe"),
    )
)
