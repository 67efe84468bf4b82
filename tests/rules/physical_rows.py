"""Experiments on rows, what holds them, and sequences, under physical replication."""

from __future__ import annotations

from tests.rules.experiment import Experiment, Refusal

_UNREADABLE = "0A000: cannot access temporary or unlogged relations during recovery"

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        rule="PGP-001",
        name="unlogged_table",
        do=("create unlogged table u (id int)", "insert into u select generate_series(1, 100)"),
        look="select count(*) from u",
        primary=[(100,)],
        standby=Refusal(_UNREADABLE),
        promoted=[(0,)],
    ),
)
