"""The store beside its peers: time to durable, bytes, stall and load, on real states of SmolLM2-135M.

One run, one embedded pair, medians of turns. What each figure is stands in the module that measures it:

    durable     store_race/sending.py
    bytes       store_race/sizes.py
    stall       store_race/stall.py
    load        store_race/loading.py
    peers       store_race/peers.py

    make bench
    python benchmarks/store.py --json store.json
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import figures
import torch
from store_race import loading, peers, sending, sizes, stall, states
from store_race.scene import RUN, Scene
from store_race.states import State

from replicator.postgres.embedded import EmbeddedPair
from replicator.store import checkpoints

_FORMS = ("float32", "bfloat16")


def main() -> None:
    """Measure, print, and write the figures."""
    arguments = figures.options("Measure the store beside its peers.", repeats=5).parse_args()
    found: dict[str, Any] = {"load_average": [os.getloadavg()[0]]}
    with (
        tempfile.TemporaryDirectory(prefix="hadrian-bench-", ignore_cleanup_errors=True) as name,
        contextlib.ExitStack() as undo,
    ):
        folder = Path(name)
        folder.chmod(0o711)  # the servers' OS user passes through
        pair = EmbeddedPair.create(folder / "pair", "max_wal_size = 4GB\n")
        undo.callback(pair.remove)
        scene = undo.enter_context(contextlib.closing(Scene(pair)))
        found["durable_mb_per_s"] = sending.durable(scene, arguments.repeats, folder)
        _say("time to durable, random bytes, MB/s", found["durable_mb_per_s"])
        first, second = states.full()
        for form, pair_of in zip(
            _FORMS, ((first, second), (states.in_bfloat16(first), states.in_bfloat16(second))), strict=True
        ):
            found[form] = _form(scene, *pair_of, form, arguments.repeats, folder)
        del first, pair_of
        moved = ({key: one * (1 + turn / 512) for key, one in second.items()} for turn in itertools.count(1))
        found["saves_s"] = peers.saves(scene, moved, folder)
        _say(f"keeping a state of {_bytes(second) / 1e6:,.0f} MB, s", found["saves_s"])
        held = stall.stall(moved.__next__, states.passes(), scene.target, arguments.repeats, folder)
        found["held_s"] = {name: statistics.median(one) for name, one in held.items()}
        _say("training held by a save, s", found["held_s"])
        del second, moved
        found["lora_bytes"] = sizes.stored(scene, *states.adapted())
    found["load_average"].append(os.getloadavg()[0])
    ratios = _ratios(found)
    _say("ratios", ratios)
    figures.write(arguments.json, {**ratios, **found})


def _form(scene: Scene, first: State, second: State, form: str, repeats: int, folder: Path) -> dict[str, Any]:
    """Measure bytes and loading of one form of the states."""
    sent = sizes.stored(scene, first, second)
    kinds = sizes.compared(first, second, form)
    for kind, figured in kinds.items():
        _say(f"{form}, {kind}", figured)
    scene.settle()
    after, before = checkpoints.found(scene.standby, RUN)[:2]
    torch.save(first, folder / "state.pt")
    artifacts = {"stored whole": before.artifact_id, "stored as a difference": after.artifact_id}
    loaded = loading.measured(scene.standby, folder / "state.pt", artifacts, repeats)
    _say(f"loading a state of {_bytes(first) / 1e6:,.0f} MB, {form}, MB/s", loaded)
    return {"plain_bytes": _bytes(second), "stored_bytes": sent, "sizes": kinds, "load_mb_per_s": loaded}


def _bytes(state: State) -> int:
    return sum(one.nbytes for one in state.values())


def _ratios(found: Mapping[str, Any]) -> dict[str, float]:
    psql, one, several = found["durable_mb_per_s"].values()
    ratios = {
        "durable_vs_raw_copy": one / psql,
        "ranks_vs_one": several / one,
        "lora_incremental_bytes": found["lora_bytes"][1] / found["lora_bytes"][0],
        "stall_vs_torch_save": found["held_s"]["hadrian"] / found["held_s"]["torch.save, fsync"],
    }
    for form, suffix in zip(_FORMS, ("", "_bfloat16"), strict=True):
        of_all, loaded = found[form]["sizes"]["all"], found[form]["load_mb_per_s"]
        ratios |= {
            f"full_bytes_vs_zipnn{suffix}": found[form]["stored_bytes"][1] / of_all["zipnn, bytes"],
            f"full_speed_vs_zipnn{suffix}": of_all["hadrian, MB/s"] / of_all["zipnn, MB/s"],
            f"full_bytes_vs_zstd19{suffix}": found[form]["stored_bytes"][1] / of_all["zstd-19, bytes"],
            f"full_speed_vs_zstd19{suffix}": of_all["hadrian, MB/s"] / of_all["zstd-19, MB/s"],
            f"load_vs_torch_load{suffix}": loaded["stored whole"] / loaded["torch.load"],
            f"load_difference_vs_torch_load{suffix}": loaded["stored as a difference"] / loaded["torch.load"],
        }
    return ratios


def _say(title: str, measured: Mapping[str, float]) -> None:
    print(title)  # noqa: T201 - its output
    for name, figure in measured.items():
        print(f"  {name:32} {figure:,.3f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
