"""A run of a storm, or one rank of it: saves the states it is told to, and says what became of them.

A line on standard input is a step; a line on standard output, but for the first of rank 0 alone, is one of

    ready                the process can be told
    committed STEP       the checkpoint exists
    waiting STEP         until the standby has it
    durable STEP         the standby has replayed it: it may never be lost now
    failed STEP ERROR    no more will come of it; whether it exists, the database tells

Usage: python -m tests.crash.store_storm_writer RUN SEED RANK RANKS MEETING, where MEETING is a file for the ranks to
meet at. The addresses of primary and standby are in HADRIAN_PRIMARY and HADRIAN_STANDBY.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from datetime import timedelta

import torch
import torch.distributed as dist

from replicator.errors import HadrianError
from replicator.position import Cursor, Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.store.durability import Durability
from replicator.store.writer import Earlier
from tests.crash.store_storm_state import state
from trainer import checkpoint, parentage

_DURABLE_S = 12.0
_RANKS_S = 60.0


def _say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - what it is for


def _save(run: str, step: int, seed: int, earlier: dict[str, Earlier]) -> None:
    """Save with sessions of its own, as training begins anew behind whatever was lost."""
    with contextlib.ExitStack() as stack:
        primary, standby = (
            stack.enter_context(contextlib.closing(PostgresDatabase(os.environ[name])))
            for name in ("HADRIAN_PRIMARY", "HADRIAN_STANDBY")
        )
        leads = not dist.is_initialized() or dist.get_rank() == 0
        durability, away = Durability([standby]), None
        if leads:
            try:
                durability.poll()
            except HadrianError as error:
                away = error  # the ranks save together all the same
        cursor = Cursor(Lsn(step), 0)
        checkpoint.save(state(seed, run, step), checkpoint.Target(primary, run, step, cursor), earlier)
        if leads:
            _say("committed", step)
            if away is not None:
                raise away
            durability.follow(step, cursor, primary.committed())
            _say("waiting", step)
            durability.wait(_DURABLE_S)
            _say("durable", step)


def main(run: str, seed: int, rank: int, ranks: int, meeting: str) -> None:
    """Save until killed, or until nobody tells what any more."""
    parentage.end_with_parent(signal.SIGKILL)
    torch.set_num_threads(1)
    if ranks > 1:
        dist.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks, timeout=timedelta(seconds=_RANKS_S)
        )
    earlier: dict[str, Earlier] = {}
    _say("ready")
    for line in sys.stdin:
        try:
            _save(run, int(line), seed, earlier)
        except HadrianError as error:
            if rank == 0:
                _say("failed", int(line), type(error).__name__, error)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
