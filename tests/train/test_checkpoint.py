"""Checkpoints through torch's own machinery: plain bytes in the store, any layout back, one error on every rank."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributed.checkpoint import DefaultLoadPlanner

from replicator import migrate
from replicator.errors import AlreadyThere, ArtifactMissing, BadInput, HadrianError, NodeUnreachable, StoreCorrupt
from replicator.postgres.adapter import PostgresDatabase
from replicator.store import checkpoints, collector, reader
from replicator.store.digest import split
from replicator.store.manifest import Blob
from replicator.store.writer import Writer, publish
from tests.fixtures.command import ROOT
from tests.fixtures.pair import Pair
from tests.train import sharded
from trainer import checkpoint

_TIMEOUT_S = 120


@pytest.fixture(scope="module")
def database(shared_pair: Pair) -> Iterator[PostgresDatabase]:
    """Make the schema and run `r` on a primary."""
    migrate.install(shared_pair.embedded.url("a"))
    shared_pair.run(
        "with made as (insert into hadrian.artifact (kind, name, manifest, sha256, plain_bytes) "
        "values ('snapshot', 'f', '', sha256(''), 0) returning id) insert into hadrian.feed "
        "(name, publication, slot, start_lsn, timeline, snapshot_id) select 'f', 'p', 's', '0/1', 1, id from made"
    )
    shared_pair.run("insert into hadrian.run (name, feed, recipe) values ('r', 'f', '{}')")
    with contextlib.closing(PostgresDatabase(shared_pair.embedded.url("a"))) as made:
        yield made


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make this process a group of one rank."""
    store = tmp_path_factory.mktemp("group") / "store"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


_STEPS = iter(range(1000, 10**6))


def _save(database: PostgresDatabase, tensors: Any, run: str = "r") -> int:
    """Save a checkpoint and return its artifact's id."""
    target = checkpoint.Target(database, run, next(_STEPS), sharded.CURSOR)
    checkpoint.save(tensors, target)
    (found,) = [one for one in checkpoints.found(database, run) if one.step == target.step]
    assert found.cursor == target.cursor
    return found.artifact_id


def _bytes(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())


def _of_each_dtype() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    bits = torch.randint(0, 256, (4, 24), generator=generator, dtype=torch.uint8)
    made = {name: bits.view(dtype) for name, dtype in checkpoint._DTYPES.items() if dtype is not torch.bool}
    return made | {"bool": bits > 127}


def _run(pair: Pair, sql: str, *values: object) -> list[Any]:
    """Run a statement on the primary."""
    with pair.primary.autocommit() as connection:
        result = connection.exec_driver_sql(sql, values)
        return list(result) if result.returns_rows else []


def _orphans(pair: Pair) -> tuple[object, ...]:
    """Count checkpoints without their cursor, and those whose two rows were not of one transaction."""
    (counts,) = pair.run(
        "select count(*) filter (where c.run is null), count(*) filter (where a.xmin <> c.xmin) "
        "from hadrian.artifact as a left join hadrian.checkpoint as c on c.artifact_id = a.id where kind = 'checkpoint'"
    )
    return counts


# --- one rank --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("group")
def test_every_dtype_and_shape_comes_back_to_the_bit(database: PostgresDatabase) -> None:
    """Random bits of each dtype, NaNs among them, zero dimensions, nothing at all, and what lies askew in memory."""
    tensors = _of_each_dtype() | {
        "scalar": torch.tensor(-0.0),
        "empty": torch.empty(0),
        "hollow": torch.empty(3, 0, 2),
        "transposed": torch.arange(6.0).reshape(2, 3).t(),
        "strided": torch.arange(10)[::3],
    }
    artifact_id = _save(database, tensors)
    loaded = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    checkpoint.load(loaded, database, artifact_id)
    for name, tensor in tensors.items():
        assert _bytes(loaded[name]) == _bytes(tensor), name


@pytest.mark.usefixtures("group")
def test_the_chunks_are_the_tensors_bytes_and_nothing_else(database: PostgresDatabase, shared_pair: Pair) -> None:
    """What is stored is the raw tensors, and what describes them is JSON: there is nothing to unpickle."""
    tensors = _of_each_dtype() | {"large": torch.arange(400_000, dtype=torch.float32), "scalar": torch.tensor(3)}
    artifact_id = _save(database, tensors)
    blobs = {blob.attributes["fqn"]: blob for blob in reader.manifest(database, artifact_id).blobs}
    assert {name: reader.read(database, blob) for name, blob in blobs.items()} == {
        name: _bytes(tensor) for name, tensor in tensors.items()
    }
    pieces = {digest for tensor in tensors.values() for digest, _ in split(memoryview(_bytes(tensor)))}
    held = _run(shared_pair, "select sha256 from hadrian.artifact_chunk where artifact_id = %s", artifact_id)
    assert {row[0] for row in held} == pieces
    ((text,),) = _run(shared_pair, "select manifest from hadrian.artifact where id = %s", artifact_id)
    assert set(json.loads(str(text))) == {"format", "blobs"}
    assert blobs["large"].attributes == {
        "fqn": "large", "dtype": "float32", "shape": [400_000], "offset": [0], "size": [400_000],
    }  # fmt: skip


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    "value", ["words", 5, None, torch.zeros(2, dtype=torch.complex64), torch.zeros(2).to(torch.float8_e4m3fn)]
)
def test_what_could_not_be_read_back_is_refused(database: PostgresDatabase, shared_pair: Pair, value: object) -> None:
    """An object would need a pickle, and a dtype that the reader does not know would be lost: neither is stored."""
    before = shared_pair.run("select count(*) from hadrian.artifact")
    with pytest.raises(HadrianError, match=r"^odd is (not a tensor: |of torch\.(complex64|float8_e4m3fn), )"):
        _save(database, {"fine": torch.zeros(2), "odd": value})
    assert shared_pair.run("select count(*) from hadrian.artifact") == before


@pytest.mark.usefixtures("group")
def test_a_checkpoint_that_cannot_have_its_cursor_does_not_exist(database: PostgresDatabase, shared_pair: Pair) -> None:
    """The cursor's row is refused (there is no such run), and the artifact goes with it."""
    with pytest.raises(HadrianError, match="foreign key"):
        _save(database, {"w": torch.zeros(2)}, run="absent")
    assert shared_pair.run("select count(*) from hadrian.artifact where name ~ '^absent/'") == [(0,)]
    assert _orphans(shared_pair) == (0, 0)


@pytest.mark.usefixtures("group")
def test_any_program_saves_and_loads_with_torchs_own_calls(database: PostgresDatabase) -> None:
    """At once or while it goes on, from what the state was then, into another layout."""
    state = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3)}
    step = next(_STEPS)
    saving = dcp.async_save(
        dict(state), storage_writer=checkpoint.StoreWriter(checkpoint.Target(database, "r", step, sharded.CURSOR))
    )
    before = {name: tensor.clone() for name, tensor in state.items()}
    state["w"].zero_()
    assert isinstance(saving, Future)
    saving.result(timeout=_TIMEOUT_S)
    (found,) = [one for one in checkpoints.found(database, "r") if one.step == step]
    loaded = {"w": torch.zeros(2, 3), "n": torch.tensor(0)}
    dcp.load(loaded, storage_reader=checkpoint.StoreReader(database, found.artifact_id))
    assert all(torch.equal(loaded[name], before[name]) for name in before)


@pytest.mark.usefixtures("group")
def test_a_step_is_saved_once(database: PostgresDatabase) -> None:
    """A second checkpoint of the same run and step is refused, and the first is as it was."""
    target = checkpoint.Target(database, "r", next(_STEPS), sharded.CURSOR)
    checkpoint.save({"w": torch.zeros(2)}, target)
    with pytest.raises(AlreadyThere):
        checkpoint.save({"w": torch.ones(2)}, target)
    (found,) = [one for one in checkpoints.found(database, "r") if one.step == target.step]
    loaded = {"w": torch.full((2,), 7.0)}
    checkpoint.load(loaded, database, found.artifact_id)
    assert loaded["w"].tolist() == [0, 0]


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("into", "said"),
    [
        ({"v": torch.zeros(3)}, r"v is absent, not torch\.float32 \(3,\)"),
        ({"w": torch.zeros(4)}, r"w is torch\.float32 \(3,\), not torch\.float32 \(4,\)"),
        ({"w": torch.zeros(3, 1)}, r"w is torch\.float32 \(3,\), not torch\.float32 \(3, 1\)"),
        ({"w": torch.zeros(3, dtype=torch.bfloat16)}, r"w is torch\.float32 \(3,\), not torch\.bfloat16 \(3,\)"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(database: PostgresDatabase, into: Any, said: str) -> None:
    """Name, shape and dtype must be those that were saved: nothing is converted without a word."""
    artifact_id = _save(database, {"w": torch.zeros(3)})
    with pytest.raises(BadInput, match=said):
        checkpoint.load(into, database, artifact_id)


@pytest.mark.usefixtures("group")
def test_a_corrupt_checkpoint_is_not_loaded(database: PostgresDatabase, shared_pair: Pair) -> None:
    """An altered chunk and an altered manifest are found by their digests, and keep the class of their error."""
    tensor = torch.arange(50.0)
    artifact_id = _save(database, {"w": tensor})
    digest = hashlib.sha256(_bytes(tensor)).digest()
    _run(shared_pair, "update hadrian.chunk set body = '\\x00' where sha256 = %s", digest)
    with pytest.raises(StoreCorrupt, match=digest.hex()):
        checkpoint.load({"w": torch.zeros(50)}, database, artifact_id)
    _run(shared_pair, "update hadrian.artifact set manifest = manifest || ' ' where id = %s", artifact_id)
    with pytest.raises(StoreCorrupt, match="does not have the digest"):
        checkpoint.load({"w": torch.zeros(50)}, database, artifact_id)
    _run(shared_pair, "delete from hadrian.checkpoint where artifact_id = %s", artifact_id)
    _run(shared_pair, "delete from hadrian.artifact where id = %s", artifact_id)
    _run(shared_pair, "delete from hadrian.chunk where sha256 = %s", digest)


def test_a_checkpoint_that_is_removed_while_it_is_loaded_is_not_corrupt(database: PostgresDatabase) -> None:
    """Between its manifest and its chunks everything goes: the error says that it was removed, and what to take."""
    wanted = {"w": torch.zeros(50)}
    with publish(database, "checkpoint", "passing", [_blob_of(database, torch.arange(50.0))]) as (_, artifact_id):
        pass
    stored = checkpoint.StoreReader(database, artifact_id, wanted)
    planner = DefaultLoadPlanner()
    planner.set_up_planner(dict(wanted), stored.read_metadata(), is_coordinator=True)
    plan = planner.create_local_plan()
    with database.begin() as transaction:
        transaction.execute(database.statement("feed/delete_artifact"), {"artifact_id": artifact_id})
    assert collector.collect(database, 0).chunks >= 1
    with pytest.raises(ArtifactMissing, match="removed while it was read") as caught:
        stored.read_data(plan, planner)
    assert "take a newer one" in caught.value.hint


def _blob_of(database: PostgresDatabase, tensor: torch.Tensor) -> Blob:
    writer = Writer(database)
    shape = list(tensor.shape)
    attributes = {"fqn": "w", "dtype": "float32", "shape": shape, "offset": [0], "size": shape}
    blob = writer.put("w@0", _bytes(tensor), attributes)
    writer.flush()
    return blob


@pytest.mark.usefixtures("group")
def test_a_node_that_is_away_keeps_its_error(shared_pair: Pair) -> None:
    """The loop waits for a takeover on this class, so it must come through torch unchanged."""
    url = shared_pair.embedded.url("a").replace("port=5432", "port=5999")
    with contextlib.closing(PostgresDatabase(url)) as gone:
        with pytest.raises(NodeUnreachable):
            checkpoint.load({"w": torch.zeros(2)}, gone, 1)
        with pytest.raises(NodeUnreachable):
            _save(gone, {"w": torch.zeros(2)})


_RIGHT = Blob(
    "w@0", 24, (b"\0" * 32,), {"fqn": "w", "dtype": "float32", "shape": [4, 3], "offset": [2, 0], "size": [2, 3]}
)
_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.sampled_from(["fqn", "dtype", "shape", "offset", "size", "other"]), _JUNK)
def test_a_blob_that_describes_no_tensor_is_corrupt(key: str, value: Any) -> None:
    """Attributes from a database are not trusted: StoreCorrupt, or a shard that lies inside its tensor."""
    blob = dataclasses.replace(_RIGHT, attributes={**_RIGHT.attributes, key: value})
    try:
        shard = checkpoint._Shard.parse(blob)
    except StoreCorrupt:
        return
    assert isinstance(shard.fqn, str)
    assert torch.Size(shard.size).numel() * shard.dtype.itemsize == blob.size
    assert all(at + n <= whole for at, n, whole in zip(shard.offset, shard.size, shard.shape, strict=True))


def test_a_blob_of_the_wrong_size_is_corrupt() -> None:
    """The bytes must fill the shape, and the shape must fit where it is said to lie."""
    assert checkpoint._Shard.parse(_RIGHT).size == [2, 3]
    wrong: list[dict[str, Any]] = [
        {"size": 25},
        {"attributes": {**_RIGHT.attributes, "offset": [3, 0]}},
        {"attributes": {**_RIGHT.attributes, "offset": [-1, 0]}},
        {"attributes": {**_RIGHT.attributes, "size": [-2, -3]}},
        {"attributes": {**_RIGHT.attributes, "size": [6]}},
        {"attributes": {**_RIGHT.attributes, "shape": [1 << 70, 3]}},
        {"attributes": {**_RIGHT.attributes, "dtype": "os.system"}},
        {"attributes": {}},
    ]
    for changes in wrong:
        with pytest.raises(StoreCorrupt, match="blob w@0"):
            checkpoint._Shard.parse(dataclasses.replace(_RIGHT, **changes))


# --- three ranks -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said(
    database: PostgresDatabase,
    group: None,  # noqa: ARG001 - this process saves as one rank
    shared_pair: Pair,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[dict[str, Any]]:
    """Let three real ranks do all their acts, and return what each had to say."""
    folder = tmp_path_factory.mktemp("ranks")
    one_rank = str(_save(database, sharded.whole()))
    argv = [sys.executable, "-m", "tests.train.sharded"]
    ranks = [
        subprocess.Popen([*argv, str(rank), folder, shared_pair.embedded.url("a"), one_rank], cwd=ROOT)
        for rank in range(sharded.RANKS)
    ]
    try:
        assert [rank.wait(timeout=_TIMEOUT_S) for rank in ranks] == [0] * sharded.RANKS
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    return [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(sharded.RANKS)]


def test_shards_of_three_ranks_load_whole_on_one(said: list[dict[str, Any]], database: PostgresDatabase) -> None:
    """Even, uneven and empty shards, replicas and what each rank has of its own: all back in full on one rank."""
    assert [one["save"] for one in said] == ["fine"] * 3
    (found,) = [one for one in checkpoints.found(database, "r") if one.step == 1]
    assert found.cursor == sharded.CURSOR
    expected = sharded.whole() | {f"own.{rank}": torch.full((2,), float(rank)) for rank in range(sharded.RANKS)}
    loaded = {name: torch.zeros_like(tensor) for name, tensor in expected.items()}
    checkpoint.load(loaded, database, found.artifact_id)
    for name, tensor in expected.items():
        assert _bytes(loaded[name]) == _bytes(tensor), name


def test_what_one_rank_saved_loads_on_three(said: list[dict[str, Any]]) -> None:
    """Resharding goes both ways, and each rank compared every tensor in full."""
    assert [one["load what one rank saved"] for one in said] == ["fine"] * 3


@pytest.mark.parametrize(
    ("act", "error"),
    [
        ("save twice", "AlreadyThere: "),
        ("save without a run", "HadrianError: "),
        ("save no tensor", "HadrianError: text is not a tensor"),
        ("save, rank 2 cut off", "NodeUnreachable: "),
        ("save, rank 0 cut off", "NodeUnreachable: "),
        ("load, rank 1 cut off", "NodeUnreachable: "),
        ("load what is absent", "ArtifactMissing: "),
        ("agree", "AlreadyThere: only rank 0 knows (ask rank 0)"),
        ("agree on a lost node", "NodeLost: gone (promote the standby, or start the node again)"),
    ],
)
def test_an_error_on_one_rank_is_the_same_error_on_every_rank(said: list[dict[str, Any]], act: str, error: str) -> None:
    """Class, message and hint are those of the rank where it arose, so that all ranks decide alike."""
    outcomes = {one[act] for one in said}
    assert len(outcomes) == 1
    assert outcomes.pop().startswith(error)


def test_ranks_go_on_after_an_error_and_failed_checkpoints_do_not_exist(
    said: list[dict[str, Any]], database: PostgresDatabase, shared_pair: Pair
) -> None:
    """No rank is left behind in a collective; of all that was tried, only what succeeded is there."""
    assert [one["agreed"] for one in said] == [[0, "zwölf", 1.5]] * 3
    assert [one["save after all that"] for one in said] == ["fine"] * 3
    assert [found.step for found in checkpoints.found(database, "r") if found.step < 1000] == [6, 1]
    names = shared_pair.run("select name from hadrian.artifact where name ~ '/[2-5]$'")
    assert names == []
    assert _orphans(shared_pair) == (0, 0)
