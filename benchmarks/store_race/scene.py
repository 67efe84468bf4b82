"""The pair on which everything about the store is measured, and what its measurements share."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from replicator import migrate, step_journal
from replicator.position import Cursor, Lsn
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import EmbeddedPair
from trainer import checkpoint

RUN = "race"


class Scene:
    """A pair with Hadrian's schema."""

    def __init__(self, pair: EmbeddedPair) -> None:
        self.pair = pair
        self.primary, self.standby = PostgresDatabase(pair.url("a")), PostgresDatabase(pair.url("b"))
        migrate.install(pair.url("a"))
        step_journal.open_run(self.primary, RUN, None, "{}")
        self._step = 0

    def durable(self) -> None:
        """Wait until the standby has replayed what the primary has committed."""
        topology.wait_replayed(self.standby, self.primary.committed(), timeout_s=600)

    def settle(self) -> None:
        """Let no turn pay for the one before."""
        self.durable()
        for node in (self.primary, self.standby):
            with node.autocommit() as connection:
                connection.exec_driver_sql("checkpoint")

    def run(self, text: str) -> None:
        """Run SQL on the primary, each statement its own transaction."""
        with self.primary.autocommit() as connection:
            connection.exec_driver_sql(text)

    def target(self) -> checkpoint.Target:
        """Return where the next checkpoint goes."""
        self._step += 1
        return checkpoint.Target(self.primary, RUN, self._step, Cursor(Lsn(1), 0))

    def close(self) -> None:
        """Close every session."""
        self.primary.close()
        self.standby.close()


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def data_of(one: torch.Tensor) -> bytes:
    """Return a tensor's bytes."""
    return one.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
