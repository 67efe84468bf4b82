"""Decoder of pgoutput, the logical replication messages of protocol version 1: bytes to values, nothing else.

Source: PostgreSQL 18 documentation, 54.9 "Logical Replication Message Formats".
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass

from replicator.errors import FeedBroken
from replicator.position import Lsn


class Unchanged(enum.Enum):
    """Stands for a TOASTed value that the update did not touch and the server therefore did not send."""

    TOAST = "unchanged"


Value = str | None | Unchanged
Tuple = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction starts; transactions arrive whole and in commit order."""

    commit_lsn: Lsn
    commit_time_us: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction's end; `end_lsn` is the first byte behind its commit record."""

    commit_lsn: Lsn
    end_lsn: Lsn


@dataclass(frozen=True, slots=True)
class Relation:
    """The columns that later tuples of `oid` are made of."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row."""

    oid: int
    new: Tuple


@dataclass(frozen=True, slots=True)
class Update:
    """A new version of a row; `old` is there with REPLICA IDENTITY FULL.

    When only the key was logged the server sends the rest as NULL, which it may not be: such a row is left out.
    """

    oid: int
    old: Tuple | None
    new: Tuple


@dataclass(frozen=True, slots=True)
class Delete:
    """A row's end; `old` has the key, with REPLICA IDENTITY FULL every column."""

    oid: int
    old: Tuple


@dataclass(frozen=True, slots=True)
class Truncate:
    """Every row of these tables is gone."""

    oids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message with nothing in it for a feed: origin, type, logical message."""

    kind: str


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate | Ignored


class _Reader:
    """Takes fields off the front of a message."""

    __slots__ = ("data", "offset")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, size: int) -> bytes:
        end = self.offset + size
        if size < 0 or end > len(self.data):
            raise FeedBroken(f"a replication message ends early, {size} bytes wanted at {self.offset}")
        part = self.data[self.offset : end]
        self.offset = end
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def lsn(self) -> Lsn:
        return Lsn(self.number(8))

    def text(self) -> str:
        end = self.data.find(b"\0", self.offset)
        if end < 0:
            raise FeedBroken(f"a replication message has an unterminated string at {self.offset}")
        part = self.take(end - self.offset)
        self.offset += 1
        return _utf8(part)

    def tuple(self) -> Tuple:
        return tuple(self._value() for _ in range(self.number(2)))

    def _value(self) -> Value:
        kind = self.take(1)
        if kind == b"n":
            return None
        if kind == b"u":
            return Unchanged.TOAST
        if kind == b"t":
            return _utf8(self.take(self.number(4)))
        raise FeedBroken(f"a replication message has a value of unknown kind {kind!r}")

    def expect(self, *kinds: bytes) -> bytes:
        kind = self.take(1)
        if kind not in kinds:
            raise FeedBroken(f"a replication message has {kind!r} where {b' or '.join(kinds)!r} belongs")
        return kind

    def finish(self) -> None:
        if self.offset != len(self.data):
            raise FeedBroken(f"a replication message has {len(self.data) - self.offset} bytes too many")


def _utf8(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError as error:
        raise FeedBroken(f"a replication message holds text that is not UTF-8: {error.reason}") from error


def decode(data: bytes) -> Message:
    """Decode one message.

    Raises:
        FeedBroken: the bytes are not a message of protocol version 1.
    """
    reader = _Reader(data)
    kind = reader.take(1)
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise FeedBroken(f"a replication message of unknown kind {kind!r}")
    message = decoder(reader)
    if not isinstance(message, Ignored):
        reader.finish()
    return message


def _begin(reader: _Reader) -> Begin:
    return Begin(reader.lsn(), reader.number(8), reader.number(4))


def _commit(reader: _Reader) -> Commit:
    reader.take(1)  # flags, unused
    message = Commit(reader.lsn(), reader.lsn())
    reader.take(8)  # commit time, in Begin already
    return message


def _relation(reader: _Reader) -> Relation:
    oid, schema, name = reader.number(4), reader.text(), reader.text()
    reader.take(1)  # replica identity
    columns = []
    for _ in range(reader.number(2)):
        reader.take(1)  # whether part of the key
        columns.append(reader.text())
        reader.take(8)  # type, type modifier
    return Relation(oid, schema or "pg_catalog", name, tuple(columns))


def _insert(reader: _Reader) -> Insert:
    oid = reader.number(4)
    reader.expect(b"N")
    return Insert(oid, reader.tuple())


def _update(reader: _Reader) -> Update:
    oid, old = reader.number(4), None
    kind = reader.expect(b"K", b"O", b"N")
    if kind != b"N":
        sent = reader.tuple()
        old = sent if kind == b"O" else None
        reader.expect(b"N")
    return Update(oid, old, reader.tuple())


def _delete(reader: _Reader) -> Delete:
    oid = reader.number(4)
    reader.expect(b"K", b"O")
    return Delete(oid, reader.tuple())


def _truncate(reader: _Reader) -> Truncate:
    count = reader.number(4)
    reader.take(1)  # CASCADE, RESTART IDENTITY
    return Truncate(struct.unpack(f">{count}I", reader.take(4 * count)))


_DECODERS: dict[bytes, Callable[[_Reader], Message]] = {
    b"B": _begin,
    b"C": _commit,
    b"R": _relation,
    b"I": _insert,
    b"U": _update,
    b"D": _delete,
    b"T": _truncate,
    b"O": lambda _: Ignored("origin"),
    b"Y": lambda _: Ignored("type"),
    b"M": lambda _: Ignored("message"),
}
