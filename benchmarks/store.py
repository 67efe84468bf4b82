"""The store beside its peers: time to durable, bytes, stall and load, on real states of SmolLM2-135M.

One run, one embedded pair, medians of interleaved repeats.

    durable     incompressible bytes, from the first call until the standby has replayed all: psql's COPY BINARY of the
                same bytes into one table, and an artifact
    bytes       the second of two checkpoints ten steps apart: as it is stored here, with the first to differ from;
                zipnn of each tensor alone; zstd-19 of a part. Speeds are of compressing alone, two threads each
    stall       how long training waits: a whole `save`, and torch.save with fsync
    load        the state back from the standby, and torch.load of a file in the page cache
    peers       the same state: torch.save with fsync, DCP's FileSystemWriter, one bytea a file through SQLAlchemy's
                LargeBinary, large objects; each until it has committed or is on the disk

    make bench
    python benchmarks/store.py --json store.json
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import resource
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import figures
import sqlalchemy
import torch
import torch.distributed.checkpoint as dcp
import zstandard
from store_race import states
from store_race.states import State

from replicator import migrate, step_journal
from replicator.position import Cursor, Lsn
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import EmbeddedPair
from replicator.store import checkpoints, codec
from replicator.store.digest import CHUNK_BYTES
from replicator.store.writer import Earlier, Writer, publish
from trainer import checkpoint

_RANDOM_BYTES = 256 << 20
_ZSTD19_BYTES = 8 << 20
_THREADS = 2


class Scene:
    """A pair with Hadrian's schema."""

    def __init__(self, pair: EmbeddedPair) -> None:
        self.pair = pair
        self.primary, self.standby = PostgresDatabase(pair.url("a")), PostgresDatabase(pair.url("b"))
        migrate.install(pair.url("a"))
        step_journal.open_run(self.primary, "race", None, "{}")
        self._step = 0

    def durable(self) -> None:
        """Wait until the standby has replayed what the primary has committed."""
        topology.wait_replayed(self.standby, self.primary.committed(), timeout_s=600)

    def run(self, text: str) -> None:
        """Run SQL on the primary, each statement its own transaction."""
        with self.primary.autocommit() as connection:
            connection.exec_driver_sql(text)

    def target(self) -> checkpoint.Target:
        """Return where the next checkpoint goes."""
        self._step += 1
        return checkpoint.Target(self.primary, "race", self._step, Cursor(Lsn(1), 0))


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def data_of(one: torch.Tensor) -> bytes:
    """Return a tensor's bytes."""
    return one.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


# time to durable


def durable(scene: Scene, repeats: int, folder: Path) -> dict[str, float]:
    """Return MB/s until the standby has random bytes."""
    psql = [str(scene.pair.bin / "psql"), "-qX", "-d", scene.primary.conninfo]
    rates: dict[str, list[float]] = {"psql COPY BINARY": [], "hadrian": []}
    for _ in range(repeats):
        content = os.urandom(_RANDOM_BYTES)
        copied = folder / "copy.bin"
        with copied.open("wb") as file:
            file.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for start in range(0, len(content), CHUNK_BYTES):
                file.write(struct.pack(">hi", 1, CHUNK_BYTES) + content[start : start + CHUNK_BYTES])
            file.write(struct.pack(">h", -1))
        scene.run("drop table if exists raw")
        scene.run("create table raw (body bytea)")
        scene.run("alter table raw alter body set storage external")
        settle(scene)

        def copy() -> None:
            command = f"\\copy raw from '{copied}' with (format binary)"  # noqa: B023 - called at once
            subprocess.run([*psql, "-c", command], check=True)
            scene.durable()

        def store() -> None:
            writer = Writer(scene.primary)
            blob = writer.put("random", content)  # noqa: B023 - called at once
            writer.flush()
            with publish(scene.primary, "race", os.urandom(8).hex(), [blob]):
                pass
            scene.durable()

        for name, call in (("psql COPY BINARY", copy), ("hadrian", store)):
            rates[name].append(_RANDOM_BYTES / timed(call) / 1e6)
            settle(scene)
    return {name: statistics.median(found) for name, found in rates.items()}


def settle(scene: Scene) -> None:
    """Let no turn pay for the one before."""
    scene.durable()
    for node in (scene.primary, scene.standby):
        with node.autocommit() as connection:
            connection.exec_driver_sql("checkpoint")


# bytes


def stored_bytes(scene: Scene, first: State, second: State) -> tuple[int, int, float]:
    """Store two states; return what was sent for each, and the seconds of the second `save`."""
    earlier: dict[str, Earlier] = {}
    one = checkpoint.save(first, scene.target(), earlier)
    began = time.perf_counter()
    two = checkpoint.save(second, scene.target(), earlier)
    return one.stored_bytes, two.stored_bytes, time.perf_counter() - began


def our_speed(first: State, second: State) -> float:
    """Return MB/s of compressing alone, as the store does, on two threads."""
    pieces = [
        (new[at : at + CHUNK_BYTES], one.element_size(), old[at : at + CHUNK_BYTES])
        for name, one in second.items()
        for new, old in [(data_of(one), data_of(first[name]))]
        for at in range(0, len(new), CHUNK_BYTES)
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        took_s = timed(lambda: list(pool.map(lambda piece: codec.encode(*piece), pieces)))
    return sum(len(new) for new, _, _ in pieces) / took_s / 1e6


def zipnn_of(second: State, dtype: str) -> tuple[int, float] | None:
    """Return zipnn's bytes and MB/s, if it is there."""
    if importlib.util.find_spec("zipnn") is None:
        return None
    import zipnn

    with contextlib.redirect_stdout(io.StringIO()):
        packer = zipnn.ZipNN(input_format="byte", bytearray_dtype=dtype, threads=_THREADS)
    contents = [bytearray(data_of(one)) for one in second.values() if one.ndim]
    packed = 0

    def pack() -> None:
        nonlocal packed
        for content in contents:
            packed += len(packer.compress(content))

    took_s = timed(pack)
    return packed, sum(map(len, contents)) / took_s / 1e6


def zstd19(second: State) -> tuple[float, float]:
    """Return zstd-19's ratio and MB/s on a part of the state, on two threads."""
    whole = b"".join(data_of(one) for one in second.values())
    step = len(whole) // 8
    parts = [whole[at : at + _ZSTD19_BYTES // 8] for at in range(0, 8 * step, step)]
    packed: list[int] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        took_s = timed(
            lambda: packed.extend(pool.map(lambda part: len(zstandard.ZstdCompressor(level=19).compress(part)), parts))
        )
    return sum(map(len, parts)) / sum(packed), sum(map(len, parts)) / took_s / 1e6


# load


def load(scene: Scene, state: State, repeats: int, folder: Path) -> dict[str, float]:
    """Return MB/s of the state back from the standby, and from a file."""
    checkpoint.save(state, scene.target())
    scene.durable()
    newest = checkpoints.found(scene.standby, "race")[0]
    file = folder / "state.pt"
    torch.save(state, file)
    size = sum(one.nbytes for one in state.values())
    rates: dict[str, list[float]] = {"torch.load": [], "hadrian": []}
    for _ in range(repeats):
        rates["torch.load"].append(size / timed(lambda: torch.load(file, mmap=False, weights_only=True)) / 1e6)
        into = {name: torch.empty_like(one) for name, one in state.items()}
        rates["hadrian"].append(
            size / timed(lambda: checkpoint.load(into, scene.standby, newest.artifact_id)) / 1e6  # noqa: B023 - as above
        )
        if not all(torch.equal(into[name], one) for name, one in state.items()):
            raise SystemExit("what was loaded is not what was saved")
    return {name: statistics.median(found) for name, found in rates.items()}


# peers


def saves(scene: Scene, pairs: Iterator[State], folder: Path) -> dict[str, float]:
    """Return the seconds that each way of keeping a state holds training up."""
    engine = scene.primary.engine
    scene.run("create table if not exists file (name text, body bytea)")
    scene.run("alter table file alter body set storage external")
    table = sqlalchemy.table(
        "file", sqlalchemy.column("name", sqlalchemy.Text), sqlalchemy.column("body", sqlalchemy.LargeBinary)
    )

    def torch_save(state: State) -> None:
        with (folder / "saved.pt").open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())

    def file_system(state: State) -> None:
        dcp.save(dict(state), storage_writer=dcp.FileSystemWriter(folder / "dcp", sync_files=True, overwrite=True))

    def bytea(state: State) -> None:
        with engine.begin() as connection:
            for name, one in state.items():
                connection.execute(table.insert(), {"name": name, "body": data_of(one)})

    def large_objects(state: State) -> None:
        with engine.begin() as connection:
            for one in state.values():
                connection.exec_driver_sql("select lo_from_bytea(0, %s)", (data_of(one),))

    def ours(state: State) -> None:
        checkpoint.save(state, scene.target())

    ways: dict[str, Callable[[State], None]] = {
        "torch.save, fsync": torch_save, "DCP FileSystemWriter": file_system, "bytea by SQLAlchemy": bytea,
        "large objects": large_objects, "hadrian, until committed": ours,
    }  # fmt: skip
    took: dict[str, float] = {}
    for (name, way), state in zip(ways.items(), pairs, strict=False):
        with checkpoint.alone_or_not():
            took[name] = timed(lambda: way(state))  # noqa: B023 - as above
        settle(scene)
    return took


def main() -> None:
    """Measure, print, and write the figures."""
    arguments = figures.options("Measure the store beside its peers.", repeats=3).parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="hadrian-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' OS user passes through
        pair = EmbeddedPair.create(folder / "pair", "max_wal_size = 4GB\n")
        with contextlib.ExitStack() as undo:
            undo.callback(pair.remove)
            scene = Scene(pair)
            undo.callback(scene.primary.close)
            undo.callback(scene.standby.close)
            rates = durable(scene, arguments.repeats, folder)
            say("time to durable, 256 MB of random bytes", rates, "MB/s")
            first, second = states.full()
            size = sum(one.nbytes for one in second.values())
            forms: dict[str, Any] = {}
            for form, pair_of in (
                ("float32", (first, second)),
                ("bfloat16", (states.in_bfloat16(first), states.in_bfloat16(second))),
            ):
                forms[form] = compared(scene, *pair_of, form)
                say(f"bytes of a full fine-tune's second checkpoint, {form}", forms[form], "")
            moved = ({key: one + 0.0 for key, one in second.items()} for _ in range(9))
            took = saves(scene, moved, folder)
            say(f"keeping a state of {size / 1e6:,.0f} MB", took, "s")
            loaded = load(scene, second, arguments.repeats, folder)
            say("loading it", loaded, "MB/s")
            del first, second
            whole, more, _ = stored_bytes(scene, *states.adapted())
            lora = more / whole
            say("LoRA: bytes of the second checkpoint, of the first's", {"hadrian": 100 * lora}, "%")
    full = forms["float32"]
    ratios = {
        "durable_vs_raw_copy": rates["hadrian"] / rates["psql COPY BINARY"],
        "lora_incremental_bytes": lora,
        "full_bytes_vs_zipnn": ratio(full, "hadrian_bytes", "zipnn_bytes"),
        "full_speed_vs_zipnn": ratio(full, "hadrian_mb_per_s", "zipnn_mb_per_s"),
        "full_speed_vs_zstd19": ratio(full, "hadrian_mb_per_s", "zstd19_mb_per_s"),
        "stall_vs_torch_save": took["hadrian, until committed"] / took["torch.save, fsync"],
        "load_vs_torch_load": loaded["hadrian"] / loaded["torch.load"],
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    say("ratios", {name: figure for name, figure in ratios.items() if figure is not None}, "")
    figures.write(
        arguments.json,
        {"load_average_before": load_before, **ratios, "forms": forms, "durable_mb_per_s": rates, "saves_s": took,
         "load_mb_per_s": loaded},
    )  # fmt: skip


def compared(scene: Scene, first: State, second: State, form: str) -> dict[str, float]:
    """Return bytes and speeds of a second checkpoint, ours and the peers'."""
    _, stored, _ = stored_bytes(scene, first, second)
    found: dict[str, float] = {
        "plain_bytes": sum(one.nbytes for one in second.values()),
        "hadrian_bytes": stored,
        "hadrian_mb_per_s": our_speed(first, second),
    }
    if (packed := zipnn_of(second, form)) is not None:
        found["zipnn_bytes"], found["zipnn_mb_per_s"] = packed
    found["zstd19_ratio"], found["zstd19_mb_per_s"] = zstd19(second)
    return found


def ratio(found: dict[str, float], mine: str, theirs: str) -> float | None:
    """Return one figure over another, if both are there."""
    return found[mine] / found[theirs] if theirs in found else None


def say(title: str, measured: dict[str, Any], unit: str) -> None:
    """Print some figures."""
    print(title)  # noqa: T201 - its output
    for name, figure in measured.items():
        print(f"  {name:32} {figure:,.2f} {unit}".rstrip(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
