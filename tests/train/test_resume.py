"""Runs that are interrupted end in the bits of runs that are not."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

import psutil
import pytest

from replicator import rewind
from replicator.errors import BadInput, ReplayDiverged, RunInUse
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from tests.fixtures.training import Event, Ground, at_rest, named


def _fail_over_at(ground: Ground, kind: str, step: int) -> Any:
    done = []

    def act(event: Event, _launched: Any) -> None:
        if (event["event"], event.get("step")) == (kind, step) and not done:
            done.append(event)
            ground.pair.fail_over()

    return act


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_run_that_loses_its_primary_ends_in_the_bits_of_one_that_does_not(ground: Ground, ranks: int) -> None:
    """Weights, optimizer state and generators are equal after SIGKILL, promotion and replay, at TP 1 and 3."""
    ground.write(9, 20)
    events = ground.train(ground.recipe(tensor_parallel=ranks), at_rest(5, 3, lambda _launched: ground.fail_over()))
    reference = ground.train(ground.reference(tensor_parallel=ranks))
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]
    replayed = [event["step"] for event in named(events, "step") if event["replayed"]]
    assert replayed == [4, 5], "the journal reached the standby, so these are proven bit by bit"


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_killed_rank_is_started_again_and_changes_no_bit(ground: Ground, ranks: int) -> None:
    """The elastic agent restarts every rank, and the run goes on from its newest checkpoint."""
    ground.write(9, 20)

    def kill_a_rank(launched: Any) -> None:
        rank = next(p for p in psutil.Process(launched.agent).children() if "trainer" in p.cmdline())
        os.kill(rank.pid, signal.SIGKILL)
        ground.write(21, 60)

    events = ground.train(ground.recipe(tensor_parallel=ranks), at_rest(5, 3, kill_a_rank))
    reference = ground.train(ground.reference(tensor_parallel=ranks))
    assert [event["step"] for event in named(events, "resumed")] == [0, 3]
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]


def test_rows_behind_a_checkpoint_that_died_with_the_primary_can_still_be_had(ground: Ground) -> None:
    """The slot is confirmed only up to what the standby has: cut off, it gets neither checkpoint nor confirmation."""
    ground.write(9, 60)
    ground.pair.run("alter system set primary_conninfo = ''", "b")
    ground.pair.run("select pg_reload_conf()", "b")
    receiver = "select count(*) from pg_stat_wal_receiver"
    topology.wait_until(lambda: ground.pair.run(receiver, "b") == [(0,)], "the receiver to stop", timeout_s=20)
    events = ground.train(ground.recipe(), _fail_over_at(ground, "step", 7))
    before, after = named(events, "resumed")
    assert (before["step"], after["step"]) == (0, 0), "both checkpoints died with the primary"
    reference = ground.train(ground.reference())
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]


def test_a_step_that_does_not_replay_to_its_bits_stops_the_run_and_is_named(ground: Ground) -> None:
    """A journal that holds other bits is believed, and the run ends there."""
    ground.write(9, 60)

    def falsify(event: Event, launched: Any) -> None:
        if event["event"] == "step" and event["step"] == 5 and not event["replayed"]:
            ranks = [process for process in psutil.Process(launched.agent).children() if "trainer" in process.cmdline()]
            for rank in ranks:  # so that it does not come to its end meanwhile
                rank.suspend()
            ground.pair.run("update hadrian.step set loss = loss + 1e-7 where step = 5")
            topology.wait_replayed(ground.pair.standby, topology.committed(ground.pair.primary))
            ground.pair.fail_over()
            for rank in ranks:
                rank.resume()

    with pytest.raises(ReplayDiverged, match=r"step 5: loss is 0x.* the journal has 0x"):
        ground.train(ground.recipe(steps=15, checkpoint_every=100), falsify)


def test_a_run_goes_on_after_its_launcher_was_closed(ground: Ground) -> None:
    """Starting it again resumes from the newest checkpoint; nothing of it was kept outside the database.

    As long as it runs, it is not put back. What standbys it asks for may change.
    """
    from trainer.launch import Launch

    ground.write(9, 20)
    with Launch(ground.recipe(durable=["b"]), ground.urls, ground.folder) as launched:
        for event in launched.events():
            if (event["event"], event.get("step")) == ("durable", 3):
                with pytest.raises(RunInUse):
                    _put_back(ground)
                break
    _put_back(ground)
    assert not psutil.pid_exists(launched.agent)
    ground.write(21, 60)
    events = ground.train(ground.recipe())
    reference = ground.train(ground.reference())
    assert named(events, "resumed")[0]["step"] == 3
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]


def _put_back(ground: Ground) -> None:
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(contextlib.closing(PostgresDatabase(url))) for url in ground.urls]
        run = rewind.Run(nodes, "one")
        run.put_back(run.target(to="3", at=None), force=False)


def test_a_checkpoint_that_the_primarys_disk_has_damaged_is_loaded_from_the_standby(ground: Ground) -> None:
    """The page that the server refuses is told, and the run ends in the bits of one that met none."""
    from trainer.launch import Launch

    ground.write(9, 20)
    with Launch(ground.recipe(), ground.urls, ground.folder) as launched:
        for event in launched.events():
            if (event["event"], event.get("step")) == ("durable", 3):
                break
    _flip_a_bit_of_the_largest_chunk(ground)
    ground.write(21, 60)
    events = ground.train(ground.recipe())
    (damaged,) = named(events, "damaged")
    assert damaged["where"] == ground.pair.primary.where
    assert "invalid page in block" in damaged["message"]
    assert named(events, "resumed")[0]["step"] == 3
    reference = ground.train(ground.reference())
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]


def _flip_a_bit_of_the_largest_chunk(ground: Ground) -> None:
    pair = ground.pair
    ((body,),) = pair.run("select body from hadrian.chunk order by octet_length(body) desc limit 1")
    catalog = "select pg_relation_filepath(reltoastrelid) from pg_class where oid = 'hadrian.chunk'::regclass"
    ((path,),) = pair.run(catalog)
    pair.run("checkpoint")  # what is replayed when it starts again lies behind that
    pair.embedded.kill("a")
    pair.primary.close()
    file = pair.embedded.directory / "a" / str(path)
    content = bytearray(file.read_bytes())
    content[content.index(bytes(body)[:64])] ^= 4  # type: ignore[arg-type]
    file.write_bytes(content)
    pair.embedded.start(["a"])


def test_a_finished_run_has_nothing_left_to_do(ground: Ground) -> None:
    """Running it once more trains no step and ends in the same digest."""
    ground.write(9, 60)
    first, second = ground.train(ground.recipe()), ground.train(ground.recipe())
    assert named(second, "step") == []
    assert named(first, "finished")[0]["digest"] == named(second, "finished")[0]["digest"]


def test_a_changed_recipe_needs_another_run_name(ground: Ground) -> None:
    """Bits that were begun with one recipe are not continued with another."""
    ground.write(9, 60)
    ground.train(ground.recipe())
    with pytest.raises(BadInput, match="run one was begun with another recipe"):
        ground.train(ground.recipe(seed=6))
