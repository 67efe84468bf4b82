"""Libraries: the files that functions are in, which the log names and does not carry.

A library is an artifact of kind `library` by the name NAME/N, N its version, with a blob for each file. So the files
flow to every standby as rows do, and are there when it takes over; `library_files` puts them where the server looks.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeGuard

from replicator.database import Database
from replicator.errors import AlreadyThere, ArtifactMissing, BadInput, StoreCorrupt
from replicator.store import reader
from replicator.store.digest import CHUNK_BYTES
from replicator.store.manifest import Blob, Manifest
from replicator.store.writer import Writer, Written, publish

KIND = "library"
MAX_BYTES = 8 << 30  # of a library: it all goes through the log, and on to every standby

_NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}"
_VERSION = re.compile(rf"({_NAME})/([1-9][0-9]{{0,8}})", re.ASCII)
_REFERENCE = re.compile(rf"({_NAME})(?:/([1-9][0-9]{{0,8}}))?", re.ASCII)
_FILE_NAME_BYTES = 255  # NAME_MAX of Linux's file systems
_ATTEMPTS = 5
_LIST = "list what is there: hadrian library list"


@dataclass(frozen=True, slots=True)
class Version:
    """A library as it was pushed once.

    Attributes:
        name: the library's.
        number: 1, 2, ...; the highest is the newest.
        artifact_id: where its files are.
        sha256: of its manifest.
        size: bytes of all files.
        created_at: when its transaction ran.
    """

    name: str
    number: int
    artifact_id: int
    sha256: bytes
    size: int
    created_at: dt.datetime

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a library.

    Attributes:
        name: without a directory, and such that it cannot lead out of one.
        size: bytes.
        mode: permissions, as it had them where it was pushed.
        sha256: of the whole file.
        blob: where its bytes are.
    """

    name: str
    size: int
    mode: int
    sha256: bytes
    blob: Blob


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push came to.

    Attributes:
        library: NAME/N.
        new: False if the newest version holds the same files, and nothing was made.
        files: how many.
        written: what was sent, and what was there before.
    """

    library: str
    new: bool
    files: int
    written: Written


def push(
    database: Database, name: str, paths: Sequence[Path], progress: Callable[[int], object] = lambda _: None
) -> Pushed:
    """Store files as the newest version of a library, unless that holds the same already.

    Args:
        database: the primary.
        name: the library's.
        paths: regular files, or links to such; a library has no directories.
        progress: told of bytes as they are read.

    Raises:
        BadInput: a name or a file that a library cannot have, or a file that changes while it is read.
        NodeLost, NodeUnreachable, DiskFull: the version is not there (or the commit is in doubt; push again).
    """
    if re.fullmatch(_NAME, name, re.ASCII) is None:
        raise BadInput(f"no name for a library: {name!r}", hint="use letters, digits and . _ + -, up to 100 of them")
    _check(paths)
    writer = Writer(database)
    blobs = [_store(writer, path, progress) for path in paths]
    writer.flush()
    sha256 = hashlib.sha256(Manifest(tuple(blobs)).to_json().encode()).digest()
    for _ in range(_ATTEMPTS):
        versions = [version for version in found(database) if version.name == name]
        if versions and versions[0].sha256 == sha256:
            return Pushed(str(versions[0]), False, len(blobs), writer.written)
        label = f"{name}/{versions[0].number + 1 if versions else 1}"
        # Another push may take the number meanwhile: then look again.
        with contextlib.suppress(AlreadyThere):
            with publish(database, KIND, label, blobs):
                pass
            return Pushed(label, True, len(blobs), writer.written)
    raise AlreadyThere(f"others push {name} all the while", hint="run the command again")


def found(database: Database) -> list[Version]:
    """Return every version of every library, by name, the newest of each first.

    Raises:
        StoreCorrupt: something that no push makes is among them.
    """
    with database.connect() as connection:
        rows = connection.execute(database.statement("store/artifacts_of_kind"), {"kind": KIND}).all()
    versions = []
    for row in rows:
        match = _VERSION.fullmatch(row.name)
        if match is None:
            raise StoreCorrupt(
                f"{database.where}: artifact {row.id} is no version of a library: {row.name!r}",
                hint="find out who made it, and delete its row of hadrian.artifact",
            )
        versions.append(Version(match[1], int(match[2]), row.id, bytes(row.sha256), row.plain_bytes, row.created_at))
    return sorted(versions, key=lambda version: (version.name, -version.number))


def newest(database: Database) -> list[Version]:
    """Return the newest version of each library, by name.

    Raises:
        ArtifactMissing: there are none.
    """
    chosen = {version.name: version for version in reversed(found(database))}
    if not chosen:
        raise ArtifactMissing(f"{database.where} has no libraries", hint="push one: hadrian library push")
    return sorted(chosen.values(), key=lambda version: version.name)


def named(database: Database, reference: str) -> Version:
    """Return the newest version of NAME, or version N of NAME/N.

    Raises:
        BadInput: neither.
        ArtifactMissing: the database has none such (yet, if it is a standby).
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise BadInput(f"neither a library nor a version of one: {reference!r}", hint="write it as NAME or NAME/3")
    for version in found(database):
        if version.name == match[1] and match[2] in (None, str(version.number)):
            return version
    raise ArtifactMissing(f"{database.where} has no library {reference}", hint=_LIST)


def files(database: Database, version: Version) -> list[File]:
    """Return what a version is made of, by name.

    Raises:
        StoreCorrupt: its manifest was not made by a push; a name that would lead out of a directory, for one.
    """
    return [_file(database.where, version, blob) for blob in reader.manifest(database, version.artifact_id).blobs]


def _file(where: str, version: Version, blob: Blob) -> File:
    mode, sha256 = blob.attributes.get("mode"), blob.attributes.get("sha256")
    if not _may_be_named(blob.name) or type(mode) is not int or not _is_digest(sha256):
        raise StoreCorrupt(f"{where}: library {version} holds what is no file of a library: {blob.name!r}")
    return File(blob.name, blob.size, mode & 0o777, bytes.fromhex(sha256), blob)


def _is_digest(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _may_be_named(name: str) -> bool:
    """Return whether a name stays in its directory, and can be shown."""
    # What is not UTF-8 in a file's name comes as surrogates, which are not printable.
    apart = name not in {"", ".", ".."} and not set(name) & {"/", "\\"} and name.isprintable()
    return apart and len(name.encode()) <= _FILE_NAME_BYTES


def _check(paths: Sequence[Path]) -> None:
    """Refuse what cannot be pushed before anything is sent."""
    names, size = set(), 0
    for path in paths:
        if not _may_be_named(path.name):
            raise BadInput(f"a library cannot hold a file of the name {path.name!r}", hint="rename it")
        if path.name in names:
            raise BadInput(f"two files have the name {path.name}", hint="push them as two libraries")
        names.add(path.name)
        with _opened(path) as file:
            size += os.fstat(file.fileno()).st_size
    if not names:
        raise BadInput("a library without files", hint="name the files to push")
    if size > MAX_BYTES:
        raise BadInput(
            f"the files have {size:,} bytes, and a library may have {MAX_BYTES:,}", hint="push them as several"
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file; what the system says of it is BadInput."""
    try:
        # A named pipe without a writer would wait for one.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadInput(f"{path} is no regular file", hint="name files, one by one")
            yield file
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error


def _store(writer: Writer, path: Path, progress: Callable[[int], object]) -> Blob:
    """Store a file piece by piece, so that no more of it than the writer's own bound is in memory."""
    chunks: list[bytes] = []
    digest = hashlib.sha256()
    with _opened(path) as file:
        before = os.fstat(file.fileno())
        # Bytes of our own: pages of a mapped file could change between a chunk's digest and its compression.
        while piece := file.read(CHUNK_BYTES):
            chunks += writer.put(path.name, piece).chunks
            digest.update(piece)
            progress(len(piece))
        size = file.tell()
        after = os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size, size) != (after.st_mtime_ns, after.st_size, after.st_size):
            raise BadInput(f"{path} changes while it is read", hint="push it again once it is whole")
    attributes = {"mode": stat.S_IMODE(after.st_mode) & 0o777, "sha256": digest.hexdigest()}
    return Blob(path.name, size, tuple(chunks), attributes)
