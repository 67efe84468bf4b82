"""The end of a feed on real nodes: what goes, what stays, what refuses, and what a removal cut short leaves."""

from __future__ import annotations

import contextlib
import itertools

import pytest

from replicator import step_journal
from replicator.errors import BadInput, NodeLost, NodeUnreachable, NotConfigured
from replicator.feed import definition as definitions
from replicator.feed import removal
from replicator.feed.removal import Removed, RemovedRun, remove
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import slot_state
from replicator.postgres.connection import Server
from replicator.step_journal import Step
from replicator.store import checkpoints
from replicator.store.writer import publish
from tests.fixtures.site import Site, ids_of, read_of


def drop(site: Site, name: str, *, with_runs: bool = False) -> Removed:
    """Remove a feed from both nodes."""
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    try:
        return remove(name, primary_url=a, node_urls=[a, b], with_runs=with_runs)
    finally:
        site.catch_up()


def train(site: Site, feed: str, run: str) -> None:
    """Leave what a run of a feed leaves: a row, two steps, a checkpoint."""
    node = site.nodes["a"]
    step_journal.open_run(node, run, feed, "recipe")
    cursors = [Cursor(Lsn(0), number) for number in range(3)]
    for number, (before, after) in enumerate(itertools.pairwise(cursors), 1):
        step_journal.append(node, run, Step(number, before, after, 1, bytes(32), 1.0, 1.0))
    with publish(node, checkpoints.KIND, f"{run}/2", []) as (transaction, artifact_id):
        checkpoints.record(node, transaction, run, 2, artifact_id, cursors[2])
    site.catch_up()


def rows_of_run(site: Site, run: str) -> int:
    """Return how many rows there are of a run, of every kind, on the standby."""
    [(count,)] = site.run(
        f"select (select count(*) from hadrian.run where name = '{run}') "
        f"+ (select count(*) from hadrian.step where run = '{run}') "
        f"+ (select count(*) from hadrian.checkpoint where run = '{run}') "
        f"+ (select count(*) from hadrian.artifact where name like '{run}/%%')",
        "b",
    )
    return int(str(count))


def test_a_dropped_feed_leaves_nothing_and_is_dropped_once(site: Site) -> None:
    """Slots on either node, record and snapshot go; a second drop is told; the name is free again."""
    site.table("ended", rows=3)
    definition = site.create("ended")
    slots.copy(site.nodes["b"], definition.slot, "bystander")
    site.run(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
    where = tuple(site.nodes[name].where for name in ("a", "b"))
    assert drop(site, "ended") == Removed("ended", record=True, slot=definition.slot, slots=where, runs=())
    assert site.left_behind("ended") == []
    assert slot_state.look(site.nodes["b"], "bystander").present
    slots.drop(site.nodes["b"], "bystander")
    with pytest.raises(BadInput, match="has no feed ended"):
        drop(site, "ended")
    with site.open(site.create("ended")) as feed:
        assert ids_of(read_of(feed, 3)) == [1, 2, 3]
    drop(site, "ended")


def test_a_feed_that_runs_refer_to_stays_until_they_may_go_too(site: Site) -> None:
    """They are named; nothing is touched; with their consent theirs goes, and another feed's run stays."""
    for name in ("read_by", "other"):
        site.table(name, rows=1)
        site.create(name)
    for feed, run in (("read_by", "first"), ("read_by", "second"), ("other", "third")):
        train(site, feed, run)
    there = site.left_behind("read_by")
    with pytest.raises(BadInput, match="feed read_by is read by runs first, second") as raised:
        drop(site, "read_by")
    assert "--with-runs" in raised.value.hint
    assert site.left_behind("read_by") == there
    assert rows_of_run(site, "first") == rows_of_run(site, "second") == 5
    gone = drop(site, "read_by", with_runs=True)
    assert gone.runs == (RemovedRun("first", 1, 2), RemovedRun("second", 1, 2))
    assert site.left_behind("read_by") == []
    assert [rows_of_run(site, run) for run in ("first", "second", "third")] == [0, 0, 5]


def test_a_feed_that_is_being_read_stays(site: Site) -> None:
    """No slot, no row goes while somebody reads, on whichever node."""
    site.table("in_use", rows=1)
    definition = site.create("in_use")
    site.run(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
    there = site.left_behind("in_use")
    with site.stream(definition, Cursor(definition.start, 0)), pytest.raises(NotConfigured, match="is being read"):
        drop(site, "in_use")
    assert site.left_behind("in_use") == there
    drop(site, "in_use")
    assert site.left_behind("in_use") == []


@pytest.mark.parametrize("crash", ["before", "after"])
def test_a_removal_that_is_cut_short_can_be_finished(site: Site, monkeypatch: pytest.MonkeyPatch, crash: str) -> None:
    """Between two slots, the one dropped and the other not, the record still says what there was."""
    name = f"cut_{crash}"
    site.table(name, rows=1)
    definition = site.create(name)
    site.run(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
    train(site, name, f"run_{crash}")

    def drop_and_die(server: Server, slot: str) -> None:
        if crash == "after":
            drop_slot(server, slot)
        raise NodeLost("cut short")

    drop_slot = slots.drop
    with monkeypatch.context() as patch:
        patch.setattr(removal.slots, "drop", drop_and_die)
        with pytest.raises(NodeLost, match="cut short"):
            drop(site, name, with_runs=True)
    assert definitions.find(site.nodes["a"], name) == definition
    assert rows_of_run(site, f"run_{crash}") == 5
    assert slot_state.look(site.nodes["a"], definition.slot).present == (crash == "before")
    assert slot_state.look(site.nodes["b"], definition.slot).present
    assert drop(site, name, with_runs=True).record
    assert site.left_behind(name) == []


def test_a_slot_on_a_node_that_was_not_named_can_be_dropped_later(site: Site) -> None:
    """The record is gone, but the name of the feed is enough."""
    site.table("halfway", rows=1)
    definition = site.create("halfway")
    a = site.pair.embedded.url("a")
    assert remove("halfway", primary_url=a, node_urls=[]).slots == ()
    site.catch_up()
    assert site.left_behind("halfway") == ["slot on b"]
    gone = drop(site, "halfway")
    assert (gone.record, gone.slot, gone.slots) == (False, definition.slot, (site.nodes["b"].where,))
    assert site.left_behind("halfway") == []


def test_the_slot_of_another_databases_feed_of_that_name_stays(site: Site) -> None:
    """Slots are the server's, feeds the database's."""
    site.table("namesake", rows=1)
    definition = site.create("namesake")
    slots.drop(site.nodes["b"], definition.slot)
    site.run("create database namesake")
    with contextlib.closing(Server(site.nodes["a"].url.set(database="namesake"))) as other:
        with other.autocommit() as connection:
            connection.exec_driver_sql(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
        assert drop(site, "namesake").slots == ()
        assert slot_state.look(other, definition.slot).present
        slots.drop(other, definition.slot)


def test_a_node_that_does_not_answer_refuses_before_anything_goes(site: Site) -> None:
    """Its slot would be forgotten; a standby given as the primary is refused as well."""
    site.table("partial", rows=1)
    site.create("partial")
    there = site.left_behind("partial")
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    with pytest.raises(NodeUnreachable):
        remove("partial", primary_url=a, node_urls=[b, "postgresql://u@127.0.0.1:1/d"])
    with pytest.raises(BadInput, match="is a standby") as raised:
        remove("partial", primary_url=b, node_urls=[a, b])
    assert raised.value.hint == "give the primary's URL"
    assert site.left_behind("partial") == there
