"""What must hold of a store whenever a storm lets it rest, on each node alike.

Each run's newest checkpoint is the one before the moment or the one that was being saved then. `hadrian checkpoint
verify` calls every checkpoint whole, and the newest is bit for bit what the run saved. Nothing that was there before,
or was said to be durable, is gone, unless pruning may take it. What nothing holds can be collected, to the last chunk.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch

from cli.main import main
from replicator.postgres.adapter import PostgresDatabase
from replicator.store import checkpoints, collector, reader, retention
from replicator.store.manifest import Blob
from replicator.store.retention import Keep
from replicator.store.writer import MOST_DEPTH
from tests.crash.store_storm_pruner import KEPT
from tests.crash.store_storm_state import STATE_CHUNKS, as_bytes, state

_HELD = """
    with recursive held (sha256) as (
      select sha256 from hadrian.artifact_chunk
      union select chunk.base from hadrian.chunk join held on held.sha256 = chunk.sha256 where chunk.base is not null
    )
    select (select count(*) from held), (select count(*) from hadrian.chunk),
      (select count(*) from hadrian.artifact where id not in (select artifact_id from hadrian.checkpoint)),
      pg_total_relation_size('hadrian.chunk')
"""
_MOST_BYTES = 640 << 20  # some rounds: vacuum spares what the standby said last that it may still look at


def command(*arguments: object) -> tuple[int, str]:
    """Run `hadrian` in this process, and return its exit code and what it printed."""
    text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(text), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        code = main([str(one) for one in arguments])
        gc.collect()  # the sessions that it left to the end of its process
    text.seek(0)
    return code, text.read()


def verified(node: PostgresDatabase, run: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `hadrian checkpoint verify --all` on a node, and what it found."""
    address = node.url.render_as_string(hide_password=False)
    code, found = command("checkpoint", "verify", run, "--all", "--node", address, "--format", "json")
    assert code < 2, (node.where, run)  # it could not even look
    return code, json.loads(found)


def check_whole(node: PostgresDatabase, run: str) -> list[int]:
    """Check that each of a run's checkpoints is whole on a node, and return their steps, the newest first."""
    steps = [one.step for one in checkpoints.found(node, run)]
    code, found = verified(node, run)
    verdicts = [(one["step"], one["whole"]) for one in found["verdicts"]]
    assert (code, verdicts) == (0, [(step, True) for step in steps]), (node.where, run, found)
    return steps


def check_bits(node: PostgresDatabase, run: str, seed: int) -> None:
    """Check that a run's newest checkpoint is, bit for bit, the state that was saved."""
    newest = checkpoints.newest(node, run)
    assert newest is not None
    stored = {
        str(blob.attributes["fqn"]): reader.read(node, blob) for blob in reader.manifest(node, newest.artifact_id).blobs
    }
    expected = {name: as_bytes(tensor) for name, tensor in state(seed, run, newest.step).items()}
    assert stored.keys() == expected.keys()
    differing = [name for name, one in expected.items() if stored[name] != one]
    assert differing == [], (node.where, run, newest.step)


def check_kept(steps: Sequence[int], before: Collection[int], required: Collection[int], saving: int) -> None:
    """Check that nothing is there that nobody saved, and that only what may be pruned is gone."""
    assert set(steps) <= {*before, *required, saving}, (steps, before, saving)
    newest = steps[:KEPT]
    lost = [step for step in required if step not in steps and (len(newest) < KEPT or step > newest[-1])]
    assert lost == [], (steps, before, required, saving)


def check_room(primary: PostgresDatabase, runs: Collection[str]) -> int:
    """Prune and collect; check that nothing is left but what the newest hold, and return how many chunks that is."""
    for run in runs:
        retention.prune(primary, run, Keep(KEPT), dry_run=False)
    collector.collect(primary, 0)
    with primary.autocommit() as connection:
        connection.exec_driver_sql("vacuum hadrian.chunk")  # each crash loses the statistics that autovacuum goes by
        held, there, meaningless, size = connection.exec_driver_sql(_HELD).one()
    assert (there, meaningless) == (held, 0)
    assert size < _MOST_BYTES
    assert there <= len(runs) * (KEPT + MOST_DEPTH) * STATE_CHUNKS
    return int(there)


def check_pulled(node: PostgresDatabase, run: str, step: int, seed: int, folder: Path) -> None:
    """Check that `hadrian checkpoint pull` brings a checkpoint out as it was saved."""
    address = node.url.render_as_string(hide_password=False)
    code, _ = command("checkpoint", "pull", f"{run}/{step}", "--node", address, "--to", folder, "--format", "json")
    assert code == 0
    pulled = {
        name: as_bytes(tensor)
        for file in folder.glob("*.safetensors")
        for name, tensor in safetensors.torch.load_file(file).items()
    }
    assert pulled == {name: as_bytes(tensor) for name, tensor in state(seed, run, step).items()}


def private_chunks(node: PostgresDatabase, run: str) -> dict[bytes, set[str]]:
    """Return the chunks that a run's newest checkpoint holds alone, and the tensors that each is read for."""
    newest, *older = checkpoints.found(node, run)
    others = [one for one in (*older, *checkpoints.found(node)) if one.artifact_id != newest.artifact_id]
    held = {digest for one in others for digest in reader.manifest(node, one.artifact_id).digests}
    blobs: tuple[Blob, ...] = reader.manifest(node, newest.artifact_id).blobs
    return {
        digest: {str(blob.attributes["fqn"]) for blob in blobs if digest in blob.chunks}
        for blob in blobs
        for digest in blob.chunks
        if digest not in held
    }
