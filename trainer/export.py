"""A checkpoint out of the database, into files that other programs read.

    safetensors   every tensor of the state under its stored name
    hf            the weights alone, under the names the model has, with its configuration and tokenizer
    dcp           a checkpoint of torch's own format

Shards of a tensor that several ranks stored become one tensor. A large checkpoint becomes several files, of which one
is in memory at a time (torch's own format takes all at once). Each is whole before it has its name, and then noted in
`hadrian.json` beside them, so a pull that was cut off goes on with the file that it was at.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.metadata import TensorProperties, TensorStorageMetadata
from torch.distributed.tensor import DTensor

from replicator.database import Database
from replicator.errors import BadInput, DiskFull
from replicator.store import reader
from replicator.store.checkpoints import Checkpoint
from trainer import checkpoint, model
from trainer.chorus import agree

Format = Literal["safetensors", "hf", "dcp"]
_FILE_BYTES = 2 << 30
_NOTE = "hadrian.json"
_WEIGHTS = "model."

_Group = dict[str, str]  # names in a file, and the stored name of each


def pull(
    database: Database,
    found: Checkpoint,
    folder: Path,
    form: Format,
    model_path: str | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Path]:
    """Write a checkpoint into a folder, and return the files.

    Args:
        database: node to read from.
        found: the checkpoint there.
        folder: is made if it is not there; else it is empty, or has what an earlier pull of this checkpoint left.
        form: what to write.
        model_path: for `hf`, which needs it: the model that the run began with; its configuration and tokenizer come
            along.
        advance: called with the bytes of the tensors that are in a file.

    Raises:
        BadInput: the folder holds something else, or there is no such model.
        ArtifactMissing, StoreCorrupt, NodeLost, NodeUnreachable: what was written is kept.
        DiskFull: the same.
    """
    note = _Note(folder, {"run": found.run, "step": found.step, "cursor": str(found.cursor), "format": form})
    stored = checkpoint.stored(database, found.artifact_id)
    names = {name: name for name in stored}
    if form == "hf":
        names = {name.removeprefix(_WEIGHTS): name for name in stored if name.startswith(_WEIGHTS)}
    try:
        note.begin(reader.manifest(database, found.artifact_id).sha256.hex())
        groups = [names] if form == "dcp" else _groups(names, stored)
        files = _file_names(form, len(groups))
        for file, group in zip(files, groups, strict=True):
            if not note.has(file):
                tensors = _tensors(database, found, group, stored)
                _write_dcp(folder / file, tensors) if form == "dcp" else _write(folder / file, tensors)
                note.add(file)
            advance(sum(_bytes(stored[name]) for name in group.values()))
        if len(groups) > 1:
            _write_index(folder, files, groups, stored)
        if form == "hf" and model_path is not None:
            model.copy_surroundings(model_path, folder)
    except OSError as error:
        raise DiskFull(f"{folder}: {error.strerror}", hint="free disk space there, then run this again") from error
    return [folder / name for name in files]


def write_state(tensors: Mapping[str, torch.Tensor], folder: Path) -> list[Path]:
    """Write a live state into a folder as `pull` writes a stored one in safetensors, and return the files.

    Every rank must call it, with the same names; rank 0 puts the shards together and writes, a file at a time.

    Args:
        tensors: by name, whole or in shards.
        folder: is empty or not there yet.

    Raises:
        DiskFull: on every rank alike.
    """
    stored = {
        name: TensorStorageMetadata(TensorProperties(dtype=tensor.dtype), tensor.size(), [])
        for name, tensor in tensors.items()
    }
    groups = _groups({name: name for name in stored}, stored)
    files = _file_names("safetensors", len(groups))
    for file, group in zip(files, groups, strict=True):
        whole = {name: _whole(tensors[name]) for name in group}
        agree(functools.partial(_write_one, folder, file, whole))
    if len(groups) > 1:
        agree(lambda: _write_index(folder, files, groups, stored))
    return [folder / file for file in files]


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _write_one(folder: Path, file: str, tensors: dict[str, torch.Tensor]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / file, tensors)
    except OSError as error:
        raise DiskFull(f"{folder}: {error.strerror}", hint="free disk space there, then run this again") from error


class _Note:
    """What a folder is being filled with, and the files that are whole."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._folder = folder
        self._content: dict[str, Any] = {**about, "sha256": "", "files": {}}

    def begin(self, sha256: str) -> None:
        """Look that the folder is ours. Raises: BadInput."""
        self._content["sha256"] = sha256
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / _NOTE
        if path.exists():
            try:
                before = json.loads(path.read_text(encoding="utf-8"))
                self._content["files"] = dict(before.pop("files"))
            except (ValueError, KeyError, TypeError, AttributeError):
                before = None
            if before != {key: value for key, value in self._content.items() if key != "files"}:
                raise BadInput(f"{self._folder} holds another checkpoint", hint="name a folder that is not there yet")
        elif any(self._folder.iterdir()):
            raise BadInput(f"{self._folder} is not empty", hint="name a folder that is not there yet")
        self._write()

    def has(self, name: str) -> bool:
        """Whether a file is there, as it was when it was whole."""
        path = self._folder / name
        return name in self._content["files"] and path.exists() and _digest(path) == self._content["files"][name]

    def add(self, name: str) -> None:
        """Note that a file is whole."""
        self._content["files"][name] = _digest(self._folder / name)
        self._write()

    def _write(self) -> None:
        _replace(self._folder / _NOTE, json.dumps(self._content, indent=2, sort_keys=True).encode() + b"\n")


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    for part in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if part.is_file():
            with part.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _file_names(form: Format, count: int) -> list[str]:
    stem, suffix = "model" if form == "hf" else "checkpoint", "" if form == "dcp" else ".safetensors"
    if count == 1:
        return [f"{stem}{suffix}"]
    return [f"{stem}-{number:05d}-of-{count:05d}{suffix}" for number in range(1, count + 1)]


def _groups(names: _Group, stored: Mapping[str, TensorStorageMetadata]) -> list[_Group]:
    """Cut the tensors into files of bounded size; one that is larger has a file of its own."""
    groups: list[_Group] = [{}]
    size = 0
    for name, stored_name in names.items():
        its = _bytes(stored[stored_name])
        if groups[-1] and size + its > _FILE_BYTES:
            groups.append({})
            size = 0
        groups[-1][name] = stored_name
        size += its
    return groups


def _bytes(one: TensorStorageMetadata) -> int:
    return one.size.numel() * one.properties.dtype.itemsize


def _tensors(
    database: Database, found: Checkpoint, group: _Group, stored: Mapping[str, TensorStorageMetadata]
) -> dict[str, torch.Tensor]:
    tensors = {name: torch.empty(stored[name].size, dtype=stored[name].properties.dtype) for name in group.values()}
    checkpoint.load(tensors, database, found.artifact_id)
    return {name: tensors[stored_name] for name, stored_name in group.items()}


def _write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    part = path.with_name(f".{path.name}.part")
    safetensors.torch.save_file(tensors, part, metadata={"format": "pt"})
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _write_dcp(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    with checkpoint.alone_or_not():
        dcp.save(dict(tensors), checkpoint_id=path)


def _write_index(
    folder: Path, files: list[str], groups: list[_Group], stored: Mapping[str, TensorStorageMetadata]
) -> None:
    """Say which file has which tensor, as transformers looks for it."""
    total = sum(_bytes(stored[name]) for group in groups for name in group.values())
    place = {name: file for file, group in zip(files, groups, strict=True) for name in group}
    content = {"metadata": {"total_size": total}, "weight_map": place}
    stem = files[0].split("-", 1)[0]
    _replace(folder / f"{stem}.safetensors.index.json", json.dumps(content, indent=2, sort_keys=True).encode() + b"\n")
