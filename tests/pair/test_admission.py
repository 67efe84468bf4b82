"""Who may write to the store of a real pair, how much, and what of it can be read without a key."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from replicator import migrate
from replicator.errors import KeyMissing, NotConfigured, QuotaExceeded, StoreCorrupt
from replicator.postgres import topology
from replicator.store import checkpoints, collector, keyring, quota, reader, retention, sealing
from replicator.store.digest import CHUNK_BYTES
from replicator.store.keyring import VARIABLE
from replicator.store.manifest import Blob
from replicator.store.retention import Keep
from replicator.store.writer import Earlier, Writer, publish
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import Pair
from tests.fixtures.store import CURSOR, Store

_FLIP = "update hadrian.chunk set body = set_bit(body, 77, 1 - get_bit(body, 77)) where sha256 = %s"


@pytest.fixture(scope="module")
def store(shared_pair: Pair) -> Iterator[Store]:
    """Make a store for the module."""
    with contextlib.closing(Store(shared_pair)) as made:
        yield made


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a file of one key."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    keyring.add(file)
    return file


@pytest.fixture(autouse=True)
def at_hand(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test write with the keys of that file, as it is then."""
    monkeypatch.setenv(VARIABLE, str(keys))


def _written(store: Store, data: bytes, earlier: Earlier | None = None, *, width: int = 1) -> Blob:
    writer = Writer(store.a)
    blob = writer.put("w", data, {"fqn": "w", "dtype": "float32", "offset": [0]}, width=width, earlier=earlier)
    writer.flush()
    return blob


def _read(store: Store, blob: Blob) -> bytes:
    return bytes(reader.read(store.b, blob))


def test_a_store_of_several_keys(store: Store, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference under a new key comes back with its base under the old one, on the standby, with both keys only."""
    numbers = np.frombuffer(store.content(CHUNK_BYTES), np.float32).copy()
    base = _written(store, numbers.tobytes(), width=4)
    first = keyring.read(keys)
    alone = tmp_path / "first"
    alone.write_text(keys.read_text())
    alone.chmod(0o600)
    second = keyring.add(keys).current
    moved = (numbers.view(np.int32) + 1).tobytes()
    blob = _written(store, moved, Earlier(base, numbers.tobytes()), width=4)
    store.checkpoint(1, blobs=[blob])
    store.catch_up()
    kept = "select coding, key_id, position(%s in body) from hadrian.chunk where sha256 = %s"
    zstd = bytes.fromhex("28b52ffd")  # what a frame begins with
    assert store.query(kept, zstd, base.chunks[0]) == [(1, first.current.id, 0)]
    assert store.query(kept, zstd, blob.chunks[0]) == [(2, second.id, 0)]
    assert _read(store, blob) == moved
    assert [(one.key_id, one.chunks) for one in sealing.in_store(store.b)] == sorted(
        [(first.current.id, 1), (second.id, 1)]
    )
    monkeypatch.setenv(VARIABLE, str(alone))
    assert _read(store, base) == numbers.tobytes()
    with pytest.raises(KeyMissing, match=second.id):
        _read(store, blob)
    with pytest.raises(KeyMissing, match=f"the store is sealed with key {second.id}"):
        _written(store, b"who cannot read all of it")
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(KeyMissing):
        _read(store, base)
    with pytest.raises(KeyMissing, match=f"{VARIABLE} names no file"):
        _written(store, b"in the open")
    assert store.query("select count(*) from hadrian.chunk where key_id is null") == [(0,)]


def test_the_commands_tell_a_missing_key_from_damage(store: Store, keys: Path) -> None:
    """Verifying needs the key, and says which; with it a flipped bit is traced to its tensor."""
    blob = _written(store, store.content(4000))
    store.checkpoint(2, blobs=[blob])
    url = store.pair.embedded.url("a")
    settings = {"HADRIAN_STANDBY": url, VARIABLE: str(keys)}
    assert hadrian("checkpoint", "verify", "r", **settings).returncode == 0
    current = keyring.read(keys).current.id
    said = complaint(hadrian("checkpoint", "verify", "r", HADRIAN_STANDBY=url))
    assert f"is sealed with key {current}" in said
    assert said.count(VARIABLE) == 2, "what is missing, and what to do"
    listed = hadrian("store", "key", "list", HADRIAN_STANDBY=url)
    assert (listed.returncode, "not at hand" in listed.stdout) == (1, True)
    listed = hadrian("store", "key", "list", "--format", "json", **settings)
    assert (listed.returncode, json.loads(listed.stdout)["current"]) == (0, current)
    store.query(_FLIP, blob.chunks[0])
    done = hadrian("checkpoint", "verify", "r", "--format", "json", **settings)
    (hit,) = json.loads(done.stdout)["hits"]
    assert (done.returncode, hit["tensor"], hit["reason"]) == (1, "w", f"the body is not what key {current} has sealed")
    with pytest.raises(StoreCorrupt, match=current):
        reader.read(store.a, blob)
    store.query(_FLIP, blob.chunks[0])


def _chunks(store: Store) -> object:
    return store.query("select count(*) from hadrian.chunk")


def test_a_store_that_is_full_takes_nothing_more(store: Store) -> None:
    """A writer stops before it sends what there is no room for, and what others sent meanwhile counts at the end."""
    full = quota.every(store.a)[0].used
    quota.put(store.a, None, full + 3000)
    try:
        before = _chunks(store)
        with pytest.raises(QuotaExceeded, match=f"the store may take {full + 3000:,} bytes") as refused:
            _written(store, store.content(4000))
        assert "hadrian store collect" in refused.value.hint
        assert _chunks(store) == before
        late = Writer(store.a)
        held = late.put("w", store.content(2000))
        late.flush()
        quota.put(store.a, None, full)
        with pytest.raises(QuotaExceeded), publish(store.a, "test", "full", [held]):
            pass
        assert store.query("select count(*) from hadrian.artifact where name = 'full'") == [(0,)]
    finally:
        assert quota.drop(store.a, None)
    with publish(store.a, "test", "full", [held]):
        pass


def test_two_writers_cannot_both_take_what_is_left(store: Store) -> None:
    """Of two checkpoints for which there is room for one, the one that comes second waits, and is not made."""
    first, second = _written(store, store.content(4000)), _written(store, store.content(4000))
    (used,) = [one.used for one in quota.every(store.a) if one.run == "r"]
    quota.put(store.a, "r", used + 6000)
    refused: list[QuotaExceeded] = []

    def save() -> None:
        try:
            store.checkpoint(12, blobs=[second])
        except QuotaExceeded as error:
            refused.append(error)

    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    with publish(store.a, checkpoints.KIND, "r/11", [first]) as (transaction, number):
        checkpoints.record(store.a, transaction, "r", 11, number, CURSOR)
        thread = threading.Thread(target=save)
        thread.start()
        topology.wait_until(lambda: store.query(waiting) == [(1,)], "the second writer", timeout_s=30)
    thread.join()
    assert quota.drop(store.a, "r")
    assert ["run r may take" in str(error) for error in refused] == [True]
    assert store.query("select step from hadrian.checkpoint where step > 10") == [(11,)]


def test_a_run_pays_for_what_its_differences_need(store: Store) -> None:
    """A base counts when the checkpoint that held it is removed; what no difference needs does not."""
    numbers = np.frombuffer(store.content(CHUNK_BYTES), np.float32).copy()
    base, loose = _written(store, numbers.tobytes(), width=4), _written(store, store.content(5000))
    store.checkpoint(20, blobs=[base, Blob("x", loose.size, loose.chunks)])
    moved = (numbers.view(np.int32) + 1).tobytes()
    store.checkpoint(21, blobs=[_written(store, moved, Earlier(base, numbers.tobytes()), width=4)])
    retention.prune(store.a, "r", Keep(1), dry_run=False)
    body = "select sum(octet_length(body)) from hadrian.chunk where sha256 = %s or base = %s"
    ((needed,),) = store.query(body, base.chunks[0], base.chunks[0])
    (found,) = [one for one in quota.every(store.a) if one.run == "r"]
    assert (found.used, found.allowed) == (needed, None)
    collector.collect(store.a, 0)
    assert [one.used for one in quota.every(store.a) if one.run in (None, "r")][1] == needed


def test_the_command_sets_shows_and_drops(store: Store) -> None:
    """A quota that is exceeded is a finding; of what cannot be done, one line."""
    settings = {"HADRIAN_PRIMARY": store.pair.embedded.url("a")}
    assert hadrian("store", "quota", "set", "10GB", **settings).stdout == "the whole store may take 10 GB\n"
    assert hadrian("store", "quota", "set", "1kB", "--run", "r", **settings).returncode == 0
    shown = hadrian("store", "quota", "show", **settings)
    assert shown.returncode == 1
    assert [line.split()[-2:] for line in shown.stdout.splitlines()[1:]] == [["10", "GB"], ["1.0", "kB"]]
    told = json.loads(hadrian("store", "quota", "show", "--format", "json", **settings).stdout)
    assert (told["store"]["allowed"], told["runs"][0]["allowed"]) == (10 << 30, 1 << 10)
    for scope in ((), ("--run", "r")):
        assert hadrian("store", "quota", "drop", *scope, **settings).returncode == 0
    assert "run r has no quota" in complaint(hadrian("store", "quota", "drop", "--run", "r", **settings))
    assert hadrian("store", "quota", "show", **settings).returncode == 0


def test_tables_that_are_not_in_the_log_are_refused(store: Store) -> None:
    """By a writer before it sends anything, and by who installs; each names the table and what mends it."""
    before = _chunks(store)
    store.query("alter table hadrian.artifact_chunk set unlogged")
    try:
        with pytest.raises(NotConfigured, match=r"hadrian\.artifact_chunk is UNLOGGED") as refused:
            _written(store, store.content(10))
        assert refused.value.hint == "alter table hadrian.artifact_chunk set logged"
        with pytest.raises(NotConfigured, match=r"hadrian\.artifact_chunk is UNLOGGED"):
            migrate.install(store.pair.embedded.url("a"))
        assert _chunks(store) == before
    finally:
        store.query("alter table hadrian.artifact_chunk set logged")
    _written(store, store.content(10))
