"""Artifacts back out: every byte is checked against its digest before anyone sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from replicator.chunk import Chunk
from replicator.database import Database
from replicator.errors import ArtifactMissing, StoreCorrupt
from replicator.store import codec
from replicator.store.manifest import Blob, Manifest

_BATCH_CHUNKS = 8


def manifest(database: Database, artifact_id: int) -> Manifest:
    """Return an artifact's manifest.

    Raises:
        ArtifactMissing: no artifact has that id here.
        StoreCorrupt: the text is not what was stored.
    """
    found = database.manifest(artifact_id)
    if found is None:
        raise ArtifactMissing(f"{database.where} has no artifact {artifact_id}")
    return Manifest.from_json(*found)


def pieces(database: Database, blob: Blob) -> Iterator[bytes]:
    """Yield the blob's plain pieces in order, a few chunks a round trip.

    Raises:
        StoreCorrupt: a chunk is absent or its bytes do not have its digest.
    """
    for start in range(0, len(blob.chunks), _BATCH_CHUNKS):
        wanted = blob.chunks[start : start + _BATCH_CHUNKS]
        found = database.read_chunks(list(set(wanted)))
        for index, digest in enumerate(wanted, start):
            yield _checked(database.where, blob, index, digest, found)


def _checked(where: str, blob: Blob, index: int, digest: bytes, found: dict[bytes, Chunk]) -> bytes:
    if digest not in found:
        raise StoreCorrupt(f"{where}: chunk {digest.hex()} of {blob.name} is absent")
    plain_bytes, body = found[digest].plain_bytes, found[digest].body
    if plain_bytes != blob.piece_bytes(index):
        raise StoreCorrupt(
            f"{where}: chunk {digest.hex()} of {blob.name} has {plain_bytes} bytes, not {blob.piece_bytes(index)}"
        )
    try:
        plain = codec.decode(body, plain_bytes)
    except StoreCorrupt as error:
        raise StoreCorrupt(f"{where}: chunk {digest.hex()} of {blob.name}: {error}") from error
    if hashlib.sha256(plain).digest() != digest:
        raise StoreCorrupt(f"{where}: chunk {digest.hex()} of {blob.name} does not have its digest")
    return plain


def read(database: Database, blob: Blob) -> bytearray:
    """Return the whole blob. Raises: as `pieces`."""
    content = bytearray(blob.size)
    offset = 0
    for piece in pieces(database, blob):
        content[offset : offset + len(piece)] = piece
        offset += len(piece)
    return content
