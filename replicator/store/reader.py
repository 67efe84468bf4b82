"""Artifacts back out: every byte is checked against its digest before anyone sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from replicator.chunk import Chunk
from replicator.database import Database
from replicator.errors import ArtifactMissing, StoreCorrupt
from replicator.store import codec, sealing
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
        KeyMissing: a chunk is sealed with a key that is not at hand.
    """
    for start in range(0, len(blob.chunks), _BATCH_CHUNKS):
        wanted = blob.chunks[start : start + _BATCH_CHUNKS]
        found = database.read_chunks(set(wanted))
        plain: dict[bytes, bytes] = {}
        for index, digest in enumerate(wanted, start):
            if digest not in found:
                raise StoreCorrupt(f"{database.where}: chunk {digest.hex()} of {blob.name} is absent")
            if found[digest].plain_bytes != blob.piece_bytes(index):
                raise StoreCorrupt(
                    f"{database.where}: chunk {digest.hex()} of {blob.name} has {found[digest].plain_bytes} bytes, "
                    f"not {blob.piece_bytes(index)}"
                )
            try:
                yield _plain(digest, found, plain)
            except StoreCorrupt as error:
                raise StoreCorrupt(f"{database.where}: {error}, needed for {blob.name}") from error


def _plain(digest: bytes, found: Mapping[bytes, Chunk], known: dict[bytes, bytes]) -> bytes:
    """Return a chunk's bytes, and remember them for what differs from them. Raises: StoreCorrupt."""
    line: list[Chunk] = []
    while digest not in known:
        chunk = found.get(digest)
        if chunk is None:
            raise StoreCorrupt(f"chunk {digest.hex()} is absent")
        line.append(chunk)
        if chunk.base is None:
            break
        if len(line) > len(found):
            raise StoreCorrupt(f"chunk {digest.hex()} is a difference from itself")
        digest = chunk.base
    base = known.get(digest)
    for chunk in reversed(line):
        try:
            base = codec.decode(sealing.unseal(chunk), base)
        except StoreCorrupt as error:
            raise StoreCorrupt(f"chunk {chunk.sha256.hex()}: {error}") from error
        if hashlib.sha256(base).digest() != chunk.sha256:
            raise StoreCorrupt(f"chunk {chunk.sha256.hex()} does not have its digest")
        known[chunk.sha256] = base
    return known[line[0].sha256] if line else known[digest]


def read(database: Database, blob: Blob) -> bytearray:
    """Return the whole blob. Raises: as `pieces`."""
    content = bytearray(blob.size)
    offset = 0
    for piece in pieces(database, blob):
        content[offset : offset + len(piece)] = piece
        offset += len(piece)
    return content
