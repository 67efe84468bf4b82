"""What a writer asks before it sends its first chunk: logged tables, its keys, and how much there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replicator import logged
from replicator.database import Database
from replicator.store import quota, sealing
from replicator.store.keyring import Key
from replicator.store.quota import Quota


@dataclass(frozen=True, slots=True)
class Admission:
    """How a writer may write.

    Attributes:
        key: what its chunks are sealed with, or None.
        quotas: what it is held to, as used before it began.
    """

    key: Key | None
    quotas: Sequence[Quota]


def admit(database: Database, run: str | None) -> Admission:
    """Let a writer in.

    Args:
        database: the primary.
        run: whose checkpoint it writes, if it is one.

    Raises:
        NotConfigured: what it would store would not be in the log.
        KeyMissing, BadInput: as `sealing.key_for`.
    """
    logged.check(database)
    return Admission(sealing.key_for(database), quota.left(database, run))
