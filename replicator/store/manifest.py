"""What an artifact is made of: named blobs, each a list of chunks, as canonical JSON.

    {"format": "hadrian.manifest/1", "blobs": [{"name": ..., "bytes": N, "chunks": [hex, ...], "attributes": {...}}]}

Canonical means sorted keys, no spaces and blobs sorted by name, so that equal content has equal text and digest.
Text from a database is not trusted: every bound is checked before it is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from replicator.errors import StoreCorrupt
from replicator.store.digest import CHUNK_BYTES

_FORMAT = "hadrian.manifest/1"
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Blob:
    """A named run of bytes.

    Attributes:
        name: unique in its artifact.
        size: bytes.
        chunks: SHA-256 of each piece, in order; every piece but the last has `CHUNK_BYTES` bytes.
        attributes: what the writer wants to find again (a dtype, a shape), as JSON values.
    """

    name: str
    size: int
    chunks: tuple[bytes, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def piece_bytes(self, index: int) -> int:
        """Return the size of a piece."""
        return min(CHUNK_BYTES, self.size - index * CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class Manifest:
    """An artifact's blobs, sorted by name."""

    blobs: tuple[Blob, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.blobs, key=lambda blob: blob.name))
        if len({blob.name for blob in ordered}) != len(ordered):
            raise StoreCorrupt("a manifest names a blob twice")
        object.__setattr__(self, "blobs", ordered)

    @property
    def size(self) -> int:
        """Plain bytes in all."""
        return sum(blob.size for blob in self.blobs)

    @property
    def sha256(self) -> bytes:
        """Of the canonical text."""
        return hashlib.sha256(self.to_json().encode()).digest()

    @property
    def digests(self) -> list[bytes]:
        """Every chunk once, sorted."""
        return sorted({digest for blob in self.blobs for digest in blob.chunks})

    def to_json(self) -> str:
        """Return the canonical text."""
        blobs = [
            {
                "name": blob.name,
                "bytes": blob.size,
                "chunks": [digest.hex() for digest in blob.chunks],
                "attributes": dict(blob.attributes),
            }
            for blob in self.blobs
        ]
        return json.dumps({"format": _FORMAT, "blobs": blobs}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, sha256: bytes) -> Manifest:
        """Read the canonical text back.

        Raises:
            StoreCorrupt: the digest differs, or a bound does not hold.
        """
        if hashlib.sha256(text.encode()).digest() != sha256:
            raise StoreCorrupt("a manifest does not have the digest it was stored under")
        try:
            content = json.loads(text)
            if content["format"] != _FORMAT:
                raise StoreCorrupt(f"a manifest of unknown format {content['format']!r}", hint="upgrade hadrian")
            return cls(tuple(_blob(entry) for entry in content["blobs"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreCorrupt(f"not a manifest: {error!r}") from error


def _blob(entry: dict[str, Any]) -> Blob:
    name, size, chunks, attributes = entry["name"], entry["bytes"], entry["chunks"], entry["attributes"]
    well_typed = (
        isinstance(name, str) and type(size) is int and isinstance(chunks, list) and isinstance(attributes, dict)
    )
    if not well_typed or size < 0 or len(chunks) != -(-size // CHUNK_BYTES):
        raise StoreCorrupt(f"blob {name!r} of {size!r} bytes cannot have {len(chunks)} chunks")
    digests = tuple(bytes.fromhex(digest) for digest in chunks)
    # fromhex skips spaces, so the length is looked at behind it.
    if any(len(digest) != _DIGEST_BYTES for digest in digests):
        raise StoreCorrupt(f"blob {name!r} has a digest of the wrong length")
    return Blob(name, size, digests, attributes)
