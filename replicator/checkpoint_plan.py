"""How often a run should store a checkpoint: what that logs each hour, against what a failure makes it replay.

Everything is computed from what the run itself has shown: the times in its journal, the log between its steps'
cursors, and what its checkpoints added to the store. With a checkpoint every N steps, where a step follows another
every p seconds and takes s seconds when its rows are at hand, a checkpoint takes b bytes and c seconds, a step j
bytes of the journal, and other writers w bytes of the log meanwhile:

    checkpoint bytes an hour    3600 b / (N p)
    journal bytes an hour       3600 j / p
    replayed after a failure    s (N / 2 + c / p) seconds, at most s (N + c / p): what is being saved does not count yet
    log that a slot holds       N (w + j) + b: what lies behind the newest durable checkpoint
    share of time lost          c / (N p) + s (N / 2 + c / p) / M, with M seconds between failures

What is measured holds for the interval that is in force. Differences between checkpoints grow with the interval, so b
is somewhat less for a shorter one and more for a longer one. Training is held for less than c, because a checkpoint
is saved beside the steps; so what is said to be lost is at most lost.

Source of the shares, and of the best interval: J. W. Young, "A first order approximation to the optimum checkpoint
interval", Communications of the ACM 17(9), 1974; J. T. Daly, "A higher order estimate of the optimum checkpoint
interval for restart dumps", Future Generation Computer Systems 22(3), 2006, equation 37.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from replicator import step_journal
from replicator.database import Database
from replicator.errors import ArtifactMissing

_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run has shown.

    Attributes:
        every: the interval in force, in steps.
        rows_per_step: that it trains on.
        steps: between how many the times were measured.
        pace_s: from one step to the next, the median.
        step_s: the same where the next rows were at hand: the quickest tenth.
        journal_bytes: what a step takes in the journal.
        log_bytes: log between a step's cursors; None if it has no positions of the log.
        checkpoints: how many were measured.
        checkpoint_bytes: what one added to the store, the median of all but the oldest.
        checkpoint_s: from its step until it was there, the median.
    """

    every: int
    rows_per_step: int
    steps: int
    pace_s: float
    step_s: float
    journal_bytes: float
    log_bytes: float | None
    checkpoints: int
    checkpoint_bytes: float
    checkpoint_s: float


@dataclass(frozen=True, slots=True)
class Trade:
    """What an interval comes to.

    Attributes:
        every: steps from one checkpoint to the next.
        in_force: whether the run's recipe says so.
        best: whether it is the best for the time between failures.
        checkpoint_bytes_per_hour, journal_bytes_per_hour: stored, and so at least logged.
        replay_s, longest_replay_s: after a failure, on average and at most.
        rows_kept: that a feed must keep for it.
        log_kept_bytes: that its slot holds back for these; None without a slot.
        lost_share: of all time, for checkpoints and replays; None if nobody knows the time between failures.
    """

    every: int
    in_force: bool
    best: bool
    checkpoint_bytes_per_hour: float
    journal_bytes_per_hour: float
    replay_s: float
    longest_replay_s: float
    rows_kept: int
    log_kept_bytes: float | None
    lost_share: float | None


def measure(database: Database, run: str) -> Figures:
    """Return what a run has shown so far.

    Raises:
        ArtifactMissing: there is no such run, or it has too few steps or no checkpoint.
    """
    recipe = json.loads(step_journal.recipe(database, run))
    with database.connect() as connection:
        pace = connection.execute(database.statement("run/pace"), {"run": run}).one()
        saved = connection.execute(database.statement("store/own_bytes"), {"run": run}).all()
    if not pace.steps or not saved:
        lacks = "a checkpoint" if pace.steps else "two steps in its journal"
        raise ArtifactMissing(f"{database.where}: run {run} lacks {lacks} to measure", hint="let it train for a while")
    added = [one.own_bytes for one in saved]
    took = [one.took_s for one in saved if one.took_s is not None]
    return Figures(
        every=recipe["checkpoint_every"],
        rows_per_step=recipe["data"]["rows_per_step"],
        steps=pace.steps,
        pace_s=pace.pace_s,
        step_s=pace.step_s,
        journal_bytes=pace.row_bytes,
        log_bytes=pace.log_bytes,
        checkpoints=len(added),
        checkpoint_bytes=statistics.median(added[:-1] or added),
        checkpoint_s=statistics.median(took) if took else 0.0,
    )


def trades(figures: Figures, mtbf_s: float | None = None) -> list[Trade]:
    """Return what several intervals come to, the shortest first: that in force and the best among them.

    Args:
        figures: of the run.
        mtbf_s: mean time between failures.
    """
    best = None if mtbf_s is None else max(1, round(optimum_s(figures.checkpoint_s, mtbf_s) / figures.pace_s))
    steps = itertools.takewhile(lambda every: every <= max(100, 10 * figures.every), _round())
    wanted = {*steps, figures.every, *({best} if best else ())}
    return [_trade(figures, every, best, mtbf_s) for every in sorted(wanted)]


def _round() -> Iterator[int]:
    for power in itertools.count():
        yield from (10**power, 5 * 10**power)


def _trade(figures: Figures, every: int, best: int | None, mtbf_s: float | None) -> Trade:
    per_hour = _HOUR_S / figures.pace_s
    saving = figures.checkpoint_s / figures.pace_s
    replay_s = figures.step_s * (every / 2 + saving)
    log_kept = None
    if figures.log_bytes is not None:
        own = figures.journal_bytes + figures.checkpoint_bytes / figures.every
        others = max(0.0, figures.log_bytes - own)
        log_kept = every * (others + figures.journal_bytes) + figures.checkpoint_bytes
    return Trade(
        every=every,
        in_force=every == figures.every,
        best=every == best,
        checkpoint_bytes_per_hour=figures.checkpoint_bytes * per_hour / every,
        journal_bytes_per_hour=figures.journal_bytes * per_hour,
        replay_s=replay_s,
        longest_replay_s=figures.step_s * (every + saving),
        rows_kept=every * figures.rows_per_step,
        log_kept_bytes=log_kept,
        lost_share=None if mtbf_s is None else min(1.0, saving / every + replay_s / mtbf_s),
    )


def optimum_s(checkpoint_s: float, mtbf_s: float) -> float:
    """Return Daly's estimate of the seconds of work between two checkpoints that lose the least time.

    Args:
        checkpoint_s: what a checkpoint takes.
        mtbf_s: mean time between failures.
    """
    if checkpoint_s >= 2 * mtbf_s:
        return mtbf_s
    ratio = checkpoint_s / (2 * mtbf_s)
    return math.sqrt(2 * checkpoint_s * mtbf_s) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - checkpoint_s
