"""One committed row change, with the cursor that stands right behind it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
        values: by column: the new row, for a delete its key, for a truncate nothing.
        after: the cursor right behind this change; reading on from it gives the next change.
    """

    op: Op
    values: Mapping[str, Any]
    after: Cursor

    @property
    def has_row(self) -> bool:
        """Whether there is a row to train on."""
        return self.op in (Op.SNAPSHOT, Op.INSERT, Op.UPDATE)
