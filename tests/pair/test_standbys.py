"""Which standbys have a checkpoint, on a real pair: seen through the primary, and looked at themselves."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.numpy

from cli.main import main
from replicator.errors import BadInput, NodeLost
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.topology import wait_replayed, wait_until
from replicator.store import checkpoints, standbys
from replicator.store.durability import Durability
from replicator.store.standbys import Streamed, Wanted
from tests.fixtures.pair import fresh_pair
from tests.fixtures.store import CURSOR, Store

np = pytest.importorskip("numpy")


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Make a store on a pair that the last test may break."""
    with fresh_pair() as pair, contextlib.closing(Store(pair)) as made:
        yield made


@contextlib.contextmanager
def _paused(store: Store) -> Iterator[None]:
    store.query("select pg_wal_replay_pause()", node="b")
    state = "select pg_get_wal_replay_pause_state()"
    wait_until(lambda: store.query(state, node="b") == [("paused",)], "replay to pause", timeout_s=30)
    try:
        yield
    finally:
        store.query("select pg_wal_replay_resume()", node="b")


def _steps(found: standbys.Standing) -> dict[int, list[str]]:
    return {one.step: on for one, on in zip(found.checkpoints, found.durable_on, strict=True)}


def test_each_checkpoint_is_told_with_the_standbys_that_have_it(store: Store) -> None:
    """Whether the primary tells or the standby is asked: one that is not replayed is not there, the older one is."""
    store.checkpoint(1)
    wait_replayed(store.b, checkpoints.note_commit(store.a, "r", 1))
    with _paused(store):
        store.checkpoint(2)
        committed = checkpoints.note_commit(store.a, "r", 2)
        for nodes in ([], [store.a, store.b]):
            found = standbys.standing(store.a, nodes, "r")
            assert _steps(found) == {2: [], 1: ["b"]}
            (reach,) = found.standbys
            assert (reach.name, reach.replayed is not None and reach.replayed < committed) == ("b", True)
            assert reach.behind is not None
            assert reach.behind > 0
    wait_replayed(store.b, committed)
    assert _steps(standbys.standing(store.a, [store.b], "r")) == {2: ["b"], 1: ["b"]}
    followed = Streamed(store.a, store.a.standbys()[0])
    wait_until(lambda: followed.replayed() >= committed, "the primary to hear of it", timeout_s=30)
    assert _steps(standbys.standing(store.a, [], "r")) == {2: ["b"], 1: ["b"]}


def test_without_a_noted_commit_the_end_of_the_log_decides(store: Store) -> None:
    """A writer that ended between the two leaves a checkpoint that counts as durable later, and never too early."""
    store.checkpoint(10)
    with _paused(store):
        store.query("create table busy as select 1")
        assert _steps(standbys.standing(store.a, [], "r"))[10] == []
    store.query("drop table busy")
    store.catch_up()
    wait_until(lambda: _steps(standbys.standing(store.a, [], "r"))[10] == ["b"], "b to be heard of", timeout_s=30)


def test_a_node_that_is_away_or_may_not_be_asked_is_said(store: Store) -> None:
    """The checkpoints are listed all the same."""
    gone = PostgresDatabase("postgresql://postgres@127.0.0.1:1/postgres")
    (reach,) = standbys.standing(store.a, [gone], "r").standbys
    assert (reach.where, reach.replayed) == ("127.0.0.1:1/postgres", None)
    store.query("create role blind login in role pg_read_all_data")
    with contextlib.closing(PostgresDatabase(store.pair.embedded.url("a").replace("postgres@", "blind@"))) as blind:
        found = standbys.standing(blind, [], "r")
    assert found.checkpoints
    assert "may not see how far the standbys are; grant it pg_read_all_stats" in str(found.unseen)


def test_who_reads_the_log_with_a_logical_slot_is_no_standby(store: Store) -> None:
    """A feed's reader or a subscriber confirms positions too, and holds no checkpoint."""
    store.query("select pg_create_logical_replication_slot('reader', 'pgoutput')")
    store.query("create publication nothing")
    pgconn = store.a.replication()
    try:
        options = b"(proto_version '1', publication_names 'nothing')"
        pgconn.exec_(b"START_REPLICATION SLOT reader LOGICAL 0/0 " + options)
        seen = int(store.a.committed())
        pgconn.put_copy_data(b"r" + struct.pack(">qqqqb", seen, seen, seen, 0, 0))  # Standby status update
        while pgconn.flush():
            pass
        told = "select count(*) from pg_stat_replication where replay_lsn is not null"
        wait_until(lambda: store.query(told) == [(2,)], "the reader to be seen", timeout_s=30)
        assert [one.name for one in store.a.standbys()] == ["b"]
    finally:
        pgconn.finish()


def test_a_standby_goes_by_its_name_or_its_address(store: Store) -> None:
    """As pg_stat_replication shows it, and as its URL does; a primary that is named too is none."""
    for nodes in ([], [store.a, store.b, store.database("b")]):
        (one,) = standbys.followers(store.a, nodes)
        assert one.known_as() == "b"
        Wanted.parse("b").check([one])
        with pytest.raises(BadInput, match="standbys c are wanted"):
            Wanted.parse("c").check([one])
    Wanted.parse(store.b.where.rpartition("/")[0]).check([store.b])


def test_saving_waits_for_the_standbys_that_were_asked_for_and_tells_when_there_is_none(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name or by number; one that is late is named with its position; alone, the exit code is 1 and it is said."""
    safetensors.numpy.save_file({"w": np.ones(8, np.float32)}, tmp_path / "w.safetensors")
    a = store.pair.embedded.url("a")
    save = ["checkpoint", "save", "files", str(tmp_path), "--primary", a]
    assert main([*save, "--wait", "30", "--durable", "b"]) == 0
    said = capsys.readouterr()
    assert "\ndurable on b after " in said.out
    assert said.err == ""
    gone = "postgresql://postgres@127.0.0.1:1/postgres"
    anyone = [*save, "--wait", "30", "--node", gone, "--node", store.pair.embedded.url("b"), "--durable"]
    for wanted in ("any", "b"):
        assert main([*anyone, wanted]) == 0
        assert "127.0.0.1:1/postgres: does not answer" in capsys.readouterr().out
    for wanted in ("all", "127.0.0.1"):
        assert main([*anyone, wanted]) == 2
    assert "127.0.0.1:1/postgres" in capsys.readouterr().err
    assert main([*save, "--durable", "2", "--wait", "30"]) == 2
    assert "2 standbys are wanted, and there are: b" in capsys.readouterr().err
    with _paused(store):
        assert main([*save, "--wait", "0"]) == 2
    assert "is on 0 of 1 standbys after 0 s: b has replayed 0/" in capsys.readouterr().err
    durability = Durability([Streamed(store.a, store.a.standbys()[0])])
    assert durability.poll() == []
    durability.follow(2, CURSOR, store.a.committed())
    store.pair.embedded.kill("b")
    wait_until(lambda: store.a.standbys() == [], "the standby to be gone", timeout_s=30)
    with pytest.raises(NodeLost, match="sends its log to b no more"):
        durability.poll()
    assert main([*save, "--format", "json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["nodes"] == []
    assert "warning: files/4 is on the primary alone" in said.err
    assert main([*save, "--durable", "0"]) == 0
    assert capsys.readouterr().err == ""
