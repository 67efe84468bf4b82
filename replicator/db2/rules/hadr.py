"""HADR: what a standby has of the primary, and what it has not, as one table.

The standby replays the primary's log, so it has what is logged. Db2 lets a table, a LOB column or a LOAD go without
logging, and configuration, history, libraries and users are no part of the log at all. What the standby refuses to a
reader, and what each way of taking over costs, belongs here too.
"""

from __future__ import annotations

from replicator.db2.rules import hadr_audit, hadr_logged, hadr_not_logged, hadr_standby
from replicator.rule import Rule

RULES: tuple[Rule, ...] = (*hadr_logged.RULES, *hadr_not_logged.RULES, *hadr_standby.RULES, *hadr_audit.RULES)
