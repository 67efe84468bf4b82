"""The store's values without a database: pieces, bodies and manifests, and that junk is refused by name."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replicator.chunk import Chunk, Coding
from replicator.errors import StoreCorrupt
from replicator.store import codec, planes
from replicator.store.digest import CHUNK_BYTES, split
from replicator.store.manifest import Blob, Manifest

# A busy machine is not an error.
_PATIENT = settings(deadline=None)

_DIGEST = st.binary(min_size=32, max_size=32)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def _blobs(draw: st.DrawFn) -> Blob:
    size = draw(st.integers(0, 3 * CHUNK_BYTES))
    count = -(-size // CHUNK_BYTES)
    chunks = draw(st.lists(_DIGEST, min_size=count, max_size=count))
    attributes = draw(st.dictionaries(st.text(max_size=4), _JSON, max_size=3))
    return Blob(draw(st.text(max_size=8)), size, tuple(chunks), attributes)


_MANIFESTS = st.builds(
    lambda blobs: Manifest(tuple(blobs)), st.lists(_blobs(), max_size=4, unique_by=lambda blob: blob.name)
)


def _sealed(text: str) -> Manifest:
    """Read text whose digest is right, so that only its content can be refused."""
    return Manifest.from_json(text, hashlib.sha256(text.encode()).digest())


def _chunk(body: bytes, plain_bytes: int, coding: int = Coding.ZSTD) -> Chunk:
    return Chunk(bytes(32), plain_bytes, body, coding)


def _entry(**changed: Any) -> str:
    """Return a manifest of one right blob of one chunk, with some of its keys changed."""
    blob = {"name": "w", "bytes": 4, "chunks": ["00" * 32], "attributes": {}} | changed
    return json.dumps({"format": "hadrian.manifest/1", "blobs": [blob]})


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_pieces_put_together_are_the_whole_and_named_by_their_content(size: int) -> None:
    """Every piece but the last is full, none is empty, and each is named by its SHA-256."""
    data = bytes(range(251)) * (size // 251 + 1)
    pieces = list(split(memoryview(data)[:size]))
    assert b"".join(piece for _, piece in pieces) == data[:size]
    assert [len(piece) for _, piece in pieces[:-1]] == [CHUNK_BYTES] * (len(pieces) - 1)
    assert all(len(piece) > 0 for _, piece in pieces)
    assert [digest for digest, _ in pieces] == [hashlib.sha256(piece).digest() for _, piece in pieces]


@_PATIENT
@given(
    st.binary(min_size=1, max_size=4096)
    | st.builds(lambda one, count: one * count, st.binary(min_size=1), st.just(999))
)
def test_a_body_decodes_to_the_bytes_it_was_made_of(plain: bytes) -> None:
    """What is compressed comes back whole, from bytes and from a view alike."""
    coding, body = codec.encode(plain)
    assert codec.decode(_chunk(body, len(plain), coding)) == plain
    assert codec.encode(memoryview(plain)) == (coding, body)


@_PATIENT
@given(st.data())
def test_numbers_come_back_bit_by_bit(data: st.DataObject) -> None:
    """In planes and as differences from others, whatever they are as floats, and where they wrap around."""
    width = data.draw(st.sampled_from([2, 4, 8]))
    count = data.draw(st.integers(1, 40))
    edges = st.sampled_from(
        [b"\0" * width, b"\xff" * width, b"\0" * (width - 1) + b"\x80", b"\xff" * (width - 1) + b"\x7f"]
    )
    numbers = st.lists(edges | st.binary(min_size=width, max_size=width), min_size=count, max_size=count).map(b"".join)
    plain, base = data.draw(numbers), data.draw(numbers)
    changed = planes.difference(plain, base, width)
    assert planes.restored(planes.joined(planes.planes(changed, width), width), base, width).tobytes() == plain
    assert planes.turned_back(planes.turned(plain, width), width).tobytes() == plain
    for earlier in (None, base, plain):
        coding, body = codec.encode(plain, width, earlier)
        assert coding in (Coding.PLANES, Coding.DIFFERENCE)
        assert codec.decode(_chunk(body, len(plain), coding), earlier) == plain


def test_a_difference_is_stored_where_it_is_smaller() -> None:
    """Numbers that moved a little are; new ones are not, nor is what is no run of numbers."""
    random = np.random.default_rng(7)
    weights = random.normal(size=50_000).astype(np.float32)
    moved = weights + np.float32(1e-6) * random.normal(size=50_000).astype(np.float32)
    other = random.normal(size=50_000).astype(np.float32)
    before, after, new = (array.tobytes() for array in (weights, moved, other))
    coding, body = codec.encode(after, 4, before)
    assert (coding, len(body) < len(after) / 1.5) == (Coding.DIFFERENCE, True)
    assert codec.encode(new, 4, before)[0] == Coding.PLANES
    assert codec.encode(after, 1, before)[0] == codec.encode(after[:-1], 4, before[:-1])[0] == Coding.ZSTD
    assert codec.encode(after, 4, before[:-4])[0] == Coding.PLANES


@_PATIENT
@given(st.binary(max_size=200), st.integers(1, 2 * CHUNK_BYTES))
@example(b"", 1)
@example(codec.encode(b"abcd")[1][:-1], 4)
@example(b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\x00\x00", 4)  # states a terabyte
@example(codec.encode(b"abcd", 2)[1], 3)
@example(b"\x03" + codec.encode(b"abcd", 2)[1][1:], 4)
def test_a_junk_body_is_corrupt_and_nothing_else(body: bytes, plain_bytes: int) -> None:
    """Bytes that `encode` did not make are refused by one error of ours."""
    for coding in Coding:
        for base in (None, b"", bytes(min(plain_bytes, 5000))):
            try:
                assert len(codec.decode(_chunk(body, plain_bytes, coding), base)) == plain_bytes
            except StoreCorrupt:
                continue


@_PATIENT
@given(st.binary(min_size=2, max_size=500), st.integers(-400, 400).filter(bool))
def test_a_body_of_another_size_is_corrupt(plain: bytes, error: int) -> None:
    """The size that the table states is the size that must come out."""
    with pytest.raises(StoreCorrupt):
        codec.decode(_chunk(codec.encode(plain)[1], max(1, len(plain) + error)))


@_PATIENT
@given(_MANIFESTS)
def test_a_manifest_reads_back_as_it_was_written(manifest: Manifest) -> None:
    """Names, sizes, chunks and attributes all come back, and give the same text again."""
    again = _sealed(manifest.to_json())
    assert again == manifest
    assert again.to_json() == manifest.to_json()


@_PATIENT
@given(_MANIFESTS, st.randoms(use_true_random=False))
def test_equal_content_has_equal_text(manifest: Manifest, random: Any) -> None:
    """Neither the order of the blobs nor that of their attributes shows in the text."""
    shuffled = []
    for blob in manifest.blobs:
        items = list(blob.attributes.items())
        random.shuffle(items)
        shuffled.append(dataclasses.replace(blob, attributes=dict(items)))
    random.shuffle(shuffled)
    assert Manifest(tuple(shuffled)).to_json() == manifest.to_json()


@_PATIENT
@given(_MANIFESTS)
def test_digests_are_every_chunk_once(manifest: Manifest) -> None:
    """A chunk that several blobs hold is listed once, in order."""
    assert manifest.digests == sorted({chunk for blob in manifest.blobs for chunk in blob.chunks})
    assert manifest.size == sum(blob.size for blob in manifest.blobs)


@_PATIENT
@given(_MANIFESTS, _DIGEST)
def test_text_of_another_digest_is_corrupt(manifest: Manifest, digest: bytes) -> None:
    """A text that was changed at all is refused before it is looked into."""
    with pytest.raises(StoreCorrupt, match="does not have the digest"):
        Manifest.from_json(manifest.to_json(), digest)


@_PATIENT
@given(_MANIFESTS.filter(lambda manifest: manifest.blobs), st.data())
def test_a_tampered_text_is_corrupt_or_within_bounds(manifest: Manifest, data: st.DataObject) -> None:
    """Any piece of the text replaced by any other, digest made right: StoreCorrupt, or blobs that keep their bounds."""
    text = manifest.to_json()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 12)))
    patch = data.draw(st.text('{}[]",:-0123456789abcdefnultr.E \\', max_size=8))
    try:
        read = _sealed(text[:start] + patch + text[stop:])
    except StoreCorrupt:
        return
    for blob in read.blobs:
        assert blob.size >= 0
        assert len(blob.chunks) == -(-blob.size // CHUNK_BYTES)
        assert all(len(digest) == 32 for digest in blob.chunks)
        assert all(0 < blob.piece_bytes(index) <= CHUNK_BYTES for index in range(len(blob.chunks)))


@_PATIENT
@given(st.sampled_from(["name", "bytes", "chunks", "attributes"]), _JSON | st.lists(_JSON, min_size=1, max_size=1))
def test_a_field_of_any_other_type_is_corrupt(key: str, value: Any) -> None:
    """Each field of a blob holds its own type of value, and no other gets through."""
    right = {"name": str, "bytes": int, "chunks": list, "attributes": dict}
    try:
        _sealed(_entry(**{key: value}))
    except StoreCorrupt:
        return
    assert type(value) is right[key]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"blobs":[]}',
        '{"format":"hadrian.manifest/2","blobs":[]}',
        '{"format":"hadrian.manifest/1"}',
        '{"format":"hadrian.manifest/1","blobs":[7]}',
        "[" * 100_000,
        _entry(bytes=-1, chunks=[]),
        _entry(bytes=-CHUNK_BYTES, chunks=[]),
        _entry(bytes=True),
        _entry(bytes=4.0),
        _entry(bytes=0),
        _entry(bytes=CHUNK_BYTES + 1),
        _entry(chunks=["00" * 31]),
        _entry(chunks=["0g" * 32]),
        _entry(chunks=["00 " * 21 + "0"]),
        _entry(chunks=["00" * 30 + "    "]),
        _entry(chunks={"00" * 32: 1}),
        _entry(chunks="0"),
        _entry(name=None),
        _entry(attributes=[]),
        '{"format":"hadrian.manifest/1","blobs":[{"name":"w","bytes":' + "9" * 5000 + "}]}",
    ],
    ids=lambda text: text[-40:],
)
def test_what_breaks_a_bound_is_corrupt(text: str) -> None:
    """Text from a database is not trusted: each bound has an entry here that breaks it."""
    with pytest.raises(StoreCorrupt):
        _sealed(text)


def test_a_blob_named_twice_is_refused() -> None:
    """Two blobs of one name could not be told apart, whether they are written or read."""
    blob = Blob("w", 0, ())
    with pytest.raises(StoreCorrupt, match="twice"):
        Manifest((blob, blob))
    text = Manifest((blob, Blob("v", 0, ()))).to_json().replace('"v"', '"w"')
    with pytest.raises(StoreCorrupt, match="twice"):
        _sealed(text)
