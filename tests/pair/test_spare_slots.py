"""Spare slots: they begin no later than the feed, forget no more than a node can spare, and serve in its stead."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Sequence
from typing import NoReturn

import psycopg
import pytest

from replicator.batch import rows_digest
from replicator.errors import BadInput, FeedBroken, NotConfigured, TimelineForked
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.handover import create_feed
from replicator.position import Cursor, Lsn
from replicator.postgres import slot_state, spare
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NodeName
from replicator.postgres.topology import wait_until
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import fresh_pair
from tests.fixtures.site import TIMEOUT_S, Site, ids_of, next_of, read_of
from tests.fixtures.slots import confirmed

_OTHER: dict[NodeName, NodeName] = {"a": "b", "b": "a"}


def _create(site: Site, name: str, source: NodeName) -> Definition:
    """Create a feed on one node with a spare slot on the other."""
    nodes = site.nodes
    made = create_feed(name, name, source=nodes[source], primary=nodes["a"], spares=[nodes[_OTHER[source]]])
    site.catch_up()
    return made


def _write_history(site: Site, table: str) -> int:
    """Commit changes of every kind and return how many."""
    for statement in (
        f"insert into {table} (id) select generate_series(11, 15)",
        f"update {table} set v = 'b' where id between 3 and 5",
        f"delete from {table} where id = 4",
        f"alter table {table} add column w integer default 7",
        f"insert into {table} (id, w) select i, i from generate_series(21, 24) as i",
    ):
        site.run(statement)
    site.catch_up()
    return 5 + 3 + 1 + 4


def _now(site: Site, node: NodeName = "a") -> Cursor:
    """Return a point behind everything that the node has committed, as a checkpoint's commit is named."""
    return Cursor(site.nodes[node].committed(), 0, site.nodes[node].timeline_history().timeline)


@pytest.mark.parametrize("source", ["b", "a"])
def test_a_spare_begins_no_later_than_its_feed(site: Site, source: NodeName) -> None:
    """Every row behind the feed's start can be had from the spare, with the same cursors."""
    table = f"begun_{source}"
    site.table(table, rows=2)
    definition = _create(site, table, source)
    other = _OTHER[source]
    assert confirmed(site.nodes[other], definition.slot) <= definition.start
    assert slot_state.look(site.nodes[other], definition.slot).keeps(definition.start)
    site.insert(table, [3, 4])
    site.insert(table, [5])
    site.catch_up()
    with site.open(definition, node=source) as feed, site.open(definition, node=other) as same:
        changes = read_of(feed, 5)
        assert ids_of(changes) == [1, 2, 3, 4, 5]
        assert read_of(same, 5) == changes


def test_a_feed_on_a_standby_that_lags_begins_behind_its_spare(doomed: Site) -> None:
    """The standby's own slot is asked for only when it has replayed what the primary's spare begins at."""
    doomed.table("lagging", rows=1)
    a, b = doomed.nodes["a"], doomed.nodes["b"]
    doomed.run("select pg_wal_replay_pause()", "b")
    paused = [("paused",)]
    wait_until(
        lambda: doomed.run("select pg_get_wal_replay_pause_state()", "b") == paused, "the pause", timeout_s=TIMEOUT_S
    )
    doomed.run("select pg_log_standby_snapshot()")  # a point from which a slot could begin, but for the wait
    doomed.insert("lagging", [2])
    made: list[Definition] = []
    creation = threading.Thread(
        target=lambda: made.append(create_feed("lagging", "lagging", source=b, primary=a, spares=[a]))
    )
    creation.start()
    begun = "select 1 from pg_replication_slots where confirmed_flush_lsn is not null"
    wait_until(lambda: bool(doomed.run(begun)), "the spare", timeout_s=TIMEOUT_S)
    waits = "select 1 from pg_stat_activity where query like '%%pg_last_wal_replay_lsn%%' and pid <> pg_backend_pid()"
    takes = "select 1 from pg_replication_slots"
    wait_until(
        lambda: bool(doomed.run(waits, "b") or doomed.run(takes, "b")), "the standby's turn", timeout_s=TIMEOUT_S
    )
    doomed.run("select pg_wal_replay_resume()", "b")
    creation.join()
    (definition,) = made
    assert confirmed(a, definition.slot) <= definition.start
    with doomed.open(definition, node="a") as feed:
        assert ids_of(read_of(feed, 2)) == [1, 2]


def _read_with_a_loss(site: Site, definition: Definition, total: int, source: NodeName, stop_at: int) -> bytes:
    """Read a part, let the spare forget it, lose the node, read on from the other, and return the digest."""
    other = _OTHER[source]
    with site.open(definition, node=source) as feed:
        first = read_of(feed, stop_at)
        assert spare.advance(site.nodes[other], definition.slot, first[-1].after, _now(site))
        site.pair.embedded.kill(source)
    if source == "a":
        site.pair.embedded.promote("b")
    for node in site.nodes.values():
        node.close()
    with site.open(definition, first[-1].after, node=other) as feed:
        rest = read_of(feed, total - stop_at)
        assert feed.read(0) is None
    return rows_digest([*first, *rest])


@pytest.mark.parametrize("stop_at", [4, 15, 20], ids=["in the snapshot", "behind a transaction", "inside one"])
@pytest.mark.parametrize("source", ["b", "a"])
def test_reading_goes_on_from_the_spare_when_the_node_in_use_is_killed(
    doomed: Site, source: NodeName, stop_at: int
) -> None:
    """The standby killed, or the primary killed and the standby promoted: the same changes as an undisturbed read."""
    doomed.table("carried", rows=10)
    definition = _create(doomed, "carried", source)
    total = 10 + _write_history(doomed, "carried")
    with doomed.open(definition, node=source) as feed:
        undisturbed = read_of(feed, total)
    assert undisturbed[stop_at - 1].after.seq == {4: 4, 15: 0, 20: 1}[stop_at]
    assert _read_with_a_loss(doomed, definition, total, source, stop_at) == rows_digest(undisturbed)


@pytest.mark.parametrize("node", ["a", "b"])
def test_a_spare_forgets_no_part_of_a_transaction_that_the_cursor_cuts(site: Site, node: NodeName) -> None:
    """Advanced to a cursor inside a transaction, it still gives that one whole, and nothing before it."""
    table = f"cut_through_{node}"
    site.table(table)
    definition = _create(site, table, _OTHER[node])
    with psycopg.connect(site.nodes["a"].conninfo) as long:  # one that begins before and commits behind another
        long.execute(f"insert into {table} (id) values (4), (5)".encode())
        site.insert(table, [1, 2, 3])
        long.execute(f"insert into {table} (id) values (6)".encode())
    site.catch_up()
    with site.open(definition, node=node) as feed:
        changes = read_of(feed, 6)
    assert ids_of(changes) == [1, 2, 3, 4, 5, 6]
    server = site.nodes[node]
    for _ in range(2):
        assert spare.advance(server, definition.slot, changes[3].after, _now(site))
    assert confirmed(server, definition.slot) == changes[3].after.lsn
    assert spare.advance(server, definition.slot, changes[0].after, _now(site)), "back, which has no effect"
    assert confirmed(server, definition.slot) == changes[3].after.lsn
    with site.open(definition, changes[3].after, node=node) as feed:
        assert read_of(feed, 2) == changes[4:]
    with site.open(definition, Cursor(changes[3].after.lsn, 0), node=node) as feed:
        assert read_of(feed, 3) == changes[3:]
    with pytest.raises(FeedBroken, match="keeps rows from"):
        site.stream(definition, changes[0].after, node)


def test_a_spare_waits_for_the_checkpoint_on_its_own_node(doomed: Site) -> None:
    """A node that has not replayed a checkpoint would go on from an older one, and so keeps the rows since."""
    doomed.table("waited", rows=1)
    definition = _create(doomed, "waited", "a")
    doomed.insert("waited", [2])
    doomed.catch_up()
    with doomed.open(definition, node="a") as feed:
        cursor = read_of(feed, 2)[-1].after
    doomed.run("select pg_wal_replay_pause()", "b")
    doomed.run("create table checkpoint_of_it ()")
    behind, before = _now(doomed), confirmed(doomed.nodes["b"], definition.slot)
    assert not spare.advance(doomed.nodes["b"], definition.slot, cursor, behind)
    assert confirmed(doomed.nodes["b"], definition.slot) == before
    doomed.run("select pg_wal_replay_resume()", "b")
    doomed.catch_up()
    assert spare.advance(doomed.nodes["b"], definition.slot, cursor, behind)
    assert confirmed(doomed.nodes["b"], definition.slot) == cursor.lsn


def test_a_spare_on_a_timeline_without_the_checkpoint_stays(doomed: Site) -> None:
    """The old primary, alive behind a takeover, has not the new one's commits, however far its own log goes."""
    doomed.table("forked", rows=1)
    definition = _create(doomed, "forked", "b")
    doomed.pair.embedded.promote("b")
    doomed.insert("forked", [2], "b")
    behind, before = _now(doomed, "b"), confirmed(doomed.nodes["a"], definition.slot)
    with doomed.open(definition, node="b") as feed:
        cursor = read_of(feed, 2)[-1].after
    doomed.run("create table elsewhere as select generate_series(1, 100000)")
    with pytest.raises(TimelineForked):
        spare.advance(doomed.nodes["a"], definition.slot, cursor, behind)
    assert confirmed(doomed.nodes["a"], definition.slot) == before


def test_advancing_a_spare_that_somebody_reads_says_so(site: Site) -> None:
    """The slot stays where it is, and the message names the reader."""
    site.table("read", rows=1)
    definition = _create(site, "read", "b")
    site.insert("read", [2])
    site.catch_up()
    with site.stream(definition, Cursor(definition.start, 0), "a") as stream:
        cursor = next_of(stream).after
        with pytest.raises(NotConfigured, match="is active for PID"):
            spare.advance(site.nodes["a"], definition.slot, cursor, _now(site))


def test_a_node_without_the_slot_is_passed_over(site: Site) -> None:
    """It keeps nothing, and there is nothing to advance."""
    assert not slot_state.look(site.nodes["a"], "hadrian_nowhere").keeps(Lsn(1))
    assert spare.advance(site.nodes["a"], "hadrian_nowhere", Cursor(Lsn(1), 0), Cursor(Lsn(2), 0))


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_creation_leaves_no_spare(site: Site, interruption: type[BaseException]) -> None:
    """Whatever is raised while the snapshot is kept, neither node keeps a slot."""
    name = f"cut_spare_{interruption.__name__.lower()}"
    site.table(name, rows=1)

    def interrupt(*done: int) -> NoReturn:
        raise interruption(done)

    a, b = site.nodes["a"], site.nodes["b"]
    with pytest.raises(interruption):
        create_feed(name, name, source=b, primary=a, spares=[a], progress=interrupt)
    assert site.left_behind(name) == []


def test_an_orphan_is_replaced_by_the_spare(site: Site) -> None:
    """A slot that an interrupted attempt left on the spare's node holds the log back no longer."""
    site.table("orphaned_spare", rows=1)
    site.run("select pg_create_logical_replication_slot('hadrian_orphaned_spare', 'pgoutput')")
    orphan = confirmed(site.nodes["a"], "hadrian_orphaned_spare")
    site.insert("orphaned_spare", [2])
    definition = _create(site, "orphaned_spare", "b")
    assert orphan < confirmed(site.nodes["a"], definition.slot) <= definition.start


def test_only_a_physical_replica_may_hold_a_spare(site: Site) -> None:
    """A server with another system identifier is refused, and nothing is left on any node."""
    site.table("alien", rows=1)
    with fresh_pair() as other, contextlib.closing(PostgresDatabase(other.embedded.url("a"))) as stranger:
        with pytest.raises(BadInput, match=r"is no physical replica of .* system identifier"):
            create_feed(
                "alien", "alien", source=site.nodes["b"], primary=site.nodes["a"], spares=[site.nodes["a"], stranger]
            )
        assert not slot_state.look(stranger, "hadrian_alien").present
    assert site.left_behind("alien") == []


def test_a_node_on_another_timeline_may_not_hold_a_spare(doomed: Site) -> None:
    """An old primary that runs beside the promoted node shares its identifier, but not its log."""
    doomed.table("old", rows=1)
    doomed.pair.embedded.promote("b")
    a, b = doomed.nodes["a"], doomed.nodes["b"]
    with pytest.raises(BadInput, match=r"is on timeline 1, .* on timeline 2"):
        create_feed("old", "old", source=b, primary=b, spares=[a])
    assert doomed.left_behind("old") == []


@pytest.mark.parametrize(("count", "chosen"), [(0, ""), (1, "a"), (None, "a")])
def test_the_source_is_no_spare_of_its_own_whatever_it_is_called(site: Site, count: int | None, chosen: str) -> None:
    """Nodes are told apart by the server behind the address, and each counts once."""
    a, b = site.nodes["a"], site.nodes["b"]
    aliases = [PostgresDatabase(url.update_query_dict({"application_name": "alias"})) for url in (a.url, b.url)]
    with contextlib.ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(contextlib.closing(alias))
        assert spare.choose([b, aliases[1], a, aliases[0]], b, count) == [site.nodes["a"] for _ in chosen]


@pytest.mark.parametrize(("count", "wanted"), [(None, 1), (2, 2)])
def test_more_spares_than_nodes_are_refused(site: Site, count: int | None, wanted: int) -> None:
    """All of none is refused too."""
    named: Sequence[PostgresDatabase] = [site.nodes["b"], *([site.nodes["a"]] if count else [])]
    with pytest.raises(BadInput, match=f"{wanted} spare slots are wanted, and beside .* {wanted - 1} nodes are named"):
        spare.choose(named, site.nodes["b"], count)


def test_the_command_makes_spares_and_names_them(site: Site) -> None:
    """`--spare all` and a number, for people and for programs; nodes come from the environment too."""
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    settings = {"HADRIAN_PRIMARY": a, "HADRIAN_STANDBY": b}
    for name, arguments in (("told_all", ("--spare", "all")), ("told_one", ("--spare", "1", "--format", "json"))):
        site.table(name, rows=1)
        done = hadrian("feed", "create", name, "--publication", name, *arguments, HADRIAN_NODES=f"{a},{b}", **settings)
        assert done.returncode == 0, done.stderr
        definition = definitions.find(site.nodes["a"], name)
        assert definition is not None
        assert slot_state.look(site.nodes["a"], definition.slot).keeps(definition.start)
        if name == "told_all":
            assert done.stdout.splitlines()[-1] == f"spare slot on {site.nodes['a'].where}"
        else:
            said = json.loads(done.stdout)
            assert (said["start"], said["spares"]) == (str(definition.start), [site.nodes["a"].where])


def test_the_command_makes_no_spare_unless_it_is_told_to(site: Site) -> None:
    """Nodes in the environment, which other commands need, give a feed no spare."""
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    settings = {"HADRIAN_PRIMARY": a, "HADRIAN_STANDBY": b, "HADRIAN_NODES": f"{a} {b}"}
    site.table("untold", rows=1)
    assert hadrian("feed", "create", "untold", "--publication", "untold", **settings).returncode == 0
    assert not slot_state.look(site.nodes["a"], "hadrian_untold").present


@pytest.mark.parametrize("spares", ["some", "-1", "1.5", ""])
def test_the_command_refuses_what_is_no_number_of_nodes(spares: str) -> None:
    """One line that says what may be written."""
    arguments = ("--publication", "p", "--primary", "postgresql://nowhere.invalid/db", f"--spare={spares}")
    assert "write --spare all, none, a number, or host:port" in complaint(hadrian("feed", "create", "f", *arguments))
