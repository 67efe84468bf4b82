"""How bytes become chunks: fixed pieces, named by the SHA-256 of their plain content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

CHUNK_BYTES = 1 << 20


def split(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (digest, piece) of at most `CHUNK_BYTES` each, in order."""
    for start in range(0, len(data), CHUNK_BYTES):
        piece = data[start : start + CHUNK_BYTES]
        yield hashlib.sha256(piece).digest(), piece
