"""Reading a feed aside: the same rows each time, to where the log stood, and no trace of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from replicator.change import Change
from replicator.errors import BadInput, FeedBroken, NotConfigured, TimelineForked
from replicator.follow import Feed
from replicator.position import Cursor
from replicator.postgres import slot as slots
from replicator.postgres.embedded import NodeName
from replicator.postgres.topology import wait_until
from tests.fixtures.site import TIMEOUT_S, Site, ids_of, next_of

_COPIES = "select slot_name from pg_replication_slots where slot_name like 'hadrian_read_%%'"


def read(site: Site, name: str, after: Cursor | None = None, node: NodeName = "b") -> list[Change]:
    """Read a feed aside to where the log stands."""
    with aside(site, name, after, node) as feed:
        return [change for batch in feed.batches() for change in feed.changes(batch)]


def aside(site: Site, name: str, after: Cursor | None = None, node: NodeName = "b") -> Feed:
    """Open a feed aside."""
    return Feed(name, [site.pair.embedded.url(node)], after=after, aside=True)


def wait_no_copy(site: Site, node: NodeName = "b") -> None:
    """Wait until no copy of a slot is left: the server drops it when it sees that the session has ended."""
    wait_until(lambda: not site.run(_COPIES, node), "the copy to be gone", timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("node", ["b", "a"])
def test_a_feed_is_read_to_where_the_log_stands_as_often_as_one_likes(site: Site, node: NodeName) -> None:
    """The same changes with the same cursors each time; the slot stays where it was, and no copy is left."""
    name = f"aside_{node}"
    site.table(name, rows=3)
    definition = site.create(name, node)
    site.insert(name, [4, 5])
    site.insert(name, [6])
    site.catch_up()
    before = site.run(f"select confirmed_flush_lsn, restart_lsn from pg_replication_slots "
                      f"where slot_name = '{definition.slot}'", node)  # fmt: skip
    first, second = read(site, name, node=node), read(site, name, node=node)
    assert ids_of(first) == [1, 2, 3, 4, 5, 6]
    assert (first, [str(one.after) for one in first]) == (second, [str(one.after) for one in second])
    site.insert(name, [7])
    site.catch_up()
    assert read(site, name, node=node)[:6] == first
    assert site.run(f"select confirmed_flush_lsn, restart_lsn from pg_replication_slots "
                    f"where slot_name = '{definition.slot}'", node) == before  # fmt: skip
    wait_no_copy(site, node)


def test_reading_on_after_each_cursor_gives_exactly_the_rest(site: Site) -> None:
    """In the snapshot, between transactions, within one, and behind the last, where nothing is left."""
    site.table("resumed", rows=3)
    site.create("resumed")
    site.insert("resumed", [4, 5, 6])
    site.run("delete from resumed where id < 3")
    site.run("truncate resumed")
    site.catch_up()
    whole = read(site, "resumed")
    assert len(whole) == 9
    for index, change in enumerate(whole, 1):
        assert read(site, "resumed", Cursor.parse(str(change.after))) == whole[index:]


def test_an_idle_feed_ends_though_other_tables_are_written(site: Site) -> None:
    """The end is a place in the log, not a row of the feed."""
    site.table("quiet")
    site.table("loud")
    site.create("quiet")
    assert read(site, "quiet") == []
    site.insert("loud", range(1, 2000))
    site.catch_up()
    assert read(site, "quiet") == []


def test_what_is_committed_after_the_beginning_is_left_for_the_next_read(site: Site) -> None:
    """A writer that never rests does not keep a read from its end."""
    site.table("restless", rows=2)
    site.create("restless")
    site.insert("restless", [3])
    site.catch_up()
    with aside(site, "restless") as feed:
        batches = feed.batches()
        first = next(batches)
        site.insert("restless", [4, 5])
        site.catch_up()
        read_now = [change for batch in (first, *batches) for change in feed.changes(batch)]
    assert ids_of(read_now) == [1, 2, 3]
    assert ids_of(read(site, "restless", read_now[-1].after)) == [4, 5]


def test_following_gives_every_row_once_through_the_end_of_the_log(site: Site) -> None:
    """What the log had when it began, and what comes; closing it leaves no copy."""
    site.table("pursued", rows=1)
    site.create("pursued")
    site.insert("pursued", [2])
    with aside(site, "pursued") as feed:
        rows = (change for batch in feed.batches(follow=True) for change in feed.changes(batch))
        assert ids_of(list(itertools.islice(rows, 2))) == [1, 2]
        assert site.run(_COPIES, "b") != []
        for number in (3, 4):
            site.insert("pursued", [number])
            assert ids_of([next(rows)]) == [number]
    wait_no_copy(site)


def test_a_slot_that_a_run_reads_is_not_touched(site: Site) -> None:
    """It is said who reads it, and the run reads on."""
    site.table("trained", rows=1)
    definition = site.create("trained")
    with site.stream(definition, Cursor(definition.start, 0)) as stream:
        with pytest.raises(NotConfigured, match="slot hadrian_trained is being read, by server process"):
            read(site, "trained")
        site.insert("trained", [2])
        assert ids_of([next_of(stream)]) == [2]


def test_what_the_slot_no_longer_keeps_is_not_passed_over(site: Site) -> None:
    """Once a checkpoint has let the slot move, an older cursor is refused; the snapshot is there still."""
    site.table("moved", rows=1)
    definition = site.create("moved")
    site.insert("moved", [2])
    site.insert("moved", [3])
    site.catch_up()
    whole = read(site, "moved")
    with site.stream(definition, Cursor(definition.start, 0)) as stream:
        stream.confirm(whole[1].after)
    with pytest.raises(FeedBroken, match="keeps rows from"):
        read(site, "moved", whole[0].after)
    assert read(site, "moved", whole[1].after) == whole[2:]


@pytest.mark.parametrize("text", ["0/0+2", "0/0+99", "0/1+0", "0/1+1"])
def test_a_cursor_that_the_feed_never_gave_is_refused(site: Site, text: str) -> None:
    """Neither behind the snapshot's rows nor before the slot's beginning is there anything to read on from."""
    if not site.run("select from pg_publication where pubname = 'given'"):
        site.table("given", rows=2)
        site.create("given")
    with pytest.raises(BadInput, match="feed given has no cursor"):
        read(site, "given", Cursor.parse(text))


def test_a_node_without_the_feed_or_its_slot_says_so(site: Site) -> None:
    """And where to look."""
    with pytest.raises(BadInput, match="has no feed absent"):
        read(site, "absent")
    site.table("one_sided", rows=1)
    site.create("one_sided")
    with pytest.raises(FeedBroken, match="has no slot hadrian_one_sided") as raised:
        read(site, "one_sided", node="a")
    assert raised.value.hint.startswith("name every node that may have the feed's slot")


class _Old:
    """A session on an old server."""

    server_version = 110022


def test_a_server_that_cannot_copy_a_slot_says_so() -> None:
    """Nothing is sent to it."""
    with pytest.raises(NotConfigured, match="runs PostgreSQL 11: a slot can be copied from 12 on"):
        slots.copy_for_session(_Old(), "hadrian_f", "node")  # type: ignore[arg-type]


@pytest.fixture
def promoted(doomed: Site) -> Iterator[Site]:
    """Make a site whose standby has taken over, with a feed `f` of rows 1 and 2, and row 3 behind the fork."""
    doomed.table("f", rows=1)
    doomed.create("f")
    doomed.insert("f", [2])
    doomed.catch_up()
    doomed.pair.fail_over()
    doomed.insert("f", [3], "b")
    return doomed


def test_a_cursors_text_names_its_timeline(promoted: Site) -> None:
    """Read on the promoted node, cursors go on; one of the old timeline is refused behind the fork."""
    whole = read(promoted, "f")
    assert ids_of(whole) == [1, 2, 3]
    assert [str(change.after).partition("@")[2] for change in whole] == ["", "", "2"]
    for index, change in enumerate(whole, 1):
        assert read(promoted, "f", Cursor.parse(str(change.after))) == whole[index:]
    with pytest.raises(TimelineForked):
        read(promoted, "f", Cursor.parse(str(whole[2].after).removesuffix("@2")))
