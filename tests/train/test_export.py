"""A checkpoint as files: what others read is what was stored, and a pull that was cut off goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp
import transformers

from cli.main import main
from replicator import migrate, step_journal
from replicator.errors import ArtifactMissing, BadInput, DiskFull
from replicator.position import Cursor, Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.store import checkpoints
from replicator.store.checkpoints import Checkpoint
from replicator.store.writer import Writer, publish
from tests.fixtures.pair import Pair
from trainer import checkpoint, export, intake

_CURSOR = Cursor(Lsn(7), 0)


@pytest.fixture(scope="module")
def database(shared_pair: Pair, tiny_model: Path) -> Iterator[PostgresDatabase]:
    """Make the schema, run `r` that trains the tiny model, and its checkpoint 1."""
    migrate.install(shared_pair.embedded.url("a"))
    recipe = {"run": "r", "feed": {"name": "f"}, "model": {"path": str(tiny_model)}, "data": {"template": "{body}"},
              "steps": 1, "checkpoint_every": 1, "seed": 1}  # fmt: skip
    with contextlib.closing(PostgresDatabase(shared_pair.embedded.url("a"))) as made:
        with publish(made, "snapshot", "f", []) as (transaction, artifact_id):
            feed = "insert into hadrian.feed (name, publication, slot, start_lsn, timeline, snapshot_id) "
            transaction.exec_driver_sql(f"{feed} values ('f', 'p', 's', '0/1', 1, %s)", (artifact_id,))
            run = "insert into hadrian.run (name, feed, recipe) values ('r', 'f', %s)"
            transaction.exec_driver_sql(run, (json.dumps(recipe),))
        checkpoint.save(_state(tiny_model), checkpoint.Target(made, "r", 1, _CURSOR))
        yield made


def _state(tiny_model: Path) -> dict[str, torch.Tensor]:
    """Return weights that are not those that the model began with, a moment and a generator."""
    trained = transformers.AutoModelForCausalLM.from_pretrained(tiny_model)
    generator = torch.Generator().manual_seed(5)
    weights = {
        f"model.{name}": torch.randn(weight.shape, generator=generator) for name, weight in trained.named_parameters()
    }
    return {**weights, "optimizer.x.exp_avg": torch.ones(3), "generator.0": torch.arange(9, dtype=torch.uint8)}


def _newest(database: PostgresDatabase) -> Checkpoint:
    return checkpoints.found(database, "r")[0]


def _read(files: list[Path]) -> dict[str, torch.Tensor]:
    return {name: tensor for file in files for name, tensor in safetensors.torch.load_file(file).items()}


def _same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        found[name].dtype == expected[name].dtype and torch.equal(found[name], expected[name]) for name in expected
    )


def test_every_tensor_comes_out(database: PostgresDatabase, tiny_model: Path, tmp_path: Path) -> None:
    """Under its stored name, in one file, to the bit; again, it is left alone; torch's own format has the same."""
    (file,) = export.pull(database, _newest(database), tmp_path / "out", "safetensors")
    assert _same(_read([file]), _state(tiny_model))
    before = file.stat().st_mtime_ns
    assert export.pull(database, _newest(database), tmp_path / "out", "safetensors") == [file]
    assert file.stat().st_mtime_ns == before
    (folder,) = export.pull(database, _newest(database), tmp_path / "dcp", "dcp")
    loaded = {name: torch.zeros_like(tensor) for name, tensor in _state(tiny_model).items()}
    dcp.load(loaded, checkpoint_id=folder, no_dist=True)
    assert _same(loaded, _state(tiny_model))


def test_transformers_loads_the_weights(
    database: PostgresDatabase, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the configuration and the tokenizer of the recipe's model, by the command."""
    out = tmp_path / "hf"
    node = database.url.render_as_string(hide_password=False)
    command = ["checkpoint", "pull", "r/1", "--node", node, "--to", str(out), "--form", "hf", "--format", "json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [str(out / "model.safetensors")]
    found = transformers.AutoModelForCausalLM.from_pretrained(out)
    weights = {f"model.{name}": weight.detach() for name, weight in found.named_parameters()}
    assert _same(weights, {name: one for name, one in _state(tiny_model).items() if name.startswith("model.")})
    ours, theirs = (transformers.AutoTokenizer.from_pretrained(path)("a") for path in (out, tiny_model))
    assert ours.input_ids == theirs.input_ids


def test_a_pull_that_was_cut_off_goes_on(
    database: PostgresDatabase, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were whole are not written again, one that is not what it was is, and the index names them all."""
    monkeypatch.setattr(export, "_FILE_BYTES", 40_000)
    out, real, left = tmp_path / "out", safetensors.torch.save_file, [2]

    def full(*arguments: Any, **options: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(*arguments, **options)

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(DiskFull, match="No space left"):
        export.pull(database, _newest(database), out, "safetensors")
    first, second = sorted(out.glob("*.safetensors"))
    second.write_bytes(second.read_bytes()[:-1])
    before, left[0] = first.stat().st_mtime_ns, 99
    files = export.pull(database, _newest(database), out, "safetensors")
    assert len(files) > 3
    assert first.stat().st_mtime_ns == before
    assert _same(_read(files), _state(tiny_model))
    index = json.loads((out / "checkpoint.safetensors.index.json").read_text(encoding="utf-8"))
    assert {out / name for name in index["weight_map"].values()} == set(files)
    assert not list(out.glob("*.part"))


def test_shards_become_one_tensor(database: PostgresDatabase, tmp_path: Path) -> None:
    """As two ranks stored them, by columns."""
    whole = torch.arange(12, dtype=torch.int32).reshape(3, 4)
    writer = Writer(database)
    blobs = [
        writer.put(
            f"w@0,{at}",
            whole[:, at : at + 2].contiguous().numpy().tobytes(),
            {"fqn": "w", "dtype": "int32", "shape": [3, 4], "offset": [0, at], "size": [3, 2]},
        )
        for at in (0, 2)
    ]
    writer.flush()
    with publish(database, checkpoints.KIND, "r/2", blobs) as (transaction, artifact_id):
        checkpoints.record(database, transaction, "r", 2, artifact_id, _CURSOR)
    found = _newest(database)
    assert found.step == 2
    assert _same(_read(export.pull(database, found, tmp_path / "out", "safetensors")), {"w": whole})
    with database.begin() as transaction:
        transaction.exec_driver_sql("delete from hadrian.checkpoint where step = 2")


@pytest.mark.parametrize("left", ["something.txt", "hadrian.json"])
def test_a_folder_with_something_else_in_it_is_refused(database: PostgresDatabase, tmp_path: Path, left: str) -> None:
    """Nothing of it is touched, be it a stranger's file or another checkpoint's."""
    (tmp_path / left).write_text('{"files": {}, "run": "other"}', encoding="utf-8")
    with pytest.raises(BadInput, match=r"is not empty|holds another checkpoint"):
        export.pull(database, _newest(database), tmp_path, "safetensors")
    assert [path.name for path in tmp_path.iterdir()] == [left]


# and back


def test_what_was_pulled_can_be_saved_and_is_the_same(
    database: PostgresDatabase, shared_pair: Pair, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model's folder becomes a checkpoint of a run of its own, durable once the standby has it."""
    export.pull(database, _newest(database), tmp_path / "out", "hf", str(tiny_model))
    primary, standby = (shared_pair.embedded.url(node) for node in ("a", "b"))
    command = ["checkpoint", "save", "teacher", str(tmp_path / "out"), "--primary", primary, "--format", "json"]
    assert main([*command, "--node", standby, "--wait", "60"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["step"], [node["durable"] for node in told["nodes"]]) == (0, [True])
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 1
    (second, first) = checkpoints.found(database, "teacher")
    assert (first.chunks, second.cursor > first.cursor) == (second.chunks, True)
    weights = {name: one for name, one in _state(tiny_model).items() if name.startswith("model.")}
    assert _same(_read(export.pull(database, second, tmp_path / "again", "safetensors")), weights)


def test_what_cannot_be_saved_is_refused(database: PostgresDatabase, tmp_path: Path) -> None:
    """Pickles, nothing, a file that is none, a tensor in two files, a run with a feed, a name that is none."""
    with pytest.raises(BadInput, match=r"no \.safetensors files"):
        intake.save(database, "odd", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BadInput, match="may hold a pickle"):
        intake.save(database, "odd", tmp_path)
    (tmp_path / "a.safetensors").write_bytes(b"junk")
    with pytest.raises(BadInput, match="cannot be read"):
        intake.save(database, "odd", tmp_path)
    for name in ("a", "b"):
        safetensors.torch.save_file({"w": torch.ones(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(BadInput, match="two files have tensor w"):
        intake.save(database, "odd", tmp_path)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(BadInput, match="another recipe"):
        intake.save(database, "r", tmp_path)
    with pytest.raises(BadInput, match="no run's name"):
        intake.save(database, "odd/3", tmp_path)
    with pytest.raises(ArtifactMissing, match="has no run odd"):
        step_journal.recipe(database, "odd")
