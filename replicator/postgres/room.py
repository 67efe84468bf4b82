"""The room that the chunks' table takes, and how much of it is dead or free.

A chunk that is deleted leaves dead rows, which vacuum makes free space, which the next chunks use. So the table is as
large as the chunks ever were at once, and what is dead between two vacuums: the table's own settings keep that at 2 %.

Source: PostgreSQL 18 documentation, 24.1 "Routine Vacuuming", CREATE TABLE "Storage Parameters", 65.2 "TOAST", F.31
"pgstattuple".
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from replicator import sql
from replicator.postgres.connection import Server

_BODY_ROW_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Room:
    """What the chunks' table takes.

    Attributes:
        chunks: that it holds.
        stored_bytes: of their bodies.
        size_bytes: of the table, the bodies and the indexes, on disk.
        dead_bytes: of rows that were deleted, until they are vacuumed.
        free_bytes: that the next chunks will use; estimated, it includes what the pages themselves need.
        measured: by pgstattuple; else they are estimated from the server's statistics.
        dead_rows, vacuum_at: of the bodies, each of up to 2 kB: so many there are, and so many make autovacuum begin.
        autovacuum_on: whether it does at all.
        vacuumed_at: when they were vacuumed last.
    """

    chunks: int
    stored_bytes: int
    size_bytes: int
    dead_bytes: int
    free_bytes: int
    measured: bool
    dead_rows: int
    vacuum_at: int
    autovacuum_on: bool
    vacuumed_at: dt.datetime | None


def room(server: Server) -> Room:
    """Return what the chunks take."""
    with server.connect() as connection:
        row = connection.execute(sql.load("postgres/store/room")).one()
        if row.approximated_by is not None:
            place = sql.identifier(row.approximated_by)
            seen = connection.execute(sql.filled("postgres/store/room_approximated", approximated_by=place)).one()
            dead, free = seen.dead_bytes, seen.free_bytes
        else:
            dead = row.dead_rows * _BODY_ROW_BYTES
            free = max(0, row.size_bytes - row.stored_bytes - dead)
    return Room(
        row.chunks, row.stored_bytes, row.size_bytes, dead, free, row.approximated_by is not None,
        row.dead_rows, row.vacuum_at, row.autovacuum_on, row.vacuumed_at,
    )  # fmt: skip
