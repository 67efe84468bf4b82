"""Chunks in and out of the store."""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from replicator import sql
from replicator.chunk import Chunk
from replicator.errors import AlreadyThere
from replicator.postgres.connection import Server, driver

_ATTEMPTS = 5
_TYPES = ["bytea", "int4", "bytea", "int2", "bytea", "int2", "text"]  # of a chunk's columns, in the order of `Chunk`


def insert(server: Server, chunks: Sequence[Chunk]) -> None:
    """Insert chunks by COPY, in one transaction that is flushed with the next; those that are there already stay.

    Raises:
        DiskFull, NodeLost, NodeUnreachable: nothing of it was stored.
    """
    # In digest order, so that two writers with the same chunks wait for each other and never in a circle.
    pending = sorted({chunk.sha256: chunk for chunk in chunks}.values(), key=operator.attrgetter("sha256"))
    for attempt in range(_ATTEMPTS):
        try:
            _copy(server, pending)
        except AlreadyThere:
            # Another writer stored one of them meanwhile: look which, only now, and leave it out.
            if attempt + 1 == _ATTEMPTS:
                raise
            known = depths(server, [chunk.sha256 for chunk in pending])
            pending = [chunk for chunk in pending if chunk.sha256 not in known]
        else:
            return


def _copy(server: Server, chunks: Sequence[Chunk]) -> None:
    if not chunks:
        return
    with server.connect() as connection, connection.begin(), driver(connection).cursor() as cursor:
        # The log is flushed in order: no artifact that holds them is there, or on a standby, and they are not.
        cursor.execute("set local synchronous_commit = off")
        with cursor.copy(sql.source("postgres/store/copy_chunks")) as copy:
            copy.set_types(_TYPES)
            for one in chunks:
                row = one.sha256, one.plain_bytes, one.body, int(one.coding), one.base, one.depth, one.key_id
                copy.write_row(row)


def renew(server: Server, digests: Collection[bytes]) -> set[bytes]:
    """Begin the grace anew for those of these chunks that no artifact holds, and return them."""
    with server.begin() as transaction:
        rows = transaction.execute(sql.load("postgres/store/renew_chunks"), {"digests": list(digests)})
        return {bytes(row.sha256) for row in rows}


def depths(server: Server, digests: Collection[bytes]) -> dict[bytes, int]:
    """Return those of the chunks that are there, and how many must be read before each."""
    with server.connect() as connection:
        rows = connection.execute(sql.load("postgres/store/chunk_depths"), {"digests": list(digests)})
        return {bytes(row.sha256): row.depth for row in rows}


def read(server: Server, digests: Collection[bytes]) -> dict[bytes, Chunk]:
    """Return those of the chunks that are there, with all that they are differences from."""
    with (
        server.autocommit() as connection,
        driver(connection).cursor() as cursor,
        cursor.copy(_read_chunks(), {"digests": list(digests)}) as copy,
    ):
        copy.set_types(_TYPES)
        return {row[0]: Chunk(*row) for row in copy.rows()}


@functools.cache
def _read_chunks() -> bytes:
    # COPY has no parameters: the driver writes their values into the text.
    return str(sql.load("postgres/store/read_chunks").compile(dialect=PGDialect_psycopg())).encode()  # type: ignore[no-untyped-call]


def insert_artifact(transaction: Connection, artifact: Mapping[str, Any], digests: Collection[bytes]) -> int:
    """Make an artifact exist that holds these chunks, inside a transaction, and return its number.

    Raises:
        AlreadyThere: one of that kind and name exists.
        HadrianError: a chunk is not there.
    """
    number: int = transaction.execute(sql.load("postgres/store/insert_artifact"), artifact).scalar_one()
    held = {"artifact_id": number, "digests": list(digests)}
    transaction.execute(sql.load("postgres/store/insert_artifact_chunks"), held)
    return number


def manifest(server: Server, artifact_id: int) -> tuple[str, bytes] | None:
    """Return an artifact's manifest and its digest, None if it is not here."""
    with server.connect() as connection:
        row = connection.execute(sql.load("postgres/store/find_artifact"), {"artifact_id": artifact_id}).one_or_none()
    return None if row is None else (row.manifest, bytes(row.sha256))
