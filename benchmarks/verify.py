"""Rows of a pair compared: beside the servers' own hash of one node alone, and beside reladiff.

One run, one embedded pair, one table of twelve columns of as many types; the readers take turns, medians. Each
comparison is the command in a process of its own, from its start to its end.

    server hash   `select bit_xor(hashbyteaextended(record_send(t), 0)) from mixed t` on the slower node alone, one core
    rows          hadrian verify --no-pages --jobs 1
    pages         hadrian verify --pages --jobs 1
    reladiff      its own checksums in the servers, all columns, both nodes at once

    python benchmarks/verify.py --json verify.json
"""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import figures
import psutil

from replicator.postgres import topology
from replicator.postgres.embedded import EmbeddedPair, NodeName

_ROWS = 5_000_000
_TABLE = """
create table mixed (
  id bigint primary key, at timestamptz not null, day date, amount numeric(12, 2), measure float8, flag boolean,
  kind int not null, code char(6), name text, raw bytea, token uuid, tags text[]
)
"""
_FILL = """
insert into mixed
select
  i, timestamptz '2026-01-01' + i * interval '1 second', date '2026-01-01' + mod(i, 1000)::int, mod(i, 100000) / 7.0,
  i / 3.0, mod(i, 3) = 0, mod(i, 100), lpad(mod(i, 1000000)::text, 6, '0'),
  case when mod(i, 10) > 0 then md5(i::text) end,
  decode(md5((i * 7)::text), 'hex'), md5((i * 11)::text)::uuid, array[mod(i, 5)::text, 'tag']
from generate_series(1, {rows}) as i
"""
_HASH = "select bit_xor(hashbyteaextended(record_send(t), 0)) from mixed as t"
_RELADIFF = """
import sys
from reladiff import connect_to_table, diff_tables
host, *names = sys.argv[1:]
tables = [
    connect_to_table({"driver": "postgresql", "host": host, "port": port, "user": "postgres", "dbname": "postgres"},
                     "mixed", "id", thread_count=1) for port in (5432, 5433)
]
sys.exit(1 if any(True for _ in diff_tables(*tables, extra_columns=tuple(names))) else 0)
"""


def main() -> None:
    """Measure, print, and write the figures."""
    parser = figures.options("Measure how fast a pair is compared.", repeats=3)
    parser.add_argument("--rows", type=int, default=_ROWS)
    arguments = parser.parse_args()
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory(prefix="hadrian-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' OS user passes through
        pair = EmbeddedPair.create(folder / "pair", "max_wal_size = 8GB\nautovacuum = off\n")
        try:
            columns, size = _fill(pair, arguments.rows)
            turns: dict[str, Callable[[], float]] = {
                "hash on the primary": lambda: _hash(pair, "a"),
                "hash on the standby": lambda: _hash(pair, "b"),
                "rows": lambda: _command(pair, "--no-pages"),
                "pages": lambda: _command(pair, "--pages"),
            }
            seconds: dict[str, list[float]] = {turn: [] for turn in (*turns, "reladiff")}
            primary: dict[str, list[float]] = {turn: [] for turn in (*turns, "reladiff")}
            for _ in range(arguments.repeats):
                for turn, run in turns.items():
                    _timed(pair, run, seconds[turn], primary[turn])
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # of the largest so far: ours alone
            _timed(pair, lambda: _reladiff(pair, columns), seconds["reladiff"], primary["reladiff"])
        finally:
            pair.remove()
    _report(arguments, seconds, primary, size, peak, [*load, os.getloadavg()[0]])


def _report(
    arguments: Any,
    seconds: dict[str, list[float]],
    primary: dict[str, list[float]],
    size: int,
    peak: float,
    load: list[float],
) -> None:
    took = {turn: statistics.median(times) for turn, times in seconds.items()}
    cpu = {turn: statistics.median(times) for turn, times in primary.items()}
    alone = max(took["hash on the primary"], took["hash on the standby"])
    found = {
        "time_vs_server_hash": took["rows"] / alone,
        "pages_vs_server_hash": took["pages"] / alone,
        "speed_vs_reladiff": took["reladiff"] / took["rows"],
        "peak_rss_mb": peak,
        "cpu_vs_server_hash": cpu["rows"] / cpu["hash on the primary"],
        "pages_cpu_vs_server_hash": cpu["pages"] / cpu["hash on the primary"],
        "rows": arguments.rows,
        "table_mb": size / 1e6,
        "seconds": took,
        "primary_cpu_s": cpu,
        "all_seconds": seconds,
        "load_average": load,
    }
    for name, value in found.items():
        print(f"{name:25} {value:.2f}" if isinstance(value, float) else f"{name:25} {value}")  # noqa: T201
    figures.write(arguments.json, found)


def _fill(pair: EmbeddedPair, rows: int) -> tuple[list[str], int]:
    """Make the table, and return its columns but the key, and its bytes."""
    with contextlib.closing(pair.server("a")) as server:
        with server.autocommit() as connection:
            connection.exec_driver_sql("create extension pageinspect")
            connection.exec_driver_sql(_TABLE)
            for statement in (_FILL.format(rows=rows), "vacuum (freeze, analyze) mixed", "checkpoint"):
                connection.exec_driver_sql(statement)
            size = connection.exec_driver_sql("select pg_table_size('mixed')").scalar_one()
            names = "select attname::text from pg_attribute where attrelid = 'mixed'::regclass and attnum > 1"
            columns = [row[0] for row in connection.exec_driver_sql(names)]
        with contextlib.closing(pair.server("b")) as standby:
            topology.wait_replayed(standby, topology.committed(server), timeout_s=600)
    return columns, size


def _timed(pair: EmbeddedPair, run: Callable[[], float], seconds: list[float], primary: list[float]) -> None:
    before = _cpu(pair)
    seconds.append(run())
    primary.append(_cpu(pair) - before)


def _cpu(pair: EmbeddedPair) -> float:
    """Return the seconds of processors that the primary's sessions have taken, once all of them have ended."""
    postmaster = psutil.Process(pair.postmaster("a"))

    def is_idle() -> bool:
        titles = [
            " ".join(child.cmdline()) for child in postmaster.children()
        ]  # empty of one that only waits to be reaped
        return not any(not title or ("[local]" in title and "walsender" not in title) for title in titles)

    topology.wait_until(is_idle, "sessions to end", timeout_s=60)
    times = postmaster.cpu_times()
    return float(times.children_user + times.children_system)


def _hash(pair: EmbeddedPair, node: NodeName) -> float:
    with contextlib.closing(pair.server(node)) as server, server.autocommit() as connection:
        connection.exec_driver_sql("set max_parallel_workers_per_gather = 0")
        connection.exec_driver_sql("set jit = off")
        began = time.perf_counter()
        connection.exec_driver_sql(_HASH).scalar_one()
        return time.perf_counter() - began


def _command(pair: EmbeddedPair, *options: str) -> float:
    urls = ("--primary", pair.url("a"), "--standby", pair.url("b"))
    return _run(
        [sys.executable, "-m", "cli.main", "verify", *urls, "--what", "rows", "--table", "public.mixed", *options]
    )


def _reladiff(pair: EmbeddedPair, columns: list[str]) -> float:
    return _run([sys.executable, "-c", _RELADIFF, str(pair.socket), *columns])


def _run(argv: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # what differs would be an exit code
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
