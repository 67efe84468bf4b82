"""Creates a feed in a process of its own, to be killed: reads so many parts, prints `kept`, and stays in the next one.

python tests/pair/snapshot_taker.py NAME SOURCE PRIMARY PART_BLOCKS PARTS
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pyarrow as pa

from replicator import handover, unfinished_snapshot
from replicator.postgres import snapshot_plan
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.connection import Server
from replicator.postgres.snapshot import Snapshot, read_part
from replicator.postgres.snapshot_plan import Part


def main() -> None:
    """Create."""
    name, source, primary, part_blocks, parts = sys.argv[1:]
    snapshot_plan.PART_BLOCKS = int(part_blocks)
    begun = itertools.count(1)
    kept = itertools.count(1)
    really_keep = unfinished_snapshot.keep_part

    def read(server: Server, snapshot: Snapshot, part: Part) -> Iterator[pa.RecordBatch]:
        blocked = next(begun) > int(parts)
        for batch in read_part(server, snapshot, part):
            yield batch
            if blocked:
                break
        if blocked:
            threading.Event().wait()

    def keep_part(*args: Any) -> None:
        really_keep(*args)
        if next(kept) == int(parts):
            print("kept", flush=True)  # noqa: T201 - its output

    with mock.patch.object(handover, "read_part", read), mock.patch.object(unfinished_snapshot, "keep_part", keep_part):
        handover.create_feed(name, name, source=PostgresDatabase(source), primary=PostgresDatabase(primary))


if __name__ == "__main__":
    main()
