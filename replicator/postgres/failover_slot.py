"""Slots of the primary that a standby copies: what that needs, all of it asked before such a slot is made.

A worker on the standby copies each failover slot of the primary, as far as the primary's has moved. A promoted standby
goes on with its copies. Where one of the settings is missing the worker does nothing, and nothing on the primary
says so; so each is looked at here.

`synchronized_standby_slots` makes the primary hold back rows from readers until the standby has them: without it
a reader could have seen what the promoted standby never will.

Source: PostgreSQL 18 documentation, 47.2.3 "Replication Slot Synchronization" and 19.6 "Replication".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from replicator import sql
from replicator.errors import NotConfigured
from replicator.postgres.connection import Server


def check_copied(primary: Server, standby: Server) -> None:
    """Check that the standby copies the primary's failover slots.

    Raises:
        NotConfigured: it does not; the message names all that is missing, the hint what to set.
        NodeUnreachable, NodeLost: one of them does not answer.
    """
    lacking = [*_lacking(standby, _settings(primary), _settings(standby), primary)]
    if lacking:
        raise NotConfigured(
            f"{standby.where} would not copy a failover slot of {primary.where}: "
            + ", ".join(what for what, _ in lacking),
            hint="; ".join(remedy for _, remedy in lacking) + "; then reload both nodes",
        )


def _settings(server: Server) -> Any:
    with server.connect() as connection:
        return connection.execute(sql.load("postgres/feed/slot_sync")).one()


def _lacking(standby: Server, above: Any, here: Any, primary: Server) -> Iterator[tuple[str, str]]:
    """Yield what is missing and what to do about it."""
    if not here.feedback:
        yield "hot_standby_feedback is off", f"on {standby.where} set hot_standby_feedback = on"
    if not here.synchronizes:
        yield "sync_replication_slots is off", f"on {standby.where} set sync_replication_slots = on"
    if here.conninfo is None:
        yield (
            f"role {here.role} may not see primary_conninfo",
            f"run: grant pg_read_all_settings to {here.role}",
        )
    elif not _has_database(here.conninfo):
        yield "primary_conninfo names no dbname", f"on {standby.where} add dbname to primary_conninfo"
    if not here.slot:
        yield "primary_slot_name is not set", f"on {standby.where} set primary_slot_name to a physical slot"
    elif here.slot not in above.physical:
        yield (
            f"{primary.where} has no physical slot {here.slot}",
            f"on {primary.where} run: select pg_create_physical_replication_slot('{here.slot}')",
        )
    if not here.slot or here.slot not in above.synchronized:
        named = ", ".join([*filter(None, above.synchronized), here.slot or "(that slot)"])
        yield (
            "synchronized_standby_slots does not name its slot",
            f"on {primary.where} set synchronized_standby_slots = '{named}'",
        )


def _has_database(conninfo: str) -> bool:
    try:
        return bool(conninfo_to_dict(conninfo).get("dbname"))
    except psycopg.Error:  # its message would repeat the text, and a password in it
        return False
