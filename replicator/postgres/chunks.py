"""Chunks into the store by COPY."""

from __future__ import annotations

from collections.abc import Sequence

from replicator import sql
from replicator.errors import AlreadyThere
from replicator.postgres.connection import Server, driver

_ATTEMPTS = 5


def insert(server: Server, chunks: Sequence[tuple[bytes, int, bytes]]) -> None:
    """Insert (digest, plain bytes, body) in one transaction; chunks that are there already stay.

    Raises:
        DiskFull, NodeLost, NodeUnreachable: nothing of it was stored.
    """
    # In digest order, so that two writers with the same chunks wait for each other and never in a circle.
    pending = sorted({chunk[0]: chunk for chunk in chunks}.values())
    for attempt in range(_ATTEMPTS):
        try:
            _copy(server, pending)
        except AlreadyThere:
            # Another writer stored one of them meanwhile: look which, only now, and leave it out.
            if attempt + 1 == _ATTEMPTS:
                raise
            pending = _missing(server, pending)
        else:
            return


def _missing(server: Server, chunks: list[tuple[bytes, int, bytes]]) -> list[tuple[bytes, int, bytes]]:
    with server.connect() as connection:
        digests = [chunk[0] for chunk in chunks]
        rows = connection.execute(server.statement("store/missing_chunks"), {"digests": digests})
        wanted = {row.sha256 for row in rows}
    return [chunk for chunk in chunks if chunk[0] in wanted]


def _copy(server: Server, chunks: list[tuple[bytes, int, bytes]]) -> None:
    if not chunks:
        return
    with (
        server.begin() as connection,
        driver(connection).cursor() as cursor,
        cursor.copy(sql.source("postgres/store/copy_chunks")) as copy,
    ):
        copy.set_types(["bytea", "int4", "bytea"])
        for chunk in chunks:
            copy.write_row(chunk)
