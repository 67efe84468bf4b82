"""What a chunk's plain bytes are stored as: zstd over them or over their planes, and nothing that could run code.

    ZSTD         a frame of the bytes
    PLANES       one byte, how wide a number is, and a frame of the numbers' bytes in planes
    DIFFERENCE   the same of the difference from another chunk's numbers

Whether a difference is the smaller form depends on the numbers, and is tried on a sample: weights move little, first
moments are new each time.

Planes hardly ever repeat themselves: what zstd gains is that some bytes are frequent, by a Huffman code. The matches
that it finds are mostly by chance, and cost more than they save. So it is given the smallest table to look for them.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import zstandard

from replicator.chunk import Chunk, Coding
from replicator.errors import BadInput, StoreCorrupt

_LEVEL = 1
# What goes with that level, but for the table of matches; longer blocks than 128 kB there are none.
_PLANES = zstandard.ZstdCompressionParameters.from_level(_LEVEL, window_log=17, hash_log=6, min_match=7)
_SAMPLE_BYTES = 16 << 10
_WIDTHS = (2, 4, 8)


def encode(plain: bytes | memoryview, width: int = 1, base: bytes | memoryview | None = None) -> tuple[Coding, bytes]:
    """Return the smallest form that is quickly found, and what it is.

    Args:
        plain: the chunk's bytes.
        width: bytes of each number in it, if it is of numbers of 2, 4 or 8 bytes.
        base: plain bytes of another chunk that has numbers like these in the same places.
    """
    if width not in _WIDTHS or len(plain) % width:
        return Coding.ZSTD, _compressed(plain)
    planes = _planes()
    head = bytes([width])
    if base is not None and len(base) == len(plain) and _is_smaller(plain, base, width):
        return Coding.DIFFERENCE, head + _packed(planes.difference(plain, base, width), width)
    return Coding.PLANES, head + _packed(planes.turned(plain, width), width)


def _is_smaller(plain: bytes | memoryview, base: bytes | memoryview, width: int) -> bool:
    planes = _planes()
    start = max(0, len(plain) - _SAMPLE_BYTES) // 2 // width * width
    new, old = (memoryview(data)[start : start + _SAMPLE_BYTES] for data in (plain, base))
    return len(_packed(planes.difference(new, old, width), width)) < len(_packed(planes.turned(new, width), width))


def decode(chunk: Chunk, base: bytes | memoryview | None = None) -> bytes | memoryview:
    """Return a chunk's plain bytes.

    Args:
        chunk: as it is stored.
        base: plain bytes of its base, if it has one.

    Raises:
        StoreCorrupt: the body is not what `encode` made of so many bytes.
    """
    if chunk.coding == Coding.ZSTD:
        return _decompressed(chunk.body, chunk.plain_bytes)
    width = chunk.body[0] if chunk.body else 0
    if width not in _WIDTHS or chunk.plain_bytes % width:
        raise StoreCorrupt(f"the body states numbers of {width} bytes, {chunk.plain_bytes} bytes in all")
    planes = _planes()
    numbers = planes.joined(_decompressed(memoryview(chunk.body)[1:], chunk.plain_bytes), width)
    if chunk.coding == Coding.PLANES:
        numbers = planes.turned_back(numbers, width)
    elif base is None or len(base) != chunk.plain_bytes:
        raise StoreCorrupt(f"the body is a difference from {len(base or b'')} bytes, not {chunk.plain_bytes}")
    else:
        numbers = planes.restored(numbers, base, width)
    return memoryview(numbers).cast("B")


def _planes() -> ModuleType:
    try:
        from replicator.store import planes  # noqa: PLC0415 - what it imports comes with an extra
    except ImportError as error:
        raise BadInput(f"checkpoints need {error.name}", hint="pip install 'hadrian-wal[feed]'") from error
    return planes


def _compressed(plain: bytes | memoryview) -> bytes:
    body: bytes = _coders.whole.compress(plain)
    return body


def _packed(numbers: Any, width: int) -> bytes:
    body: bytes = _coders.planes.compress(_planes().planes(numbers, width))
    return body


class _Coders(threading.local):
    """What compresses and decompresses: each belongs to one thread at a time."""

    def __init__(self) -> None:
        self.whole = zstandard.ZstdCompressor(level=_LEVEL)
        self.planes = zstandard.ZstdCompressor(compression_params=_PLANES)
        self.back = zstandard.ZstdDecompressor()


_coders = _Coders()


def _decompressed(body: bytes | memoryview, plain_bytes: int) -> bytes:
    try:
        # The decompressor would allocate whatever the body's header states, gigabytes included.
        stated = zstandard.frame_content_size(body)
        if stated != plain_bytes:
            raise StoreCorrupt(f"the body states {stated} bytes where {plain_bytes} were stored")
        plain = _coders.back.decompress(body, max_output_size=plain_bytes)
    except zstandard.ZstdError as error:
        raise StoreCorrupt(f"the body cannot be decompressed: {error}") from error
    if len(plain) != plain_bytes:
        raise StoreCorrupt(f"the body has {len(plain)} bytes where {plain_bytes} were stored")
    return plain
