"""`hadrian verify`: whether the standby holds what the primary holds, while both go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import (
    ReportFormat,
    auto_mode_option,
    examples,
    primary_option,
    report_format_option,
    standby_option,
    tables_option,
)
from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.comparison import What
    from replicator.rule import Mode
    from replicator.verify import Report

_WHAT = ("rows", "schema", "settings", "libraries", "sequences", "lobs", "collations", "roles", "tablespaces")


@click.command(
    epilog=examples(
        "hadrian verify --primary postgresql://user@a:5432/app --standby postgresql://user@b:5432/app",
        "hadrian verify --table 'public.order*' --what rows --rate 50",
        "hadrian verify --what rows --resume app.progress --format json",
    )
)
@primary_option
@standby_option
@auto_mode_option
@tables_option
@click.option(
    "--what",
    metavar="KINDS",
    default=",".join(_WHAT),
    show_default=True,
    help="What is compared, separated by commas.",
)
@click.option("--indexes", is_flag=True, help="Also check, on both nodes, that heap and index agree (amcheck).")
@click.option("--catalogs", is_flag=True, help="Also compare the rows of the server's own catalogs.")
@click.option(
    "--pages/--no-pages",
    default=None,
    help="Read tuples by pageinspect, which is faster; by default, where the role may.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="Sessions on each node that read rows at once.",
)
@click.option("--rate", metavar="MB/s", type=click.FloatRange(min=0.001), help="Read no more than this on each node.")
@click.option(
    "--max-snapshot",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=30,
    show_default=True,
    help="Hold no snapshot longer: one holds back vacuum.",
)
@click.option(
    "--settle",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    help="How long to wait until what looks different is explained.",
)
@click.option("--show-values", is_flag=True, help="Show the values that differ, and not only where they are.")
@click.option(
    "--resume",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep in this file how far it came, and go on from there; it is removed at the end.",
)
@click.option(
    "--repair",
    metavar="FILE.sql",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what would mend a subscriber's rows into a new file, for review; nothing is run.",
)
@report_format_option
def command(
    *,
    primary: str,
    standby: str,
    mode: Mode | None,
    tables: tuple[str, ...],
    what: str,
    indexes: bool,
    catalogs: bool,
    pages: bool | None,
    jobs: int,
    rate: float | None,
    max_snapshot: float,
    settle: float,
    show_values: bool,
    resume: Path | None,
    repair: Path | None,
    output: ReportFormat,
) -> int:
    """Find out whether the standby holds what the primary holds.

    Compares both while they are in use: no lock, no pause, nothing written. What looks different is read again until it
    is proven to be, or explained by what each node had seen. The role needs SELECT and pg_monitor; what more would show
    more is named. Exit code 1 if something is different, 2 if it could not tell.
    """
    from cli import findings
    from cli.progress import progress
    from replicator.comparison import Progress, Request
    from replicator.verify import verify

    if repair is not None and repair.exists():
        raise BadInput(f"{repair} exists", hint="name a new file, or remove it")
    request = Request(
        what=_kinds(what, indexes=indexes),
        tables=tables,
        jobs=jobs,
        rate=None if rate is None else rate * 1e6,
        max_snapshot_s=max_snapshot,
        settle_s=settle,
        pages=pages,
        catalogs=catalogs,
        show_values=show_values,
        state=resume,
        repair=repair,
    )
    with findings.told_to_monitor(output), progress("comparing", None) as advance:
        done = 0

        def watch(seen: Progress) -> None:
            nonlocal done
            advance(seen.done - done, seen.object, seen.total)
            done = seen.done

        report = verify(primary, standby, request, mode=mode, watch=watch)
    _show(report, output)
    if report.cut is not None:
        raise report.cut
    return 1 if report.different else 2 if report.unsettled else 0


def _kinds(text: str, *, indexes: bool) -> frozenset[What]:
    from replicator.comparison import What

    names = [name.strip() for name in text.split(",") if name.strip()] + ["indexes"] * indexes
    unknown = [name for name in names if name not in set(What)]
    if unknown or not names:
        named = ", ".join(unknown) or repr(text)
        raise BadInput(f"no kind of thing to compare: {named}", hint=f"choose of {','.join(_WHAT)}")
    return frozenset(map(What, names))


def _show(report: Report, output: ReportFormat) -> None:
    from cli import differences

    match output:
        case "json":
            render.as_json(differences.fields(report))
        case "nagios":
            render.line(differences.nagios(report))
        case "html":
            render.line(differences.page(report))
        case _:
            _table(report)


def _table(report: Report) -> None:
    from cli import differences, findings

    if report.compared:
        render.table("", differences.COMPARED, differences.compared(report))
    if suspects := differences.suspects(report):
        render.table("", differences.SUSPECT, suspects)
    for missing in report.unseen:
        render.line(findings.unseen(missing))
    render.line(differences.summary(report))
