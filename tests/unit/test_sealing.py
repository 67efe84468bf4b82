"""Sealed chunks and the file of their keys: opened by the right key alone, and nothing altered is opened."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.main import main
from replicator.chunk import Chunk, Coding
from replicator.errors import BadInput, KeyMissing, StoreCorrupt
from replicator.store import codec, keyring, sealing
from replicator.store.keyring import VARIABLE, Key, Keyring

_PATIENT = settings(deadline=None)

_KEYS = st.binary(min_size=32, max_size=32).map(Key.of)
_DIGEST = st.binary(min_size=32, max_size=32)


@st.composite
def _chunks(draw: st.DrawFn) -> Chunk:
    """Return a chunk as the codec makes it."""
    plain = draw(st.binary(min_size=1, max_size=400))
    base = draw(st.none() | st.binary(min_size=len(plain), max_size=len(plain)))
    coding, body = codec.encode(plain, draw(st.sampled_from([1, 2, 4])), base)
    named = draw(_DIGEST) if coding == Coding.DIFFERENCE else None
    return Chunk(draw(_DIGEST), len(plain), body, coding, named, 0 if named is None else 1)


def _ring(*keys: Key) -> Keyring:
    return Keyring(Path("keys"), {key.id: key for key in keys})


@_PATIENT
@given(_chunks(), _KEYS, _KEYS)
def test_what_is_sealed_is_opened(chunk: Chunk, key: Key, other: Key) -> None:
    """Every field comes back, whichever other keys are there, and the body was not to be seen meanwhile."""
    sealed = sealing.seal(chunk, key)
    assert sealing.unseal(sealed, _ring(other, key)) == chunk
    assert sealed.key_id == key.id
    assert len(sealed.body) == len(chunk.body) + 12 + 16
    assert len(chunk.body) < 4 or chunk.body not in sealed.body


def test_no_two_bodies_are_sealed_alike() -> None:
    """The same chunk sealed again has another nonce, so neither tells of the other."""
    key, chunk = Key.of(bytes(32)), Chunk(bytes(32), 4, b"body")
    assert len({sealing.seal(chunk, key).body[:12] for _ in range(1000)}) == 1000


@_PATIENT
@given(_chunks(), _KEYS, st.data())
def test_a_bit_that_is_flipped_anywhere_is_found(chunk: Chunk, key: Key, data: st.DataObject) -> None:
    """In the nonce, in the body, in the tag; and a body that was cut or lengthened."""
    sealed = sealing.seal(chunk, key)
    bit = data.draw(st.integers(0, 8 * len(sealed.body) - 1))
    flipped = bytearray(sealed.body)
    flipped[bit // 8] ^= 1 << bit % 8
    cut = data.draw(st.integers(0, len(sealed.body) - 1))
    for body in (bytes(flipped), sealed.body[:cut], sealed.body + b"\0"):
        with pytest.raises(StoreCorrupt, match=key.id):
            sealing.unseal(dataclasses.replace(sealed, body=body), _ring(key))


@_PATIENT
@given(_chunks(), _KEYS, _DIGEST)
def test_a_body_is_of_its_own_row_only(chunk: Chunk, key: Key, digest: bytes) -> None:
    """Whatever else the row says cannot be altered, nor the body be put into another row."""
    sealed = sealing.seal(chunk, key)
    for changed in (
        {"sha256": bytes(byte ^ 1 for byte in chunk.sha256)},
        {"plain_bytes": chunk.plain_bytes + 1},
        {"coding": (chunk.coding + 1) % 3},
        {"base": None if chunk.base else digest},
    ):
        with pytest.raises(StoreCorrupt):
            sealing.unseal(dataclasses.replace(sealed, **changed), _ring(key))


@_PATIENT
@given(_chunks(), _KEYS, _KEYS)
def test_a_key_that_is_not_there_is_named(chunk: Chunk, key: Key, other: Key) -> None:
    """It is no damage; and another key under its id opens nothing."""
    sealed = sealing.seal(chunk, key)
    others = _ring(*{other.id: other for other in (other,) if other != key}.values())
    with pytest.raises(KeyMissing, match=f"{key.id}.*keys does not have that key"):
        sealing.unseal(sealed, others)
    if other != key:
        with pytest.raises(StoreCorrupt):
            sealing.unseal(sealed, Keyring(Path("keys"), {key.id: other}))


def test_without_a_file_a_sealed_chunk_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the key and the variable; what is not sealed needs neither."""
    chunk, key = Chunk(bytes(32), 4, b"body"), Key.of(bytes(32))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert sealing.unseal(chunk) is chunk
    with pytest.raises(KeyMissing, match=f"{key.id}, and {VARIABLE} names no file"):
        sealing.unseal(sealing.seal(chunk, key))


def test_keys_are_added_to_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest seals, older ones stay in their order, and only the owner may read the file, whatever the umask."""
    file, before = tmp_path / "keys", os.umask(0)
    try:
        made = [keyring.add(file).current for _ in range(3)]
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setenv(VARIABLE, str(file))
    found = keyring.from_environment()
    assert found is not None
    assert [*found.keys.values()] == made
    assert found.current == made[-1]
    assert len({key.secret for key in made}) == 3
    file.write_text(file.read_text().rstrip("\n"))
    assert [*keyring.add(file).keys][:3] == [key.id for key in made], "a last line without an end"


def test_the_command_makes_a_key_and_shows_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of the key itself is said, as a line or as JSON."""
    for output in ("table", "json"):
        assert main(["store", "key", "new", "--keys", str(tmp_path / "keys"), "--format", output]) == 0
        said, made = capsys.readouterr().out, keyring.read(tmp_path / "keys").current
        assert made.id in said
        assert (tmp_path / "keys").read_text().split()[-1] not in said
        assert made.secret.hex() not in said


def test_a_key_is_not_shown() -> None:
    """Neither its own text nor that of what holds it has the secret."""
    key = Key.of(b"\xabsecret-secret-secret-secret!!!!")
    assert "secret" not in f"{key!r} {_ring(key)!r}".replace("secret=", "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700 | 0o001])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """Neither read nor added to."""
    file = tmp_path / "keys"
    keyring.add(file)
    before = file.read_text()
    file.chmod(mode)
    for use in (keyring.read, keyring.add):
        with pytest.raises(BadInput, match="others than its owner") as refused:
            use(file)
        assert refused.value.hint == f"run: chmod 600 {file}"
    assert file.read_text() == before


@_PATIENT
@given(st.integers(0, 60), st.sampled_from("0aZ \t"))
def test_a_line_that_was_mistyped_is_refused(place: int, letter: str) -> None:
    """Any letter of id or key: the line is named, and its content is not."""
    line = "a9974d84bfbb041e AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert keyring._parsed(line) == Key.of(bytes(range(32)))
    changed = line[:place] + letter + line[place + 1 :]
    assert (keyring._parsed(changed) is None) == (changed.rstrip() != line)


def test_what_is_no_file_of_keys_is_one_error(tmp_path: Path) -> None:
    """No file, no keys in it, other text, bytes, a folder, a pipe."""
    texts = {"empty": b"", "comment": b"# nothing\n", "text": b"hello secret\n", "bytes": bytes(range(256))}
    for name, content in texts.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in (*texts, "absent", "pipe", "."):
        with pytest.raises(BadInput) as refused:
            keyring.read(tmp_path / name)
        assert str(tmp_path) in str(refused.value)
        assert "secret" not in str(refused.value)
    for name in ("text", "bytes", "pipe", "."):
        with pytest.raises(BadInput):
            keyring.add(tmp_path / name)
    for name in ("empty", "comment"):
        assert keyring.add(tmp_path / name).keys.keys() == keyring.read(tmp_path / name).keys.keys()
