"""What a primary says it has committed is what a standby can replay, at once, and what a crash leaves."""

from __future__ import annotations

import contextlib

import pytest

from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from tests.fixtures.pair import Pair


def test_a_standby_gets_there_though_nothing_follows(shared_pair: Pair) -> None:
    """Behind a file of the log that was ended early begins a page, whose header no standby replays by itself."""
    for _ in range(3):
        shared_pair.run("create table if not exists written (id int)")
        shared_pair.run("insert into written values (1)")
        shared_pair.run("checkpoint")  # so that the server writes no list of running transactions for itself
        shared_pair.run("select pg_switch_wal()")
        topology.wait_replayed(shared_pair.standby, topology.committed(shared_pair.primary), timeout_s=5)


@pytest.mark.parametrize(("level", "used"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
def test_a_transaction_of_ours_is_flushed_whatever_the_role_would_do(shared_pair: Pair, level: str, used: str) -> None:
    """Where it waits for more, it still does; and only that transaction is changed."""
    shared_pair.run(f"alter role postgres set synchronous_commit = '{level}'")
    ask = "show synchronous_commit"
    try:
        with contextlib.closing(PostgresDatabase(shared_pair.embedded.url("a"))) as node:
            with node.begin() as transaction:
                assert transaction.exec_driver_sql(ask).scalar_one() == used
            with node.connect() as connection:
                assert connection.exec_driver_sql(ask).scalar_one() == level
    finally:
        shared_pair.run("alter role postgres reset synchronous_commit")
