"""One rank, with the nodes' DSNs in HADRIAN_NODES (separated by spaces).

    torchrun -m trainer RECIPE                       train
    torchrun -m trainer RECIPE recover PLAN [DIR]    build a step's state again, into the store or a folder
    torchrun -m trainer RECIPE compare PLAN          replay from each checkpoint to the next, and compare

PLAN is a file that holds a `replicator.recovery.Plan` as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from replicator.errors import HadrianError
from replicator.postgres.adapter import PostgresDatabase
from replicator.recovery import Plan
from trainer import loop, parentage, recipe, replay
from trainer.events import emit
from trainer.recipe import Recipe


def main(path: str, *what: str) -> None:
    """Train or replay. An error that Hadrian knows is told as an event and ends well: a restart would not mend it."""
    parentage.end_with_agent()
    wanted = recipe.load(Path(path))
    nodes = [PostgresDatabase(url) for url in os.environ["HADRIAN_NODES"].split()]
    ranks = int(os.environ["WORLD_SIZE"])
    # Threads decide how sums are split, so they are part of the layout.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // ranks))
    torch.use_deterministic_algorithms(mode=True)
    dist.init_process_group("gloo")
    try:
        _work(wanted, nodes, init_device_mesh("cpu", (ranks,), mesh_dim_names=("tp",)), what)
    except HadrianError as error:
        emit("error", kind=type(error).__name__, message=str(error), hint=error.hint)
    dist.barrier()


def _work(wanted: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh, what: Sequence[str]) -> None:
    match what:
        case ["recover", plan, *folder]:
            replay.recover(wanted, nodes, mesh, _read(plan), *map(Path, folder))
        case ["compare", plan]:
            replay.compare(wanted, nodes, mesh, _read(plan))
        case _:
            loop.run(wanted, nodes, mesh)


def _read(path: str) -> Plan:
    return Plan.from_json(json.loads(Path(path).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(*sys.argv[1:])
    # Past the interpreter's own end: gloo's threads may outlive their group there and abort the process (seen with
    # torch 2.13), which the agent would take for a crash.
    sys.stdout.flush()
    os._exit(0)
