"""A primary with no room left for chunks: one clear error, nothing half-written, and room is all it takes to go on.

Only the chunks lie on the full disk. Had the log no room either, PostgreSQL would stop, and that is a lost node.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator import migrate
from replicator.errors import DiskFull
from replicator.postgres.adapter import PostgresDatabase
from replicator.store import reader
from replicator.store.writer import Writer, publish
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.small_disk import mounted

_DISK_BYTES = 32 << 20
_CONTENT_BYTES = 20 << 20


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a file system of 32 MiB."""
    with mounted(_DISK_BYTES) as disk:
        yield disk


@pytest.fixture
def primary(small_disk: Path) -> Iterator[PostgresDatabase]:
    """Make a primary that keeps its chunks on the small disk; its standby, which could not, is dead."""
    with fresh_pair() as pair:
        pair.embedded.kill("b")
        migrate.install(pair.embedded.url("a"))
        _move_chunks(pair, small_disk / "chunks")
        with contextlib.closing(PostgresDatabase(pair.embedded.url("a"))) as database:
            yield database


def _move_chunks(pair: Pair, folder: Path) -> None:
    pair.embedded.owner.own(folder, 0o700)
    pair.run(f"create tablespace small location '{folder}'")
    pair.run("alter table hadrian.chunk set tablespace small")


def _fill(disk: Path, left_bytes: int) -> Path:
    """Write a file that leaves so much room."""
    filler = disk / "filler"
    free = os.statvfs(disk)
    filler.write_bytes(bytes(free.f_bavail * free.f_bsize - left_bytes))
    return filler


def _count(database: PostgresDatabase, table: str) -> int:
    with database.connect() as connection:
        return int(connection.exec_driver_sql(f"table hadrian.{table}").rowcount)


def test_a_full_disk_is_one_error_and_the_same_call_succeeds_once_there_is_room(
    small_disk: Path, primary: PostgresDatabase
) -> None:
    """`put` or `flush` raises DiskFull in one line, no batch is stored in part, and the writer can go on."""
    content = random.Random(3).randbytes(_CONTENT_BYTES)
    early = Writer(primary)
    early.put("early", b"early")
    early.flush()
    filler = _fill(small_disk, 4 << 20)
    writer = Writer(primary)

    def put() -> None:
        writer.put("late", content)
        writer.flush()

    for call in (put, writer.flush):
        with pytest.raises(DiskFull) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert "No space left on device" in str(caught.value)
        assert primary.where in str(caught.value)
        assert _count(primary, "chunk") == 1
        assert _count(primary, "artifact") == 0
    assert writer.written.new_chunks == 0
    filler.unlink()
    # What the attempts took is free again once vacuumed, as autovacuum would do in time.
    with primary.autocommit() as connection:
        connection.exec_driver_sql("vacuum hadrian.chunk")
    blob = writer.put("late", content)
    writer.flush()
    assert writer.written.new_chunks == len(blob.chunks) == _count(primary, "chunk") - 1
    with publish(primary, "test", "late", [blob]) as (_, artifact_id):
        pass
    assert reader.read(primary, reader.manifest(primary, artifact_id).blobs[0]) == content
