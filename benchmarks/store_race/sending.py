"""How fast incompressible bytes become durable: psql's COPY BINARY into one table, one writer, and several at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import statistics
import struct
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from store_race.scene import Scene, timed

from replicator.postgres.adapter import PostgresDatabase
from replicator.store.digest import CHUNK_BYTES
from replicator.store.manifest import Blob
from replicator.store.writer import Writer, publish

_BYTES = 256 << 20
_RANKS = 2


def durable(scene: Scene, repeats: int, folder: Path) -> dict[str, float]:
    """Return MB/s from the first call until the standby has replayed all; every turn has bytes of its own."""
    rates: dict[str, list[float]] = {}
    url = scene.primary.url.render_as_string(hide_password=False)
    with contextlib.ExitStack() as undo:
        spawn = multiprocessing.get_context("spawn")
        pools = [ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(url,)) for _ in range(_RANKS)]
        ranks = [undo.enter_context(pool) for pool in pools]
        for rank in ranks:
            rank.submit(os.getpid).result()
        for _ in range(repeats):
            for name, call in (
                ("psql COPY BINARY", lambda: _copy(scene, folder)),
                ("hadrian, one writer", lambda: _store(scene, folder, [])),
                (f"hadrian, {_RANKS} writers", lambda: _store(scene, folder, ranks)),
            ):
                rates.setdefault(name, []).append(_BYTES / call() / 1e6)
                scene.settle()
    return {name: statistics.median(found) for name, found in rates.items()}


def _copy(scene: Scene, folder: Path) -> float:
    psql = [str(scene.pair.bin / "psql"), "-qX", "-d", scene.primary.conninfo]
    copied = folder / "copy.bin"
    with copied.open("wb") as file:
        file.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for _ in range(_BYTES // CHUNK_BYTES):
            file.write(struct.pack(">hi", 1, CHUNK_BYTES) + os.urandom(CHUNK_BYTES))
        file.write(struct.pack(">h", -1))
    scene.run("drop table if exists raw")
    scene.run("create table raw (body bytea)")
    scene.run("alter table raw alter body set storage external")
    scene.settle()

    def copy() -> None:
        subprocess.run([*psql, "-c", f"\\copy raw from '{copied}' with (format binary)"], check=True)
        scene.durable()

    return timed(copy)


def _store(scene: Scene, folder: Path, ranks: list[ProcessPoolExecutor]) -> float:
    path = folder / "random.bin"
    path.write_bytes(content := os.urandom(_BYTES))

    def store() -> None:
        parts = [rank.submit(_put_part, path, number) for number, rank in enumerate(ranks)]
        blobs = [part.result() for part in parts] or [_put(scene.primary, content)]
        with publish(scene.primary, "race", os.urandom(8).hex(), blobs):
            pass
        scene.durable()

    return timed(store)


_primary: PostgresDatabase  # a rank's own


def _begin(url: str) -> None:
    global _primary  # noqa: PLW0603 - set once, in a process of its own
    _primary = PostgresDatabase(url)
    with _primary.connect():
        pass


def _put_part(path: Path, rank: int) -> Blob:
    with path.open("rb") as file:
        file.seek(rank * _BYTES // _RANKS)
        return _put(_primary, file.read(_BYTES // _RANKS), rank)


def _put(primary: PostgresDatabase, content: bytes, rank: int = 0) -> Blob:
    writer = Writer(primary)
    blob = writer.put(f"random{rank}", content)
    writer.flush()
    return blob
