"""One rank: `torchrun -m trainer RECIPE`, with the nodes' DSNs in HADRIAN_NODES (separated by spaces)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from replicator.errors import HadrianError
from replicator.postgres.adapter import PostgresDatabase
from trainer import loop, parentage, recipe
from trainer.events import emit


def main(path: str) -> None:
    """Train. An error that Hadrian knows is told as an event and ends well: a restart would not mend it."""
    parentage.end_with_agent()
    wanted = recipe.load(Path(path))
    nodes = [PostgresDatabase(url) for url in os.environ["HADRIAN_NODES"].split()]
    ranks = int(os.environ["WORLD_SIZE"])
    # Threads decide how sums are split, so they are part of the layout.
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // ranks))
    torch.use_deterministic_algorithms(mode=True)
    dist.init_process_group("gloo")
    try:
        loop.run(wanted, nodes, init_device_mesh("cpu", (ranks,), mesh_dim_names=("tp",)))
    except HadrianError as error:
        emit("error", kind=type(error).__name__, message=str(error), hint=error.hint)
    dist.barrier()


if __name__ == "__main__":
    main(sys.argv[1])
    # Past the interpreter's own end: gloo's threads may outlive their group there and abort the process (seen with
    # torch 2.13), which the agent would take for a crash.
    sys.stdout.flush()
    os._exit(0)
