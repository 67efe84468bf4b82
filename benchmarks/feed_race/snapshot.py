"""One reader of a table to Arrow as of an exported snapshot, in a process of its own.

It is told on standard input what to read, and prints rows and seconds: from the first connect until every row is there.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

Job = dict[str, Any]
Read = tuple[float, pa.Table]

_SESSIONS = 2
_QUERY = "select id, at, body from event"


def hadrian(job: Job) -> Read:
    """Make an Arrow table, in parts, over two sessions, as a feed's snapshot is read."""
    import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401 - it is imported before the clock starts

    from replicator.position import Lsn
    from replicator.postgres import snapshot as snapshots
    from replicator.postgres.changed_keys import ChangedKeys
    from replicator.postgres.connection import Server
    from replicator.postgres.snapshot_plan import Part, plan

    server = Server(job["url"])
    began = time.perf_counter()
    with snapshots.session(server, job["snapshot"]) as connection:
        planned = plan(server, connection, "event")
    begun = snapshots.Begun(Lsn(0), 1, planned.marks, planned.part_blocks, planned.blocks)
    snapshot = snapshots.Snapshot(planned, begun, Lsn(0), 1, job["snapshot"], ChangedKeys(planned, ()))

    def read(part: Part) -> list[pa.RecordBatch]:
        return list(snapshots.read_part(server, snapshot, part))

    with concurrent.futures.ThreadPoolExecutor(_SESSIONS) as pool:
        made = list(pool.map(read, planned.parts))
    table = pa.Table.from_batches([batch for batches in made for batch in batches])
    return time.perf_counter() - began, table


def adbc(job: Job) -> Read:
    """Make an Arrow table, over one session."""
    from adbc_driver_postgresql import dbapi

    began = time.perf_counter()
    address = f"postgresql:///{job['database']}?host={job['socket']}&port={job['port']}&user=postgres"
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        cursor.execute(f"set transaction snapshot '{job['snapshot']}'")
        cursor.execute(_QUERY)
        table = cursor.fetch_arrow_table()
        return time.perf_counter() - began, table


def from_sql(job: Job) -> Read:
    """Make a `datasets.Dataset`, which is Arrow in a file, over one SQLAlchemy session."""
    import datasets
    import pandas as pd  # noqa: F401 - it is imported before the clock starts
    import sqlalchemy

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        engine = sqlalchemy.create_engine(job["url"])
        with engine.connect() as connection:
            repeatable = connection.execution_options(isolation_level="REPEATABLE READ")
            repeatable.exec_driver_sql(f"set transaction snapshot '{job['snapshot']}'")
            made = datasets.Dataset.from_sql(_QUERY, repeatable, cache_dir=folder)
        return time.perf_counter() - began, made.data.table.combine_chunks()


READERS: dict[str, Callable[[Job], Read]] = {
    "hadrian": hadrian,
    "adbc-driver-postgresql": adbc,
    "datasets.Dataset.from_sql": from_sql,
}


def main() -> None:
    """Read, check that every row is there, and print the seconds as the last line."""
    job = json.load(sys.stdin)
    try:
        seconds, table = READERS[sys.argv[1]](job)
    except ImportError as error:
        sys.exit(f"not installed: {error}")
    if table.num_rows != job["rows"] or set(table.column_names) != {"id", "at", "body"}:
        sys.exit(f"{table.num_rows} rows of {table.column_names} came")
    print(f"\n{json.dumps([table.num_rows, seconds])}", flush=True)  # noqa: T201 - its output
    os._exit(0)


if __name__ == "__main__":
    main()
