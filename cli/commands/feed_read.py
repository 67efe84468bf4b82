"""`hadrian feed read`: committed rows on standard output, a JSON object a line, or in files."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import progress, render
from cli.options import examples, nodes_option
from replicator.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from replicator.follow import Feed


@click.command(
    epilog=examples(
        "hadrian feed read docs --node postgresql://user@b:5432/app",
        "hadrian feed read docs --node postgresql://user@b:5432/app --after 0/36A7D48+2 --limit-rows 100",
        "hadrian feed read docs --node postgresql://user@b:5432/app --to docs.parquet",
    )
)
@click.argument("name")
@nodes_option
@click.option("--after", metavar="CURSOR", help="Read on behind the row that had this _cursor.")
@click.option("--limit-rows", metavar="N", type=click.IntRange(min=1), help="End after so many rows.")
@click.option("--follow", is_flag=True, help="Wait for rows to come instead of ending where the log ends.")
@click.option(
    "--to",
    "path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a file instead: .parquet, .arrow (Arrow IPC) or .jsonl. Where the table's shape changes, the next one "
    "begins, with a number before its suffix.",
)
def read(
    name: str, nodes: tuple[str, ...], after: str | None, limit_rows: int | None, path: Path | None, *, follow: bool
) -> None:
    """Write the committed rows of feed NAME: its snapshot, then each commit in order.

    Each line has _op (snapshot, insert, update, delete, truncate), _cursor (what --after takes), _xid, _commit_time and
    the columns; after the same cursor come the same bytes, as long as the slot keeps them. It ends with what was
    committed when it began, and says on standard error where to go on.

    It reads from the first node that has the feed's slot, standbys first, and goes on from another when that is lost.
    Nothing is confirmed: what is read is a copy of the feed's slot that goes with the session. So the node needs a free
    slot and two free senders. While a run reads the slot, this is refused.
    """
    try:
        from replicator.follow import Feed
    except ImportError as error:
        raise BadInput(f"reading a feed needs {error.name}", hint="pip install 'hadrian-wal[feed]'") from error
    from replicator.position import Cursor

    cursor = Cursor.parse(after) if after is not None else None
    with contextlib.closing(Feed(name, nodes, after=cursor, aside=True)) as feed:
        batches = _limited(feed.batches(follow=follow), limit_rows)
        if path is None:
            _print(feed, batches)
        else:
            _write(feed, batches, path)


def _limited(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    """Yield the batches up to so many rows."""
    left = limit
    for batch in batches:
        if left is None or batch.num_rows < left:
            yield batch
            left = None if left is None else left - batch.num_rows
        else:
            yield batch.slice(0, left)
            return


def _print(feed: Feed, batches: Iterator[pa.RecordBatch]) -> None:
    from replicator.feed.files import lines

    for batch in batches:
        sys.stdout.writelines(lines(batch, feed.changes))
        sys.stdout.flush()


def _write(feed: Feed, batches: Iterator[pa.RecordBatch], path: Path) -> None:
    from replicator.feed.files import Files

    files = Files(path, feed.changes)
    rows, cursor = 0, feed.cursor()
    try:
        # Ctrl-C is how one that follows ends: what was read until then is finished.
        with progress.progress("read", None) as advance, contextlib.suppress(KeyboardInterrupt):
            for batch in batches:
                files.write(batch)
                *_, last = feed.changes(batch.slice(batch.num_rows - 1))
                rows, cursor = rows + batch.num_rows, last.after
                advance(note=f"{rows:,} rows")
        files.close()
    except BaseException:
        files.abandon()
        raise
    for done in files.done:
        render.line(str(done))
    click.echo(f"{rows:,} rows; go on with --after {cursor}", err=True)
