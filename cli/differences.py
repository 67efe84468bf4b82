"""What a comparison of two nodes found, as a monitor, a browser, a program and a person with a terminal read it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from cli import findings
from replicator.comparison import Compared, Suspect
from replicator.rule import Grade
from replicator.verify import Report

SUSPECT = ("word", "what", "object", "place", "key", "columns", "primary", "standby", "message")
COMPARED = ("what", "object", "items", "read", "behind", "took", "left out")


def fields(report: Report) -> dict[str, Any]:
    """Return a report for programs."""
    return {
        "mode": report.mode,
        "same": not report.different and not report.is_open,
        "different": report.different,
        "remarks": report.remarks,
        "unsettled": report.unsettled,
        "settled": [
            {"object": name, "message": message, "count": number}
            for (name, message), number in sorted(report.settled.items())
        ],
        "compared": report.compared,
        "unseen": report.unseen,
        "cut": None if report.cut is None else str(report.cut),
    }


def suspects(report: Report) -> list[tuple[object, ...]]:
    """Return the cells of what is different and of what is open, in the order of `SUSPECT`."""
    return [_suspect(one) for one in (*report.different, *report.unsettled)]


def _suspect(one: Suspect) -> tuple[object, ...]:
    told = (_named(one.key), ", ".join(one.columns) or None, _values(one.primary), _values(one.standby))
    return (one.word, one.what, one.object, one.place or None, *told, one.message)


def _named(values: Mapping[str, str | None]) -> str | None:
    return ", ".join(f"{name}={'null' if value is None else value}" for name, value in values.items()) or None


def _values(values: Mapping[str, str | None] | None) -> str | None:
    return None if values is None else _named(values)


def compared(report: Report) -> list[tuple[object, ...]]:
    """Return the cells of what was compared, in the order of `COMPARED`."""
    return [_compared(one) for one in report.compared]


def _compared(one: Compared) -> tuple[object, ...]:
    took = f"{one.took_s:.1f} s"
    return one.what, one.object, one.items, findings.size(one.size), one.lsn, took, one.left_out or None


def summary(report: Report) -> str:
    """Return in one line whether the two are the same, and what that rests on."""
    items = sum(one.items for one in report.compared)
    verdict = "different" if report.different else "not known to be the same" if report.is_open else "the same"
    told = [f"{verdict}: {items} items of {findings.count(len(report.compared), 'object')} compared"]
    if report.different:
        told.append(findings.count(len(report.different), "difference"))
    if report.unsettled:
        told.append(f"{len(report.unsettled)} unsettled")
    if report.settled:
        told.append(f"{report.settled.total()} settled")
    if report.remarks:
        told.append(f"{findings.count(len(report.remarks), 'remark')} (--format json shows them)")
    if report.unseen:
        told.append(f"{findings.count(len(report.unseen), 'question')} not answered")
    if report.cut is not None:
        told.append(f"cut off: {report.cut}")
    return ", ".join(told)


def nagios(report: Report) -> str:
    """Return one line with performance data. Source: Monitoring Plugins Development Guidelines, Plugin Output."""
    must = any(one.grade is Grade.MUST for one in report.different)
    state = "CRITICAL" if must else "WARNING" if report.different else "UNKNOWN" if report.is_open else "OK"
    named = dict.fromkeys(one.object for one in (report.different or report.unsettled))
    objects = ", ".join(list(named)[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
    numbers = {
        "different": len(report.different),
        "unsettled": len(report.unsettled),
        "settled": report.settled.total(),
        "unseen": len(report.unseen),
        "compared": sum(one.items for one in report.compared),
    }
    data = " ".join(f"{name}={number};;;0" for name, number in numbers.items())
    return f"{findings.monitored(state, summary(report) + (f': {objects}' if objects else ''))} | {data}"


def page(report: Report) -> str:
    """Return one page of HTML that needs nothing else."""
    title = f"Hadrian verify: {report.mode.value}"
    sections = [
        _section("Different", SUSPECT, map(_suspect, report.different)),
        _section("Unsettled", SUSPECT, map(_suspect, report.unsettled)),
        _section("Remarks", SUSPECT, map(_suspect, report.remarks)),
        _section("Compared", COMPARED, compared(report)),
    ]
    if report.unseen:
        items = "".join(f"<li>{html.escape(findings.unseen(one))}</li>\n" for one in report.unseen)
        sections.append(f"<h2>Not seen</h2>\n<ul>\n{items}</ul>")
    return findings.PAGE.format(
        title=html.escape(title), summary=findings.escaped(summary(report)), sections="\n".join(sections)
    )


def _section(title: str, heads: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{findings.escaped(one)}</td>' for one in row)}</tr>\n" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{name}</th>" for name in heads)
    return f"<h2>{title}</h2>\n<table>\n<tr>{head}</tr>\n{body}</table>"
