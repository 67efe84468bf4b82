"""Checkpoints read again on both nodes of a real pair, with bits flipped, rows taken away and checkpoints removed."""

from __future__ import annotations

import array
import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from replicator.chunk import Chunk
from replicator.errors import ArtifactMissing, StoreCorrupt
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NODES
from replicator.store import checkpoints, collector, description, reader, reference, retention, verification
from replicator.store.checkpoints import Checkpoint
from replicator.store.description import Tensor
from replicator.store.digest import CHUNK_BYTES
from replicator.store.manifest import Blob
from replicator.store.reference import Reference
from replicator.store.retention import Keep
from replicator.store.verification import Hit, Verdict
from replicator.store.writer import Earlier, Writer
from tests.fixtures.pair import Pair
from tests.fixtures.store import Store

_LAST = "8 * octet_length(body) - 1"
_FLIP = f"update hadrian.chunk set body = set_bit(body, {_LAST}, 1 - get_bit(body, {_LAST})) where sha256 = %s"
_SIZE = 2 * CHUNK_BYTES + 4000


@pytest.fixture(scope="module")
def store(shared_pair: Pair) -> Iterator[Store]:
    """Make a store with three checkpoints of run `r`: all share `frozen`, each has a `w` of two shards of its own."""
    with contextlib.closing(Store(shared_pair)) as made:
        frozen = made.content(CHUNK_BYTES + 10)
        for step in (1, 2, 3):
            _publish(made, step, frozen)
        made.catch_up()
        yield made


def _publish(store: Store, step: int, frozen: bytes) -> None:
    writer = Writer(store.a)
    shards = {"shape": [2, _SIZE // 4], "size": [1, _SIZE // 4], "dtype": "float32", "fqn": "w"}
    blobs = [
        writer.put("frozen@0", frozen, {"fqn": "frozen", "dtype": "uint8", "shape": [len(frozen)], "offset": [0]}),
        *(writer.put(f"w@{row},0", store.content(_SIZE), {**shards, "offset": [row, 0]}) for row in (0, 1)),
    ]
    writer.flush()
    store.checkpoint(step, blobs=blobs)


class _Counting(PostgresDatabase):
    """A node that remembers which chunks were read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.read: list[bytes] = []

    def read_chunks(self, digests: Collection[bytes]) -> dict[bytes, Chunk]:
        """As in `PostgresDatabase`."""
        self.read += digests
        return super().read_chunks(digests)


def _found(database: PostgresDatabase) -> list[Checkpoint]:
    return checkpoints.found(database, "r")


def _blobs(store: Store, step: int) -> dict[str, Blob]:
    one = reference.find(store.a, Reference("r", step))
    return {blob.name: blob for blob in reader.manifest(store.a, one.artifact_id).blobs}


@contextlib.contextmanager
def _damaged(store: Store, damage: str, digest: bytes) -> Iterator[None]:
    """Do something to a chunk for as long as the block runs, on both nodes."""
    keep = "create table if not exists kept as select * from hadrian.chunk where false"
    store.query(keep)
    store.query("insert into kept select * from hadrian.chunk where sha256 = %s", digest)
    try:
        store.without_constraints(damage, digest)
        store.catch_up()
        yield
    finally:
        store.without_constraints("delete from hadrian.chunk where sha256 = %s", digest)
        back = "with gone as (delete from kept where sha256 = %s returning *) insert into hadrian.chunk table gone"
        store.query(back, digest)
        store.catch_up()


def test_whole_checkpoints_are_read_once_each_on_either_node(store: Store) -> None:
    """What three checkpoints share is read once, and everything counts as done."""
    for node in NODES:
        database = _Counting(store.pair.embedded.url(node))
        done: list[int] = []
        found = verification.verify(database, _found(database), done.append)
        assert found.verdicts == tuple(Verdict(step, whole=True, chunks=8, hits=0) for step in (3, 2, 1))
        assert (found.hits, found.removed, found.newest_whole) == ((), (), 3)
        assert found.chunks == 2 + 3 * 6
        assert found.plain_bytes == CHUNK_BYTES + 10 + 6 * _SIZE
        assert sum(done) == sum(one.size for one in _found(database))
        assert len(database.read) == len(set(database.read)) == found.chunks
        database.close()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_FLIP, "does not have its digest"),
        ("update hadrian.chunk set body = '\\xff' where sha256 = %s", "the body"),
        ("update hadrian.chunk set plain_bytes = 99 where sha256 = %s", f"has 99 bytes, not {CHUNK_BYTES}"),
        ("delete from hadrian.chunk where sha256 = %s", "is absent"),
    ],
)
def test_a_chunk_that_was_damaged_is_traced_to_its_tensor(store: Store, damage: str, reason: str) -> None:
    """On both nodes: the tensor, the shard, bytes and elements, and the newest checkpoint that is whole."""
    hit = _blobs(store, 3)["w@1,0"].chunks[1]
    with _damaged(store, damage, hit):
        for database in (store.a, store.b):
            found = verification.verify(database, _found(database)[:1])
            (one,) = found.hits
            assert reason in one.reason
            assert one == Hit(
                3, "w", "w@1,0", (CHUNK_BYTES, 2 * CHUNK_BYTES), (CHUNK_BYTES // 4, CHUNK_BYTES // 2), hit, one.reason
            )
            assert [(verdict.step, verdict.whole) for verdict in found.verdicts] == [(3, False), (2, True)]
            assert (found.where, found.newest_whole) == (database.where, 2)
    assert verification.verify(store.b, _found(store.b)).hits == ()


@contextlib.contextmanager
def _standby_file(store: Store, body: bytes) -> Iterator[tuple[Path, int]]:
    """Find a byte of a body in the files of the standby, which is down for as long as the block runs."""
    catalog = "select pg_relation_filepath(reltoastrelid) from pg_class where oid = 'hadrian.chunk'::regclass"
    ((path,),) = store.query(catalog)
    store.query("checkpoint")
    store.catch_up()
    store.query("checkpoint", node="b")  # what it replays when it starts again lies behind that
    store.pair.embedded.kill("b")
    store.b.close()
    store.pair.standby.close()
    file = store.pair.embedded.directory / "b" / str(path)
    try:
        yield file, file.read_bytes().index(body[len(body) // 2 :][:64]) - 1
    finally:
        store.pair.embedded.start(["b"])


def _flip(file: Path, at: int) -> None:
    with file.open("r+b") as content:
        content.seek(at)
        (byte,) = content.read(1)
        content.seek(at)
        content.write(bytes([byte ^ 4]))


def test_a_bit_flipped_on_one_nodes_disk_is_traced_there_and_the_other_node_has_the_checkpoint_whole(
    store: Store,
) -> None:
    """The server refuses the page; what lay on it is named all the same, and whatever else there is gets read."""
    hit = _blobs(store, 3)["w@0,0"].chunks[1]  # no other test makes a second row of it
    (body,) = (chunk.body for chunk in store.a.read_chunks([hit]).values())
    with _standby_file(store, body) as (file, at):
        _flip(file, at)
    found = verification.verify(store.b, _found(store.b)[:1])
    (one,) = found.hits
    assert (one.tensor, one.byte_range, one.chunk) == ("w", (CHUNK_BYTES, 2 * CHUNK_BYTES), hit)
    assert "invalid page in block" in one.reason
    assert found.newest_whole == 2
    assert verification.verify(store.a, _found(store.a)).hits == ()
    with _standby_file(store, body) as (file, at):
        _flip(file, at)
    assert verification.verify(store.b, _found(store.b)).hits == ()


def test_reading_goes_on_to_the_end_and_a_shared_chunk_hits_every_checkpoint(store: Store) -> None:
    """Two chunks of one tensor and one that all share: each is named wherever it is, and no checkpoint is whole."""
    blobs = _blobs(store, 3)
    with (
        _damaged(store, _FLIP, blobs["frozen@0"].chunks[1]),
        _damaged(store, _FLIP, blobs["w@0,0"].chunks[0]),
        _damaged(store, _FLIP, blobs["w@0,0"].chunks[2]),
    ):
        found = verification.verify(store.b, _found(store.b)[:1])
    assert [(hit.step, hit.tensor, hit.byte_range) for hit in found.hits] == [
        (3, "frozen", (CHUNK_BYTES, CHUNK_BYTES + 10)),
        (3, "w", (0, CHUNK_BYTES)),
        (3, "w", (2 * CHUNK_BYTES, _SIZE)),
        (2, "frozen", (CHUNK_BYTES, CHUNK_BYTES + 10)),
        (1, "frozen", (CHUNK_BYTES, CHUNK_BYTES + 10)),
    ]
    assert found.newest_whole is None
    assert found.chunks == 2 + 3 * 6


def test_a_difference_whose_base_was_damaged_is_hit(store: Store) -> None:
    """No checkpoint need hold the base: the chunk that cannot be read without it is named, and so is the base."""
    old = array.array("I", [int.from_bytes(store.content(3)) for _ in range(2000)])
    new = array.array("I", [number + 1 for number in old])
    writer = Writer(store.a)
    base = writer.put("w", old.tobytes(), width=4)
    writer.flush()
    blob = writer.put("w", new.tobytes(), width=4, earlier=Earlier(base, old.tobytes()))
    writer.flush()
    artifact_id = store.checkpoint(9, blobs=[blob])
    nine = reference.find(store.a, Reference("r", 9))
    assert description.describe(store.a, nine).differences == 1
    with _damaged(store, _FLIP, base.chunks[0]):
        found = verification.verify(store.b, [nine])
    (hit,) = found.hits
    assert (hit.step, hit.tensor, hit.chunk, found.newest_whole) == (9, "w", blob.chunks[0], 3)
    assert base.chunks[0].hex() in hit.reason
    store.query("delete from hadrian.checkpoint where step = 9")
    store.query("delete from hadrian.artifact where id = %s", artifact_id)


def test_a_checkpoint_that_another_differs_from_is_not_read_again(store: Store) -> None:
    """Reading the newer one proves all that it rests on."""
    old = array.array("I", store.content(4000))
    new = array.array("I", [number ^ 1 for number in old])
    writer = Writer(store.a)
    base = writer.put("w", old.tobytes(), width=4)
    writer.flush()
    blob = writer.put("w", new.tobytes(), width=4, earlier=Earlier(base, old.tobytes()))
    writer.flush()
    numbers = [store.checkpoint(7, blobs=[base]), store.checkpoint(8, blobs=[blob])]
    database = _Counting(store.pair.embedded.url("a"))
    found = verification.verify(database, [reference.find(store.a, Reference("r", step)) for step in (8, 7)])
    database.close()
    assert [verdict.whole for verdict in found.verdicts] == [True, True]
    assert (database.read, found.chunks) == ([*blob.chunks], 2)
    store.query("delete from hadrian.checkpoint where step in (7, 8)")
    store.query("delete from hadrian.artifact where id = any (%s)", numbers)


def test_a_manifest_that_was_altered_is_hit_and_so_is_a_list_of_chunks_with_a_gap(store: Store) -> None:
    """The manifest has a digest; what keeps the chunks from being collected is compared with it."""
    one = reference.find(store.a, Reference("r", 2))
    (digest,) = store.query("select sha256 from hadrian.artifact_chunk where artifact_id = %s limit 1", one.artifact_id)
    store.query("delete from hadrian.artifact_chunk where artifact_id = %s and sha256 = %s", one.artifact_id, *digest)
    store.query("update hadrian.artifact set plain_bytes = 7 where id = %s", one.artifact_id)
    found = verification.verify(store.a, [reference.find(store.a, Reference("r", 2))])
    assert [(hit.tensor, hit.chunk) for hit in found.hits] == [(None, None)] * 2
    assert "1 of its chunks are not listed as held" in found.hits[0].reason
    assert f"said to have 7 bytes, and has {one.size}" in found.hits[1].reason
    store.query("update hadrian.artifact set manifest = manifest || ' ' where id = %s", one.artifact_id)
    found = verification.verify(store.a, [one])
    assert found.verdicts == (Verdict(2, False, None, 1), Verdict(1, True, 8, 0))
    assert "does not have the digest" in found.hits[0].reason
    store.query("update hadrian.artifact set manifest = rtrim(manifest), plain_bytes = %s", one.size)
    store.query("insert into hadrian.artifact_chunk values (%s, %s)", one.artifact_id, *digest)
    assert verification.verify(store.a, _found(store.a)).hits == ()


def test_a_checkpoint_is_described_beside_the_one_before(store: Store) -> None:
    """Its tensors whole, what it shares, and what its tags are; the first has none before it."""
    two = reference.find(store.b, Reference("r", 2))
    described = description.describe(store.b, two)
    assert described.tensors == (
        Tensor("frozen", "uint8", (CHUNK_BYTES + 10,), CHUNK_BYTES + 10, 1),
        Tensor("w", "float32", (2, _SIZE // 4), 2 * _SIZE, 2),
    )
    assert (described.before, described.shared_chunks, described.differences) == (1, 2, 0)
    assert described.stored_bytes > 4 * CHUNK_BYTES > CHUNK_BYTES < described.shared_bytes
    assert (described.trained.steps, described.trained.first_loss) == (0, None)
    assert description.describe(store.b, reference.find(store.b, Reference("r", 1))).before is None


def test_a_checkpoint_removed_while_it_is_read_is_not_called_corrupt(store: Store) -> None:
    """Alone it is an error that says to take a newer one; among others it is said to be removed."""
    three, two, one = _found(store.b)

    def remove(_: int) -> None:
        retention.prune(store.a, "r", Keep(1), dry_run=False)
        collector.collect(store.a, 0)
        store.catch_up()

    found = verification.verify(store.b, [two, one, three], remove)
    assert ([verdict.step for verdict in found.verdicts], found.hits, found.removed) == ([3], (), (2, 1))
    with pytest.raises(ArtifactMissing, match="removed while it was read") as caught:
        verification.verify(store.b, [two])
    assert "take a newer one" in caught.value.hint


def test_a_damaged_chunk_that_nothing_holds_is_not_taken_for_what_is_saved(store: Store) -> None:
    """Neither as a chunk that is there already nor as the base of a difference; collected, it is sent again."""
    content = store.content(CHUNK_BYTES)
    writer = Writer(store.a)
    blob = writer.put("w", content, width=4)
    writer.flush()
    moved = array.array("I", content)
    moved[0] ^= 1
    with _damaged(store, _FLIP, blob.chunks[0]):
        for again in ((content, None), (moved.tobytes(), Earlier(blob, content))):
            writer = Writer(store.a)
            writer.put("w", again[0], width=4, earlier=again[1])
            with pytest.raises(StoreCorrupt, match=f"chunk {blob.chunks[0].hex()} does not have its digest") as caught:
                writer.flush()
            assert "hadrian store collect --grace 0" in caught.value.hint
        collector.collect(store.a, 0)
        writer = Writer(store.a)
        writer.put("w", content, width=4)
        writer.flush()
        assert reader.read(store.a, blob) == content
