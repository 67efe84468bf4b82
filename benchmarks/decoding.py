"""Rows a second: a slot's messages to Arrow batches, beside the message-by-message decoder, on the same messages.

The messages are a standby's: rows of three columns, 1,000 a transaction, decoded by a slot there and kept in memory. So
this is decoding alone, without the server and the socket, and is measured in seconds of the processor, all threads
together: it waits for nothing. The two take turns; medians are compared. The reference makes one change after another
and no Arrow, so its figure is the better for it.

    pip install 'hadrian-wal[embedded,feed]'
    python benchmarks/decoding.py --json decoding.json
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import figures
import pyarrow as pa
from feed_race.scene import A_TRANSACTION, EVENTS

from replicator.position import Cursor, Lsn, TimelineHistory
from replicator.postgres import slot, topology
from replicator.postgres.batches import Batches
from replicator.postgres.connection import Server
from replicator.postgres.embedded import EmbeddedPair
from replicator.postgres.pgoutput import decode
from replicator.postgres.transactions import Transactions
from replicator.postgres.type_catalog import TypeCatalog

_A_PORTION = 50_000  # messages that are decoded together
_START = Cursor(Lsn(0), 0)


def record(folder: Path, rows: int) -> tuple[dict[str, list[bytes]], TypeCatalog]:
    """Write rows on a primary and return what a slot on its standby says of them, as text and in binary form."""
    pair = EmbeddedPair.create(folder / "pair")
    with contextlib.ExitStack() as undo:
        undo.callback(pair.remove)
        primary, standby = pair.server("a"), pair.server("b")
        undo.callback(primary.close)
        undo.callback(standby.close)
        run(primary, EVENTS)
        topology.wait_replayed(standby, topology.committed(primary))
        exporter = standby.replication()
        nudge = "select pg_log_standby_snapshot()"
        slot.create_exporting(standby, exporter, "event", lambda: run(primary, nudge))
        exporter.finish()
        run(primary, f"call fill({rows}, {A_TRANSACTION})")
        topology.wait_replayed(standby, topology.committed(primary), timeout_s=600)
        messages = {form: read(standby, binary) for form, binary in (("text", "false"), ("binary", "true"))}
        return messages, TypeCatalog(standby)  # of built-in types only: it is never asked


def run(server: Server, text: str) -> None:
    """Run SQL, each statement its own transaction."""
    with server.autocommit() as connection:
        connection.exec_driver_sql(text)


def read(server: Server, binary: str) -> list[bytes]:
    """Return the messages that the slot has."""
    query = f"""
        select data from pg_logical_slot_peek_binary_changes(
          'event', null, null, 'proto_version', '1', 'publication_names', 'event', 'binary', '{binary}')
    """  # noqa: S608 - two words of our own
    with server.connect() as connection:
        return [bytes(row.data) for row in connection.exec_driver_sql(query)]


def in_batches(messages: Sequence[bytes], catalog: TypeCatalog) -> int:
    """Decode to Arrow batches and return the number of rows."""
    reader = Batches(_START, catalog)
    starts = range(0, len(messages), _A_PORTION)
    batches: list[pa.RecordBatch] = []
    for start in starts:
        batches += reader.take(messages[start : start + _A_PORTION])
    return sum(batch.num_rows for batch in batches)


def one_by_one(messages: Sequence[bytes]) -> int:
    """Decode to changes and return their number."""
    transactions = Transactions(_START, TimelineHistory(1))
    return sum(1 for message in messages for _ in transactions.take(decode(message)))


def seconds(work: Callable[[], int], rows: int) -> float:
    """Return how much of the processor it takes."""
    began = time.process_time()
    done = work()
    elapsed = time.process_time() - began
    if done != rows:
        raise SystemExit(f"{done} rows came out, {rows} went in")
    return elapsed


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = figures.options("Measure rows a second.", repeats=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    rows = arguments.rows
    with tempfile.TemporaryDirectory(prefix="hadrian-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # the servers' OS user passes through
        messages, catalog = record(Path(folder), rows)
    programs: dict[str, Callable[[], int]] = {
        "batches": lambda: in_batches(messages["text"], catalog),
        "batches, binary form": lambda: in_batches(messages["binary"], catalog),
        "message by message": lambda: one_by_one(messages["text"]),
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _, (name, work) in itertools.product(range(arguments.repeats), programs.items()):
        times[name].append(seconds(work, rows))
    rates = {name: rows / statistics.median(taken) for name, taken in times.items()}
    for name, rate in rates.items():
        spread = f"{min(times[name]):.2f} to {max(times[name]):.2f} s"
        print(f"{name:22} {rate:12,.0f} rows/s  ({rows:,} in {spread})")  # noqa: T201 - its output
    figures.write(
        arguments.json,
        {
            "decoded_rows_per_s": rates["batches"],
            "decoded_rows_per_s_binary": rates["batches, binary form"],
            "decoded_rows_per_s_reference": rates["message by message"],
        },
    )


if __name__ == "__main__":
    main()
