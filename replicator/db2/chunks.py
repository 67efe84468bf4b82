"""Chunks and manifests in pieces that lie in their rows, since a Db2 standby returns no LOB that does not.

Where an engine with arrays takes a list of digests in one parameter, here each is a parameter of its own, or a row of
its own: IBM's driver sends many rows at once. It must be given bytes: of a memoryview it would store the address.

A standby is read with isolation UR, so a manifest may be seen before it is committed, and before all of it is there. It
counts as absent then. A chunk that an artifact holds was committed before the artifact's first row was written.

Source: IBM Db2 11.5 documentation, "Reads on standby restrictions", "Extended row size", "SQL and XML limits".
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam

from replicator import sql
from replicator.chunk import Chunk
from replicator.db2.connection import Db2Server
from replicator.errors import AlreadyThere, QueryTimedOut

PIECE_BYTES = 32_000  # as hadrian.chunk_piece has it
_ATTEMPTS = 5
_DIGESTS_A_QUERY = 64


def insert(server: Db2Server, batch: Sequence[Chunk]) -> None:
    """Insert chunks in one transaction; those that are there already stay.

    Raises:
        DiskFull, NodeLost, NodeUnreachable, QueryTimedOut: nothing of it was stored.
    """
    # Bases before what differs from them; then by digest, so that two writers seldom wait for each other in a circle.
    chunks = {bytes(chunk.sha256): chunk for chunk in batch}
    pending = sorted(chunks, key=lambda digest: (chunks[digest].depth, digest))
    for attempt in range(_ATTEMPTS):
        try:
            _insert(server, {digest: chunks[digest] for digest in pending})
        except (AlreadyThere, QueryTimedOut):
            # Another writer stored one of them meanwhile, or is about to: look which, only now, and leave it out.
            if attempt + 1 == _ATTEMPTS:
                raise
            known = depths(server, pending)
            pending = [digest for digest in pending if digest not in known]
        else:
            return


def _insert(server: Db2Server, chunks: Mapping[bytes, Chunk]) -> None:
    if not chunks:
        return
    with server.begin() as connection:
        # The names alone first: a chunk that is there is found out before any body is sent.
        connection.execute(
            sql.load("db2/store/insert_chunk"),
            [
                {
                    "sha256": digest,
                    "plain_bytes": chunk.plain_bytes,
                    "stored_bytes": len(chunk.body),
                    "coding": int(chunk.coding),
                    "base": None if chunk.base is None else bytes(chunk.base),
                    "depth": chunk.depth,
                    "key_id": chunk.key_id,
                }
                for digest, chunk in chunks.items()
            ],
        )
        for digest, chunk in chunks.items():
            pieces = [{"sha256": digest, **piece} for piece in _pieces(chunk.body)]
            connection.execute(sql.load("db2/store/insert_chunk_piece"), pieces)


def _pieces(body: bytes) -> list[dict[str, Any]]:
    view = memoryview(body)
    return [
        {"number": number, "body": bytes(view[start : start + PIECE_BYTES])}
        for number, start in enumerate(range(0, len(view), PIECE_BYTES), start=1)
    ]


def renew(server: Db2Server, digests: Collection[bytes]) -> set[bytes]:
    """Begin the grace anew for those of these chunks that no artifact holds, and return them."""
    statement = sql.load("db2/store/renew_chunks").bindparams(bindparam("digests", expanding=True))
    with server.begin() as connection:
        for some in _some(digests):
            connection.execute(statement, {"digests": some})
        return {bytes(row.sha256) for row in _asked(connection, "unheld_chunks", digests)}


def depths(server: Db2Server, digests: Collection[bytes]) -> dict[bytes, int]:
    """Return those of the chunks that are there, and how many must be read before each."""
    with server.connect() as connection:
        return {bytes(row.sha256): row.depth for row in _asked(connection, "chunk_depths", digests)}


def read(server: Db2Server, digests: Collection[bytes]) -> dict[bytes, Chunk]:
    """Return those of the chunks that are there, with all that they are differences from."""
    found: dict[bytes, Chunk] = {}
    wanted = {bytes(digest) for digest in digests}
    with server.connect() as connection:
        while wanted:
            rows = _asked(connection, "read_chunks", wanted)
            for sha256, group in itertools.groupby(rows, lambda row: bytes(row.sha256)):
                pieces = list(group)
                one, body = pieces[0], b"".join(bytes(piece.body) for piece in pieces)
                base = None if one.base is None else bytes(one.base)
                found[sha256] = Chunk(sha256, one.plain_bytes, body, one.coding, base, one.depth, one.key_id)
            bases = {found[digest].base for digest in wanted if digest in found}
            wanted = {base for base in bases if base is not None} - found.keys()
    return found


def _asked(connection: Connection, name: str, digests: Collection[bytes]) -> Iterator[Row[Any]]:
    """Yield a statement's rows for these digests, some at a time."""
    statement = sql.load(f"db2/store/{name}").bindparams(bindparam("digests", expanding=True))
    for some in _some(digests):
        yield from connection.execute(statement, {"digests": some})


def _some(digests: Collection[bytes]) -> Iterator[list[bytes]]:
    # In their order, so that two that update them seldom wait for each other in a circle.
    wanted = sorted(bytes(digest) for digest in digests)
    for start in range(0, len(wanted), _DIGESTS_A_QUERY):
        yield wanted[start : start + _DIGESTS_A_QUERY]


def insert_artifact(transaction: Connection, artifact: Mapping[str, Any], digests: Collection[bytes]) -> int:
    """Make an artifact exist that holds these chunks, inside a transaction, and return its number.

    Args:
        transaction: it exists once that commits.
        artifact: kind, name, manifest (text), sha256 of the manifest and plain_bytes.
        digests: without repetition.
    """
    manifest = artifact["manifest"].encode()
    values = {**artifact, "manifest_bytes": len(manifest)}
    del values["manifest"]
    transaction.execute(sql.load("db2/store/insert_artifact"), values)
    named = {"kind": artifact["kind"], "name": artifact["name"]}
    number = int(transaction.execute(sql.load("db2/store/artifact_id"), named).scalar_one())
    if pieces := [{"artifact_id": number, **piece} for piece in _pieces(manifest)]:
        transaction.execute(sql.load("db2/store/insert_manifest_piece"), pieces)
    if held := [{"artifact_id": number, "sha256": bytes(digest)} for digest in digests]:
        transaction.execute(sql.load("db2/store/insert_artifact_chunk"), held)
    return number


def manifest(server: Db2Server, artifact_id: int) -> tuple[str, bytes] | None:
    """Return an artifact's manifest and its digest; None if it is not here, or not all of it yet."""
    with server.connect() as connection:
        rows = connection.execute(sql.load("db2/store/find_artifact"), {"artifact_id": artifact_id}).all()
    text = b"".join(bytes(row.body) for row in rows if row.body is not None)
    if not rows or len(text) != rows[0].manifest_bytes:
        return None
    return text.decode(errors="replace"), bytes(rows[0].sha256)
