"""Runs whose feed has spare slots: they follow the checkpoints, and one of them serves when the node read is lost."""

from __future__ import annotations

import contextlib

import pytest

from replicator.errors import FeedBroken, TakeoverTimedOut
from replicator.handover import create_feed
from replicator.position import Cursor, Lsn
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from tests.fixtures.site import TIMEOUT_S, Site, read_of
from tests.fixtures.slots import confirmed
from tests.fixtures.training import Event, Ground, at_rest, named


def _confirmed(ground: Ground) -> list[Lsn]:
    return [confirmed(server, ground.slot) for server in (ground.pair.primary, ground.pair.standby)]


def test_a_run_that_loses_its_standby_goes_on_from_the_spare_and_ends_in_the_same_bits(spare_ground: Ground) -> None:
    """Step 4 is replayed from the primary's spare slot to its recorded bits, and the lost node is told once."""
    spare_ground.write(9, 20)
    pair = spare_ground.pair

    def kill_the_standby(_launched: object) -> None:
        pair.embedded.kill("b")
        spare_ground.write_alone(21, 60, pair.primary)

    events = spare_ground.train(spare_ground.recipe(), at_rest(5, 3, kill_the_standby))
    reference = spare_ground.train(spare_ground.reference())
    assert [event["step"] for event in named(events, "resumed")] == [0, 3]
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]
    assert [event["step"] for event in named(events, "step") if event["replayed"]] == [4, 5]
    assert [event["where"] for event in named(events, "spare-behind")] == [pair.standby.where]


def test_a_spare_follows_the_durable_checkpoints(spare_ground: Ground) -> None:
    """When a run has ended, the spare forgets what the feed's own slot does, to the byte."""
    spare_ground.write(9, 60)
    begin = _confirmed(spare_ground)
    events = spare_ground.train(spare_ground.recipe())
    (own, spare), last = _confirmed(spare_ground), named(events, "step")[-1]["cursor"]
    assert own == spare == Lsn(last.partition("+")[0])
    assert min(begin) < own
    assert named(events, "spare-behind") == []


def test_a_spare_is_not_advanced_before_the_checkpoint_is_durable(spare_ground: Ground) -> None:
    """With a standby that is cut off, neither slot moves; promoted, it has every row since its own checkpoint."""
    spare_ground.write(9, 60)
    pair = spare_ground.pair
    pair.run("alter system set primary_conninfo = ''", "b")
    pair.run("select pg_reload_conf()", "b")
    receiver = "select count(*) from pg_stat_wal_receiver"
    topology.wait_until(lambda: pair.run(receiver, "b") == [(0,)], "the receiver to stop", timeout_s=TIMEOUT_S)
    begin = confirmed(pair.primary, spare_ground.slot)
    seen: list[Lsn] = []

    def look(event: Event, _launched: object) -> None:
        if (event["event"], event.get("step")) == ("step", 7) and not seen:
            seen.append(confirmed(pair.primary, spare_ground.slot))
            pair.fail_over()

    events = spare_ground.train(spare_ground.recipe(), look)
    assert seen == [begin]
    assert [event["step"] for event in named(events, "resumed")] == [0, 0]
    reference = spare_ground.train(spare_ground.reference())
    assert named(events, "finished")[0]["digest"] == named(reference, "finished")[0]["digest"]


def test_a_node_whose_slot_has_forgotten_the_rows_is_not_read(
    spare_ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spare that has them is; if none has, it is said of each node, unless one that may is away."""
    from trainer import place

    pair, recipe = spare_ground.pair, spare_ground.recipe()
    monkeypatch.setattr(place, "TAKEOVER_TIMEOUT_S", 0.0)
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(contextlib.closing(PostgresDatabase(url))) for url in spare_ground.urls]
        assert place.find(recipe, nodes).source == 1
        forget = f"select pg_replication_slot_advance('{spare_ground.slot}', '{nodes[0].committed()}')"
        pair.run(forget, "b")
        assert place.find(recipe, nodes).source == 0
        pair.run(forget, "a")
        with pytest.raises(FeedBroken, match=r"slot hadrian_f keeps rows from .*slot hadrian_f keeps rows from"):
            place.find(recipe, nodes)
        pair.embedded.kill("b")
        with pytest.raises(TakeoverTimedOut, match="slot hadrian_f keeps rows from"):
            place.find(recipe, nodes)


def test_a_node_that_is_away_is_told_once_and_tried_again(doomed: Site) -> None:
    """Nothing waits for it; it is advanced when it is back, without another checkpoint."""
    from trainer.spares import Spares

    doomed.table("away", rows=1)
    a, b = doomed.nodes["a"], doomed.nodes["b"]
    definition = create_feed("away", "away", source=a, primary=a, spares=[b])
    doomed.insert("away", [2])
    with doomed.open(definition, node="a") as feed:
        cursor = read_of(feed, 2)[-1].after
    committed = Cursor(a.committed(), 0, 1)
    doomed.pair.embedded.kill("b")
    with contextlib.closing(Spares([b], definition.slot)) as spares:
        spares.follow(cursor, committed)
        spares.settle()
        (behind,) = spares.told()
        assert behind.where == b.where
        embedded = doomed.pair.embedded
        topology.wait_until(lambda: embedded.postmaster("b") is None, "the dead to be reaped", timeout_s=TIMEOUT_S)
        embedded.start()
        b.close()
        topology.wait_until(
            lambda: confirmed(b, definition.slot) == cursor.lsn,
            "the spare to follow",
            timeout_s=TIMEOUT_S,
        )
        assert spares.told() == []
