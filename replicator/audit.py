"""What will not be there after a takeover: a live primary, and its standby, laid against the mode's rules.

Roles are checked before anything else: with the URLs exchanged, or with two servers that have nothing to do
with each other, every comparison could be made and would mean nothing.
"""

from __future__ import annotations

import contextlib

from replicator import engines
from replicator.engine import Auditable
from replicator.errors import BadInput
from replicator.rule import Finding
from replicator.topology import Node, Role


def audit(primary_url: str, standby_url: str | None = None) -> list[Finding]:
    """Return what the rules find in the database, the worst first; only reads.

    Args:
        primary_url: the node that takes writes.
        standby_url: its standby; without one, only what the primary alone shows is found.

    Raises:
        BadInput: a URL cannot be used, or its node does not have the role it was given for.
        NodeUnreachable: a node does not answer.
        NotConfigured: the engine cannot be audited.
        NotPermitted: the role may not read what a rule asks for.
    """
    with contextlib.closing(engines.auditable(primary_url, standby_url)) as pair:
        _check_pair(pair)
        return sorted(pair.findings(), key=lambda finding: finding.order)


def _check_pair(pair: Auditable) -> None:
    primary, standby = pair.nodes()
    _check_role(primary, Role.PRIMARY)
    if standby is None:
        return
    _check_role(standby, Role.STANDBY)
    if not pair.is_copy():
        raise BadInput(
            f"{standby.where} is not a copy of {primary.where}", hint="give the URLs of two nodes of one pair"
        )


def _check_role(node: Node, wanted: Role) -> None:
    if node.role is not wanted:
        raise BadInput(
            f"{node.where} is a {node.role}, not a {wanted}",
            hint=f"give the URL of the {wanted} in its place",
        )
