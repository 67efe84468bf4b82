"""Ways of keeping a state, each until it is committed, or on the disk as far as it sees to that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy
import torch
import torch.distributed.checkpoint as dcp
from store_race.scene import Scene, data_of, timed
from store_race.states import State

from trainer import checkpoint


def saves(scene: Scene, states: Iterator[State], folder: Path) -> dict[str, float]:
    """Return the seconds that each way takes, of a state of its own."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

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

    def mlflow_artifact(state: State) -> None:
        mlflow.set_tracking_uri(f"file:{folder}/runs")
        with mlflow.start_run():
            torch.save(state, folder / "logged.pt")
            mlflow.log_artifact(str(folder / "logged.pt"))

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
        "torch.save, fsync": torch_save, "DCP FileSystemWriter": file_system,
        "MLflow's artifact log": mlflow_artifact, "bytea by SQLAlchemy": bytea, "large objects": large_objects,
        "hadrian": ours,
    }  # fmt: skip
    took: dict[str, float] = {}
    for (name, way), state in zip(ways.items(), states, strict=False):
        with checkpoint.alone_or_not():
            took[name] = timed(lambda: way(state))  # noqa: B023 - called at once
        scene.settle()
    return took
