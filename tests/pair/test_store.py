"""The store on a real pair: every byte back from the standby, and no artifact without its meaning, whatever dies."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from replicator.chunk import Chunk
from replicator.errors import AlreadyThere, ArtifactMissing, HadrianError, NodeLost, StoreCorrupt, TimelineForked
from replicator.position import Cursor, Lsn
from replicator.postgres.embedded import NODES, NodeName
from replicator.postgres.topology import wait_until
from replicator.store import checkpoints, codec, reader
from replicator.store.digest import CHUNK_BYTES
from replicator.store.durability import Durability
from replicator.store.manifest import Blob
from replicator.store.writer import MOST_DEPTH, Earlier, Writer, publish
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.store import CURSOR, Store

_ORPHANS = (
    "select count(*) from hadrian.artifact as a where kind = 'checkpoint' "
    "and not exists (select from hadrian.checkpoint as c where c.artifact_id = a.id)"
)


@pytest.fixture(scope="module")
def store(shared_pair: Pair) -> Iterator[Store]:
    """Make a store for the whole module."""
    with contextlib.closing(Store(shared_pair)) as made:
        yield made


@pytest.fixture
def own_store() -> Iterator[Store]:
    """Make a store that the test may kill and promote."""
    with fresh_pair() as pair, contextlib.closing(Store(pair)) as made:
        yield made


def _assert_no_checkpoint(store: Store, node: NodeName) -> None:
    assert store.query("select count(*) from hadrian.artifact where kind = 'checkpoint'", node=node) == [(0,)]
    assert store.query("select count(*) from hadrian.checkpoint", node=node) == [(0,)]


def _assert_no_orphan(store: Store) -> None:
    """Check that no session on either node sees a checkpoint's artifact without its cursor."""
    for node in NODES:
        assert store.query(_ORPHANS, node=node) == [(0,)]


# --- bytes -----------------------------------------------------------------------------------------------------


def test_every_byte_comes_back_from_the_standby(store: Store) -> None:
    """Empty, one byte, whole pieces, and more pieces than one round trip holds: as they were put, in each size."""
    sizes = (0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES, 5 * CHUNK_BYTES + 1, 9 * CHUNK_BYTES + 7)
    contents = [store.content(size) for size in sizes]
    artifact_id = store.artifact("sizes", *contents)
    store.catch_up()
    for database in (store.a, store.b):
        manifest = reader.manifest(database, artifact_id)
        assert [blob.name for blob in manifest.blobs] == [str(number) for number in range(len(sizes))]
        assert [reader.read(database, blob) for blob in manifest.blobs] == contents


def test_a_piece_that_repeats_is_stored_once_and_read_in_each_place(store: Store) -> None:
    """Content addresses content, not places."""
    content = bytes(3 * CHUNK_BYTES) + b"end"
    writer = Writer(store.a)
    blob = writer.put("zeros", content)
    writer.flush()
    assert (writer.written.chunks, writer.written.new_chunks) == (4, 2)
    assert reader.read(store.a, blob) == content


def test_bytes_that_are_there_are_not_sent_again(store: Store) -> None:
    """A second artifact of the same bytes, by another writer, costs nothing but its manifest."""
    content = store.content(3 * CHUNK_BYTES + 5)
    store.artifact("first", content)
    writer = Writer(store.a)
    blob = writer.put("same", content)
    writer.flush()
    assert (writer.written.chunks, writer.written.new_chunks, writer.written.stored_bytes) == (4, 0, 0)
    with publish(store.a, "test", "second", [blob]) as (_, artifact_id):
        pass
    assert reader.read(store.a, reader.manifest(store.a, artifact_id).blobs[0]) == content


def test_attributes_come_back(store: Store) -> None:
    """What the writer wants to find again stands in the manifest."""
    blob = Writer(store.a).put("empty", b"", {"shape": [0, 3], "dtype": "float32"})
    with publish(store.a, "test", "attributes", [blob]) as (_, artifact_id):
        pass
    assert reader.manifest(store.a, artifact_id).blobs == (blob,)


# --- writers at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [12, 6], ids=["the same", "overlapping"])
def test_writers_of_the_same_chunks_at_once_all_succeed(store: Store, shared: int) -> None:
    """Ranks hold the same tensors: whoever comes second leaves what is there, and nobody waits in a circle."""
    common = [store.content(1000) for _ in range(shared)]
    ready = threading.Barrier(4)

    def write(order: int) -> list[Blob]:
        mine = common + [store.content(1000) for _ in range(12 - shared)]
        random.Random(order).shuffle(mine)
        writer = Writer(store.database("a"))
        blobs = [writer.put(str(number), content) for number, content in enumerate(mine)]
        ready.wait()
        writer.flush()
        assert [bytes(reader.read(store.a, blob)) for blob in blobs] == mine
        return blobs

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, order) for order in range(4)]:
            assert len(done.result(timeout=60)) == 12


def _row(chunk: Chunk) -> tuple[bytes, int, bytes]:
    return chunk.sha256, chunk.plain_bytes, chunk.body


def test_two_that_store_the_same_chunks_wait_for_each_other_and_never_in_a_circle(store: Store) -> None:
    """The second waits at the first chunk both have, holding none that the first still wants, then sends the rest."""
    contents = [store.content(100) for _ in range(4)]
    rows = [Chunk(hashlib.sha256(content).digest(), 100, codec.encode(content)[1]) for content in contents]
    rows.sort(key=lambda chunk: chunk.sha256)
    insert = "insert into hadrian.chunk (sha256, plain_bytes, body) values (%s, %s, %s)"
    with ThreadPoolExecutor(1) as pool:
        with store.database("a").begin() as first:
            first.exec_driver_sql(insert, _row(rows[0]))
            second = pool.submit(store.a.insert_chunks, rows[::-1])
            waiting = "select count(*) from pg_locks where not granted"
            wait_until(lambda: store.query(waiting) == [(1,)], "the second to wait", timeout_s=30)
            first.exec_driver_sql(insert, _row(rows[-1]))
        second.result(timeout=60)
    blobs = [Blob("0", 100, (chunk.sha256,)) for chunk in rows]
    assert {bytes(reader.read(store.a, blob)) for blob in blobs} == set(contents)


# --- publish ---------------------------------------------------------------------------------------------------


def test_an_exception_inside_publish_leaves_neither_artifact_nor_checkpoint(store: Store) -> None:
    """Both or neither: whatever the block did is undone with the artifact."""
    blobs = store.put(store.content(10))
    before = store.query("select count(*) from hadrian.artifact_chunk")

    def fail(_: Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.checkpoint(1, blobs=blobs, before_cursor=fail)
    with pytest.raises(ZeroDivisionError):
        store.checkpoint(1, blobs=blobs, after_cursor=fail)
    _assert_no_checkpoint(store, "a")
    assert store.query("select count(*) from hadrian.artifact_chunk") == before


def test_a_checkpoint_and_its_cursor_are_of_one_transaction(own_store: Store) -> None:
    """The rows of artifact, chunks and checkpoint were written by the same transaction id."""
    store = own_store
    store.checkpoint(1, blobs=store.put(store.content(10)))
    writers = "select a.xmin = c.xmin and a.xmin = h.xmin from hadrian.artifact as a join hadrian.checkpoint as c "
    writers += "on c.artifact_id = a.id join hadrian.artifact_chunk as h on h.artifact_id = a.id"
    assert store.query(writers) == [(True,)]
    store.catch_up()
    _assert_no_orphan(store)


def test_a_backend_killed_before_the_cursor_leaves_no_artifact(own_store: Store) -> None:
    """Nobody ever sees a checkpoint's artifact without its cursor: not meanwhile, not afterwards, on neither node."""
    store = own_store
    blobs = store.put(store.content(10))

    def kill(transaction: Connection) -> None:
        pid = transaction.exec_driver_sql("select pg_backend_pid()").scalar_one()
        store.catch_up()
        _assert_no_orphan(store)
        assert store.query("select pg_terminate_backend(%s, 10000)", pid) == [(True,)]

    with pytest.raises(NodeLost):
        store.checkpoint(1, blobs=blobs, before_cursor=kill)
    store.catch_up()
    for node in NODES:
        _assert_no_checkpoint(store, node)


def test_a_primary_killed_before_the_cursor_leaves_no_artifact_on_the_promoted_standby(own_store: Store) -> None:
    """SIGKILL between manifest and cursor: the new primary has the chunks, no artifact, and takes the same again."""
    store = own_store
    blobs = store.put(store.content(10))

    def kill(_: Connection) -> None:
        store.catch_up()
        _assert_no_orphan(store)
        store.pair.fail_over()

    with pytest.raises(NodeLost):
        store.checkpoint(1, blobs=blobs, before_cursor=kill)
    _assert_no_checkpoint(store, "b")
    artifact_id = store.checkpoint(1, database=store.b, blobs=blobs)
    assert [found.artifact_id for found in checkpoints.found(store.b, "r")] == [artifact_id]


def test_a_manifest_that_names_an_absent_chunk_is_refused(store: Store) -> None:
    """The foreign key holds the promise that an artifact can be read."""
    (present,) = store.put(store.content(10))
    absent = Blob("absent", 1, (b"\x07" * 32,))
    with pytest.raises(HadrianError, match="foreign key"), publish(store.a, "test", "hole", [present, absent]):
        pass
    assert store.query("select count(*) from hadrian.artifact where name = 'hole'") == [(0,)]


def test_a_chunk_in_use_cannot_be_deleted(store: Store) -> None:
    """Whoever tidies the store by hand is stopped."""
    artifact_id = store.artifact("in use", store.content(10))
    with pytest.raises(HadrianError, match="foreign key"):
        store.query("delete from hadrian.chunk")
    assert reader.manifest(store.a, artifact_id).size == 10


def test_a_name_is_taken_once_for_each_kind(store: Store) -> None:
    """The second artifact of the same kind and name is refused; another kind may use the name."""
    store.artifact("taken")
    with pytest.raises(AlreadyThere), publish(store.a, "test", "taken", []):
        pass
    with publish(store.a, "other", "taken", []):
        pass
    assert store.query("select count(*) from hadrian.artifact where name = 'taken'") == [(2,)]


# --- differences ----------------------------------------------------------------------------------------------


def _moved(numbers: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=len(numbers)).astype(np.float32)
    return numbers + np.float32(1e-6) * noise


def test_states_that_move_a_little_are_stored_as_differences_of_bounded_depth(store: Store) -> None:
    """Each is read back to its bits on both nodes, costs less than a whole one, and the line of bases ends."""
    state = np.random.default_rng(11).normal(size=600_000).astype(np.float32)
    earlier: Earlier | None = None
    stored, kept = [], []
    for number in range(MOST_DEPTH + 3):
        state = _moved(state, number)
        writer = Writer(store.a)
        blob = writer.put("w", state.tobytes(), width=4, earlier=earlier)
        writer.flush()
        with publish(store.a, "test", f"moved/{number}", [blob]):
            pass
        earlier = Earlier(blob, state.tobytes())
        stored.append(writer.written.stored_bytes)
        kept.append((blob, state.tobytes()))
    store.catch_up()
    for blob, content in kept:
        assert reader.read(store.a, blob) == reader.read(store.b, blob) == content
    depths = store.a.chunk_depths([digest for blob, _ in kept for digest in blob.chunks])
    assert [[depths[digest] for digest in blob.chunks] for blob, _ in kept] == [
        [number % (MOST_DEPTH + 1)] * 3 for number in range(MOST_DEPTH + 3)
    ]
    whole, *differences = stored[: MOST_DEPTH + 1]
    assert max(differences) < 0.7 * whole
    assert stored[MOST_DEPTH + 1] > 0.9 * whole


def test_a_base_that_is_damaged_or_gone_is_named(store: Store) -> None:
    """Whoever reads what differs from it hears which chunk is to blame, and what for."""
    state = np.random.default_rng(12).normal(size=1000).astype(np.float32)
    (before,) = store.put(state.tobytes())
    writer = Writer(store.a)
    moved = _moved(state, 1)
    after = writer.put("w", moved.tobytes(), width=4, earlier=Earlier(before, state.tobytes()))
    writer.flush()
    assert store.a.chunk_depths(after.chunks) == {after.chunks[0]: 1}
    assert reader.read(store.a, after) == moved.tobytes()
    flip = "update hadrian.chunk set body = set_bit(body, 999, 1 - get_bit(body, 999)) where sha256 = %s"
    for change in (flip, "delete from hadrian.chunk where sha256 = %s"):
        store.without_constraints(change, before.chunks[0])
        with pytest.raises(StoreCorrupt, match=f"{before.chunks[0].hex()}.*needed for w"):
            reader.read(store.a, after)


def test_a_chunk_that_others_differ_from_cannot_be_deleted(store: Store) -> None:
    """Whatever becomes of the artifact that it was stored for."""
    state = np.random.default_rng(13).normal(size=1000).astype(np.float32)
    (before,) = store.put(state.tobytes())
    writer = Writer(store.a)
    writer.put("w", _moved(state, 1).tobytes(), width=4, earlier=Earlier(before, state.tobytes()))
    writer.flush()
    with store.a.begin() as transaction, pytest.raises(IntegrityError):
        transaction.exec_driver_sql("delete from hadrian.chunk where sha256 = %s", (before.chunks[0],))


# --- what a reader refuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "update hadrian.chunk set body = '\\xff'",
        "update hadrian.chunk c set body = (select o.body from hadrian.chunk o where o.sha256 <> c.sha256 limit 1)",
        "update hadrian.chunk set body = set_bit(body, 99, 1 - get_bit(body, 99))",
        "update hadrian.chunk set plain_bytes = 99",
        "delete from hadrian.chunk",
    ],
)
def test_a_chunk_that_is_not_what_was_stored_is_named(store: Store, change: str) -> None:
    """A body altered by hand, by one bit or whole, or a chunk that is gone: corrupt, with node and digest."""
    artifact_id = store.artifact(change, store.content(101), store.content(101))
    good, bad = reader.manifest(store.a, artifact_id).blobs
    store.without_constraints(f"{change} where sha256 = %s", bad.chunks[0])
    store.catch_up()
    for database in (store.a, store.b):
        with pytest.raises(StoreCorrupt, match=bad.chunks[0].hex()) as caught:
            reader.read(database, bad)
        assert database.where in str(caught.value)
        assert len(reader.read(database, good)) == 101


def test_a_manifest_altered_in_the_table_is_corrupt(store: Store) -> None:
    """The manifest has a digest of its own."""
    artifact_id = store.artifact("altered", store.content(10))
    store.query("update hadrian.artifact set manifest = replace(manifest, '10', '11') where id = %s", artifact_id)
    with pytest.raises(StoreCorrupt, match="does not have the digest"):
        reader.manifest(store.a, artifact_id)


def test_an_artifact_that_is_not_there_is_said_to_be_missing(store: Store) -> None:
    """The message names the node that was asked."""
    with pytest.raises(ArtifactMissing, match="has no artifact 999999"):
        reader.manifest(store.b, 999_999)


# --- checkpoints through a takeover ----------------------------------------------------------------------------


def test_the_newest_checkpoint_is_the_one_of_the_highest_step(own_store: Store) -> None:
    """Of the run that is asked for, on primary and standby, with its cursor."""
    store = own_store
    assert checkpoints.newest(store.a, "r") is None
    made = [store.checkpoint(step, Cursor(Lsn(100 + step), step)) for step in (2, 10, 9)]
    store.catch_up()
    for database in (store.a, store.b):
        newest = checkpoints.newest(database, "r")
        assert newest is not None
        assert (newest.step, newest.artifact_id, newest.cursor) == (10, made[1], Cursor(Lsn(110), 10))
        assert [found.step for found in checkpoints.found(database)] == [10, 9, 2]
        assert checkpoints.newest(database, "another") is None


def test_a_checkpoint_that_saw_rows_past_the_fork_is_refused(own_store: Store) -> None:
    """At the fork it is good, behind the fork it has learnt what never happened, and on the new timeline it is good."""
    store = own_store
    store.checkpoint(1)
    store.catch_up()
    store.pair.fail_over()
    fork = store.b.timeline_history().fork_of(1)
    assert fork is not None
    store.checkpoint(2, Cursor(fork, 0, timeline=1), store.b)
    assert (checkpoints.newest(store.b, "r") or pytest.fail("none")).step == 2
    store.checkpoint(3, Cursor(Lsn(fork + 1), 0, timeline=1), store.b)
    with pytest.raises(TimelineForked, match="lies past the fork"):
        checkpoints.newest(store.b, "r")
    store.checkpoint(4, Cursor(Lsn(fork + 1), 0, timeline=2), store.b)
    assert (checkpoints.newest(store.b, "r") or pytest.fail("none")).step == 4


def test_a_checkpoint_is_durable_once_the_standby_has_replayed_it(own_store: Store) -> None:
    """While replay is paused it is not, and when replay goes on it is."""
    store = own_store
    durability = Durability([store.b])
    store.query("select pg_wal_replay_pause()", node="b")
    store.checkpoint(1)
    durability.follow(1, CURSOR, store.a.committed())
    with pytest.raises(NodeLost, match="checkpoint 1"):
        durability.wait(0.3)
    assert store.query("select count(*) from hadrian.checkpoint", node="b") == [(0,)]
    store.query("select pg_wal_replay_resume()", node="b")
    assert [done.step for done in durability.wait(30)] == [1]
    assert (checkpoints.newest(store.b, "r") or pytest.fail("none")).step == 1


def test_a_commit_that_the_new_primary_never_had_is_not_durable(own_store: Store) -> None:
    """The old primary commits while cut off, and the promoted one writes past that position: still not durable."""
    store = own_store
    durability = Durability([store.b])
    assert durability.poll() == []
    store.query("alter system set primary_conninfo = ''", node="b")
    store.query("select pg_reload_conf()", node="b")
    receivers = "select count(*) from pg_stat_wal_receiver"
    wait_until(lambda: store.query(receivers, node="b") == [(0,)], "the standby to be cut off", timeout_s=30)
    store.checkpoint(1)
    commit_lsn = store.a.committed()
    durability.follow(1, CURSOR, commit_lsn)
    assert durability.poll() == []
    store.pair.embedded.promote("b")
    for write in ("create table later as select 1", "select pg_switch_wal()", "create table latest as select 1"):
        store.query(write, node="b")
    assert store.b.replayed() > commit_lsn
    with pytest.raises(NodeLost, match="took over before it had checkpoint 1"):
        durability.poll()
    assert checkpoints.newest(store.b, "r") is None
