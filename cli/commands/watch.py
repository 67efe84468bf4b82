"""`hadrian watch`: a pair compared again and again, for a monitor."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import (
    Duration,
    Output,
    auto_mode_option,
    examples,
    format_option,
    primary_option,
    standby_option,
    tables_option,
)
from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.rule import Mode
    from replicator.watch.board import Passed

_HIGHEST_PORT = 65_535
_SHOWN = 5  # findings in one line


@click.command(
    epilog=examples(
        "hadrian watch --primary postgresql://user@a:5432/app --standby postgresql://user@b:5432/app",
        "hadrian watch --every 1d --rate 4 --listen 0.0.0.0:9960",
    )
)
@primary_option
@standby_option
@auto_mode_option
@tables_option
@click.option(
    "--every",
    metavar="TIME",
    type=Duration(),
    default="1h",
    show_default=True,
    help="From the beginning of one comparison to the next; units are s, min, h, d.",
)
@click.option(
    "--rate",
    metavar="MB/s",
    type=click.FloatRange(min=0.001),
    default=8,
    show_default=True,
    help="Read no more than this on each node.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:9960",
    show_default=True,
    help="Where Prometheus asks for /metrics.",
)
@format_option
def command(
    primary: str,
    standby: str,
    mode: Mode | None,
    tables: tuple[str, ...],
    every: float,
    rate: float,
    listen: str,
    output: Output,
) -> None:
    """Compare a pair again and again, and tell Prometheus.

    Compares what hadrian verify compares, slowly, and looks every few seconds how far the standby is behind. After a
    takeover it finds out which node is which. Each comparison is one line here and one row of hadrian.verification on
    the primary, for which the role needs hadrian_watcher; without it there is no history. Ends at Ctrl-C.
    """
    from replicator.comparison import Request, What
    from replicator.watch.loop import Watch
    from replicator.watch.metrics import Metrics, served

    host, port = _address(listen)
    request = Request(frozenset(What) - {What.INDEXES}, tables=tables, rate=rate * 1e6)
    watch = Watch((primary, standby), request, mode=mode, every_s=every)
    with served(Metrics(watch.board, lambda: watch.observer.standing), host, port) as chosen:
        click.echo(f"watching; metrics at http://{host}:{chosen}/metrics", err=True)
        with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
            watch.run(_tell_programs if output == "json" else _tell)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise BadInput(f"not an address: {listen!r}", hint="write it as 127.0.0.1:9960, or as [::1]:9960")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - whoever leaves out the host asks for all


def _tell(passed: Passed) -> None:
    from cli import findings

    at = passed.ended_at.strftime("%Y-%m-%d %H:%M:%S")
    told = [f"{at} {passed.result}: {passed.standby} against {passed.primary}"]
    report = passed.report
    if report is not None:
        read = findings.size(sum(one.size for one in report.compared))
        told.append(
            f"{len(report.compared)} compared, {len(report.different)} different, {len(report.unsettled)} open, {read} "
            f"in {passed.took_s:.1f} s"
        )
        told += [f"{one.what} {one.object} {one.word}" for one in [*report.different, *report.unsettled][:_SHOWN]]
    told += [text for text in (passed.problem, passed.history and f"not recorded: {passed.history}") if text]
    render.line("; ".join(map(render.cell, told)))


def _tell_programs(passed: Passed) -> None:
    report = passed.report
    render.as_json_line(
        {
            "ended_at": passed.ended_at,
            "result": passed.result,
            "primary": passed.primary,
            "standby": passed.standby,
            "took_s": passed.took_s,
            "problem": passed.problem,
            "not_recorded": passed.history,
            "compared": [] if report is None else report.compared,
            "different": [] if report is None else report.different,
            "unsettled": [] if report is None else report.unsettled,
            "unseen": [] if report is None else report.unseen,
        }
    )
