"""What will not be there after a takeover: a live primary, and its standby, laid against the mode's rules.

Roles are checked before anything else: with the URLs exchanged, or with two servers that have nothing to do
with each other, every comparison could be made and would mean nothing.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from replicator import engines
from replicator.rule import Finding, Grade, Mode, Unseen

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit saw.

    Attributes:
        mode: the table of rules that was laid on.
        findings: what must or should be mended, the worst first.
        remarks: what may stay as it is, and is good to know.
        unseen: what could not be looked at.
    """

    mode: Mode
    findings: list[Finding]
    remarks: list[Finding]
    unseen: list[Unseen]


def audit(
    primary_url: str, standby_url: str | None = None, *, mode: Mode | None = None, timeout_s: float = TIMEOUT_S
) -> Report:
    """Return what the rules find in the database; only reads, and waits for no lock.

    Args:
        primary_url: the node that takes writes.
        standby_url: its standby or its subscriber; without one, only what the primary alone shows is found.
        mode: how the two replicate; None looks for itself.
        timeout_s: how long one query may take.

    Raises:
        BadInput: a URL cannot be used, or its node does not have the role it was given for.
        NodeUnreachable: a node does not answer.
        NotConfigured: the engine cannot be audited.
    """
    with contextlib.closing(engines.auditable(primary_url, standby_url, mode, timeout_s)) as pair:
        pair.check()
        seen = list(pair.findings())
        found = sorted((one for one in seen if isinstance(one, Finding)), key=lambda finding: finding.order)
        return Report(
            mode=pair.mode,
            findings=[finding for finding in found if finding.grade is not Grade.MAY],
            remarks=[finding for finding in found if finding.grade is Grade.MAY],
            unseen=[one for one in seen if isinstance(one, Unseen)],
        )
