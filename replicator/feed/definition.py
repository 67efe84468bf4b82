"""What a feed is, as its database remembers it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from replicator.database import Database
from replicator.position import Lsn


@dataclass(frozen=True, slots=True)
class Definition:
    """A named stream of the committed rows of one publication.

    Attributes:
        name: the feed's.
        publication: which rows and columns; of a journal feed the table's name.
        slot: logical slot that keeps the log for it; a journal feed has none.
        start: the slot's consistent point, where the snapshot ends and the stream begins.
        timeline: the snapshot's.
        snapshot_id: artifact that holds the snapshot's rows.
        source: where the changes come from, `wal` or `journal`.
    """

    name: str
    publication: str
    slot: str
    start: Lsn
    timeline: int
    snapshot_id: int
    source: str = "wal"

    @property
    def is_journal(self) -> bool:
        """Whether the changes come from a journal."""
        return self.source == "journal"


def find(database: Database, name: str) -> Definition | None:
    """Return the feed of that name, or None."""
    with database.connect() as connection:
        row = connection.execute(database.statement("feed/find_feed"), {"name": name}).one_or_none()
    if row is None:
        return None
    return Definition(name, row.publication, row.slot, Lsn(row.start_lsn), row.timeline, row.snapshot_id, row.source)


def every(database: Database) -> list[Definition]:
    """Return every feed of a database, by name."""
    with database.connect() as connection:
        rows = connection.execute(database.statement("feed/feeds")).all()
    return [
        Definition(row.name, row.publication, row.slot, Lsn(row.start_lsn), row.timeline, row.snapshot_id, row.source)
        for row in rows
    ]


def record(database: Database, transaction: Connection, definition: Definition) -> None:
    """Make the feed exist, inside the transaction that makes its snapshot exist."""
    transaction.execute(
        database.statement("feed/insert_feed"),
        {
            "name": definition.name,
            "publication": definition.publication,
            "slot": definition.slot,
            "start_lsn": str(definition.start),
            "timeline": definition.timeline,
            "snapshot_id": definition.snapshot_id,
            "source": definition.source,
        },
    )
