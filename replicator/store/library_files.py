"""A library's files in a directory of a node: compared, and put there whole or not at all.

A file is written under a name of its own, checked, brought to the disk and only then given its name. So a server that
has the old file open goes on with that, and one that looks at any moment finds the old file or the new one.
Names come from a database and are not trusted: each is looked up below the open directory, and a link that stands in a
file's place is replaced, not followed.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from replicator.database import Database
from replicator.errors import AlreadyThere, BadInput, DiskFull, StoreCorrupt
from replicator.store import reader
from replicator.store.library import File

_EXECUTE = 0o111
_KEPT = 0o755  # who owns it is not known here, so nobody else may write


class State(enum.StrEnum):
    """How a file in a directory compares with the library's."""

    SAME = "same"
    DIFFERS = "differs"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Compared:
    """A file of a library and what stands in its place."""

    file: File
    state: State


def compare(directory: Path, files: Sequence[File]) -> list[Compared]:
    """Compare each file's content and execute bits with what stands in the directory.

    Raises:
        BadInput: the directory, or what is in it, cannot be read.
    """
    with _opened(directory) as folder:
        return [_compared(directory, folder, file) for file in files]


def install(
    database: Database,
    files: Sequence[File],
    directory: Path,
    *,
    force: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> list[Compared]:
    """Put files into a directory, and return what stood in their places before.

    What is the same already is left alone. All that must be read is on the disk before the first file gets its name.

    Args:
        database: any node that has the library.
        files: of one version.
        directory: where they go; it must be there.
        force: replace what differs.
        progress: told of bytes as they are written.

    Raises:
        AlreadyThere: other content stands in a file's place, and may not be replaced; nothing was written.
        BadInput, DiskFull, StoreCorrupt, NodeLost: no file was left half-written.
    """
    with _opened(directory) as folder:
        before = [_compared(directory, folder, file) for file in files]
        differing = [one.file.name for one in before if one.state is State.DIFFERS]
        if differing and not force:
            raise AlreadyThere(
                f"{directory} has other content or execute bits in {', '.join(differing)}",
                hint="look at it, then add --force to replace it",
            )
        with contextlib.ExitStack() as stack:
            written = []
            for file in (one.file for one in before if one.state is not State.SAME):
                temporary = f".hadrian-{secrets.token_hex(8)}"
                stack.callback(_remove, folder, temporary)
                with _translated(directory / file.name):
                    _write(database, file, folder, temporary, progress)
                written.append((temporary, file))
            for temporary, file in written:
                with _translated(directory / file.name):
                    # A link refuses to take the place of a file that has come meanwhile.
                    place = os.replace if force else os.link
                    place(temporary, file.name, src_dir_fd=folder, dst_dir_fd=folder)
        with _translated(directory):
            os.fsync(folder)
    return before


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    with _translated(directory):
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise AlreadyThere(f"{path} has come meanwhile", hint="look at it, then run the command again") from error
    except OSError as error:
        kind = DiskFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else BadInput
        raise kind(f"{path}: {error.strerror}") from error


def _compared(directory: Path, folder: int, file: File) -> Compared:
    with _translated(directory / file.name):
        return Compared(file, _state(folder, file))


def _state(folder: int, file: File) -> State:
    try:
        # A named pipe without a writer would wait for one.
        descriptor = os.open(file.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return State.ABSENT
    try:
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode) or there.st_size != file.size or (there.st_mode ^ file.mode) & _EXECUTE:
            return State.DIFFERS
        with open(descriptor, "rb", closefd=False) as content:
            same = hashlib.file_digest(content, "sha256").digest() == file.sha256
        return State.SAME if same else State.DIFFERS
    finally:
        os.close(descriptor)


def _write(database: Database, file: File, folder: int, temporary: str, progress: Callable[[int], object]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    digest = hashlib.sha256()
    with open(os.open(temporary, flags, 0o600, dir_fd=folder), "wb") as out:  # noqa: PTH123 - a descriptor, not a path
        for piece in reader.plain(database, reader.pieces_of(file.blob)):
            out.write(piece)
            digest.update(piece)
            progress(len(piece))
        if digest.digest() != file.sha256:
            raise StoreCorrupt(f"{database.where}: file {file.name} does not have its digest")
        out.flush()
        os.fchmod(out.fileno(), file.mode & _KEPT)
        os.fsync(out.fileno())


def _remove(folder: int, temporary: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
