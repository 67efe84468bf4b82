"""Logical replication: what a subscriber has of the publisher, and what it has not, as one table.

"The standby" is the subscriber of a built-in subscription, and "takeover" is the switch of the application to it. A
subscriber is a server of its own that is sent row changes of published tables, and nothing else: no definitions, no
sequences, nothing that belongs to the whole server. It takes writes all the time, so what is missing shows at once.
"""

from __future__ import annotations

from replicator.postgres.rules import (
    logical_audit,
    logical_publication,
    logical_rows,
    logical_schema,
    logical_state,
)
from replicator.rule import Rule

RULES: tuple[Rule, ...] = (
    *logical_rows.RULES,
    *logical_publication.RULES,
    *logical_schema.RULES,
    *logical_state.RULES,
    *logical_audit.RULES,
)
