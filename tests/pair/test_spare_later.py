"""Spare slots made for a feed that exists already: of use once the cursor has passed their beginning, not before."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import psycopg
import pytest

from replicator.change import Change
from replicator.errors import BadInput
from replicator.feed.status import of_nodes
from replicator.follow import Feed
from replicator.position import Cursor
from replicator.postgres import slot_state, spare
from replicator.postgres.topology import wait_replayed, wait_until
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.site import TIMEOUT_S, Site, read_of
from tests.fixtures.slots import confirmed


def _changes(feed: Feed) -> list[Change]:
    """Return what was committed up to now."""
    return [change for batch in feed.batches() for change in feed.changes(batch)]


def _tail(changes: list[Change], after: Cursor) -> Iterator[Change]:
    return (change for change in changes if change.after > after)


def test_a_rebuilt_node_gets_a_spare_that_serves_when_the_other_is_lost(doomed: Site) -> None:
    """Primary killed, standby promoted, old one rebuilt: reading goes on there at the cursor, with the same rows."""
    doomed.table("rebuilt")
    definition = doomed.create("rebuilt")
    doomed.insert("rebuilt", [1, 2, 3])
    doomed.catch_up()
    a, b = (doomed.pair.embedded.url(node) for node in ("a", "b"))
    doomed.pair.fail_over()
    doomed.pair.embedded.rejoin("a")
    doomed.close()
    doomed.insert("rebuilt", [4], "b")
    early = Cursor(doomed.nodes["b"].committed(), 0, 2)
    doomed.insert("rebuilt", [5], "b")
    done = hadrian("feed", "spare", "rebuilt", "--primary", b, "--node", a, "--format", "json")
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)["spares"]
    begins = confirmed(doomed.nodes["a"], definition.slot)
    assert made == {"node": doomed.nodes["a"].where, "slot": definition.slot, "ready_from": str(begins)}
    assert not slot_state.look(doomed.nodes["a"], definition.slot).keeps(early.lsn)
    assert [one.service for one in of_nodes([doomed.nodes["a"]], "rebuilt").slots] == ["ready"]  # of what is known
    doomed.insert("rebuilt", [6], "b")
    doomed.insert("rebuilt", [7, 8], "b")
    with Feed("rebuilt", [a, b]) as feed:
        everything = _changes(feed)
    assert [change.values["id"] for change in everything] == [1, 2, 3, 4, 5, 6, 7, 8]
    cursor = everything[-2].after
    assert cursor.seq == 1
    assert slot_state.look(doomed.nodes["a"], definition.slot).keeps(cursor.lsn)
    wait_replayed(doomed.nodes["a"], doomed.nodes["b"].committed())
    doomed.pair.embedded.kill("b")
    doomed.pair.embedded.promote("a")
    with Feed("rebuilt", [a, b], after=cursor) as feed:
        assert _changes(feed) == everything[-1:]


def test_a_spare_made_between_transactions_misses_none_behind_its_beginning(site: Site) -> None:
    """While writers overlap each other: from every cursor that lies behind, it gives what the feed's own slot gives."""
    site.table("overlapped")
    definition = site.create("overlapped")
    stopped = threading.Event()

    def write(first: int) -> None:
        with psycopg.connect(site.nodes["a"].conninfo, autocommit=True) as connection:
            for number in range(first, 10_000_000, 7):
                if stopped.is_set():
                    return
                with connection.transaction():
                    connection.execute("insert into overlapped (id) values (%s)", [number])
                    connection.execute("update overlapped set v = 'b' where id = %s", [number])

    writers = [threading.Thread(target=write, args=(first,)) for first in range(3)]
    for writer in writers:
        writer.start()
    a = site.nodes["a"]
    wait_until(lambda: site.run("select 1 from overlapped offset 50 limit 1") != [], "rows", timeout_s=TIMEOUT_S)
    begins = spare.add(a, definition.slot, a)
    count = site.run("select count(*) from overlapped")[0][0]
    assert isinstance(count, int)
    more = f"select 1 from overlapped offset {count + 50} limit 1"
    wait_until(lambda: site.run(more) != [], "more rows", timeout_s=TIMEOUT_S)
    stopped.set()
    for writer in writers:
        writer.join()
    site.catch_up()
    assert spare.add(a, definition.slot, a) == begins  # it is there already
    ((total,),) = site.run("select 2 * count(*) from overlapped")
    assert isinstance(total, int)
    with site.open(definition) as feed:
        changes = read_of(feed, total)
    behind = [change.after for change in changes if change.after.lsn >= begins]
    assert 50 < len(behind) < total
    for cursor in (Cursor(begins, 0), *behind[:3], behind[len(behind) // 2]):
        tail = [*_tail(changes, cursor)]
        with site.open(definition, cursor, node="a") as feed:
            assert read_of(feed, len(tail)) == tail


def test_a_spare_of_no_feed_is_refused(site: Site) -> None:
    """So is a standby in the primary's place: its records of feeds may be old."""
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    assert "has no feed absent" in complaint(hadrian("feed", "spare", "absent", "--primary", a, "--node", b))
    assert "is a standby" in complaint(hadrian("feed", "spare", "absent", "--primary", b, "--node", a))


@pytest.mark.parametrize(
    ("spares", "says"),
    [("nowhere:5432", "no node given is called nowhere:5432"), ("{b}", "and beside .* 0 nodes are named")],
)
def test_a_spare_on_a_node_that_is_not_there_is_refused(site: Site, spares: str, says: str) -> None:
    """Neither on one that was not given nor on the one that has the feed's own slot."""
    a, b = site.nodes["a"], site.nodes["b"]
    wanted = (spares.format(b=b.where.rpartition("/")[0]),)
    with pytest.raises(BadInput, match=says):
        spare.choose([a, b], b, wanted)


def test_the_command_makes_spares_on_the_nodes_that_are_named(site: Site) -> None:
    """By host:port, as status writes them, with the database or without."""
    site.table("named", rows=1)
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    name = site.nodes["a"].where.rpartition("/")[0]
    done = hadrian(
        "feed", "create", "named", "--publication", "named", "--primary", a, "--standby", b,
        "--node", b, "--node", a, "--spare", name,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"slot on {site.nodes['b'].where}" in done.stdout.splitlines()
    assert "a standby decodes from PostgreSQL 16 on" in done.stdout
    assert f"spare slot on {site.nodes['a'].where}" in done.stdout.splitlines()
    assert slot_state.look(site.nodes["a"], "hadrian_named").present
    assert spare.choose([*site.nodes.values()], site.nodes["b"], (site.nodes["a"].where,)) == [site.nodes["a"]]
