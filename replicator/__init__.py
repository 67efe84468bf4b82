"""What replicates, committed rows in order, and checkpoints that flow to the standby."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replicator.follow import Feed as Feed


def __getattr__(name: str) -> Any:
    if name != "Feed":
        raise AttributeError(name)
    from replicator.follow import Feed  # noqa: PLC0415 - nothing else here needs Arrow

    return Feed
