"""What an audit found, as a monitor, a browser and a person with a terminal read it.

Everything here may hold names from a database, so each text is made one line, and HTML is escaped.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterable, Iterator
from typing import Any

from cli import render
from cli.options import ReportFormat
from replicator.audit import Report
from replicator.errors import HadrianError
from replicator.rule import Finding, Grade, Unseen

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1a1a1a }}
h2 {{ margin-top: 2.5rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #ccc; padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top }}
td.number {{ text-align: right; white-space: nowrap }}
tr.must td:first-child {{ border-left: 4px solid #b3261e; padding-left: .6rem }}
tr.should td:first-child {{ border-left: 4px solid #c77700; padding-left: .6rem }}
code {{ font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere }}
@media (prefers-color-scheme: dark) {{ body {{ background: #16181a; color: #e4e4e4 }} }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
{sections}
</body>
</html>"""


def fields(finding: Finding) -> dict[str, Any]:
    """Return a finding for programs."""
    rule = finding.rule
    return {
        "rule": rule.id,
        "severity": rule.severity.value,
        "grade": finding.grade.value,
        "object": finding.object,
        "where": finding.where,
        "message": finding.message,
        "size_bytes": finding.size,
        "rows_estimate": finding.rows,
        "since": finding.since,
        "standby_now": rule.standby_now,
        "after_takeover": rule.after_takeover,
        "remedy": rule.remedy,
        "command": finding.command or None,
        "source": rule.source,
    }


def size(number: int | None) -> str | None:
    """Return bytes as a person reads them."""
    if number is None:
        return None
    value = float(number)
    for unit in _UNITS[:-1]:
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.0f} {_UNITS[-1]}"


def rows(number: int | None) -> str | None:
    """Return an estimate of rows, marked as one."""
    return None if number is None else f"~{number}"


def summary(report: Report) -> str:
    """Return how much was found, and how much not seen, in one line."""
    told = [f"{count(len(report.findings), 'finding')}" if report.findings else "nothing found"]
    if report.remarks:
        told.append(f"{count(len(report.remarks), 'remark')} (--format json shows them)")
    if report.unseen:
        told.append(f"{count(len(report.unseen), 'question')} not answered")
    return ", ".join(told)


def unseen(one: Unseen) -> str:
    """Return in one line what was not seen, and what would show it."""
    return render.cell(f"not seen: {one.what} on {one.where} ({one.why}); to see it: {one.remedy}")


def nagios(report: Report) -> str:
    """Return one line with performance data. Source: Monitoring Plugins Development Guidelines, Plugin Output."""
    by_grade = {grade: [one for one in report.findings if one.grade is grade] for grade in Grade}
    state = "CRITICAL" if by_grade[Grade.MUST] else "WARNING" if report.findings else "OK"
    named = ", ".join(f"{one.rule.id} {one.object}" for one in report.findings[:3])
    more = len(report.findings) - 3
    text = (
        count(len(report.findings), "finding")
        + (f": {named}" if named else "")
        + (f" and {more} more" if more > 0 else "")
    )
    numbers = {
        "findings": len(report.findings),
        "must": len(by_grade[Grade.MUST]),
        "should": len(by_grade[Grade.SHOULD]),
        "unseen": len(report.unseen),
    }
    data = " ".join(f"{name}={number};;;0" for name, number in numbers.items())
    return f"{monitored(state, text)} | {data}"


@contextlib.contextmanager
def told_to_monitor(output: ReportFormat) -> Iterator[None]:
    """Tell a monitor, which reads standard output, that what the block does could not look; the error goes on."""
    try:
        yield
    except HadrianError as error:
        if output == "nagios":
            render.line(monitored("UNKNOWN", str(error)))
        raise


def monitored(state: str, text: str) -> str:
    """Return a monitor's state and text; what follows a bar would be taken for performance data."""
    return f"HADRIAN {state} - {render.cell(text).replace('|', '/')}"


def page(report: Report) -> str:
    """Return one page of HTML that needs nothing else."""
    title = f"Hadrian audit: {report.mode.value}"
    sections = [_section("Findings", report.findings), _section("Remarks", report.remarks)]
    if report.unseen:
        items = "".join(f"<li>{html.escape(unseen(one))}</li>\n" for one in report.unseen)
        sections.append(f"<h2>Not seen</h2>\n<ul>\n{items}</ul>")
    return PAGE.format(title=html.escape(title), summary=html.escape(summary(report)), sections="\n".join(sections))


def _section(title: str, found: list[Finding]) -> str:
    if not found:
        return ""
    heads = ("grade", "severity", "rule", "object", "on", "size", "rows (estimate)", "since", "what", "remedy")
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<h2>{title}</h2>\n<table>\n<tr>{head}</tr>\n{''.join(map(_row, found))}</table>"


def _row(finding: Finding) -> str:
    texts = (finding.grade, finding.rule.severity, finding.rule.id, finding.object, finding.where)
    numbers = (size(finding.size), rows(finding.rows), finding.since)
    remedy = f"<code>{escaped(finding.command)}</code>" if finding.command else escaped(finding.rule.remedy)
    cells = [f"<td>{escaped(text)}</td>" for text in texts]
    cells += [f'<td class="number">{escaped(number)}</td>' for number in numbers]
    cells += [f"<td>{escaped(finding.message)}</td>", f"<td>{remedy}</td>"]
    return f'<tr class="{finding.grade.value}">{"".join(cells)}</tr>\n'


def escaped(value: object) -> str:
    """Return a cell's text for HTML, empty for None."""
    return "" if value is None else html.escape(render.cell(value))


def script(report: Report) -> str:
    """Return what would mend the findings, each command under its rule, its object and its reason.

    Read it before running any of it: each node has its own part, and what no command mends is a comment.
    """
    parts = ["-- What an audit found, and what would mend it. Read each command before you run it.\n"]
    for where in dict.fromkeys(finding.where for finding in report.findings):
        parts.append(f"\n-- On {render.cell(where)}:\n")
        parts += [_mending(finding) for finding in report.findings if finding.where == where]
    return "".join(parts)


def _mending(finding: Finding) -> str:
    said: Iterable[str] = (
        f"{finding.rule.id} ({finding.rule.severity}) {finding.object}",
        finding.message,
        f"in general: {finding.rule.remedy}",
    )
    # A name with a line break in it must not end the comment.
    comments = "".join(f"-- {render.cell(text)}\n" for text in said)
    return f"\n{comments}{finding.command or '-- no statement does it'}\n"


def count(number: int, what: str) -> str:
    """Return a number of something, in the plural unless it is one."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
