"""A run's states built again: the bits that it had, wherever its database is now, or why they cannot be had."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from replicator.errors import BadInput, SlotInUse
from replicator.follow import Feed
from replicator.position import Cursor, Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.recovery import Plan, Run
from replicator.store import checkpoints, reader
from replicator.store.writer import Writer, publish
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import fresh_pair
from tests.fixtures.training import REFERENCE_SLOT, Event, Ground, named
from trainer import checkpoint

_RANKS = 3
_DAMAGE = """
update hadrian.chunk as c
set body = set_bit(body, 90, 1 - get_bit(body, 90))
from hadrian.artifact_chunk as held
join hadrian.artifact as a on a.id = held.artifact_id and a.name = 'one/6'
where held.sha256 = c.sha256 and not exists (
  select
  from hadrian.artifact_chunk as other
  join hadrian.checkpoint as one using (artifact_id)
  where other.sha256 = c.sha256 and one.step <> 6
)
"""


class _Trained:
    """A run of 8 steps on three ranks, with checkpoints at 3, 6 and 8.

    Its rows are a snapshot (steps 1 and 2), a transaction (to step 5) and another (from step 6). The feed's slot was
    confirmed at step 8, a second one keeps all of them.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        ground.write(9, 20)
        ground.write(21, 60)
        self.events: list[Event] = ground.train(ground.recipe(tensor_parallel=_RANKS))
        self.folder = ground.folder

    def recover(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the command on every node."""
        nodes = " ".join(self.ground.urls)
        return hadrian("recover", "one", *arguments, "--logs", self.folder, HADRIAN_NODES=nodes)

    def recovered(self, *arguments: str | Path) -> dict[str, Any]:
        """Run it with the slot that keeps everything, and return what it says."""
        done = self.recover(*arguments, "--format", "json", "--slot", REFERENCE_SLOT)
        assert done.stderr == ""
        return {"code": done.returncode, **json.loads(done.stdout)}

    def plan(self, slot: str | None = None, **wanted: Any) -> Plan:
        """Return what would be replayed."""
        with contextlib.ExitStack() as opened:
            nodes = [opened.enter_context(contextlib.closing(PostgresDatabase(url))) for url in self.ground.urls]
            return Run(nodes, "one").to("f", slot, **wanted)


@pytest.fixture(scope="module")
def trained(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Trained]:
    """Train once for the module."""
    with fresh_pair() as pair:
        yield _Trained(Ground(pair, tiny_model, tmp_path_factory.mktemp("logs")))


def test_rows_that_are_no_longer_kept_are_told_with_the_steps_that_can_be_had(trained: _Trained) -> None:
    """Before any rank starts: steps inside the snapshot, checkpoints, and all behind the first that the slot serves."""
    said = complaint(trained.recover("--to", "5"))
    assert "run one: step 5 cannot be built again, for the rows behind step 3 are no longer kept" in said
    assert "these steps can: 1 to 3, 6 to 8; name one of these" in said
    assert "it ends at step 8" in complaint(trained.recover("--to", "9"))
    assert "not empty" in complaint(trained.recover("--out", trained.folder))
    alone = hadrian("recover", "one", "--to", "7", "--slot", REFERENCE_SLOT, HADRIAN_NODES=trained.ground.urls[1])
    assert "no primary answers, so no checkpoint of run one can be stored" in complaint(alone)
    done = trained.recover("--format", "json")
    assert (done.returncode, json.loads(done.stdout)["begin"]) == (0, 8), "the last step has a checkpoint"
    assert [leg.start.step for leg in trained.plan(step=2).legs] == [0]
    with Feed("f", trained.ground.urls, slot=REFERENCE_SLOT) as feed:
        while feed.read(0.1) is not None:
            pass
        with pytest.raises(SlotInUse, match="is being read"):
            trained.plan(REFERENCE_SLOT, step=5)
    assert [leg.start.step for leg in trained.plan(REFERENCE_SLOT, step=7).legs] == [6, 3, 0]


def test_a_position_stands_for_the_newest_step_whose_rows_were_committed_before_it(trained: _Trained) -> None:
    """Those that end inside a transaction are behind where its commit begins, the one that ends it where that ends."""
    steps = {event["step"]: Cursor.parse(event["cursor"]).lsn for event in named(trained.events, "step")}
    at = {steps[3]: 2, steps[5]: 5, steps[8]: 5, Lsn(steps[8] + 1): 8}
    assert {lsn: trained.plan(REFERENCE_SLOT, at=lsn).legs[0].end for lsn in at} == at
    with pytest.raises(BadInput, match="feed f begins at"):
        trained.plan(at=Lsn(1))


def test_the_interval_between_checkpoints_is_weighed_by_what_the_run_has_shown(trained: _Trained) -> None:
    """The one in force is marked; a third of the interval keeps a third of the rows, and logs thrice the bytes."""
    url = trained.ground.urls[1]
    told = json.loads(hadrian("checkpoint", "plan", "one", "--format", "json", HADRIAN_STANDBY=url).stdout)
    measured, trades = told["measured"], {one["every"]: one for one in told["intervals"]}
    assert (measured["steps"], measured["checkpoints"], measured["rows_per_step"]) == (7, 3, 4)
    assert 0 < measured["step_s"] <= measured["pace_s"] < 60
    assert 0 < measured["checkpoint_s"] < 60
    assert [every for every, one in trades.items() if one["in_force"]] == [3]
    assert (trades[1]["rows_kept"], trades[3]["rows_kept"]) == (4, 12)
    thrice = 3 * trades[3]["checkpoint_bytes_per_hour"]
    assert trades[1]["checkpoint_bytes_per_hour"] == pytest.approx(thrice)
    assert measured["checkpoint_bytes"] == _added_by_the_median_checkpoint(trained)
    done = hadrian("checkpoint", "plan", "one", "--mtbf", "24", HADRIAN_STANDBY=url)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(line.split()[1] for line in done.stdout.splitlines() if "  best" in line or "in force" in line) == [
        "best", "in",
    ]  # fmt: skip


def _added_by_the_median_checkpoint(trained: _Trained) -> float:
    """Return the mean of what the checkpoints at 6 and 8 hold that the older ones do not."""
    held: list[set[bytes]] = []
    bodies: dict[bytes, int] = {}
    with contextlib.closing(PostgresDatabase(trained.ground.urls[0])) as database:
        for one in reversed(checkpoints.found(database, "one")):
            held.append(set(reader.manifest(database, one.artifact_id).digests))
            bodies |= {digest: len(chunk.body) for digest, chunk in database.read_chunks(held[-1]).items()}
    own = [held[1] - held[0], held[2] - held[1] - held[0]]
    return sum(sum(map(bodies.__getitem__, each)) for each in own) / 2


def _tamper(trained: _Trained, step: int, tensor: str) -> None:
    """Put another checkpoint in the place of one: it is whole, and one bit of a tensor's last shard is another."""
    with contextlib.closing(PostgresDatabase(trained.ground.urls[0])) as database:
        (found,) = (one for one in checkpoints.found(database, "one") if one.step == step)
        blobs = list(reader.manifest(database, found.artifact_id).blobs)
        number = max(
            (n for n, blob in enumerate(blobs) if blob.attributes["fqn"] == tensor),
            key=lambda n: blobs[n].attributes["offset"],
        )
        content = reader.read(database, blobs[number])
        content[0] ^= 1
        writer = Writer(database)
        blobs[number] = writer.put(blobs[number].name, bytes(content), blobs[number].attributes)
        writer.flush()
        with publish(database, checkpoints.KIND, f"one/{step} altered", blobs) as (transaction, artifact_id):
            transaction.exec_driver_sql(
                "update hadrian.checkpoint set artifact_id = %s where run = 'one' and step = %s", (artifact_id, step)
            )


def test_a_state_is_built_again_and_checkpoints_are_compared_with_what_leads_to_them(trained: _Trained) -> None:
    """A false journal ends its leg at the step, a checkpoint's one false bit is told by tensor, and the others hold."""
    made = trained.recovered("--to", "5")
    assert (made["code"], made["step"], made["begin"], made["files"]) == (0, 5, 3, [])
    frozen = "model.model.layers.0.self_attn.q_proj.weight"
    _tamper(trained, 8, frozen)
    trained.ground.pair.run("update hadrian.step set grad_norm = grad_norm + 1e-9 where step = 2")
    told = trained.recovered("--verify")
    trained.ground.pair.run("update hadrian.step set grad_norm = grad_norm - 1e-9 where step = 2")
    problem = told["compared"][0].pop("problem")
    assert problem.startswith("step 2: grad_norm is ")
    assert (told["code"], told["unread"]) == (1, [])
    assert told["compared"] == [
        {"begin": 0, "step": 3, "differ": []},
        {"begin": 3, "step": 5, "differ": [], "problem": None},
        {"begin": 5, "step": 6, "differ": [], "problem": None},
        {"begin": 6, "step": 8, "differ": [frozen], "problem": None},
    ]


def test_the_promoted_node_gives_the_last_bits_from_the_newest_whole_checkpoint(
    trained: _Trained, tmp_path: Path
) -> None:
    """The checkpoint of step 8 is gone, that of 6 is damaged: from 5 on it ends in the run's bits, as files."""
    pair = trained.ground.pair
    trained.recovered("--to", "5")  # it has it already, unless this test runs alone
    whole = _loaded(trained, "one/8")
    pair.run("delete from hadrian.checkpoint where step = 8")
    pair.run(_DAMAGE)
    trained.ground.settle()
    pair.fail_over()
    made = trained.recovered("--out", tmp_path / "eight")
    assert (made["step"], made["begin"], made["damaged"], made["stored_bytes"]) == (8, 5, [6], None)
    assert made["sha256"] == named(trained.events, "finished")[0]["digest"]
    tensors = safetensors.torch.load_file(made["files"][0])
    assert tensors.keys() == whole.keys() > {f"generator.{rank}" for rank in range(_RANKS)}
    assert all(torch.equal(tensors[name], whole[name]) for name in whole)


def _loaded(trained: _Trained, name: str) -> dict[str, torch.Tensor]:
    """Return the tensors of an artifact."""
    with contextlib.closing(PostgresDatabase(trained.ground.urls[0])) as database:
        ((found,),) = trained.ground.pair.run(f"select id from hadrian.artifact where name = '{name}'")
        artifact_id = int(str(found))
        stored = checkpoint.stored(database, artifact_id)
        tensors = {name: torch.empty(one.size, dtype=one.properties.dtype) for name, one in stored.items()}
        checkpoint.load(tensors, database, artifact_id)
    return tensors
