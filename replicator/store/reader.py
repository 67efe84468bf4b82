"""Artifacts back out: every byte is checked against its digest before anyone sees it.

Chunks are fetched in groups, some groups at a time, each by a thread that also decodes it: while one waits for the
server, others decompress and hash. What is in memory beside the bytes that were asked for is bounded by the groups.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from replicator.chunk import Chunk
from replicator.database import Database
from replicator.errors import ArtifactMissing, StoreCorrupt
from replicator.store import codec, sealing
from replicator.store.manifest import Blob, Manifest

_THREADS = min(4, (os.cpu_count() or 1) + 1)  # each has a session of its own while it fetches
_GROUP_BYTES = 4 << 20
_GROUP_PIECES = 256
_Content = bytes | memoryview
_Read = TypeVar("_Read")


class Piece(NamedTuple):
    """A chunk as a part of a blob.

    Attributes:
        digest: its name.
        size: plain bytes that it must have.
        of: the blob's name.
    """

    digest: bytes
    size: int
    of: str


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


def pieces_of(blob: Blob) -> Iterator[Piece]:
    """Yield what a blob is made of, in order."""
    for index, digest in enumerate(blob.chunks):
        yield Piece(digest, blob.piece_bytes(index), blob.name)


def read(database: Database, blob: Blob) -> bytearray:
    """Return the whole blob. Raises: as `plain`."""
    content = bytearray(blob.size)
    offset = 0
    for piece in plain(database, pieces_of(blob)):
        content[offset : offset + len(piece)] = piece
        offset += len(piece)
    return content


def plain(database: Database, pieces: Iterable[Piece]) -> Generator[_Content]:
    """Yield each piece's bytes, in order; they may be of several blobs.

    Raises:
        StoreCorrupt: a chunk is absent or its bytes do not have its digest.
        KeyMissing: a chunk is sealed with a key that is not at hand.
    """
    for group in _ahead(lambda group: list(_plain(database, group)), pieces):
        yield from group


def proven(database: Database, pieces: Iterable[Piece]) -> Generator[set[tuple[bytes, int]]]:
    """Read pieces, and yield digest and size of all that have their digest, the chunks that they differ from included.

    Raises: as `plain`.
    """
    yield from _ahead(lambda group: set(_proven(database, group)), pieces)


def _ahead(call: Callable[[Sequence[Piece]], _Read], pieces: Iterable[Piece]) -> Generator[_Read]:
    """Yield what the call returns for each group of pieces, in order, while threads make it for those that follow."""
    under_way: deque[Future[_Read]] = deque()
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="reader")
    try:
        for group in _groups(pieces):
            under_way.append(pool.submit(call, group))
            if len(under_way) > _THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _groups(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    group: list[Piece] = []
    group_bytes = 0
    for piece in pieces:
        if group and (group_bytes + piece.size > _GROUP_BYTES or len(group) == _GROUP_PIECES):
            yield group
            group, group_bytes = [], 0
        group.append(piece)
        group_bytes += piece.size
    if group:
        yield group


def _plain(database: Database, group: Sequence[Piece]) -> Iterator[_Content]:
    for piece, line in _lines(database, group):
        with _needed_for(piece, database):
            *_, (_, content) = _decoded(line)
            if hashlib.sha256(content).digest() != piece.digest:
                for _ in _checked(line):  # perhaps one that it differs from is what was damaged: name that
                    pass
        yield content


def _proven(database: Database, group: Sequence[Piece]) -> Iterator[tuple[bytes, int]]:
    for piece, line in _lines(database, group):
        with _needed_for(piece, database):
            for chunk, content in _checked(line):
                yield chunk.sha256, len(content)


def _lines(database: Database, group: Sequence[Piece]) -> Iterator[tuple[Piece, list[Chunk]]]:
    """Yield for each piece the chunks to decode, its own the last. Raises: StoreCorrupt."""
    found = database.read_chunks({piece.digest for piece in group})
    for piece in group:
        named = f"{database.where}: chunk {piece.digest.hex()} of {piece.of}"
        if piece.digest not in found:
            raise StoreCorrupt(f"{named} is absent")
        if found[piece.digest].plain_bytes != piece.size:
            raise StoreCorrupt(f"{named} has {found[piece.digest].plain_bytes} bytes, not {piece.size}")
        with _needed_for(piece, database):
            line = _line(piece.digest, found)
        yield piece, line


def _line(digest: bytes, found: Mapping[bytes, Chunk]) -> list[Chunk]:
    line: list[Chunk] = []
    wanted: bytes | None = digest
    while wanted is not None:
        if wanted not in found:
            raise StoreCorrupt(f"chunk {wanted.hex()} is absent")
        if len(line) == len(found):
            raise StoreCorrupt(f"chunk {wanted.hex()} is a difference from itself")
        line.append(found[wanted])
        wanted = found[wanted].base
    return line[::-1]


def _decoded(line: Iterable[Chunk]) -> Iterator[tuple[Chunk, _Content]]:
    content: _Content | None = None
    for chunk in line:
        try:
            content = codec.decode(sealing.unseal(chunk), content)
        except StoreCorrupt as error:
            raise StoreCorrupt(f"chunk {chunk.sha256.hex()}: {error}") from error
        yield chunk, content


def _checked(line: Iterable[Chunk]) -> Iterator[tuple[Chunk, _Content]]:
    for chunk, content in _decoded(line):
        if hashlib.sha256(content).digest() != chunk.sha256:
            raise StoreCorrupt(f"chunk {chunk.sha256.hex()} does not have its digest")
        yield chunk, content


@contextlib.contextmanager
def _needed_for(piece: Piece, database: Database) -> Iterator[None]:
    try:
        yield
    except StoreCorrupt as error:
        raise StoreCorrupt(f"{database.where}: {error}, needed for {piece.of}") from error
