"""A feed followed from node to node: it goes on at its cursor, and never past a fork."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from replicator import follow
from replicator.change import Change
from replicator.errors import BadInput, FeedBroken, TakeoverTimedOut, TimelineForked
from replicator.follow import Feed
from replicator.handover import create_feed
from replicator.position import TimelineHistory
from replicator.postgres import slot_state, spare, topology
from replicator.postgres.connection import nodes_of
from replicator.postgres.stream import Stream
from tests.fixtures.site import TIMEOUT_S, Site, ids_of


def _rows(feed: Feed) -> Iterator[Change]:
    return (change for batch in feed.batches(follow=True) for change in feed.changes(batch))


def _next(rows: Iterator[Change], count: int) -> list[int]:
    return ids_of(list(itertools.islice(rows, count)))


def _urls(site: Site) -> list[str]:
    return [site.pair.embedded.url(node) for node in ("a", "b")]


def test_a_feed_is_followed_through_a_takeover(doomed: Site) -> None:
    """The node with the slot is promoted: the same reader goes on, and names the new timeline from the fork on."""
    doomed.table("f", rows=2)
    doomed.create("f")
    doomed.insert("f", [3])
    with Feed("f", _urls(doomed)) as feed:
        rows = _rows(feed)
        assert _next(rows, 3) == [1, 2, 3]
        doomed.catch_up()
        doomed.pair.fail_over()
        doomed.insert("f", [4], "b")
        after = next(rows)
        assert (ids_of([after]), after.after.timeline) == ([4], 2)
        assert feed.cursor() == after.after


def test_a_feed_is_followed_through_a_restart_of_its_node(doomed: Site) -> None:
    """The standby is killed and comes back: nothing is missed and nothing comes twice."""
    doomed.table("f", rows=2)
    doomed.create("f")
    with Feed("f", _urls(doomed)) as feed:
        rows = _rows(feed)
        assert _next(rows, 2) == [1, 2]
        doomed.insert("f", [3])
        assert _next(rows, 1) == [3]
        doomed.pair.embedded.kill("b")
        doomed.insert("f", [4, 5])
        doomed.pair.embedded.start()
        assert _next(rows, 2) == [4, 5]


def test_what_was_read_is_given_also_if_the_node_is_lost_right_behind_it(
    doomed: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node dies before it can say on which timeline it was."""
    doomed.table("f", rows=2)
    doomed.create("f")
    doomed.insert("f", [3])
    ask = Stream.history

    def die_first(stream: Stream) -> TimelineHistory:
        doomed.pair.embedded.kill("b")
        monkeypatch.setattr(Stream, "history", ask)
        return ask(stream)

    monkeypatch.setattr(follow, "_ASK_S", 0)
    with Feed("f", _urls(doomed), patience_s=5) as feed:
        batches = feed.batches(follow=True)
        assert ids_of(list(feed.changes(next(batches)))) == [1, 2]
        monkeypatch.setattr(Stream, "history", die_first)
        assert next(batches)["id"].to_pylist() == [3]
        doomed.pair.embedded.start()
        doomed.insert("f", [4])
        assert next(batches)["id"].to_pylist() == [4]


def test_a_feed_goes_on_from_a_spare_when_its_node_is_gone(doomed: Site) -> None:
    """The spare is on the primary, and gives the same rows behind the same cursor."""
    doomed.table("f", rows=2)
    definition = doomed.create("f")
    spare.add(doomed.nodes["a"], definition.slot, doomed.nodes["a"])
    doomed.insert("f", [3])
    doomed.catch_up()
    with Feed("f", _urls(doomed)) as feed:
        rows = _rows(feed)
        assert _next(rows, 3) == [1, 2, 3]
        doomed.pair.embedded.kill("b")
        doomed.insert("f", [4])
        assert _next(rows, 1) == [4]


def test_nothing_past_the_fork_is_read_by_a_cursor_that_saw_what_never_happened(doomed: Site) -> None:
    """Rows that only the dead primary had: the error names fork and cursor, and an older cursor goes on."""
    doomed.table("f", rows=1)
    doomed.create("f", "a")
    spare.add(doomed.nodes["b"], "hadrian_f", doomed.nodes["a"])
    doomed.insert("f", [2])
    doomed.catch_up()
    url_a, _ = _urls(doomed)
    with Feed("f", [url_a]) as feed:
        rows = _rows(feed)
        assert _next(rows, 2) == [1, 2]
        good = feed.cursor()
        doomed.run("alter system set primary_conninfo = ''", "b")
        doomed.run("select pg_reload_conf()", "b")
        receiver = "select count(*) from pg_stat_wal_receiver"
        topology.wait_until(lambda: doomed.run(receiver, "b") == [(0,)], "the receiver to stop", timeout_s=TIMEOUT_S)
        doomed.insert("f", [3])
        assert _next(rows, 1) == [3]
        bad = feed.cursor()
    doomed.pair.fail_over()
    doomed.insert("f", [4], "b")
    with Feed("f", _urls(doomed), after=bad) as feed:
        with pytest.raises(TimelineForked) as raised:
            next(_rows(feed))
        assert (raised.value.fork_lsn, raised.value.cursor) == (doomed.nodes["b"].timeline_history().forks[0][1], bad)
    with Feed("f", _urls(doomed), after=good) as feed:
        assert _next(_rows(feed), 1) == [4]


def test_a_standby_that_has_not_replayed_the_cursor_is_waited_for(doomed: Site) -> None:
    """It is not read from, so its slot is not confirmed past the fork if it is promoted, and the fork is heard of."""
    doomed.table("f", rows=1)
    definition = doomed.create("f")
    spare.add(doomed.nodes["a"], definition.slot, doomed.nodes["a"])
    doomed.insert("f", [2])
    with Feed("f", _urls(doomed)) as feed:
        rows = _rows(feed)
        assert _next(rows, 2) == [1, 2]
        doomed.pair.embedded.kill("b")
        doomed.insert("f", [3])
        assert _next(rows, 1) == [3]
        ahead = feed.cursor()
    doomed.pair.embedded.kill("a")
    doomed.pair.embedded.start(["b"])
    doomed.nodes["b"].close()
    with Feed("f", _urls(doomed), after=ahead) as feed:
        assert feed.read(1) is None
        assert not slot_state.look(doomed.nodes["b"], definition.slot).active
        doomed.pair.embedded.promote("b")
        doomed.insert("f", [4], "b")
        with pytest.raises(TimelineForked):
            next(_rows(feed))


def test_a_standby_that_has_not_heard_of_the_feed_is_no_proof_that_there_is_none(doomed: Site) -> None:
    """The primary that knows it is away: it is waited for."""
    doomed.table("f", rows=1)
    doomed.run("select pg_wal_replay_pause()", "b")
    paused = "select 1 where pg_get_wal_replay_pause_state() = 'paused'"
    topology.wait_until(lambda: bool(doomed.run(paused, "b")), "the pause", timeout_s=TIMEOUT_S)
    create_feed("f", "f", source=doomed.nodes["a"], primary=doomed.nodes["a"])
    doomed.pair.embedded.kill("a")
    with Feed("f", _urls(doomed)) as feed:
        assert feed.read(0) is None
        doomed.pair.embedded.start(["a"])
        assert _next(_rows(feed), 1) == [1]


def test_a_node_that_never_comes_back_is_waited_for_no_longer_than_that(doomed: Site) -> None:
    """Then it is said who did not answer."""
    doomed.table("f", rows=1)
    doomed.create("f")
    doomed.pair.embedded.kill("b")
    with (
        Feed("f", _urls(doomed)[1:], patience_s=0.5) as feed,
        pytest.raises(TakeoverTimedOut, match=r"none of .* answers"),
    ):
        next(_rows(feed))


def test_without_a_slot_there_is_nothing_to_wait_for(site: Site) -> None:
    """Every node answers and none has it: that is said at once, of each."""
    site.table("slotless", rows=1)
    site.create("slotless")
    for node in ("a", "b"):
        site.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                 "where slot_name = 'hadrian_slotless'", node)  # fmt: skip
    with Feed("slotless", _urls(site)) as feed, pytest.raises(FeedBroken, match=r"has no slot .*; .* has no slot"):
        next(_rows(feed))


@pytest.mark.parametrize(
    ("url", "nodes"),
    [
        ("postgresql://u:p@h:1/d", [("h", 1)]),
        ("postgresql://u@/d?host=h:1&host=i:2", [("h", 1), ("i", 2)]),
        ("postgresql://u@/d?host=h,i&port=1,2", [("h", 1), ("i", 2)]),
        ("postgresql://u@/d?host=h&host=i&port=7", [("h", 7), ("i", 7)]),
        ("postgresql://u@/d?host=/s,/t&port=1,2", [("/s", 1), ("/t", 2)]),
    ],
)
def test_a_url_of_several_hosts_is_several_nodes(url: str, nodes: list[tuple[str, int]]) -> None:
    """In each form that SQLAlchemy has, with a port for each or one for all."""
    assert [(one.host or one.query["host"], int(one.port or one.query["port"])) for one in nodes_of(url)] == nodes


def test_hosts_and_ports_that_do_not_pair_are_refused() -> None:
    """Two ports cannot be shared out among three hosts."""
    with pytest.raises(BadInput, match="names 3 hosts and 2 ports"):
        nodes_of("postgresql://u@/d?host=a,b,c&port=1,2")
