"""`hadrian checkpoint plan`: what a run's interval between checkpoints costs, and what another would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, node_option

if TYPE_CHECKING:
    from replicator.checkpoint_plan import Figures, Trade

_URL = "postgresql://user@host:5432/database"
_HOUR_S = 3600


@click.command(
    epilog=examples(f"hadrian checkpoint plan drill --node {_URL}", "hadrian checkpoint plan drill --mtbf 24")
)
@click.argument("run")
@node_option
@click.option(
    "--mtbf",
    "mtbf_hours",
    metavar="HOURS",
    type=click.FloatRange(min=0, min_open=True),
    help="Mean time between failures: shows the share of time that each interval loses, and Daly's best one.",
)
@format_option
def plan(run: str, node: str, mtbf_hours: float | None, output: Output) -> None:
    """Show what checkpoints of RUN every 1, 5, 10, 50, ... steps would log each hour, and leave to be replayed.

    It is computed from what the run has shown: the pace of its steps, the size of its checkpoints at the interval in
    force, and the log between its steps. Kept are the rows, and the log that the slot holds back for them, behind the
    newest durable checkpoint.
    """
    import contextlib

    from replicator import checkpoint_plan
    from replicator.postgres.adapter import PostgresDatabase

    with contextlib.closing(PostgresDatabase(node)) as database:
        figures = checkpoint_plan.measure(database, run)
    trades = checkpoint_plan.trades(figures, None if mtbf_hours is None else mtbf_hours * _HOUR_S)
    if output == "json":
        render.as_json({"run": run, "measured": figures, "intervals": trades})
    else:
        _show(run, figures, trades)


def _show(run: str, figures: Figures, trades: list[Trade]) -> None:
    from cli.findings import size

    render.line(
        f"run {run}, {figures.steps} steps and {figures.checkpoints} checkpoints measured: a step every "
        f"{figures.pace_s:.3g} s, {figures.step_s:.3g} s where its rows are at hand; a checkpoint adds "
        f"{size(round(figures.checkpoint_bytes))} and is there after {figures.checkpoint_s:.3g} s"
    )
    render.line("")
    columns = ("every", "is", "checkpoints/h", "journal/h", "replay s", "at most s", "rows kept", "log kept")
    loses = trades[0].lost_share is not None
    rows = []
    for one in trades:
        kept = None if one.log_kept_bytes is None else size(round(one.log_kept_bytes))
        is_what = ", ".join(word for word, so in (("in force", one.in_force), ("best", one.best)) if so)
        row = (
            one.every, is_what, size(round(one.checkpoint_bytes_per_hour)), size(round(one.journal_bytes_per_hour)),
            f"{one.replay_s:.3g}", f"{one.longest_replay_s:.3g}", one.rows_kept, kept,
        )  # fmt: skip
        rows.append((*row, f"{one.lost_share:.2%}") if loses else row)
    render.table("", (*columns, "time lost") if loses else columns, rows)
