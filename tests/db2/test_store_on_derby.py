"""The store on Db2, its statements through ibm_db against Derby: bytes in, the same bytes out, or nothing.

Derby has the tables, keys and isolation levels that the statements name. Log positions are those that a stand-in for
Db2's monitor tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from replicator.chunk import Chunk, Coding
from replicator.db2 import chunks
from replicator.db2.adapter import Db2Database
from replicator.db2.chunks import PIECE_BYTES
from replicator.errors import AlreadyThere, ArtifactMissing, HadrianError, NodeLost, NotConfigured, SlotInUse
from replicator.feed import definition as definitions
from replicator.position import Cursor, Lsn
from replicator.store import checkpoints, reader
from replicator.store.digest import CHUNK_BYTES
from replicator.store.durability import Durability
from replicator.store.standbys import standing
from replicator.store.writer import Writer, publish
from replicator.topology import Standby
from tests.fixtures.db2_catalog import HOSTS
from tests.fixtures.derby import Peer
from tests.fixtures.derby_store import FAR, LARGE, Node, artifact, feed
from tests.fixtures.drda_rewriting import Refusal

ABSENT = b"a" * 32


@pytest.fixture
def elsewhere(node: Node) -> Iterator[Db2Database]:
    """Give the store through sessions of another program's."""
    with contextlib.closing(Db2Database(node.peer.url(), 30)) as other:
        yield other


def chunk(body: bytes, *how: Any) -> Chunk:
    """Return a chunk, named as if the body were its plain bytes."""
    return Chunk(hashlib.sha256(body).digest(), len(body), body, *how)


@pytest.mark.parametrize("size", [1, PIECE_BYTES, PIECE_BYTES + 1, len(LARGE)])
def test_bodies_come_back_as_they_went(database: Db2Database, size: int) -> None:
    """One piece or many, every byte is stored and read, in order."""
    stored = [chunk(LARGE[:size]), chunk(b"other")]
    database.insert_chunks(stored)
    asked = [*(one.sha256 for one in stored), ABSENT]
    assert database.read_chunks(asked) == {one.sha256: one for one in stored}


def test_views_of_bytes_are_stored_as_bytes(database: Db2Database) -> None:
    """The driver would store what a memoryview prints, so each value is bytes before it sees it."""
    one = chunk(LARGE)
    careless: Any = Chunk(memoryview(one.sha256), one.plain_bytes, memoryview(LARGE))  # type: ignore[arg-type]
    database.insert_chunks([careless, chunk(b"x")])
    assert database.read_chunks([one.sha256]) == {one.sha256: one}


def test_a_difference_comes_with_its_bases(database: Db2Database) -> None:
    """What is needed to read a chunk comes with it, whichever order all of it was stored in."""
    base = chunk(b"base")
    second = chunk(b"second", Coding.DIFFERENCE, base.sha256, 1)
    third = chunk(b"third", Coding.DIFFERENCE, second.sha256, 2)
    database.insert_chunks([third, chunk(b"other", Coding.PLANES), second, base])
    assert database.read_chunks([third.sha256]) == {one.sha256: one for one in (base, second, third)}
    assert database.chunk_depths([base.sha256, third.sha256]) == {base.sha256: 0, third.sha256: 2}


def test_which_chunks_are_there(database: Db2Database) -> None:
    """Those are told, among more than one query asks for."""
    stored = [chunk(b"%d" % number) for number in range(3)]
    database.insert_chunks(stored)
    absent = [hashlib.sha256(b"absent %d" % number).digest() for number in range(chunks._DIGESTS_A_QUERY)]
    found = database.chunk_depths([*absent, *(one.sha256 for one in stored)])
    assert found == {one.sha256: 0 for one in stored}
    assert database.chunk_depths([]) == {}


def test_chunks_that_are_there_stay(node: Node, database: Db2Database) -> None:
    """A batch that holds known ones and new ones stores the new ones, twice over too."""
    first, second = chunk(b"first"), chunk(b"second")
    database.insert_chunks([first])
    for _ in range(2):
        database.insert_chunks([second, first, second])
    assert database.read_chunks([first.sha256, second.sha256]) == {one.sha256: one for one in (first, second)}
    assert node.run("select count(*) from hadrian.chunk_piece") == [(2,)]


def test_two_writers_of_the_same_chunks(node: Node, database: Db2Database, elsewhere: Db2Database) -> None:
    """Both end well, and each chunk is there once."""
    batch = [chunk(b"%d" % number * PIECE_BYTES) for number in range(8)]
    failed: list[HadrianError] = []

    def write(writer: Db2Database, order: int) -> None:
        try:
            writer.insert_chunks(batch[::order])
        except HadrianError as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=one) for one in ((database, 1), (elsewhere, -1))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == []
    assert node.run("select count(*) from hadrian.chunk") == [(len(batch),)]


def test_a_connection_that_is_killed_in_the_middle_of_a_chunk(node: Node, database: Db2Database) -> None:
    """Of the whole batch nothing is there, and the same call stores it afterwards."""
    batch = [chunk(b"whole"), chunk(LARGE)]
    node.peer.script.unanswered.add("CHUNK_PIECE")
    killer = threading.Timer(0.5, node.peer.drop_connections)
    killer.start()
    with pytest.raises(NodeLost):
        database.insert_chunks(batch)
    killer.join()
    node.peer.script.clear()
    assert database.chunk_depths([one.sha256 for one in batch]) == {}
    database.insert_chunks(batch)
    assert database.read_chunks([one.sha256 for one in batch]) == {one.sha256: one for one in batch}


def test_an_artifact_and_its_manifest(node: Node, database: Db2Database) -> None:
    """Its manifest comes back whole, also where a character lies across two pieces; its chunks cannot go."""
    held = chunk(b"held")
    database.insert_chunks([held])
    text = "数" * PIECE_BYTES
    number = artifact(database, "a", held.sha256, manifest=text)
    assert database.manifest(number) == (text, hashlib.sha256(text.encode()).digest())
    assert database.manifest(number + 1) is None
    with pytest.raises(HadrianError, match="SQL05"):
        node.run("delete from hadrian.chunk")
    with pytest.raises(AlreadyThere):
        artifact(database, "a")


def test_an_artifact_that_is_rolled_back(database: Db2Database) -> None:
    """Without its transaction's commit there is no artifact, and one whose chunk is not there cannot be."""
    with pytest.raises(HadrianError, match="SQL0530N"):
        artifact(database, "a", ABSENT)
    assert database.manifest(artifact(database, "a")) is not None


def test_a_manifest_of_which_not_all_is_here(node: Node, database: Db2Database) -> None:
    """A reader that sees what is not committed yet takes an artifact for absent until all of its manifest is there."""
    number = artifact(database, "a", manifest="x" * (2 * PIECE_BYTES))
    node.run("delete from hadrian.manifest_piece where number = 2")
    assert database.manifest(number) is None
    node.run("delete from hadrian.manifest_piece")
    assert database.manifest(number) is None


def test_an_artifact_from_its_writer_to_its_reader(database: Db2Database, elsewhere: Db2Database) -> None:
    """What a writer puts in, a reader elsewhere gets out, and a second writer of the same sends nothing."""
    content = {"small": b"\0", "empty": b"", "large": random.Random(1).randbytes(2 * CHUNK_BYTES + 1)}
    for name, new in (("first", 4), ("second", 0)):
        writer = Writer(database)
        blobs = [writer.put(blob, data, {"of": blob}) for blob, data in content.items()]
        writer.flush()
        assert writer.written.new_chunks == new
        with publish(database, "report", name, blobs) as (_, number):
            pass
        kept = reader.manifest(elsewhere, number)
        assert {blob.name: bytes(reader.read(elsewhere, blob)) for blob in kept.blobs} == content


def test_a_connection_that_is_killed_before_an_artifact_is_there(node: Node, database: Db2Database) -> None:
    """Whatever its transaction had written is gone, and the same name can be taken."""
    writer = Writer(database)
    blobs = [writer.put("a", LARGE)]
    writer.flush()
    numbers = []

    def killed() -> None:
        with publish(database, "report", "r", blobs) as (transaction, number):
            numbers.append(number)
            node.peer.drop_connections()
            checkpoints.record(database, transaction, "r", 1, number, Cursor(FAR, 0))

    with pytest.raises(NodeLost):
        killed()
    with pytest.raises(ArtifactMissing):
        reader.manifest(database, numbers[0])
    with publish(database, "report", "r", blobs) as (_, number):
        pass
    assert bytes(reader.read(database, reader.manifest(database, number).blobs[0])) == LARGE


class Kills(list[str]):
    """What a proxy has seen; with its so-manieth statement it drops every connection."""

    def __init__(self, peer: Peer, at: int) -> None:
        super().__init__()
        self._peer, self._at = peer, at

    def append(self, statement: str) -> None:
        """Take note of a statement."""
        super().append(statement)
        if len(self) == self._at:
            self._peer.drop_connections()


def test_a_connection_that_is_killed_at_each_statement(node: Node, database: Db2Database) -> None:
    """Wherever it is, the artifact is there whole or not at all, and the next attempt makes it."""

    def store() -> None:
        writer = Writer(database)
        blob = writer.put("a", LARGE + b"more")
        writer.flush()
        with publish(database, "report", "r", [blob]):
            pass

    def stored() -> list[bytes]:
        found = [reader.manifest(database, number) for (number,) in node.run("select id from hadrian.artifact")]
        return [bytes(reader.read(database, one.blobs[0])) for one in found]

    at, done = 0, False
    while not done:
        at += 1
        node.reset()
        node.peer.script.seen = Kills(node.peer, at)
        try:
            store()
            done = True
        except NodeLost:
            pass
        finally:
            node.peer.script.seen = []
        if not done:
            database.close()
            assert stored() == []
            store()
        assert stored() == [LARGE + b"more"]
    assert at > len(("depths", "chunks", "piece", "piece", "artifact", "its number", "manifest", "held chunks"))


def test_chunks_that_nothing_holds(node: Node, database: Db2Database) -> None:
    """A chunk is loose unless an artifact holds it or a difference from it is there; let go, its grace begins anew."""
    base = chunk(b"base")
    difference, held = chunk(b"x", Coding.DIFFERENCE, base.sha256, 1), chunk(b"held")
    database.insert_chunks([base, difference, held])
    number = artifact(database, "a", held.sha256)
    loose = "select sha256, stored_bytes from hadrian.loose_chunk order by stored_bytes"
    assert [(bytes(digest), size) for digest, size in node.run(loose)] == [(difference.sha256, 1)]
    node.run("update hadrian.chunk set created_at = '2001-01-02 03:04:05'")
    node.run("delete from hadrian.artifact_chunk where artifact_id = ?", number)
    old = {bytes(row[0]) for row in node.run("select sha256 from hadrian.chunk where year(created_at) = 2001")}
    assert old == {base.sha256, difference.sha256}
    assert (held.sha256, 4) in [(bytes(digest), size) for digest, size in node.run(loose)]


def test_a_table_space_that_is_not_there(node: Node) -> None:
    """Whoever installs the schema without it is told where it says how to make it."""
    node.peer.script.refused["IN HADRIAN_32K"] = Refusal(-204, "42704", ("HADRIAN_32K",))
    with pytest.raises(NotConfigured, match="HADRIAN_32K") as refused:
        node.run("create table hadrian.wide (body varchar(32000)) in hadrian_32k")
    assert "0001_store.sql" in refused.value.hint


def test_what_db2_does_not_have_yet(database: Db2Database) -> None:
    """Whoever asks for it is told so, and by no traceback."""
    with pytest.raises(NotConfigured, match="not there on Db2 yet"):
        database.statement("feed/unfinished_snapshots")


def test_a_library_travels(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The library of an external routine, of which the log carries no byte, goes in here and comes out there."""
    here, there = tmp_path / "udf.so", tmp_path / "function"
    here.write_bytes(LARGE)
    there.mkdir()
    url = node.peer.url()
    assert main(["library", "push", "udf", str(here), "--primary", url]) == 0
    assert main(["library", "list", "--node", url]) == 0
    assert "udf.so" in capsys.readouterr().out
    assert main(["library", "check", "--node", url, "--in", str(there)]) == 1
    assert main(["library", "install", "udf", "--node", url, "--to", str(there)]) == 0
    assert main(["library", "check", "--node", url, "--in", str(there)]) == 0
    assert (there / "udf.so").read_bytes() == LARGE


def test_feeds_are_found_again(database: Db2Database) -> None:
    """A definition comes back as it was recorded, its position with all of its bits."""
    first, second = feed(database, "a"), feed(database, "b")
    assert definitions.every(database) == [first, second]
    assert definitions.find(database, "b") == second
    assert definitions.find(database, "c") is None


def test_checkpoints_are_found_again(node: Node, database: Db2Database, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint comes back with its cursor, and with the one that it was passed over to."""
    feed(database)
    held = chunk(b"held")
    database.insert_chunks([held])
    for run in ("r", "s"):
        node.run("insert into hadrian.run (name, feed, recipe) values (?, 't', '')", run)
    for run, step in (("r", 1), ("r", 2), ("s", 9)):
        number = artifact(database, f"{run}/{step}", held.sha256)
        with database.begin() as transaction:
            checkpoints.record(database, transaction, run, step, number, Cursor(FAR, step, 3))
    further = Cursor(Lsn(FAR + 7), 0, 4)
    checkpoints.pass_over(database, "r", 2, further)
    newest, oldest = checkpoints.found(database, "r")
    assert (newest.step, newest.cursor, newest.cursor.timeline) == (2, Cursor(FAR, 2, 3), 3)
    assert (newest.read_from, newest.read_from.timeline) == (further, 4)
    assert (oldest.step, oldest.read_from, oldest.chunks, oldest.size) == (1, Cursor(FAR, 1, 3), 1, 1)
    assert [(one.run, one.step) for one in checkpoints.found(database)] == [("r", 2), ("r", 1), ("s", 9)]
    assert main(["checkpoint", "list", "--primary", node.peer.url(), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [(one["run"], one["step"]) for one in shown] == [("r", 2), ("r", 1), ("s", 9)]


def test_one_creator_at_a_time(database: Db2Database, elsewhere: Db2Database, node: Node) -> None:
    """A second one is refused while the first is at work, another feed is not, and nothing stays behind."""
    with database.creating("t"):
        with pytest.raises(SlotInUse, match="feed t"), elsewhere.creating("t"):
            pass
        with elsewhere.creating("u"):
            pass
    with elsewhere.creating("t"):
        pass
    assert node.run("select count(*) from hadrian.creation") == [(0,)]
    assert any("LOCK TIMEOUT 5" in statement.upper() for statement in node.peer.script.seen)


def test_a_creator_that_is_killed(node: Node, database: Db2Database, elsewhere: Db2Database) -> None:
    """Its name is free once its connection is gone."""
    with database.creating("t"):
        node.peer.drop_connections()
    with elsewhere.creating("t"):
        pass


def test_log_positions_are_the_monitors(node: Node, database: Db2Database) -> None:
    """A primary tells what it has written, a standby what it has replayed, and who has taken over what it writes."""
    node.is_a("PRIMARY", log=FAR, replayed=5)
    assert (database.committed(), database.replayed()) == (FAR, FAR)
    node.is_a("STANDBY", log=FAR, replayed=5)
    assert database.replayed() == Lsn(5)


def test_log_positions_without_hadr(database: Db2Database) -> None:
    """Nobody tells them then, which is said."""
    with pytest.raises(NotConfigured, match="HADR"):
        database.committed()
    with pytest.raises(NotConfigured, match="HADR"):
        database.replayed()


def sealed(node: Node, *seals: tuple[int, int, str]) -> None:
    """Write seals: number, timeline, host."""
    node.run("insert into hadrian.journal values ('t', 'APP', 'TICKET', 1)")
    for seal in seals:
        columns = "feed, number, timeline, host, row_count"
        node.run(f"insert into hadrian.seal ({columns}) values ('t', ?, ?, ?, 0)", *seal)


def test_timelines_are_told_by_the_seals(node: Node, database: Db2Database) -> None:
    """Each host that sealed begins one, and a primary that has not sealed yet."""
    feed(database)
    sealed(node, (1, 1, HOSTS["a"]), (5, 1, HOSTS["a"]), (6, 2, HOSTS["b"]), (7, 2, HOSTS["b"]))
    node.is_a("STANDBY", log=1, replayed=1, primary=HOSTS["b"])
    assert database.timeline_history().timeline == 2
    assert database.timeline_history().forks == ((1, Lsn(5)),)
    node.is_a("STANDBY", log=1, replayed=1, primary="")
    assert database.timeline_history().timeline == 2, "a standby that has not met its primary"
    node.is_a("PRIMARY", log=1, replayed=1, primary=HOSTS["a"])
    assert database.timeline_history().timeline == 3
    assert database.timeline_history().forks == ((1, Lsn(5)), (2, Lsn(7)))


def test_standbys_go_by_their_host(node: Node, database: Db2Database) -> None:
    """A primary tells how far its standby is, a standby tells its own name, and a commit's position is noted once."""
    node.is_a("PRIMARY", log=200, replayed=150)
    assert database.standbys() == [Standby(HOSTS["b"], None, Lsn(150))]
    assert (database.is_standby(), database.known_as()) == (False, None)
    feed(database)
    node.run("insert into hadrian.run (name, feed, recipe) values ('run1', 't', '{}')")
    number = artifact(database, "run1/1")
    with database.begin() as transaction:
        checkpoints.record(database, transaction, "run1", 1, number, Cursor(FAR, 0))
    assert checkpoints.note_commit(database, "run1", 1) == Lsn(200)
    found = standing(database, [], "run1")
    assert [one.committed for one in found.checkpoints] == [Lsn(200)]
    assert (found.durable_on, [one.behind for one in found.standbys]) == ([[]], [50])
    node.is_a("PRIMARY", log=300, replayed=200)
    assert standing(database, [], "run1").durable_on == [[HOSTS["b"]]]
    node.is_a("STANDBY", log=200, replayed=150)
    assert (database.is_standby(), database.known_as(), database.standbys()) == (True, HOSTS["b"], [])


@pytest.mark.parametrize("journal", [False, True])
def test_a_standby_that_takes_over_makes_nothing_durable(node: Node, database: Db2Database, journal: bool) -> None:
    """What it had replayed is durable; what it had not is lost, however far it writes from then on."""
    if journal:
        feed(database)
        sealed(node, (1, 1, HOSTS["a"]))
    node.is_a("STANDBY", log=FAR, replayed=100)
    durability = Durability([database])
    assert durability.poll() == []
    durability.follow(1, Cursor(Lsn(1), 0), Lsn(100))
    durability.follow(2, Cursor(Lsn(2), 0), Lsn(101))
    assert [one.step for one in durability.poll()] == [1]
    node.is_a("PRIMARY", log=FAR, replayed=100, primary=HOSTS["b"])
    with pytest.raises(NodeLost, match="took over before it had checkpoint 2"):
        durability.poll()
