"""Prunes the runs of a storm and collects their chunks, again and again, beside whoever saves.

A line on standard input lets it begin or rest; it says `resting` once nothing of it is under way. What it cannot reach
it tries again.

Usage: python -m tests.crash.store_storm_pruner GRACE_S RUN..., with the primary's address in HADRIAN_PRIMARY.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from pathlib import Path

from replicator.errors import ArtifactMissing, DiskFull, NodeLost, NodeUnreachable
from replicator.postgres.adapter import PostgresDatabase
from replicator.store import collector, retention
from replicator.store.retention import Keep
from trainer import parentage

KEPT = 2  # of each run: the newest
_PAUSE_S = 0.05


def _round(primary: PostgresDatabase, grace_s: float, runs: tuple[str, ...]) -> None:
    for run in runs:
        with contextlib.suppress(ArtifactMissing):  # before its first checkpoint
            retention.prune(primary, run, Keep(KEPT), dry_run=False)
    collector.collect(primary, grace_s)


def main(grace_s: float, *runs: str) -> None:
    """Go on until killed, or until nobody tells it any more."""
    parentage.end_with_parent(signal.SIGKILL)
    primary = PostgresDatabase(os.environ["HADRIAN_PRIMARY"])
    with Path("/dev/stdin").open("rb", buffering=0) as told:
        while told.readline():
            while not select.select([told], [], [], _PAUSE_S)[0]:
                with contextlib.suppress(NodeLost, NodeUnreachable, DiskFull):
                    _round(primary, grace_s, runs)
            told.readline()
            print("resting", flush=True)  # noqa: T201 - what it is for


if __name__ == "__main__":
    main(float(sys.argv[1]), *sys.argv[2:])
