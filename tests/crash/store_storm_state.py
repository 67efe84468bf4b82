"""What the runs of a storm save: a state is a function of seed, run and step, so that its bytes can be made again.

One tensor is the same in every checkpoint of both runs. One is the same in both, and another every few steps: what one
run lets go of, the other may want. One moves a little each step, so it is stored as differences. And one is of its run
and step alone.
"""

from __future__ import annotations

import random

import torch

STATE_CHUNKS = 2 + 2 + 6 + 4
_EPOCH_STEPS = 3
_FROZEN, _EPOCH, _WEIGHTS, _MOMENTS = 1_100_000, 1_300_000, 1_500_000, 4_000_000  # chunks go in two batches


def state(seed: int, run: str, step: int) -> dict[str, torch.Tensor]:
    """Return the state of a run after a step, on any machine and in any process the same."""
    weights = _numbers(f"{seed} weights {run}", _WEIGHTS, torch.int32, 1 << 30)
    moved = _numbers(f"{seed} moved {run}", _WEIGHTS, torch.int32, 200)
    return {
        "frozen": _numbers(f"{seed} frozen", _FROZEN, torch.uint8, 256),
        "epoch": _numbers(f"{seed} epoch {step // _EPOCH_STEPS}", _EPOCH, torch.uint8, 256),
        "weights": weights + step * moved,
        "moments": _numbers(f"{seed} moments {run} {step}", _MOMENTS, torch.uint8, 256),
    }


def as_bytes(tensor: torch.Tensor) -> bytes:
    """Return a tensor's numbers as they are stored."""
    return tensor.view(torch.uint8).numpy().tobytes()


def _numbers(seed: str, count: int, dtype: torch.dtype, below: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(random.Random(seed).getrandbits(63))
    return torch.randint(below, (count,), generator=generator, dtype=dtype)
