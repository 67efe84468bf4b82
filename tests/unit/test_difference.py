"""Two checkpoints compared in memory: what numpy says of the arrays is what their chunks say, however they are cut."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.chunk import Chunk
from replicator.position import Cursor, Lsn
from replicator.store import codec, difference
from replicator.store.checkpoints import Checkpoint
from replicator.store.difference import Difference
from replicator.store.digest import CHUNK_BYTES
from replicator.store.manifest import Blob, Manifest

_Shards = list[tuple[list[int], Any]]
_TYPES = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "int64": np.int64}


class _Memory:
    """What a comparison asks of a node, kept in memory."""

    where = "memory"

    def __init__(self) -> None:
        self._chunks: dict[bytes, Chunk] = {}
        self._manifests: list[Manifest] = []
        self.read: set[bytes] = set()

    def checkpoint(self, tensors: Mapping[str, _Shards], dtypes: Mapping[str, str]) -> Checkpoint:
        """Store tensors, each of shards with their offset, as a checkpoint of a run of its own."""
        blobs = [
            self._blob(name, dtypes[name], shards, offset, part)
            for name, shards in tensors.items()
            for offset, part in shards
        ]
        self._manifests.append(Manifest(tuple(blobs)))
        number = len(self._manifests) - 1
        cursor = Cursor(Lsn(number), 0)
        return Checkpoint(f"r{number}", 1, number, cursor, cursor, None, 0, 0, dt.datetime.now(dt.UTC))

    def _blob(self, name: str, dtype: str, shards: _Shards, offset: list[int], part: Any) -> Blob:
        shape = [max(at[axis] + one.shape[axis] for at, one in shards) for axis in range(part.ndim)]
        attributes = {"fqn": name, "dtype": dtype, "shape": shape, "offset": offset, "size": list(part.shape)}
        content, digests = part.tobytes(), []
        for start in range(0, len(content), CHUNK_BYTES):
            plain = content[start : start + CHUNK_BYTES]
            digests.append(hashlib.sha256(plain).digest())
            coding, body = codec.encode(plain)
            self._chunks[digests[-1]] = Chunk(digests[-1], len(plain), body, coding)
        return Blob(f"{name}@{offset}", len(content), tuple(digests), attributes)

    def manifest(self, artifact_id: int) -> tuple[str, bytes]:
        """Return one."""
        manifest = self._manifests[artifact_id]
        return manifest.to_json(), manifest.sha256

    def read_chunks(self, digests: Collection[bytes]) -> dict[bytes, Chunk]:
        """Return chunks, and remember which."""
        self.read |= set(digests)
        return {digest: self._chunks[digest] for digest in digests}


def _compare(was: Mapping[str, Any], now: Mapping[str, Any], cut: int = 0) -> tuple[Difference, _Memory]:
    """Compare two states of arrays; the second's are cut in two behind so many rows, or not."""
    memory = _Memory()
    dtypes = [{name: str(one.dtype) for name, one in state.items()} for state in (was, now)]
    before = memory.checkpoint({name: _sharded(one, 0) for name, one in was.items()}, dtypes[0])
    after = memory.checkpoint({name: _sharded(one, cut) for name, one in now.items()}, dtypes[1])
    return difference.compare(memory, before, after), memory  # type: ignore[arg-type]


def _sharded(array: Any, cut: int) -> _Shards:
    origin = [0] * array.ndim
    if array.ndim == 0 or not 0 < cut < len(array):
        return [(origin, array)]
    return [(origin, array[:cut]), ([cut, *origin[1:]], array[cut:])]


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(_TYPES)),
    st.tuples(st.integers(1, 5), st.integers(1, 4)),
    st.integers(0, 5),
    st.booleans(),
    st.integers(0, 1 << 30),
)
def test_a_change_is_what_numpy_says_however_the_tensor_is_cut(
    dtype: str, shape: tuple[int, int], cut: int, moved: bool, seed: int
) -> None:
    """Norm and largest change of a tensor in one piece and of its successor in two; none where no number moved."""
    random = np.random.default_rng(seed)
    was = (random.standard_normal(shape) * 8).astype(_TYPES[dtype])
    now = was.copy()
    if moved:
        now[-1, -1] += 1
    found, _ = _compare({"w": was}, {"w": now}, cut)
    assert found.same is not moved
    assert found.unchanged == int(not moved)
    if moved:
        (change,) = found.changed
        apart = now.astype(np.float64) - was.astype(np.float64)
        if dtype == "int64":
            assert (change.norm, change.largest) == (None, None)
        else:
            assert change.norm == pytest.approx(math.sqrt(float((apart**2).sum())))
            assert change.largest == float(np.abs(apart).max())


def test_a_bfloat16_is_read_as_the_upper_half_of_a_float32() -> None:
    """Numpy has no such type, so its bytes come as integers."""
    numbers = np.array([1.0, -2.0, 3.5, 0.0], np.float32)
    memory = _Memory()
    halves = [(part.view(np.uint32) >> 16).astype(np.uint16) for part in (numbers, numbers + np.float32(0.5))]
    before, after = (memory.checkpoint({"w": [([0], half)]}, {"w": "bfloat16"}) for half in halves)
    (change,) = difference.compare(memory, before, after).changed  # type: ignore[arg-type]
    assert (change.norm, change.largest) == (1.0, 0.5)


def test_what_came_went_and_changed_its_form_is_told_apart() -> None:
    """By name; a tensor of the same values in another shape or type is reshaped, not changed."""
    was = {"gone": np.zeros(3), "flat": np.ones(4), "kept": np.ones(2), "wide": np.ones(2, np.float32)}
    now = {"new": np.zeros(3), "flat": np.ones((2, 2)), "kept": np.ones(2), "wide": np.ones(2, np.float64)}
    found, _ = _compare(was, now)
    assert [one.name for one in found.added] == ["new"]
    assert [one.name for one in found.removed] == ["gone"]
    assert [(one.name, one.shape, other.shape) for one, other in found.reshaped] == [
        ("flat", (4,), (2, 2)),
        ("wide", (2,), (2,)),
    ]
    assert (found.changed, found.unchanged, found.same, found.steps) == ((), 1, False, None)


def test_only_chunks_that_differ_are_read_and_what_is_shared_is_counted() -> None:
    """Of three chunks one has another number in it: that one is read on both sides, and no other."""
    was = np.arange(3 * CHUNK_BYTES // 4, dtype=np.float32)
    now = was.copy()
    now[-1] += 3
    found, memory = _compare({"w": was, "still": was[:5]}, {"w": now, "still": was[:5]})
    assert (found.chunks_before, found.chunks_after, found.shared_chunks) == (4, 4, 3)
    assert found.shared_bytes == 2 * CHUNK_BYTES + 20
    last = [hashlib.sha256(one[-CHUNK_BYTES // 4 :].tobytes()).digest() for one in (was, now)]
    assert memory.read == set(last)
    assert [(one.tensor.name, one.largest) for one in found.changed] == [("w", now[-1] - was[-1])]


def test_a_change_to_what_is_no_number_has_no_norm() -> None:
    """It is told as a change, and comes behind those that have one."""
    broken = np.array([1.0, np.nan], np.float32)
    found, _ = _compare({"a": np.ones(2, np.float32), "b": np.ones(2)}, {"a": broken, "b": np.zeros(2)})
    assert [(one.tensor.name, one.norm) for one in found.changed] == [("b", math.sqrt(2)), ("a", None)]


@pytest.mark.parametrize("region", [{"offset": [9]}, {"offset": None}, {"size": [-1]}, {"offset": ["0"]}])
def test_a_shard_that_says_nonsense_of_its_place_is_no_end(region: dict[str, Any]) -> None:
    """A manifest is not trusted: the tensor counts as changed, and nothing is measured."""
    memory = _Memory()
    before = memory.checkpoint({"w": [([0], np.ones(4))]}, {"w": "float64"})
    after = memory.checkpoint({"w": [([0], np.ones(2)), ([2], np.ones(2))]}, {"w": "float64"})
    first, second = memory._manifests[1].blobs
    bent = Blob(first.name, first.size, first.chunks, {**first.attributes, **region})
    memory._manifests[1] = Manifest((bent, second))
    (change,) = difference.compare(memory, before, after).changed  # type: ignore[arg-type]
    assert (change.norm, change.largest) == (None, None)
