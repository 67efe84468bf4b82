"""Creates a feed in a process of its own, to be killed: prints a line for each part that is kept.

python tests/pair/snapshot_taker.py NAME SOURCE PRIMARY PART_BLOCKS
"""

from __future__ import annotations

import sys

from replicator.handover import create_feed
from replicator.postgres import snapshot_plan
from replicator.postgres.adapter import PostgresDatabase


def main() -> None:
    """Create."""
    name, source, primary, part_blocks = sys.argv[1:]
    snapshot_plan.PART_BLOCKS = int(part_blocks)
    create_feed(
        name,
        name,
        source=PostgresDatabase(source),
        primary=PostgresDatabase(primary),
        progress=lambda *done: print(*done, flush=True),  # noqa: T201 - its output
    )


if __name__ == "__main__":
    main()
