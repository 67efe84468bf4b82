"""A piece of an artifact as a database stores it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Coding(enum.IntEnum):
    """What a body is made of; `store.codec` knows how."""

    ZSTD = 0
    PLANES = 1
    DIFFERENCE = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """One row of the store's table of chunks.

    Attributes:
        sha256: of the plain bytes; the chunk's name.
        plain_bytes: how many there are.
        body: what is stored.
        coding: one of `Coding`.
        base: name of the chunk whose plain bytes the body is the difference from.
        depth: how many chunks must be read before this one.
        key_id: of the key that the body is sealed with; None if it is not.
    """

    sha256: bytes
    plain_bytes: int
    body: bytes
    coding: int = Coding.ZSTD
    base: bytes | None = None
    depth: int = 0
    key_id: str | None = None
