"""Reads a stream in a process of its own and prints how many rows, the sum of their ids, and the peak of its memory.

python tests/pair/large_reader.py CONNINFO NAME BEGIN ROWS
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import psycopg.conninfo
import pyarrow.compute
from sqlalchemy.engine import URL

from replicator.position import Cursor, Lsn
from replicator.postgres.connection import Server
from replicator.postgres.stream import Stream


def main() -> None:
    """Read."""
    conninfo, name, begin, rows = sys.argv[1:]
    address = psycopg.conninfo.conninfo_to_dict(conninfo)
    url = URL.create(
        "postgresql", str(address["user"]), database=str(address["dbname"]),
        query={"host": str(address["host"]), "port": str(address["port"])},
    )  # fmt: skip
    read = total = 0
    with Stream(Server(url), name, name, Cursor(Lsn(begin), 0)) as stream:
        while read < int(rows):
            batch = stream.read(60)
            if batch is None:
                break
            read += batch.num_rows
            total += pyarrow.compute.sum(batch.column("id")).as_py()  # type: ignore[attr-defined]
    print(read, total, _peak_bytes())  # noqa: T201 - its output


def _peak_bytes() -> int:
    """Return this program's own peak: what getrusage tells has in it the process that it was forked from."""
    match = re.search(r"VmHWM:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


if __name__ == "__main__":
    main()
