"""`hadrian feed read`: committed rows on standard output, a JSON object a line."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from typing import TYPE_CHECKING

import click

from cli.options import DatabaseUrl, examples
from replicator.errors import TableUnfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from replicator.change import Change


@click.command(
    epilog=examples(
        "hadrian feed read docs --standby postgresql://user@b:5432/app",
        "hadrian feed read docs --node postgresql://user@b:5432/app --after 0/36A7D48+2 --limit-rows 100",
    )
)
@click.argument("name")
@click.option(
    "--node",
    "--standby",
    "node",
    metavar="URL",
    type=DatabaseUrl(),
    envvar="HADRIAN_STANDBY",
    show_envvar=True,
    required=True,
    help="The node to read from: one that has the feed's slot.",
)
@click.option("--after", metavar="CURSOR", help="Read on behind the row that had this _cursor.")
@click.option("--limit-rows", metavar="N", type=click.IntRange(min=1), help="End after so many rows.")
@click.option("--follow", is_flag=True, help="Wait for rows to come instead of ending where the log ends.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["jsonl"]),
    default="jsonl",
    show_default=True,
    help="A JSON object a line.",
)
def read(
    name: str,
    node: str,
    after: str | None,
    limit_rows: int | None,
    follow: bool,
    output: str,  # noqa: ARG001 - there is one
) -> None:
    """Write the committed rows of feed NAME: its snapshot by key, then each commit in order.

    Each line has _op (snapshot, insert, update, delete, truncate), _cursor (what --after takes) and the columns, as
    text or null; after the same cursor come the same bytes, as long as the slot keeps them. It ends with what was
    committed when it began.

    Nothing is confirmed: what is read is a copy of the feed's slot that goes with the session. So the node needs a free
    slot and two free senders. While a run reads the slot, this is refused.
    """
    from replicator import handover
    from replicator.position import Cursor

    cursor = Cursor.parse(after) if after is not None else None
    with contextlib.closing(handover.read_aside(name, url=node, after=cursor, follow=follow)) as changes:
        for change in itertools.islice(_rows(changes), limit_rows):
            sys.stdout.write(_line(change))


def _rows(changes: Iterable[Change | None]) -> Iterator[Change]:
    """Yield the changes; where none comes for now, whoever reads our output gets those before."""
    for change in changes:
        if change is None:
            sys.stdout.flush()
        else:
            yield change


def _line(change: Change) -> str:
    ours = {"_op": change.op.value, "_cursor": str(change.after)}
    if taken := ours.keys() & change.values.keys():
        raise TableUnfit(
            f"the feed's table has a column {min(taken)} of its own", hint="leave it out of the publication"
        )
    return json.dumps(ours | dict(sorted(change.values.items()))) + "\n"
