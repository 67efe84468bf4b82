"""`hadrian audit`: what a live pair would not have after a failover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli import render
from cli.options import Output, examples, format_option, primary_option, url_option

if TYPE_CHECKING:
    from replicator.rule import Finding

_COLUMNS = ("severity", "rule", "object", "message", "remedy")


@click.command(
    epilog=examples(
        "hadrian audit --primary postgresql://user@a:5432/app --standby postgresql://user@b:5432/app",
        "hadrian audit --primary postgresql://user@a:5432/app --format json",
    )
)
@primary_option
@url_option(
    "--standby",
    "HADRIAN_STANDBY",
    "Its standby, as an SQLAlchemy URL; without it, only what the primary alone shows is found.",
    required=False,
)
@format_option
def command(primary: str, standby: str | None, output: Output) -> int:
    """Find what will not be there after a failover.

    Reads the catalogs of one database and what belongs to the whole server, and compares the standby's slots,
    settings and files with the primary's. Writes nothing. Exit code 1 if anything is found.
    """
    from replicator.audit import audit

    found = audit(primary, standby).findings
    if output == "json":
        render.as_json({"findings": [_fields(finding) for finding in found]})
    elif found:
        render.table("", _COLUMNS, [[_fields(finding)[column] for column in _COLUMNS] for finding in found])
    else:
        render.line("nothing found")
    return 1 if found else 0


def _fields(finding: Finding) -> dict[str, str]:
    rule = finding.rule
    return {
        "rule": rule.id,
        "severity": rule.severity.value,
        "object": finding.object,
        "where": finding.where,
        "message": finding.message,
        "standby_now": rule.standby_now,
        "after_takeover": rule.after_takeover,
        "remedy": rule.remedy,
        "source": rule.source,
    }
