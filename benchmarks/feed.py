"""A feed's speed beside its peers': a backlog from a slot on a standby, a snapshot, and how soon a commit is seen.

One pair, one table of three columns, one run; every reader is a process of its own, they take turns, and medians are
compared. A peer that does not run here is listed with the reason. Where a peer is much slower than the server, it reads
only the first part of the same backlog, and its rate is compared.

    backlog    from the first connect to the last row. pg_recvlogical writes what the server sends to /dev/null, asking
               for the same protocol as we do: it is the server's own limit
    snapshot   from the first connect until all rows are in Arrow, all readers on one exported snapshot of the standby
    freshness  from when a commit on the primary returned to its client, to when the reader on the standby has the row;
               pg_recvlogical writes to a pipe

    make bench
    python benchmarks/feed.py --json feed.json
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import figures
import psycopg
from feed_race.scene import Scene, build

from replicator.batch import last_position
from replicator.follow import Feed
from replicator.position import Lsn

_FOLDER = Path(__file__).parent / "feed_race"
_OUR_PROTOCOL = ("proto_version=4", "binary=true", "streaming=on")
_PARTS = {"pydbzengine": 200_000, "pgoutput-decoder": 100_000}  # rows, at most, of the slow
_A_SECOND = 200  # commits
_TIMEOUT_S = 600

Turn = Callable[[], tuple[int, float]]  # gives rows and seconds


class CannotRun(Exception):
    """A peer does not run here."""


def python_of(peer: str) -> str:
    """Return the interpreter that has a peer: this one, or that of the folder that `make bench` makes for it."""
    other = Path(sys.prefix) / "peers" / "bin" / "python"
    here = importlib.util.find_spec(peer.replace("-", "_")) is not None
    return sys.executable if here or not other.exists() else str(other)


def read(script: str, reader: str, python: str, job: dict[str, object], folder: Path) -> tuple[int, float]:
    """Let a reader take its turn in a process of its own."""
    done = subprocess.run(
        [python, str(_FOLDER / f"{script}.py"), reader],
        input=json.dumps(job), capture_output=True, text=True, cwd=folder, timeout=_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotRun((done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1])
    rows, seconds = json.loads(done.stdout.splitlines()[-1])
    return rows, seconds


def take_turns(turns: dict[str, Turn], repeats: int) -> tuple[dict[str, float], dict[str, str]]:
    """Return each reader's median of rows a second, and why some cannot run."""
    rates: dict[str, list[float]] = {name: [] for name in turns}
    reasons: dict[str, str] = {}
    for number in range(repeats):
        # There and back, so that nobody always follows the same one.
        for name, turn in list(turns.items())[:: -1 if number % 2 else 1]:
            if name not in reasons:
                try:
                    rows, seconds = turn()
                except CannotRun as error:
                    reasons[name] = str(error)
                else:
                    rates[name].append(rows / seconds)
    for name, measured in rates.items():
        if name in reasons:
            say(f"  {name:28} does not run here: {reasons[name]}")
        else:
            spread = f"{min(measured):,.0f} to {max(measured):,.0f}"
            say(f"  {name:28} {statistics.median(measured):12,.0f} rows/s  ({spread})")
    if "hadrian" in reasons:
        raise SystemExit(f"hadrian: {reasons['hadrian']}")
    return {name: statistics.median(rates[name]) for name in turns if name not in reasons}, reasons


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - its output


def end_of_backlog(scene: Scene, rows: int) -> Lsn:
    """Read the backlog once, and return the position behind its last commit."""
    with Feed("event", [scene.pair.url("b")], aside=True) as feed:
        count = 0
        while count < rows:
            batch = feed.read(60)
            if batch is None:
                raise SystemExit(f"only {count} rows came")
            count += batch.num_rows
        return last_position(batch)[0]


def recvlogical(scene: Scene, slot: str, publication: str, *more: str) -> list[str]:
    """Return the command line of pg_recvlogical."""
    options = (f"publication_names={publication}", *_OUR_PROTOCOL)
    return [
        str(scene.pair.bin / "pg_recvlogical"), "--start", "--no-loop", "--dbname", str(scene.job()["conninfo"]),
        "--slot", slot, *(f"--option={option}" for option in options), *more,
    ]  # fmt: skip


def backlog(scene: Scene, rows: int, repeats: int, folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Measure how fast a backlog is read."""
    end = end_of_backlog(scene, rows)

    def pg_recvlogical() -> tuple[int, float]:
        with scene.copied_slot("event") as slot:
            argv = recvlogical(scene, slot, "event", "--file=/dev/null", f"--endpos={end}")
            began = time.perf_counter()
            subprocess.run(argv, check=True, timeout=_TIMEOUT_S)
            return rows, time.perf_counter() - began

    def reader(name: str, python: str) -> Turn:
        def turn() -> tuple[int, float]:
            with scene.copied_slot("event") as slot:
                job = scene.job(slot=slot, rows=min(rows, _PARTS.get(name, rows)))
                return read("backlog", name, python, job, folder)

        return turn

    here = sys.executable
    turns = {
        "pg_recvlogical": pg_recvlogical,
        "hadrian": reader("hadrian", here),
        "psycopg2 with pypgoutput": reader("psycopg2 with pypgoutput", here),
        "pgoutput-decoder": reader("pgoutput-decoder", python_of("pgoutput-decoder")),
        "pydbzengine": reader("pydbzengine", here),
    }
    say(f"backlog of {rows:,} rows, from a slot on the standby")
    return take_turns(turns, repeats)


def snapshot(scene: Scene, rows: int, repeats: int, folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Measure how fast a table is read to Arrow."""
    with scene.exported_snapshot() as exported:
        job = scene.job(snapshot=exported, rows=rows)

        def reader(name: str) -> Turn:
            return lambda: read("snapshot", name, sys.executable, job, folder)

        say(f"snapshot of {rows:,} rows, on the standby")
        names = ("hadrian", "adbc-driver-postgresql", "datasets.Dataset.from_sql")
        return take_turns({name: reader(name) for name in names}, repeats)


def freshness(scene: Scene, rounds: int, seconds: int) -> dict[str, dict[str, float]]:
    """Measure how soon commits are in the reader's hands, in milliseconds."""
    delays: dict[str, list[list[float]]] = {"hadrian": [], "pg_recvlogical": []}
    number = 0
    with psycopg.connect(scene.pair.server("a").conninfo, autocommit=True) as writer:
        for _ in range(rounds):
            for name, measured in delays.items():
                count = _A_SECOND * seconds
                measured.append(one_round(scene, writer, name, number + 1, count))
                number += count + 1
    say(f"freshness, {_A_SECOND} commits a second, {rounds} rounds of {seconds} s each")
    figures = {}
    for name, rounds_of_it in delays.items():
        figures[name] = {
            f"p{percent}_ms": statistics.median(percentile(one, percent) for one in rounds_of_it)
            for percent in (50, 99)
        }
        listed = ", ".join(f"{percentile(one, 99):.2f}" for one in rounds_of_it)
        say(f"  {name:28} p50 {figures[name]['p50_ms']:.3f} ms, p99 {figures[name]['p99_ms']:.3f} ms  (p99: {listed})")
    return figures


def one_round(scene: Scene, writer: psycopg.Connection, reader: str, first: int, count: int) -> list[float]:
    """Commit rows at a steady pace while a reader reads; return how long each took, in milliseconds."""
    with scene.copied_slot("tick") as slot:
        argv = recvlogical(scene, slot, "tick", "--file=-", "--fsync-interval=0")
        job = scene.job(slot=slot, argv=argv, first=first, last=first + count)
        with subprocess.Popen(
            [sys.executable, str(_FOLDER / "freshness.py"), reader],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            commit(writer, first)
            if process.stdout.readline() != "ready\n":
                raise SystemExit(f"{reader} does not get the first row")
            committed = {}
            due = time.monotonic()
            for number in range(first + 1, first + count + 1):
                due += 1 / _A_SECOND
                time.sleep(max(0.0, due - time.monotonic()))
                committed[number] = commit(writer, number)
            seen = {number: at for number, at in json.loads(process.stdout.readline()) if number != first}
    if seen.keys() != committed.keys():
        raise SystemExit(f"{reader} got {len(seen)} rows of {len(committed)}")
    return [1000 * (seen[number] - at) for number, at in committed.items()]


def commit(writer: psycopg.Connection, number: int) -> float:
    """Commit a row, and return when that was known."""
    writer.execute("insert into tick values (%s, clock_timestamp(), %s)", (number, f"#{number}#"))
    return time.monotonic()


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many of a hundred do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def main() -> None:
    """Measure, print tables, and write the figures."""
    parser = figures.options("Measure a feed beside its peers.", repeats=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    rows, repeats = arguments.rows, arguments.repeats
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hadrian-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' OS user passes through
        with build(folder, rows) as scene:
            streamed, not_streamed = backlog(scene, rows, repeats, folder)
            copied, not_copied = snapshot(scene, rows, repeats, folder)
            delays = freshness(scene, repeats, 5)
    peers = {peer: rate for peer, rate in streamed.items() if peer not in {"hadrian", "pg_recvlogical"}}
    ratios = {
        "backlog_vs_pg_recvlogical": streamed["hadrian"] / streamed["pg_recvlogical"],
        "backlog_vs_best_peer": streamed["hadrian"] / max(peers.values()) if peers else None,
        "snapshot_vs_adbc": ratio(copied, "adbc-driver-postgresql"),
        "snapshot_vs_datasets_from_sql": ratio(copied, "datasets.Dataset.from_sql"),
        "freshness_p99_vs_pg_recvlogical": delays["hadrian"]["p99_ms"] / delays["pg_recvlogical"]["p99_ms"],
        "freshness_p50_vs_pg_recvlogical": delays["hadrian"]["p50_ms"] / delays["pg_recvlogical"]["p50_ms"],
    }
    for name, figure in ratios.items():
        say(f"{name:32} {'-' if figure is None else f'{figure:.2f}'}")
    figures.write(
        arguments.json,
        {
            "load_average_before": load,
            **ratios,
            "rows": rows,
            "backlog_rows_per_s": streamed,
            "snapshot_rows_per_s": copied,
            "freshness": delays,
            "cannot_run": not_streamed | not_copied,
        },
    )


def ratio(rates: dict[str, float], peer: str) -> float | None:
    """Return our rate over a peer's, if it ran."""
    return rates["hadrian"] / rates[peer] if peer in rates else None


if __name__ == "__main__":
    main()
