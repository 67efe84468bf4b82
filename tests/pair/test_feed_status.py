"""What `status` finds of feeds on real nodes: slots that hold log back, lost ones, runs and how far they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from replicator import step_journal
from replicator.errors import BadInput, FeedBroken, NodeUnreachable
from replicator.feed.status import Status, of_nodes
from replicator.follow import Feed
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import slot_state, spare
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.topology import wait_until
from replicator.store import checkpoints
from replicator.store.writer import publish
from tests.fixtures.pair import fresh_pair
from tests.fixtures.settings import configured
from tests.fixtures.site import TIMEOUT_S, Site, next_of, read_of

_SEGMENT = 16 << 20


def checkpoint(site: Site, feed: str, run: str, step: int, cursor: Cursor) -> None:
    """Make a checkpoint of a run of a feed, and wait until the standby has it."""
    step_journal.open_run(site.nodes["a"], run, feed, "recipe")
    with publish(site.nodes["a"], checkpoints.KIND, f"{run}/{step}", []) as (transaction, artifact_id):
        checkpoints.record(site.nodes["a"], transaction, run, step, artifact_id, cursor)
    site.catch_up()


def fill(site: Site, segments: int) -> None:
    """Write that much log, no faster than the standby takes it: its own slot keeps no more than a feed's."""
    for _ in range(segments):
        site.run("select pg_logical_emit_message(false, 'filler', repeat('x', 1000000)) from generate_series(1, 15)")
        site.run("select pg_switch_wal()")
        site.catch_up()


def _status(site: Site, name: str, limit_bytes: int | None = None) -> Status:
    return of_nodes([site.nodes["a"], site.nodes["b"]], name, limit_bytes)


def _wait_invalidated(site: Site, slot: str) -> None:
    """Let the standby notice that a slot holds back more than it may: it looks at each restart point."""

    def is_invalidated() -> bool:
        site.run("checkpoint")
        site.catch_up()
        site.run("checkpoint", "b")
        return slot_state.look(site.nodes["b"], slot).invalidation is not None

    wait_until(is_invalidated, "the slot to be invalidated", timeout_s=TIMEOUT_S)


@pytest.fixture(scope="module")
def cramped() -> Iterator[Site]:
    """Make a site whose nodes keep little log for a slot."""
    settings = "max_slot_wal_keep_size = 48MB\nmin_wal_size = 32MB\nmax_wal_size = 48MB\n"
    with fresh_pair(settings) as pair, contextlib.closing(Site(pair)) as made:
        yield made


def test_a_feed_without_runs_shows_its_slot_where_it_is(site: Site) -> None:
    """The standby has the slot, free and at the feed's start; the primary has none; nothing needs a hand."""
    site.table("shown", rows=1)
    definition = site.create("shown")
    found = _status(site, "shown")
    on = {one.state.node: one.state for one in found.slots}
    a, b = (on[site.nodes[name].where] for name in ("a", "b"))
    assert not a.present
    assert (b.present, b.active, b.confirmed, b.wal_status) == (True, False, definition.start, "reserved")
    assert b.invalidation is None
    assert b.inactive_since is not None
    assert (found.runs, found.concerns) == ((), ())


def test_a_slot_that_is_read_is_active(site: Site) -> None:
    """And its reader's process is named."""
    site.table("busy", rows=1)
    definition = site.create("busy")
    with site.stream(definition, Cursor(definition.start, 0)):
        state = slot_state.look(site.nodes["b"], definition.slot)
        assert state.active
        assert (state.active_pid,) in site.run("select pid from pg_stat_replication", "b")


def test_the_log_that_a_slot_holds_back_is_measured_against_the_limit(site: Site) -> None:
    """What was written since is held back; a lower limit warns and says how to let go of it, a higher does not."""
    site.table("hoarding", rows=1)
    site.create("hoarding")
    before = slot_state.look(site.nodes["b"], "hadrian_hoarding").held_bytes or 0
    fill(site, 2)
    after = slot_state.look(site.nodes["b"], "hadrian_hoarding").held_bytes or 0
    assert _SEGMENT < after - before < 5 * _SEGMENT
    assert _status(site, "hoarding", limit_bytes=after + _SEGMENT).concerns == ()
    (concern,) = _status(site, "hoarding", limit_bytes=after - 1).concerns
    assert f"slot hadrian_hoarding on {site.nodes['b'].where} holds back {after} bytes" in concern.message
    assert "hadrian feed drop hoarding" in concern.remedy


def test_a_run_is_as_far_behind_as_its_newest_checkpoint(site: Site) -> None:
    """On each node; a run without a checkpoint, or with one in the snapshot, is at the feed's start."""
    site.table("followed", rows=3)
    definition = site.create("followed")
    site.insert("followed", [4])
    site.insert("followed", [5])
    with site.open(definition) as feed:
        first = read_of(feed, 4)[-1].after
    step_journal.open_run(site.nodes["a"], "fresh", "followed", "recipe")
    checkpoint(site, "followed", "early", 1, Cursor(Lsn(0), 2))
    checkpoint(site, "followed", "late", 1, Cursor(definition.start, 0))
    checkpoint(site, "followed", "late", 2, first)
    found = _status(site, "followed")
    assert {(run.run, run.node, run.step, run.cursor) for run in found.runs} == {
        one
        for node in site.nodes.values()
        for one in (
            ("fresh", node.where, None, None),
            ("early", node.where, 1, Cursor(Lsn(0), 2)),
            ("late", node.where, 2, first),
        )
    }
    for where, end in {slot.state.node: slot.state.log_end for slot in found.slots}.items():
        behind = {run.run: run.behind_bytes for run in found.runs if run.node == where}
        assert behind["fresh"] == behind["early"] == end - definition.start
        assert behind["late"] == end - first.lsn


def test_without_a_limit_four_fifths_of_what_the_node_keeps_is_the_limit(cramped: Site) -> None:
    """And a slot beyond it is told of before it is lost."""
    cramped.table("warned", rows=1)
    cramped.create("warned")
    (slot,) = [one for one in _status(cramped, "warned").slots if one.state.present]
    assert slot.limit_bytes == (48 << 20) * 80 // 100
    assert _status(cramped, "warned").concerns == ()
    fill(cramped, 3)
    found = _status(cramped, "warned")
    (slot,) = [one for one in found.slots if one.state.present]
    assert slot.state.readable
    assert [f"holds back {slot.state.held_bytes} bytes" in one.message for one in found.concerns] == [True]


def test_an_invalidated_slot_is_told_with_what_is_lost_and_how_to_go_on(cramped: Site) -> None:
    """It cannot be read, and the run's cursor says from where on rows are lost; a spare elsewhere saves them."""
    cramped.table("lost", rows=1)
    definition = cramped.create("lost")
    cramped.insert("lost", [2])
    cramped.catch_up()
    with cramped.open(definition) as feed:
        cursor = read_of(feed, 2)[-1].after
    checkpoint(cramped, "lost", "victim", 7, cursor)
    fill(cramped, 6)
    _wait_invalidated(cramped, definition.slot)
    (concern,) = _status(cramped, "lost").concerns
    assert "is invalidated (wal_removed)" in concern.message
    assert f"committed behind {cursor} (run victim) is lost" in concern.message
    assert "hadrian feed drop lost --with-runs, then hadrian feed create lost --publication lost" in concern.remedy
    with (
        Feed("lost", [cramped.pair.embedded.url("b")], aside=True) as feed,
        pytest.raises(FeedBroken, match="is invalidated") as raised,
    ):
        feed.read(0)
    assert "or create the feed again" in raised.value.hint
    cramped.run(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
    (concern,) = _status(cramped, "lost").concerns
    assert "is lost to the feed" in concern.message  # that slot begins too late to save anything
    slots.drop(cramped.nodes["a"], definition.slot)


def test_an_invalidated_slot_beside_a_spare_that_keeps_the_rows_costs_nothing(cramped: Site) -> None:
    """The node that keeps them is named, and the command that makes the lost slot again."""
    cramped.table("spared", rows=1)
    cramped.run("select pg_create_logical_replication_slot('hadrian_spared', 'pgoutput')")
    definition = cramped.create("spared")
    cursor = Cursor(definition.start, 0)
    for number in range(2, 9):  # the spare keeps up, the feed's own slot does not
        cramped.insert("spared", [number])
        with cramped.stream(definition, cursor, "a") as stream:
            cursor = next_of(stream).after
            stream.confirm(cursor)
        fill(cramped, 1)
        cramped.run("select pg_log_standby_snapshot()")
    checkpoint(cramped, "spared", "saved", 1, cursor)
    _wait_invalidated(cramped, definition.slot)
    (concern,) = _status(cramped, "spared").concerns
    assert f"nothing is lost, {cramped.nodes['a'].where} keeps what follows" in concern.message
    assert f"go on from {cramped.nodes['a'].where} at the same cursor" in concern.remedy
    assert "hadrian feed spare spared" in concern.remedy
    begins = spare.add(cramped.nodes["b"], definition.slot, cramped.nodes["a"])
    found = _status(cramped, "spared")
    assert [slot.service for slot in found.slots] == ["ready", f"from {begins} on"]
    assert found.concerns == ()
    for node in cramped.nodes.values():
        slots.drop(node, definition.slot)


def test_a_feed_whose_slot_is_nowhere_is_told(site: Site) -> None:
    """With the nodes all there, its rows are lost; with one silent, only the silence is told."""
    site.table("nowhere", rows=1)
    definition = site.create("nowhere")
    slots.drop(site.nodes["b"], definition.slot)
    (concern,) = _status(site, "nowhere").concerns
    assert f"no node given has slot {definition.slot}" in concern.message
    assert f"committed behind {definition.start} is lost" in concern.message
    with contextlib.closing(PostgresDatabase("postgresql://u:s3cret@127.0.0.1:1/d")) as silent:
        (concern,) = of_nodes([site.nodes["a"], silent], "nowhere").concerns
        assert "127.0.0.1:1/d" in concern.message
        assert "s3cret" not in concern.message
        with pytest.raises(NodeUnreachable):
            of_nodes([silent])


def test_a_feed_whose_slots_all_begin_too_late_is_told(site: Site) -> None:
    """A spare that was made after the run's checkpoint cannot give what follows it, and says from where it could."""
    site.table("belated", rows=1)
    definition = site.create("belated")
    step_journal.open_run(site.nodes["a"], "tardy", "belated", "recipe")
    site.insert("belated", [2])
    site.catch_up()
    begins = spare.add(site.nodes["a"], definition.slot, site.nodes["a"])
    found = _status(site, "belated")
    assert [slot.service for slot in found.slots] == [f"from {begins} on", "ready"]
    assert found.concerns == ()
    slots.drop(site.nodes["b"], definition.slot)
    (concern,) = _status(site, "belated").concerns
    assert f"every slot {definition.slot} begins too late" in concern.message
    assert "the start (run tardy) is lost" in concern.message
    assert "hadrian feed create belated" in concern.remedy


def test_a_slot_on_a_standby_that_sends_no_feedback_is_in_danger(site: Site) -> None:
    """Vacuum on the primary may take rows that decoding there needs; the setting is named, and no other node blamed."""
    site.table("exposed", rows=1)
    definition = site.create("exposed")
    with configured(site, "b", {"hot_standby_feedback": "off"}):
        (concern,) = _status(site, "exposed").concerns
    where = site.nodes["b"].where
    assert f"slot {definition.slot} on {where}: hot_standby_feedback is off there, so vacuum" in concern.message
    assert "set hot_standby_feedback = on" in concern.remedy
    assert _status(site, "exposed").concerns == ()


def test_a_slot_that_rests_too_long_is_told_before_its_node_gives_it_up(site: Site) -> None:
    """Where the node has idle_replication_slot_timeout, four fifths of it is the limit; a longer one is no concern."""
    site.table("resting", rows=1)
    definition = site.create("resting")
    with configured(site, "b", {"idle_replication_slot_timeout": "86400"}):
        assert _status(site, "resting").concerns == ()
    with configured(site, "b", {"idle_replication_slot_timeout": "2"}):
        wait_until(lambda: _status(site, "resting").concerns != (), "the warning", timeout_s=TIMEOUT_S)
        (concern,) = _status(site, "resting").concerns
    assert f"slot {definition.slot} on {site.nodes['b'].where} has not moved for" in concern.message
    assert "idle_replication_slot_timeout" in concern.remedy


def test_every_feed_is_shown_unless_one_is_named(site: Site) -> None:
    """By name; one that is not there is an error."""
    for name in ("beta", "alpha"):
        site.table(name, rows=1)
        site.create(name)
    feeds = [slot.feed for slot in of_nodes([site.nodes["b"]]).slots]
    assert {"alpha", "beta"} <= set(feeds)
    assert feeds == sorted(feeds)
    with pytest.raises(BadInput, match="no feed absent"):
        _status(site, "absent")


def test_the_slot_of_another_databases_feed_is_not_shown(site: Site) -> None:
    """Slots are the server's; a name that another database uses is not this feed's."""
    site.table("elsewhere", rows=1)
    definition = site.create("elsewhere")
    slots.drop(site.nodes["b"], definition.slot)
    site.run("create database elsewhere")
    url = site.nodes["a"].url.set(database="elsewhere")
    with contextlib.closing(PostgresDatabase(url)) as other:
        with other.autocommit() as connection:
            connection.exec_driver_sql(f"select pg_create_logical_replication_slot('{definition.slot}', 'pgoutput')")
        assert not slot_state.look(site.nodes["a"], definition.slot).present
        assert slot_state.look(other, definition.slot).present
        slots.drop(other, definition.slot)
