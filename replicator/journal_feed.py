"""From nothing to a feed that reads a journal: triggers, the rows as they stood when it began, the record of both.

The journal is made first; from then on every change is in it. The snapshot then divides: what it shows is kept in the
store, and the journal's first batch comes behind it. The feed exists once one last transaction has made its snapshot
and its record exist together; what is killed before leaves a journal that grows until the next attempt replaces it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from replicator import engines, journal, kept_snapshot
from replicator.database import Database
from replicator.errors import AlreadyThere, BadInput, HadrianError
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.journal import seal, writable
from replicator.journal import CreatableJournal
from replicator.store.manifest import Blob
from replicator.store.writer import Writer, publish


def create(name: str, table: str, *, primary_url: str, progress: Callable[[int], None] = lambda _: None) -> Definition:
    """Create a feed of a table's rows, read from a journal.

    Args:
        name: the feed's, lower-case letters, digits and `_`.
        table: as a query names it.
        primary_url: node that takes writes.
        progress: called with the number of rows kept so far.

    Raises:
        AlreadyThere: a feed of that name exists.
        BadInput: no such table, or the node is a standby.
        TableUnfit: the table cannot be fed from a journal.
        QueryTimedOut: transactions that wrote to the table are still open.
        SlotInUse: somebody else is creating it.
        NodeLost, NodeUnreachable, DiskFull: nothing exists, call again; or, if the node went during the last
            commit, the feed does: `definition.find` tells.
    """
    with (
        contextlib.closing(engines.database(primary_url)) as primary,
        contextlib.closing(engines.journal(primary_url, name)) as entries,
    ):
        if entries.writes_on() is None:
            raise BadInput(f"{entries.where} is a standby", hint="give the primary's URL")
        with primary.creating(name):
            return _create(name, table, primary, entries, progress)


def _create(
    name: str, table: str, primary: Database, entries: CreatableJournal, progress: Callable[[int], None]
) -> Definition:
    if definitions.find(primary, name) is not None:
        raise AlreadyThere(f"{primary.where} has a feed {name} already", hint="choose another name")
    fed = entries.create(table)
    try:
        writer = Writer(primary)
        blobs: list[Blob] = []
        kept = 0
        with entries.snapshot(fed) as snapshot:
            for batch in snapshot.batches:
                blobs.append(kept_snapshot.keep(writer, f"rows/{len(blobs):09d}", batch))
                kept += batch.num_rows
                progress(kept)
        writer.flush()
    except BaseException:
        with contextlib.suppress(HadrianError), primary.begin() as transaction:
            entries.drop(transaction)
        raise
    with publish(primary, kept_snapshot.KIND, name, blobs) as (transaction, artifact_id):
        made = Definition(name, str(fed), "", journal.START, snapshot.timeline, artifact_id, "journal")
        definitions.record(primary, transaction, made)
        entries.record(transaction, fed)
    return made


@contextlib.contextmanager
def sealer(name: str, *, node_urls: Sequence[str]) -> Iterator[Callable[[], int]]:
    """Give a function that seals once, on whichever node takes writes, and returns how many rows it sealed.

    Raises: as `feed.journal.seal` and `feed.journal.writable`, by the function.
    """
    with contextlib.ExitStack() as stack:
        journals = [stack.enter_context(contextlib.closing(engines.journal(url, name))) for url in node_urls]
        yield lambda: seal(writable(journals))
