"""Logical replication: what a subscriber has of the publisher, and what it has not, as one table."""

from __future__ import annotations

from replicator.rule import Rule

RULES: tuple[Rule, ...] = ()
