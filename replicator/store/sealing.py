"""Chunks' bodies sealed with a key that the database does not have: AES-256-GCM, after encoding and before decoding.

    body = nonce (12 bytes, random) + what the encoded body became + tag (16 bytes)

What else the row says of the chunk (the digest of its plain bytes, their number, the coding, the base) is bound to it:
a body that was altered, or put into another chunk's row, is not opened. A difference and its base are sealed each by
itself, so they may have different keys.

A random nonce may serve 2^32 chunks of one key, which is 4 PiB of them.

Source: NIST SP 800-38D, 5.2.1.1 "Input Data", 8.2.2 "RBG-based Construction" and 8.3.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import struct
from dataclasses import dataclass
from types import ModuleType

from replicator.chunk import Chunk
from replicator.database import Database
from replicator.errors import AlreadyThere, BadInput, KeyMissing, StoreCorrupt
from replicator.store import keyring
from replicator.store.keyring import VARIABLE, Key, Keyring

_NONCE_BYTES = 12
_LABEL = b"hadrian.chunk/1"


@dataclass(frozen=True, slots=True)
class Sealed:
    """How much of a store is sealed with a key.

    Attributes:
        key_id: of the key; None for what is not sealed.
        chunks: how many.
        stored_bytes: what their bodies take.
    """

    key_id: str | None
    chunks: int
    stored_bytes: int


def seal(chunk: Chunk, key: Key) -> Chunk:
    """Return a chunk with its body sealed."""
    nonce = os.urandom(_NONCE_BYTES)
    body = nonce + _aead().AESGCM(key.secret).encrypt(nonce, chunk.body, _bound(chunk))
    return dataclasses.replace(chunk, body=body, key_id=key.id)


def unseal(chunk: Chunk, keys: Keyring | None = None) -> Chunk:
    """Return a chunk with its body as it was before it was sealed; one that is not sealed comes back as it is.

    Args:
        chunk: as it is stored.
        keys: the environment's, by default.

    Raises:
        KeyMissing: the chunk's key is not among these.
        StoreCorrupt: this is not what the key has sealed.
        BadInput: the environment's file of keys is refused.
    """
    if chunk.key_id is None:
        return chunk
    keys = keys or keyring.from_environment()
    if keys is None or chunk.key_id not in keys.keys:
        raise _missing(f"chunk {chunk.sha256.hex()}", chunk.key_id, keys)
    nonce, sealed = chunk.body[:_NONCE_BYTES], chunk.body[_NONCE_BYTES:]
    aead = _aead()
    try:
        body = aead.AESGCM(keys.keys[chunk.key_id].secret).decrypt(nonce, sealed, _bound(chunk))
    except (aead.InvalidTag, ValueError) as error:  # ValueError: there is not even a nonce
        raise StoreCorrupt(f"the body is not what key {chunk.key_id} has sealed") from error
    return dataclasses.replace(chunk, body=body, key_id=None)


def key_for(database: Database) -> Key | None:
    """Return the key that a writer seals with, None if it has none and needs none; its id is made known (primary).

    Raises:
        KeyMissing: the writer lacks a key that chunks are sealed with. It could not read again what it is about to
            store, since that may rest on these, and without any key it would store in the open what others seal.
        BadInput: the file of keys is refused, or what seals is not installed.
    """
    keys = keyring.from_environment()
    with database.connect() as connection:
        known = {row.id: bool(row.in_use) for row in connection.execute(database.statement("store/keys"))}
    for name, in_use in known.items():
        if in_use and (keys is None or name not in keys.keys):
            raise _missing(f"{database.where}: the store", name, keys)
    if keys is None:
        return None
    _aead()
    if keys.current.id not in known:
        # Another writer may make it known meanwhile.
        with contextlib.suppress(AlreadyThere), database.begin() as transaction:
            transaction.execute(database.statement("store/insert_key"), {"id": keys.current.id})
    return keys.current


def in_store(database: Database) -> list[Sealed]:
    """Return how much of a store is sealed with which key, first what is not sealed at all."""
    with database.connect() as connection:
        rows = connection.execute(database.statement("store/sealed_chunks")).all()
    found = [Sealed(row.id, row.chunks, row.stored_bytes) for row in rows]
    return sorted(found, key=lambda one: one.key_id or "")


def _missing(what: str, key_id: str, keys: Keyring | None) -> KeyMissing:
    place = f"{VARIABLE} names no file" if keys is None else f"{keys.path} does not have that key"
    return KeyMissing(f"{what} is sealed with key {key_id}, and {place}")


def _bound(chunk: Chunk) -> bytes:
    """Return what the sealed body is bound to."""
    return _LABEL + bytes(chunk.sha256) + struct.pack(">IB", chunk.plain_bytes, chunk.coding) + bytes(chunk.base or b"")


def _aead() -> ModuleType:
    try:
        from replicator.store import aead  # noqa: PLC0415 - what it imports comes with an extra
    except ImportError as error:
        raise BadInput("sealed chunks need cryptography", hint="pip install 'hadrian-wal[encryption]'") from error
    return aead
