"""A state back into memory, in a process of its own: from the store on a standby, and by `torch.load` from a file.

The file is in the page cache, and so is what the standby reads, from the second turn on. The first load is the one
whose memory is looked at: how far the process grew at most, less the state itself.

Run by `measured`: loading.py URL FILE REPEATS NAME=ARTIFACT...
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import torch
from store_race.scene import timed

from replicator.postgres.adapter import PostgresDatabase
from trainer import checkpoint

_TORCH = "torch.load"


def measured(standby: PostgresDatabase, file: Path, artifacts: dict[str, int], repeats: int) -> dict[str, float]:
    """Return MB/s of each artifact and of the file, and MB beside the state; the file is of the first artifact."""
    url = standby.url.render_as_string(hide_password=False)
    named = [f"{name}={number}" for name, number in artifacts.items()]
    command = [sys.executable, "-m", "store_race.loading", url, str(file), str(repeats), *named]
    folder = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _main(url: str, file: str, repeats: str, *named: str) -> None:
    database = PostgresDatabase(url)
    artifacts = {name: int(number) for name, _, number in (one.rpartition("=") for one in named)}
    rates: dict[str, list[float]] = {name: [] for name in (_TORCH, *artifacts)}
    beside_mb: list[float] = []
    for _ in range(int(repeats)):
        for name, number in artifacts.items():
            into = {
                tensor: torch.empty(one.size, dtype=one.properties.dtype)
                for tensor, one in checkpoint.stored(database, number).items()
            }
            size = sum(one.nbytes for one in into.values())
            Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
            before = _status("VmRSS")
            rates[name].append(size / timed(lambda: checkpoint.load(into, database, number)) / 1e6)  # noqa: B023 - at once
            beside_mb.append((_status("VmHWM") - before - size) / 1e6)
            if name == next(iter(artifacts)):
                loaded = into
        rates[_TORCH].append(size / timed(lambda: torch.load(file, mmap=False, weights_only=True)) / 1e6)
    stored = torch.load(file, mmap=False, weights_only=True)
    if not all(torch.equal(loaded[name], one) for name, one in stored.items()):
        raise SystemExit("what was loaded is not what was saved")
    found = {name: statistics.median(figures) for name, figures in rates.items()}
    print(json.dumps({**found, "peak beside the state, MB": beside_mb[0]}))  # noqa: T201 - read by `measured`


def _status(field: str) -> int:
    """Return a field of the process's status, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    _main(*sys.argv[1:])
