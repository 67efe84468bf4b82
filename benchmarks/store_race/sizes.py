"""Bytes of the second of two checkpoints ten steps apart, and how fast they are made: ours, zipnn's, zstd-19's.

The store's own writer says what it sent, for the state as a whole. By kind of tensor, and for speed, what it does with
each chunk is done again outside it: with the chunk of the checkpoint before (`hadrian`), and without (`whole`). zipnn
has each tensor alone; zstd-19, which is slow, a part of the state. Two threads each; speeds are of compressing alone,
in seconds of the processor, so that they are those of one core, whatever else the machine does.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import zstandard
from store_race.scene import Scene, data_of
from store_race.states import State

from replicator.store import codec
from replicator.store.digest import CHUNK_BYTES
from replicator.store.writer import Earlier
from trainer import checkpoint

_ZSTD19_BYTES = 8 << 20
_THREADS = 2
_TURNS = 3
_KINDS = ("weights", "first moments", "second moments")

Sizes = dict[str, dict[str, float]]


def stored(scene: Scene, first: State, second: State) -> tuple[int, int]:
    """Store two states, the second as what has changed, and return the bytes sent for each."""
    earlier: dict[str, Earlier] = {}
    sent = [checkpoint.save(state, scene.target(), earlier).stored_bytes for state in (first, second)]
    return sent[0], sent[1]


def compared(first: State, second: State, dtype: str) -> Sizes:
    """Return ratio and MB/s of each way, by kind of tensor and for all of them."""
    found: Sizes = {}
    sums: dict[str, list[float]] = {}
    for kind in _KINDS:
        names = [name for name, one in second.items() if one.ndim and kind_of(name) == kind]
        news, olds = ([data_of(state[name]) for name in names] for state in (second, first))
        width = second[names[0]].element_size()
        plain = sum(map(len, news))
        part = _part(news)
        turns: list[dict[str, tuple[int, float]]] = [
            {"hadrian": _ours(news, olds, width), "whole": _ours(news, None, width), "zipnn": _zipnn(news, dtype)}
            for _ in range(_TURNS)
        ]
        ways = {way: (plain, turns[0][way][0], statistics.median(turn[way][1] for turn in turns)) for way in turns[0]}
        ways["zstd-19"] = (len(part), *_zstd19(part))
        found[kind] = {}
        for way, (size, packed, took_s) in ways.items():
            found[kind] |= {f"{way}, ratio": size / packed, f"{way}, MB/s": size / took_s / 1e6}
            # a part stands for all
            total = sums.setdefault(way, [0.0, 0.0, 0.0])
            for place, one in enumerate((plain, packed * plain / size, took_s * plain / size)):
                total[place] += one
    found["all"] = {}
    for way, (size, packed, took_s) in sums.items():
        found["all"] |= {f"{way}, ratio": size / packed, f"{way}, MB/s": size / took_s / 1e6}
        found["all"] |= {f"{way}, bytes": packed}
    return found


def kind_of(name: str) -> str:
    """Return what a tensor of a state is."""
    if name.startswith("model."):
        return "weights"
    return {"exp_avg": "first moments", "exp_avg_sq": "second moments"}.get(name.rpartition(".")[2], "")


def _ours(news: list[bytes], olds: list[bytes] | None, width: int) -> tuple[int, float]:
    pieces = [
        (new[at : at + CHUNK_BYTES], width, None if old is None else old[at : at + CHUNK_BYTES])
        for new, old in zip(map(memoryview, news), map(memoryview, olds) if olds else [None] * len(news), strict=True)
        for at in range(0, len(new), CHUNK_BYTES)
    ]
    began = time.process_time()
    with ThreadPoolExecutor(_THREADS) as pool:
        packed = sum(pool.map(lambda piece: len(codec.encode(*piece)[1]), pieces))
    return packed, time.process_time() - began


def _zipnn(contents: list[bytes], dtype: str) -> tuple[int, float]:
    import zipnn

    with contextlib.redirect_stdout(io.StringIO()):
        packer: Any = zipnn.ZipNN(input_format="byte", bytearray_dtype=dtype, threads=_THREADS)
    copies = [bytearray(content) for content in contents]  # it writes to what it is given
    began = time.process_time()
    packed = sum(len(packer.compress(content)) for content in copies)
    return packed, time.process_time() - began


def _part(contents: list[bytes]) -> bytes:
    whole = b"".join(contents)
    step = len(whole) // 8
    return b"".join(whole[at : at + _ZSTD19_BYTES // 8] for at in range(0, 8 * step, step))


def _zstd19(part: bytes) -> tuple[int, float]:
    parts = [part[at : at + _ZSTD19_BYTES // 8] for at in range(0, len(part), _ZSTD19_BYTES // 8)]
    began = time.process_time()
    with ThreadPoolExecutor(_THREADS) as pool:
        packed = sum(pool.map(lambda one: len(zstandard.ZstdCompressor(level=19).compress(one)), parts))
    return packed, time.process_time() - began
