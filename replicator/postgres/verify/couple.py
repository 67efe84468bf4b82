"""The two nodes of a comparison."""

from __future__ import annotations

from dataclasses import dataclass

from replicator.postgres.adapter import PostgresDatabase


@dataclass(frozen=True, slots=True)
class Couple:
    """A primary and its standby, or a publisher and its subscriber.

    Attributes:
        primary: the node that takes writes; the publisher.
        standby: the node that follows it; the subscriber.
        timeout_s: how long one query may take on either.
    """

    primary: PostgresDatabase
    standby: PostgresDatabase
    timeout_s: float
