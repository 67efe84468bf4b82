"""`hadrian audit`: what a live pair would not have after a failover."""

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
    url_option,
)
from replicator.errors import BadInput

if TYPE_CHECKING:
    from replicator.audit import Report
    from replicator.rule import Mode


@click.command(
    epilog=examples(
        "hadrian audit --primary postgresql://user@a:5432/app --standby postgresql://user@b:5432/app",
        "hadrian audit --primary postgresql://user@a:5432/app --format json",
        "hadrian audit --primary postgresql://user@a:5432/app --remedy mend.sql",
    )
)
@primary_option
@url_option(
    "--standby",
    "HADRIAN_STANDBY",
    "Its standby or its subscriber, as an SQLAlchemy URL; without it, only what the primary alone shows is found.",
    required=False,
)
@auto_mode_option
@report_format_option
@click.option(
    "--remedy",
    metavar="FILE.sql",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what would mend the findings into a new file, for review; nothing is run.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0.001),
    default=10,
    show_default=True,
    help="How long one query may take.",
)
def command(
    primary: str, standby: str | None, mode: Mode | None, output: ReportFormat, remedy: Path | None, timeout: float
) -> int:
    """Find what will not be there after a failover.

    Reads the catalogs of one database and what belongs to the whole server, and compares the standby's slots,
    settings and files, or the subscriber's tables, with the primary's. Writes nothing and waits for no lock. What the
    role may not see is named, with the grant that would show it. Exit code 1 if anything is found that must or should
    be mended, 2 if it could not look.
    """
    from cli import findings
    from replicator.audit import audit

    if remedy is not None and remedy.exists():
        raise BadInput(f"{remedy} exists", hint="name a new file, or remove it")
    with findings.told_to_monitor(output):
        report = audit(primary, standby, mode=mode, timeout_s=timeout)
    if remedy is not None:
        _write(remedy, report)
    _show(report, output)
    return 1 if report.findings else 0


def _write(path: Path, report: Report) -> None:
    from cli import findings

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(findings.script(report))
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}", hint="name a file that can be made") from error


def _show(report: Report, output: ReportFormat) -> None:
    from cli import findings

    match output:
        case "json":
            render.as_json(
                {
                    "mode": report.mode,
                    "findings": [findings.fields(one) for one in report.findings],
                    "remarks": [findings.fields(one) for one in report.remarks],
                    "unseen": report.unseen,
                }
            )
        case "nagios":
            render.line(findings.nagios(report))
        case "html":
            render.line(findings.page(report))
        case _:
            _table(report)


def _table(report: Report) -> None:
    from cli import findings

    if report.findings:
        columns = ("grade", "severity", "rule", "object", "size", "rows", "message", "remedy")
        rows = [
            (
                *(one.grade, one.rule.severity, one.rule.id, one.object, findings.size(one.size)),
                *(findings.rows(one.rows), one.message, one.command or one.rule.remedy),
            )
            for one in report.findings
        ]
        render.table("", columns, rows)
    for missing in report.unseen:
        render.line(findings.unseen(missing))
    render.line(findings.summary(report))
