"""One of three ranks that save and load a sharded checkpoint, and meet the same error wherever it arose.

    python -m tests.train.sharded RANK FOLDER URL ARTIFACT_ID

Writes `FOLDER/<rank>.json`: each act's outcome, "fine" or an error's class and message.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from replicator.errors import AlreadyThere, HadrianError, NodeLost
from replicator.position import Cursor, Lsn
from replicator.postgres.adapter import PostgresDatabase
from trainer import checkpoint, chorus

RANKS = 3
CURSOR = Cursor(Lsn(77), 3)
_PLACEMENTS = {
    "rows": Shard(0),  # 6 rows: two each
    "columns": Shard(1),  # 5 columns: 2, 2 and 1
    "few": Shard(0),  # 1 row: two ranks have none
    "none": Shard(0),  # no rows at all
    "bf16": Shard(0),
    "replicated": Replicate(),
}


def whole() -> dict[str, torch.Tensor]:
    """Return the tensors in full, the same on every rank."""
    generator = torch.Generator().manual_seed(3)
    shapes = {"rows": (6, 4), "columns": (3, 5), "few": (1, 4), "none": (0, 4), "bf16": (9,), "replicated": (4, 2)}
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    made["bf16"] = made["bf16"].to(torch.bfloat16)
    made["plain"] = torch.randn((7,), generator=generator)  # no DTensor: whole on every rank
    return made


def sharded(tensors: dict[str, torch.Tensor], mesh: Any) -> dict[str, torch.Tensor]:
    """Return the tensors as this rank holds them, and one of this rank's own."""
    made = {
        name: distribute_tensor(tensor, mesh, [_PLACEMENTS[name]]) if name in _PLACEMENTS else tensor
        for name, tensor in tensors.items()
    }
    made[f"own.{dist.get_rank()}"] = torch.full((2,), float(dist.get_rank()))
    return made


def outcome(act: Callable[[], Any]) -> str:
    """Return how it went, in words."""
    try:
        act()
    except HadrianError as error:
        return f"{type(error).__name__}: {error} ({error.hint})"
    return "fine"


def main(rank: int, folder: Path, url: str, artifact_id: int) -> None:
    """Do all acts, one after another, on every rank."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=RANKS)
    mesh = init_device_mesh("cpu", (RANKS,), mesh_dim_names=("tp",))
    database = PostgresDatabase(url)
    # Node 5999 does not answer: what a rank sees whose database has gone.
    gone = PostgresDatabase(url.replace("port=5432", "port=5999"))
    mine = sharded(whole(), mesh)

    def save(step: int, where: PostgresDatabase, run: str = "r", tensors: Any = mine) -> Callable[[], Any]:
        return lambda: checkpoint.save(tensors, checkpoint.Target(where, run, step, CURSOR))

    def load(where: PostgresDatabase, artifact: int) -> None:
        into = sharded({name: torch.zeros_like(tensor) for name, tensor in whole().items()}, mesh)
        into.pop(f"own.{rank}")
        checkpoint.load(into, where, artifact)
        for name, expected in whole().items():
            found = into[name]
            assert torch.equal(found.full_tensor() if isinstance(found, DTensor) else found, expected), name

    def fail(error: HadrianError) -> None:
        raise error

    said = {
        "save": outcome(save(1, database)),
        "load what one rank saved": outcome(lambda: load(database, artifact_id)),
        "save twice": outcome(save(1, database)),
        "save without a run": outcome(save(2, database, run="absent")),
        "save no tensor": outcome(save(3, database, tensors=mine | ({"text": "words"} if rank == 1 else {}))),
        "save, rank 2 cut off": outcome(save(4, gone if rank == 2 else database)),
        "save, rank 0 cut off": outcome(save(5, gone if rank == 0 else database)),
        "load, rank 1 cut off": outcome(lambda: load(gone if rank == 1 else database, artifact_id)),
        "load what is absent": outcome(lambda: load(database, 999_999)),
        "agree": outcome(lambda: chorus.agree(lambda: fail(AlreadyThere("only rank 0 knows", hint="ask rank 0")))),
        "agree on a lost node": outcome(lambda: chorus.agree(lambda: fail(NodeLost("gone")))),
        "agreed": chorus.agree(lambda: [rank, "zwölf", 1.5]),
        "save after all that": outcome(save(6, database)),
    }
    (folder / f"{rank}.json").write_text(json.dumps(said))
    dist.destroy_process_group()


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module=r"torch\.")
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
