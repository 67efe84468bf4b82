"""One committed row change, with the cursor that stands right behind it."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from replicator.position import Cursor


class Op(enum.StrEnum):
    """What happened to the row."""

    SNAPSHOT = "snapshot"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    TRUNCATE = "truncate"


@dataclass(frozen=True, slots=True)
class Change:
    """A committed row version, or its end.

    Attributes:
        op: what happened.
        values: column to the type's text form, or None for NULL: the new row, for a delete its key, for a
            truncate nothing.
        after: the cursor right behind this change; reading on from it gives the next change.
    """

    op: Op
    values: Mapping[str, str | None]
    after: Cursor

    @property
    def has_row(self) -> bool:
        """Whether there is a row to train on."""
        return self.op in (Op.SNAPSHOT, Op.INSERT, Op.UPDATE)


def rows_digest(changes: Iterable[Change]) -> bytes:
    """SHA-256 over the changes' operations and values, in order: 32 bytes."""
    digest = hashlib.sha256()
    for change in changes:
        digest.update(json.dumps([change.op, change.values], sort_keys=True).encode() + b"\n")
    return digest.digest()
