"""Checkpoints removed and chunks collected on a real pair, with writers, readers and taggers at the same time."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from replicator import unfinished_snapshot
from replicator.errors import AlreadyThere, ArtifactMissing, BadInput, HadrianError
from replicator.position import Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.room import room
from replicator.postgres.snapshot import Begun
from replicator.postgres.topology import wait_until
from replicator.store import checkpoints, collector, reader, reference, retention
from replicator.store.collector import Collected
from replicator.store.digest import CHUNK_BYTES
from replicator.store.manifest import Blob
from replicator.store.reference import Reference
from replicator.store.retention import Keep
from replicator.store.writer import Writer, publish
from tests.fixtures.pair import Pair
from tests.fixtures.store import CURSOR, Store

_TIMEOUT_S = 60
_DAY_S = 24 * 3600.0
_Result = TypeVar("_Result")
_WAITING = "select count(*) from pg_locks where not granted"


@pytest.fixture(scope="module")
def store(shared_pair: Pair) -> Iterator[Store]:
    """Make a store for the whole module; each test begins without checkpoints and loose chunks."""
    with contextlib.closing(Store(shared_pair)) as made:
        yield made


@pytest.fixture(autouse=True)
def _empty(store: Store) -> None:
    for table in ("checkpoint_tag", "checkpoint", "artifact_chunk"):
        store.query(f"delete from hadrian.{table}")
    store.query("delete from hadrian.artifact where kind <> 'snapshot'")
    store.query("delete from hadrian.chunk where base is not null")
    store.query("delete from hadrian.chunk")


def _aged(store: Store) -> None:
    """Make every chunk two days old."""
    store.query("update hadrian.chunk set created_at = now() - interval '2 days'")


def _digests(store: Store) -> set[bytes]:
    return {bytes(row[0]) for row in store.query("select sha256 from hadrian.chunk")}  # type: ignore[call-overload]


def _steps(store: Store) -> list[int]:
    return [one.step for one in checkpoints.found(store.a, "r")]


def _wait_for_lock(store: Store) -> None:
    wait_until(lambda: store.query(_WAITING) != [(0,)], "a session to wait", timeout_s=_TIMEOUT_S)


# --- what is removed -------------------------------------------------------------------------------------------


def test_prune_removes_what_no_rule_keeps_and_a_dry_run_removes_nothing(store: Store) -> None:
    """The newest two, every 20th, the tagged one and the one of the lowest loss stay, each with its reason."""
    common = store.put(store.content(1000))
    for step in (10, 20, 30, 40, 50, 60, 70):
        store.checkpoint(step, blobs=[*common, *store.put(store.content(500 + step))[:0]])
    reference.tag(store.a, reference.find(store.a, Reference("r", 30)), "released", move=False)
    losses = "insert into hadrian.step (run, step, timeline, before_lsn, before_seq, after_lsn, after_seq, row_count, "
    losses += "rows_sha256, loss, grad_norm) select 'r', n, 1, '0/1', n, '0/1', n + 1, 1, sha256(''), %s, 0 "
    losses += "from unnest(%s::int[]) as n"
    store.query(losses, 3.0, [10, 30])
    store.query(losses, 1.0, [50])
    keep = Keep(last=2, every=20, best=1)
    tried = retention.prune(store.a, "r", keep, dry_run=True)
    assert _steps(store) == [70, 60, 50, 40, 30, 20, 10]
    removal = retention.prune(store.a, "r", keep, dry_run=False)
    assert removal == tried
    assert {one.checkpoint.step: one.reasons for one in removal.decisions} == {
        70: ("newest",), 60: ("newest", "every 20"), 50: ("best",), 40: ("every 20",), 30: ("tag released",),
        20: ("every 20",), 10: (),
    }  # fmt: skip
    assert _steps(store) == [70, 60, 50, 40, 30, 20]
    store.query("delete from hadrian.step")
    assert store.query("select count(*) from hadrian.artifact where name = 'r/10'") == [(0,)]


def test_what_is_removed_frees_what_nothing_else_holds(store: Store) -> None:
    """A chunk that two checkpoints share stays, and is read in the other; the rest is collected, on the standby too."""
    shared, alone = store.content(3000), store.content(2000)
    store.checkpoint(1, blobs=store.put(shared, alone))
    kept = store.checkpoint(2, blobs=store.put(shared))
    removal = retention.prune(store.a, "r", Keep(1), dry_run=False)
    assert removal.chunks == 1
    assert removal.stored_bytes >= 2000
    assert collector.loose(store.a, 0).over == Collected(1, removal.stored_bytes)
    assert collector.collect(store.a, 0) == Collected(1, removal.stored_bytes)
    store.catch_up()
    for database in (store.a, store.b):
        (blob,) = reader.manifest(database, kept).blobs
        assert reader.read(database, blob) == shared
        assert database.chunk_depths([hashlib.sha256(alone).digest()]) == {}


def test_a_tagged_or_newest_checkpoint_is_removed_by_force_only(store: Store) -> None:
    """It says which and why, and removes none of those named beside it."""
    for step in (1, 2, 3):
        store.checkpoint(step)
    reference.tag(store.a, reference.find(store.a, Reference("r", 1)), "good", move=False)
    with pytest.raises(BadInput, match="r/1 is tagged good") as refused:
        retention.remove(store.a, [Reference("r", 2), Reference("r", 1)], force=False)
    assert "hadrian checkpoint tag r/1 good --delete" in refused.value.hint
    with pytest.raises(BadInput, match="r/3 is the newest"):
        retention.remove(store.a, [Reference("r", 3)], force=False)
    with pytest.raises(ArtifactMissing, match="no checkpoint 7"):
        retention.remove(store.a, [Reference("r", 2), Reference("r", 7)], force=True)
    with pytest.raises(BadInput, match="r names a run and no checkpoint"):
        retention.remove(store.a, [Reference("r")], force=True)
    assert _steps(store) == [3, 2, 1]
    retention.remove(store.a, [Reference("r", 2)], force=False)
    gone = retention.remove(store.a, [Reference("r", tag="good"), Reference("r", 3)], force=True)
    assert [one.step for one in gone["r"].removed] == [3, 1]
    assert reference.tags(store.a, "r") == {}


def test_a_tag_names_one_checkpoint_of_a_run_and_can_be_moved_and_taken_away(store: Store) -> None:
    """A second checkpoint does not get it without a word; the same one does."""
    for step in (1, 2):
        store.checkpoint(step)
    one, two = (reference.find(store.a, Reference("r", step)) for step in (1, 2))
    reference.tag(store.a, one, "best", move=False)
    reference.tag(store.a, one, "best", move=False)
    with pytest.raises(AlreadyThere, match="tag best is on r/1"):
        reference.tag(store.a, two, "best", move=False)
    reference.tag(store.a, two, "best", move=True)
    assert reference.find(store.a, Reference.parse("r:best")) == two
    assert reference.find(store.a, Reference.parse("r")) == two
    assert reference.find(store.a, Reference.parse("r/1")) == one
    with pytest.raises(ArtifactMissing, match="r/1 has no tag best"):
        reference.untag(store.a, one, "best")
    reference.untag(store.a, two, "best")
    with pytest.raises(ArtifactMissing, match="run r has no tag best"):
        reference.find(store.a, Reference.parse("r:best"))
    with pytest.raises(BadInput, match="not a tag"):
        reference.tag(store.a, two, "a b", move=False)
    with pytest.raises(ArtifactMissing, match="run other has no checkpoint"):
        reference.find(store.a, Reference("other"))


# --- at the same time ------------------------------------------------------------------------------------------


def _waits(store: Store, pool: ThreadPoolExecutor, call: Callable[[], _Result]) -> Future[_Result]:
    """Begin a call that must wait for a lock, and wait until it does."""
    future = pool.submit(call)
    _wait_for_lock(store)
    return future


def test_a_checkpoint_that_is_being_tagged_is_not_pruned(store: Store) -> None:
    """The prune waits for the tag to be there, and then keeps the checkpoint."""
    for step in (1, 2):
        store.checkpoint(step)
    insert = "insert into hadrian.checkpoint_tag (run, tag, step) values ('r', 'kept', 1)"
    with ThreadPoolExecutor(1) as pool:
        with store.database("a").begin() as tagging:
            tagging.exec_driver_sql(insert)
            pruned = _waits(store, pool, lambda: retention.prune(store.a, "r", Keep(1), dry_run=False))
        pruned.result(timeout=_TIMEOUT_S)
    assert _steps(store) == [2, 1]
    assert reference.tags(store.a, "r") == {"kept": 1}


def test_a_checkpoint_that_is_being_removed_cannot_be_tagged(store: Store) -> None:
    """The tag waits for the removal, and then says that the checkpoint is gone."""
    for step in (1, 2):
        store.checkpoint(step)
    one = reference.find(store.a, Reference("r", 1))
    with ThreadPoolExecutor(1) as pool:
        with store.database("a").begin() as removing:
            removing.exec_driver_sql("delete from hadrian.checkpoint where run = 'r' and step = 1")
            tagged = _waits(store, pool, lambda: reference.tag(store.a, one, "late", move=True))
        with pytest.raises(ArtifactMissing, match="r/1 was removed just now"):
            tagged.result(timeout=_TIMEOUT_S)


def test_removals_of_runs_that_share_chunks_wait_for_each_other_and_never_in_a_circle(store: Store) -> None:
    """Two checkpoints each, of the same two chunks the other way round: the second removal begins behind the first."""
    first, second = ([blob] for blob in store.put(store.content(100), store.content(101)))
    store.query("insert into hadrian.run (name, feed, recipe) values ('turned', 'f', '{}') on conflict do nothing")
    mine = [store.checkpoint(1, blobs=first), store.checkpoint(2, blobs=second), store.checkpoint(3)][:2]
    for step, blobs in ((1, second), (2, first), (3, [])):
        with publish(store.a, "checkpoint", f"turned/{step}", blobs) as (transaction, artifact_id):
            checkpoints.record(store.a, transaction, "turned", step, artifact_id, CURSOR)
    store.query("delete from hadrian.checkpoint where artifact_id = any(%s)", mine)
    with ThreadPoolExecutor(1) as pool:
        with store.database("a").begin() as removing:
            removing.execute(store.a.statement("store/lock_removal"))
            removing.exec_driver_sql("delete from hadrian.artifact where id = %s", (mine[1],))
            pruned = _waits(store, pool, lambda: retention.prune(store.a, "turned", Keep(1), dry_run=False))
            removing.exec_driver_sql("delete from hadrian.artifact where id = %s", (mine[0],))
        pruned.result(timeout=_TIMEOUT_S)
    assert collector.loose(store.a, 0).over.chunks == 2


def test_runs_that_share_chunks_save_prune_and_collect_at_once_and_lose_nothing(store: Store) -> None:
    """Each of four threads publishes and prunes its own checkpoints of the same few chunks, over and over."""
    contents = [store.content(200) for _ in range(6)]
    store.query("insert into hadrian.run (name, feed, recipe) select 's' || n, 'f', '{}' from generate_series(1, 4) n")
    begin = threading.Barrier(4)

    def publish_and_prune(number: int) -> int:
        database, run = store.database("a"), f"s{number}"
        begin.wait()
        for step in range(1, 9):
            mine = contents[number:] + contents[:number]
            blobs = [_put(database, str(index), content) for index, content in enumerate(mine)]
            with publish(database, "checkpoint", f"{run}/{step}", blobs) as (transaction, artifact_id):
                checkpoints.record(database, transaction, run, step, artifact_id, CURSOR)
            retention.prune(database, run, Keep(2), dry_run=False)
            collector.collect(database, _DAY_S)
        (newest, _) = checkpoints.found(database, run)
        whole = [bytes(reader.read(database, blob)) for blob in reader.manifest(database, newest.artifact_id).blobs]
        return len(set(whole) & set(contents))

    with ThreadPoolExecutor(4) as pool:
        assert [
            done.result(timeout=_TIMEOUT_S) for done in [pool.submit(publish_and_prune, n) for n in range(1, 5)]
        ] == [6] * 4


def _put(database: PostgresDatabase, name: str, content: bytes) -> Blob:
    writer = Writer(database)
    blob = writer.put(name, content)
    writer.flush()
    return blob


# --- the collector ---------------------------------------------------------------------------------------------


def test_nothing_that_something_holds_is_collected(store: Store) -> None:
    """Not an artifact's chunk, not the base of a held difference, not a part of a snapshot being taken, however old."""
    (held,) = store.put(store.content(100))
    (part,) = store.put(store.content(101))
    (base,) = store.put(store.content(102))
    (loose,) = store.put(store.content(103))
    difference = hashlib.sha256(b"difference").digest()
    insert = "insert into hadrian.chunk (sha256, plain_bytes, body, coding, base, depth) values (%s, 1, 'x', 2, %s, 1)"
    store.query(insert, difference, base.chunks[0])
    store.checkpoint(1, blobs=[held, Blob("d", 1, (difference,))])
    unfinished_snapshot.begin(store.a, "growing", Begun(Lsn(1), 1, "", 1, (1,)))
    unfinished_snapshot.keep_part(store.a, "growing", 0, [part])
    _aged(store)
    assert collector.loose(store.a, _DAY_S).over.chunks == 1
    assert collector.collect(store.a, _DAY_S).chunks == 1
    assert _digests(store) == {held.chunks[0], part.chunks[0], base.chunks[0], difference}
    assert loose.chunks[0] not in _digests(store)
    with store.a.begin() as transaction:
        unfinished_snapshot.forget(store.a, transaction, "growing")
    retention.remove(store.a, [Reference("r", 1)], force=True)
    _aged(store)
    told: list[Collected] = []
    assert collector.collect(store.a, _DAY_S, told.append).chunks == 4
    assert sum(one.chunks for one in told) == 4
    assert _digests(store) == set()


def test_the_grace_begins_when_a_chunk_is_stored_let_go_or_wanted_again(store: Store) -> None:
    """A new chunk, one whose artifact was removed just now, and one that a writer found there: none of them goes."""
    old, fresh = store.put(store.content(100), store.content(101))
    (removed,) = store.put(store.content(102))
    (wanted,) = store.put(store.content(103))
    store.checkpoint(1, blobs=[removed])
    _aged(store)
    store.query("update hadrian.chunk set created_at = now() where sha256 = %s", fresh.chunks[0])
    store.query("delete from hadrian.checkpoint")
    store.query("delete from hadrian.artifact where kind = 'checkpoint'")
    store.a.renew_chunks([*wanted.chunks, *fresh.chunks])
    loose = collector.loose(store.a, _DAY_S)
    assert (loose.over.chunks, loose.fresh.chunks) == (1, 3)
    assert collector.collect(store.a, _DAY_S).chunks == 1
    assert _digests(store) == {fresh.chunks[0], removed.chunks[0], wanted.chunks[0]}
    assert old.chunks[0] not in _digests(store)


def test_a_chunk_that_is_being_published_stays(store: Store) -> None:
    """Neither waits for the other: the collector passes over it, and takes what is beside it."""
    (mine,) = store.put(store.content(100))
    store.put(store.content(101))
    _aged(store)

    def collect(_: Connection) -> None:
        assert collector.collect(store.database("a"), _DAY_S).chunks == 1

    artifact_id = store.checkpoint(1, blobs=[mine], before_cursor=collect)
    assert len(reader.read(store.a, reader.manifest(store.a, artifact_id).blobs[0])) == 100


def test_a_chunk_that_was_published_between_look_and_lock_stays(store: Store) -> None:
    """What is locked is looked at again: an artifact that came to hold it since keeps it, and nothing fails."""
    (mine,) = store.put(store.content(100))
    _aged(store)
    with store.database("a").begin() as collecting:
        seen = {"grace_s": _DAY_S, "digests": [*mine.chunks]}
        store.checkpoint(1, blobs=[mine])
        store.query("update hadrian.chunk set created_at = now() - interval '2 days'")
        assert collecting.execute(store.a.statement("store/lock_loose_chunks"), seen).all() == []
        deleted = collecting.execute(store.a.statement("store/delete_loose_chunks"), {"digests": [mine.chunks[0]]})
        assert deleted.all() == []
    assert _digests(store) == {mine.chunks[0]}


def test_a_writer_that_wants_a_chunk_being_collected_finds_it_gone(store: Store) -> None:
    """It waits for the collector, and then stores the chunk again: what it publishes is whole."""
    content = store.content(100)
    (old,) = store.put(content)
    _aged(store)
    with ThreadPoolExecutor(1) as pool:
        with store.database("a").begin() as collecting:
            seen = {"grace_s": _DAY_S, "digests": [*old.chunks]}
            locked = collecting.execute(store.a.statement("store/lock_loose_chunks"), seen).scalars().all()
            assert [bytes(one) for one in locked] == list(old.chunks)
            stored = _waits(store, pool, lambda: store.put(content))
            collecting.execute(store.a.statement("store/delete_loose_chunks"), {"digests": locked})
        blobs = stored.result(timeout=_TIMEOUT_S)
    assert blobs == [old]
    artifact_id = store.checkpoint(1, blobs=blobs)
    assert reader.read(store.a, reader.manifest(store.a, artifact_id).blobs[0]) == content


def test_a_writer_whose_chunk_was_collected_is_refused_and_nothing_is_there(store: Store) -> None:
    """A writer slower than the grace: the foreign key stops it, and no artifact has a hole."""
    (old,) = store.put(store.content(100))
    assert collector.collect(store.a, 0).chunks == 1
    with pytest.raises(HadrianError, match="foreign key"):
        store.checkpoint(1, blobs=[old])
    assert _steps(store) == []


def test_a_reader_half_way_through_a_checkpoint_that_is_removed_reads_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the standby: within the grace every byte comes; after it the error says to take a newer one."""
    monkeypatch.setattr(reader, "_GROUP_BYTES", CHUNK_BYTES)  # so that it does not read ahead to the end
    content = store.content(10 * CHUNK_BYTES)
    artifact_id = store.checkpoint(1, blobs=store.put(content))
    store.checkpoint(2)
    _aged(store)
    store.catch_up()
    (blob,) = reader.manifest(store.b, artifact_id).blobs
    pieces = reader.plain(store.b, reader.pieces_of(blob))
    begun = next(pieces)
    retention.prune(store.a, "r", Keep(1), dry_run=False)
    assert collector.collect(store.a, _DAY_S) == Collected()
    store.catch_up()
    assert b"".join([begun, *pieces]) == content
    pieces = reader.plain(store.b, reader.pieces_of(blob))
    next(pieces)
    assert collector.collect(store.a, 0).chunks == 10
    store.catch_up()
    with (
        pytest.raises(ArtifactMissing, match="removed while it was read") as caught,
        checkpoints.reading(store.b, artifact_id),
    ):
        list(pieces)
    assert "take a newer one" in caught.value.hint


# --- room ------------------------------------------------------------------------------------------------------


def test_letting_go_and_renewing_write_rows_and_no_bodies(store: Store) -> None:
    """The body of a chunk lies apart, and stays where it is: removing a checkpoint logs little."""
    store.checkpoint(1, blobs=store.put(store.content(4 * CHUNK_BYTES)))
    store.query("checkpoint")
    ((before,),) = store.query("select pg_current_wal_insert_lsn()::text")
    retention.remove(store.a, [Reference("r", 1)], force=True)
    ((logged,),) = store.query("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)::bigint", before)
    assert isinstance(logged, int)
    assert logged < CHUNK_BYTES / 4


def test_dead_room_is_shown_and_vacuum_makes_it_free(store: Store) -> None:
    """By the server's statistics, and exactly where pgstattuple is installed."""
    store.query("vacuum full hadrian.chunk")
    store.query("alter table hadrian.chunk set (autovacuum_enabled = off, toast.autovacuum_enabled = off)")
    store.put(store.content(4 * CHUNK_BYTES))
    store.put(store.content(CHUNK_BYTES))
    taken = room(store.a)
    assert (taken.chunks, taken.measured, taken.autovacuum_on) == (5, False, False)
    assert taken.size_bytes > taken.stored_bytes >= 5 * CHUNK_BYTES
    store.query("create extension pgstattuple")
    collector.collect(store.a, 0)
    taken = room(store.a)
    assert (taken.chunks, taken.measured) == (0, True)
    assert taken.dead_bytes > 5 * CHUNK_BYTES

    def vacuumed() -> bool:
        store.catch_up()
        store.query("select pg_reload_conf()", node="b")  # it then says at once which rows it still needs
        store.query("vacuum hadrian.chunk")
        return room(store.a).dead_bytes == 0

    wait_until(vacuumed, "no standby to need the dead rows", timeout_s=_TIMEOUT_S)
    taken = room(store.a)
    assert taken.free_bytes > 5 * CHUNK_BYTES
    assert taken.size_bytes > 5 * CHUNK_BYTES
    store.query("drop extension pgstattuple")
    store.query("alter table hadrian.chunk reset (autovacuum_enabled, toast.autovacuum_enabled)")
    assert room(store.a).autovacuum_on
