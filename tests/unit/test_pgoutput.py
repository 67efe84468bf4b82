"""The pgoutput decoder against an encoder of its own, and against bytes that no server would send."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from replicator.errors import FeedBroken
from replicator.position import Lsn
from replicator.postgres.pgoutput import (
    Begin,
    Commit,
    Delete,
    Ignored,
    Insert,
    Message,
    Relation,
    Truncate,
    Tuple,
    Unchanged,
    Update,
    decode,
)

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_KINDS = b"BCRIUDTOYM"
_oids = st.integers(0, 2**32 - 1)
_lsns = st.integers(0, 2**64 - 1).map(Lsn)
_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_values = st.none() | st.just(Unchanged.TOAST) | _texts
_tuples = st.lists(_values, max_size=5).map(tuple)
_messages = st.one_of(
    st.builds(Begin, _lsns, st.integers(0, 2**63 - 1), _oids),
    st.builds(Commit, _lsns, _lsns),
    st.builds(Relation, _oids, _texts.filter(bool), _texts, st.lists(_texts, max_size=5).map(tuple)),
    st.builds(Insert, _oids, _tuples),
    st.builds(Update, _oids, st.none() | _tuples, _tuples),
    st.builds(Delete, _oids, _tuples),
    st.builds(Truncate, st.lists(_oids, max_size=4).map(tuple)),
)


def _string(text: str) -> bytes:
    return text.encode() + b"\0"


def _value(value: str | Unchanged | None) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, Unchanged):
        return b"u"
    return b"t" + struct.pack(">I", len(value.encode())) + value.encode()


def _tuple(row: Tuple) -> bytes:
    return struct.pack(">H", len(row)) + b"".join(map(_value, row))


def _columns(names: tuple[str, ...]) -> bytes:
    each = [b"\1" + _string(name) + struct.pack(">Ii", 25, -1) for name in names]
    return struct.pack(">H", len(names)) + b"".join(each)


def _encode(message: Message, *, key: bytes = b"O") -> bytes:  # noqa: PLR0911 - one for each kind
    match message:
        case Begin(commit_lsn, commit_time_us, xid):
            return struct.pack(">cQQI", b"B", commit_lsn, commit_time_us, xid)
        case Commit(commit_lsn, end_lsn):
            return struct.pack(">cBQQQ", b"C", 0, commit_lsn, end_lsn, 7)
        case Relation(oid, schema, name, columns):
            return struct.pack(">cI", b"R", oid) + _string(schema) + _string(name) + b"f" + _columns(columns)
        case Insert(oid, new):
            return struct.pack(">cI", b"I", oid) + b"N" + _tuple(new)
        case Update(oid, old, new):
            before = b"" if old is None else key + _tuple(old)
            return struct.pack(">cI", b"U", oid) + before + b"N" + _tuple(new)
        case Delete(oid, old):
            return struct.pack(">cI", b"D", oid) + key + _tuple(old)
        case Truncate(oids):
            return struct.pack(f">cIB{len(oids)}I", b"T", len(oids), 1, *oids)
        case Ignored(kind):
            letter = {"origin": b"O", "type": b"Y", "message": b"M"}[kind]
            return letter + b"whatever it says"


@_PATIENT
@given(_messages)
def test_every_message_is_decoded_to_what_was_encoded(message: Message) -> None:
    """Decoding gives back every field of every kind of message."""
    assert decode(_encode(message)) == message


@_PATIENT
@given(_oids, _tuples)
def test_a_deleted_rows_key_is_decoded_like_a_whole_old_row(oid: int, old: Tuple) -> None:
    """Without REPLICA IDENTITY FULL a delete has the key only, and is a delete all the same."""
    assert decode(_encode(Delete(oid, old), key=b"K")) == Delete(oid, old)


@_PATIENT
@given(_oids, _tuples, _tuples)
def test_an_updated_rows_old_key_is_not_taken_for_its_old_row(oid: int, old: Tuple, new: Tuple) -> None:
    """An old key comes with NULL for all that is not key, so it supplies no value."""
    assert decode(_encode(Update(oid, old, new), key=b"K")) == Update(oid, None, new)


@pytest.mark.parametrize("kind", ["origin", "type", "message"])
def test_messages_without_rows_are_told_apart_and_not_read(kind: str) -> None:
    """Origins, types and logical messages are passed over whatever they hold."""
    assert decode(_encode(Ignored(kind))) == Ignored(kind)


def test_an_empty_schema_name_stands_for_pg_catalog() -> None:
    """The server sends the catalog's own name as nothing."""
    assert decode(_encode(Relation(1, "", "pg_am", ("oid",)))) == Relation(1, "pg_catalog", "pg_am", ("oid",))


@_PATIENT
@given(_messages, st.data())
def test_a_message_that_was_cut_is_refused(message: Message, data: st.DataObject) -> None:
    """No proper beginning of a message passes for a message."""
    encoded = _encode(message)
    with pytest.raises(FeedBroken):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@_PATIENT
@given(_messages, st.binary(min_size=1, max_size=9))
def test_a_message_with_bytes_behind_it_is_refused(message: Message, rest: bytes) -> None:
    """What follows a message's end is never dropped in silence."""
    with pytest.raises(FeedBroken):
        decode(_encode(message) + rest)


@settings(_PATIENT, max_examples=500)
@given(st.builds(bytes.__add__, st.sampled_from(_KINDS).map(lambda kind: bytes([kind])), st.binary(max_size=60)))
def test_junk_behind_a_known_kind_breaks_the_feed_and_nothing_else(junk: bytes) -> None:
    """Arbitrary bytes are a message or `FeedBroken`, never another exception."""
    with contextlib.suppress(FeedBroken):
        decode(junk)


@settings(_PATIENT, max_examples=500)
@given(_messages, st.data())
def test_a_flipped_byte_breaks_the_feed_and_nothing_else(message: Message, data: st.DataObject) -> None:
    """A damaged message is another message or `FeedBroken`, never another exception."""
    damaged = bytearray(_encode(message))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FeedBroken):
        decode(bytes(damaged))


@_PATIENT
@given(st.binary(max_size=30))
def test_a_message_of_unknown_kind_is_refused(junk: bytes) -> None:
    """A kind of a later protocol version is not guessed at, nor is an empty message."""
    assume(junk[:1] not in [bytes([kind]) for kind in _KINDS])
    with pytest.raises(FeedBroken):
        decode(junk)


@pytest.mark.parametrize("value", [b"b\0\0\0\1x", b"t\0\0\0\2\xc3\x28", b"?"])
def test_a_value_that_is_not_utf8_text_is_refused(value: bytes) -> None:
    """Binary values, text in another encoding and unknown kinds of values break the feed."""
    with pytest.raises(FeedBroken):
        decode(b"I\0\0\0\1N\0\1" + value)
