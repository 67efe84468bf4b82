"""How long a checkpoint holds training: `torch.save` with fsync, and what of a run's saver the optimizer waits for."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from store_race.states import State

from trainer.checkpoint import Target
from trainer.saver import Saver


def stall(
    states: Callable[[], State],
    passes: Callable[[], None],
    target: Callable[[], Target],
    repeats: int,
    folder: Path,
) -> dict[str, list[float]]:
    """Return the seconds that each save held training, in turns.

    `passes` is a step's way forward and backward, during which the copy is made; how long it takes alone and beside
    copy and compression is told too. The saver's first two turns, which make the memory for its copies, do not count.
    """
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with contextlib.closing(Saver(dist.new_group(backend="gloo"))) as saver:
            names = ("torch.save, fsync", "hadrian", "hadrian, until committed", "passes alone", "passes beside a save")
            held: dict[str, list[float]] = {name: [] for name in names}
            for turn in range(repeats + 2):
                state = states()
                alone_s = _timed(passes)
                begin_s = _timed(lambda: saver.begin(state, target()))  # noqa: B023 - called at once
                beside_s = _timed(passes)
                saver.wait_copied()
                saved = saver.finished(wait=True)
                if turn > 1 and saved is not None:
                    took = (_torch_save(state, folder / "stall.pt"), begin_s + saver.held_s, saved.took_s)
                    for name, seconds in zip(names, (*took, alone_s, beside_s), strict=True):
                        held[name].append(seconds)
            return held
    finally:
        dist.destroy_process_group()


def _timed(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _torch_save(state: State, path: Path) -> float:
    began = time.perf_counter()
    with path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    took_s = time.perf_counter() - began
    path.unlink()
    return took_s
