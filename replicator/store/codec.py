"""How a chunk's plain bytes are stored: zstd, and nothing that could run code when read back."""

from __future__ import annotations

import threading

import zstandard

from replicator.errors import StoreCorrupt

_LEVEL = 1  # about the speed of the log it is written to; higher levels gain little on floats
_local = threading.local()


def encode(plain: bytes | memoryview) -> bytes:
    """Compress."""
    # A compressor belongs to one thread at a time.
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    body: bytes = _local.compressor.compress(plain)
    return body


def decode(body: bytes, plain_bytes: int) -> bytes:
    """Decompress to exactly `plain_bytes` bytes.

    Raises:
        StoreCorrupt: the body is not what `encode` made of that many bytes.
    """
    try:
        # The decompressor would allocate whatever the body's header states, gigabytes included.
        stated = zstandard.frame_content_size(body)
        if stated != plain_bytes:
            raise StoreCorrupt(f"the body states {stated} bytes where {plain_bytes} were stored")
        plain = zstandard.ZstdDecompressor().decompress(body, max_output_size=plain_bytes)
    except zstandard.ZstdError as error:
        raise StoreCorrupt(f"the body cannot be decompressed: {error}") from error
    if len(plain) != plain_bytes:
        raise StoreCorrupt(f"the body has {len(plain)} bytes where {plain_bytes} were stored")
    return plain
