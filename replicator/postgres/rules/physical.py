"""Physical streaming replication: what a hot standby has of the primary, and what it has not, as one table.

The standby replays the log, so it has what the log holds: every change of an ordinary table, whoever made it.
What is missing was never logged (unlogged tables, slots) or never was in the database (settings, directories,
libraries).
"""

from __future__ import annotations

from replicator.postgres.rules import (
    physical_audit,
    physical_conflicts,
    physical_durability,
    physical_files,
    physical_rows,
    physical_schema,
    physical_state,
)
from replicator.rule import Rule

RULES: tuple[Rule, ...] = (
    *physical_rows.RULES,
    *physical_schema.RULES,
    *physical_files.RULES,
    *physical_state.RULES,
    *physical_conflicts.RULES,
    *physical_durability.RULES,
    *physical_audit.RULES,
)
