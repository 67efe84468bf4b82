"""One reader of a backlog, in a process of its own: told on standard input what to read, it prints rows and seconds.

Everything is imported, and Debezium's Java machine runs, before the clock starts, which is before the first connect; it
stops when the last row is there. What a row is then, each reader's function says.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Job = dict[str, Any]
Read = tuple[int, float]  # rows, and the seconds they took


def hadrian(job: Job) -> Read:
    """Make Arrow record batches."""
    import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401 - else it is imported at the first connect

    from replicator.follow import Feed

    began = time.perf_counter()
    with Feed("event", [job["url"]], aside=True) as feed:
        rows = last = 0
        while rows < job["rows"]:
            if (batch := feed.read(10)) is None:
                raise SystemExit(f"nothing came for 10 s after {rows} rows")
            rows += batch.num_rows
            last = batch.column("id")[-1].as_py()
        elapsed = time.perf_counter() - began
    if (rows, last) != (job["rows"], job["rows"]):
        raise SystemExit(f"{rows} rows came, the last is number {last}")
    return rows, elapsed


def pgoutput_decoder(job: Job) -> Read:
    """Make its ReplicationMessage objects."""
    import asyncio

    import pgoutput_decoder as decoder

    async def read() -> Read:
        began = time.perf_counter()
        reader = decoder.LogicalReplicationReader(
            "event",
            job["slot"],
            job["host"],
            job["database"],
            port=job["port"],
            user=job["user"],
            password=job["password"],
            auto_acknowledge=False,
        )
        rows = 0
        async for _ in reader:
            rows += 1
            if rows == job["rows"]:
                break
        return rows, time.perf_counter() - began

    return asyncio.run(read())


def psycopg2_pypgoutput(job: Job) -> Read:
    """Make one dictionary of texts a row: psycopg2's replication cursor, and pypgoutput's decoders on its messages."""
    import psycopg2.extras
    from pypgoutput import decoders

    rows = 0
    columns: list[str] = []

    def take(message: Any) -> None:
        nonlocal rows, columns
        kind = message.payload[:1]
        if kind == b"R":
            columns = [column.name for column in decoders.Relation(message.payload).columns]
        elif kind == b"I":
            row = decoders.Insert(message.payload).new_tuple
            dict(zip(columns, (column.col_data for column in row.column_data), strict=True))
            rows += 1
            if rows == job["rows"]:
                raise psycopg2.extras.StopReplication

    began = time.perf_counter()
    connection = psycopg2.connect(job["conninfo"], connection_factory=psycopg2.extras.LogicalReplicationConnection)
    cursor = connection.cursor()
    options = {"publication_names": "event", "proto_version": "1"}
    cursor.start_replication(slot_name=job["slot"], decode=False, options=options)
    try:
        cursor.consume_stream(take)
    except psycopg2.extras.StopReplication:
        return rows, time.perf_counter() - began
    raise SystemExit("the stream ended")


def pydbzengine(job: Job) -> Read:
    """Make its ChangeEvent objects, and each one's value: JSON, as a Java string.

    The connector takes seconds to start, so its clock starts behind the first batch, whose rows do not count.
    """
    import threading

    from pydbzengine import BasePythonChangeHandler, DebeziumJsonEngine

    done = threading.Event()

    class Handler(BasePythonChangeHandler):
        rows = 0
        first = 0
        began = ended = 0.0

        def handleJsonBatch(self, records: list[Any]) -> None:  # noqa: N802 - its name
            for record in records:
                record.value()
            self.rows += len(records)
            if not self.first:
                self.first, self.began = self.rows, time.perf_counter()
            if self.rows >= job["rows"] and not done.is_set():
                self.ended = time.perf_counter()
                done.set()

    properties = {
        "name": "race",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": job["host"],
        "database.port": job["port"],
        "database.user": job["user"],
        "database.password": job["password"],
        "database.dbname": job["database"],
        "plugin.name": "pgoutput",
        "slot.name": job["slot"],
        "publication.name": "event",
        "publication.autocreate.mode": "disabled",
        "snapshot.mode": "no_data",
        "topic.prefix": "race",
        "table.include.list": "public.event",
        "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
        "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
        # Larger than its defaults, which hold it back.
        "max.batch.size": "8192",
        "max.queue.size": "65536",
        "poll.interval.ms": "5",
    }
    handler = Handler()
    engine = DebeziumJsonEngine(properties, handler)
    threading.Thread(target=engine.run, daemon=True).start()
    if not done.wait(300):
        raise SystemExit(f"{handler.rows} rows came in 300 s")
    return handler.rows - handler.first, handler.ended - handler.began


READERS: dict[str, Callable[[Job], Read]] = {
    "hadrian": hadrian,
    "pgoutput-decoder": pgoutput_decoder,
    "psycopg2 with pypgoutput": psycopg2_pypgoutput,
    "pydbzengine": pydbzengine,
}


def main() -> None:
    """Read, print what it took as the last line, and leave without waiting for anybody's threads."""
    try:
        read = READERS[sys.argv[1]](json.load(sys.stdin))
    except ImportError as error:
        sys.exit(f"not installed: {error}")
    print(f"\n{json.dumps(read)}", flush=True)  # noqa: T201 - its output
    os._exit(0)


if __name__ == "__main__":
    main()
