"""The file of keys that the store's chunks are sealed with, which no database ever has.

    # the last key seals, and all of them open
    2f1c6a0b9e7d4c35 kUtU8y...=
    91b0d37c5e6a28f4 0rZQm1...=

A line has a key's id and its 32 bytes in base64. The id is made from the key, so a line whose key was mistyped is found
out when the file is read, and two keys never have one id. To change keys is to add a line: what was sealed before stays
readable as long as its key's line is there.

Like a file of passwords, it is refused if others than its owner may read it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from replicator.errors import BadInput

VARIABLE = "HADRIAN_STORE_KEYS"
_KEY_BYTES = 32  # AES-256
_MAKE = "make one: hadrian store key new --keys FILE"
_HEAD = "# Keys of Hadrian's store: a key's id and the key. The last key seals, and all of them open.\n"


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes:
        id: 16 hexadecimal digits, by which everybody may know it.
        secret: the key itself.
    """

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Key:
        """Return the key with its id."""
        return cls(hashlib.sha256(b"hadrian.store.key/1" + secret).hexdigest()[:16], secret)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a file.

    Attributes:
        path: the file.
        keys: each by its id, in the file's order.
    """

    path: Path
    keys: Mapping[str, Key]

    @property
    def current(self) -> Key:
        """The key that seals: the file's last."""
        return list(self.keys.values())[-1]


def from_environment() -> Keyring | None:
    """Return the keys of the file that `HADRIAN_STORE_KEYS` names, None if it names none. Raises: as `read`."""
    path = os.environ.get(VARIABLE)
    return read(Path(path)) if path else None


def read(path: Path) -> Keyring:
    """Return the keys of a file.

    Raises:
        BadInput: it cannot be read, others may read it, or a line of it has no key. What the line has is not repeated.
    """
    keys = _keys(path)
    if not keys:
        raise BadInput(f"{path} has no key", hint=_MAKE)
    return Keyring(path, keys)


def _keys(path: Path) -> dict[str, Key]:
    keys: dict[str, Key] = {}
    for number, line in enumerate(_lines(path), start=1):
        if line.strip() and not line.startswith("#"):
            key = _parsed(line)
            if key is None:
                raise BadInput(f"{path}, line {number}: no key, or not the one whose id it has", hint="mend the line")
            keys[key.id] = key
    return keys


def _lines(path: Path) -> list[str]:
    with _opened(path, os.O_RDONLY) as descriptor:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise BadInput(f"{path} is no regular file", hint=_MAKE)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BadInput(f"{path} has keys, and others than its owner may use it", hint=f"run: chmod 600 {path}")
        with open(descriptor, encoding="utf-8", errors="replace", closefd=False) as file:
            return file.read().splitlines()


def _parsed(line: str) -> Key | None:
    name, _, text = line.strip().partition(" ")
    try:
        key = Key.of(base64.b64decode(text, validate=True))
    except ValueError:
        return None
    return key if len(key.secret) == _KEY_BYTES and key.id == name else None


def add(path: Path) -> Keyring:
    """Make a new key the last one of a file, and make the file if it is not there; return all its keys.

    Raises:
        BadInput: the file cannot be written, or is refused as by `read`.
    """
    key = Key.of(secrets.token_bytes(_KEY_BYTES))
    line = f"{key.id} {base64.b64encode(key.secret).decode()}\n"
    try:
        with _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL) as descriptor:
            _write(path, descriptor, _HEAD + line)
        with _opened(path.parent, os.O_RDONLY | os.O_DIRECTORY) as folder:
            os.fsync(folder)
    except FileExistsError:
        _keys(path)  # before anything is written to what others may read, or to what is no such file
        with _opened(path, os.O_RDWR | os.O_APPEND) as descriptor:
            last = os.pread(descriptor, 1, max(0, os.fstat(descriptor).st_size - 1))
            _write(path, descriptor, line if last in (b"", b"\n") else f"\n{line}")
    return read(path)


def _write(path: Path, descriptor: int, text: str) -> None:
    data = text.encode()
    if os.write(descriptor, data) != len(data):
        raise BadInput(f"no room for a whole key in {path}", hint="free some, and delete the file's last line")
    os.fsync(descriptor)


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a file; what the system says of it is BadInput, but that a new one is there already."""
    try:
        # A named pipe would wait for somebody at its other end.
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except FileExistsError:
        raise
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}", hint=f"name a file of keys: {VARIABLE}") from error
