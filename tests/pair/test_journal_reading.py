"""Journal feeds as their readers have them: `Feed`, `hadrian feed read` and `status`, on servers that allow no slot."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from cli.main import main
from replicator import journal_feed
from replicator.errors import BadInput, FeedBroken, NotPermitted, SlotInUse, TimelineForked
from replicator.feed import removal, spares
from replicator.feed.journal import seal
from replicator.feed.status import of_nodes
from replicator.follow import Feed
from replicator.position import Cursor, Lsn
from replicator.postgres import creation, topology
from tests.fixtures.journal_site import create, journal_of, seal_all, url_of
from tests.fixtures.pair import fresh_pair
from tests.fixtures.site import Site

_SETTINGS = "wal_level = replica\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Make a site that nothing decodes and nobody fails over."""
    with fresh_pair(_SETTINGS) as pair, contextlib.closing(Site(pair)) as made:
        yield made


@pytest.fixture
def doomed() -> Iterator[Site]:
    """Make one that may be failed over."""
    with fresh_pair(_SETTINGS) as pair, contextlib.closing(Site(pair)) as made:
        yield made


def _insert(site: Site, table: str, *ids: int, node: str = "a") -> None:
    site.run(f"insert into {table} select i, 1, 'v' from unnest(array{list(ids)}) as i", "a" if node == "a" else "b")


def _urls(site: Site) -> list[str]:
    return [url_of(site, "a"), url_of(site, "b")]


def _ids(feed: Feed, count: int) -> list[int]:
    found: list[int] = []
    for batch in feed.batches(follow=True):
        found += batch.column("id").to_pylist()
        if len(found) >= count:
            break
    return found


def test_a_journal_feed_is_followed_through_a_takeover(doomed: Site) -> None:
    """The same reader goes on where the node that takes writes seals, and what it confirms is told to that one."""
    create(doomed, "f")
    _insert(doomed, "f", 1, 2)
    seal_all(doomed, "f")
    with Feed("f", _urls(doomed)) as feed:
        assert _ids(feed, 2) == [1, 2]
        feed.confirm(feed.cursor())
        assert journal_of(doomed, "f").confirmed() == 2
        doomed.catch_up()
        doomed.pair.fail_over()
        _insert(doomed, "f", 3, node="b")
        assert seal_all(doomed, "f", "b") == 1
        assert _ids(feed, 1) == [3]
        assert feed.cursor() == Cursor(Lsn(3), 0, 2)
        feed.confirm(feed.cursor())
        assert journal_of(doomed, "f", "b").confirmed() == 3
    with Feed("f", _urls(doomed), after=Cursor(Lsn(3), 0, 2)) as feed:
        assert list(feed.batches()) == []


def test_nothing_past_the_fork_is_read_by_a_cursor_that_saw_what_never_happened(doomed: Site) -> None:
    """A batch that only the dead primary had: the error names the fork, and an older cursor goes on."""
    create(doomed, "f")
    _insert(doomed, "f", 1)
    seal_all(doomed, "f")
    with Feed("f", [url_of(doomed, "a")]) as feed:
        assert _ids(feed, 1) == [1]
        good = feed.cursor()
        doomed.run("alter system set primary_conninfo = ''", "b")
        doomed.run("select pg_reload_conf()", "b")
        receiver = "select count(*) from pg_stat_wal_receiver"
        topology.wait_until(lambda: doomed.run(receiver, "b") == [(0,)], "the receiver to stop", timeout_s=30)
        _insert(doomed, "f", 2)
        seal(journal_of(doomed, "f"))
        assert _ids(feed, 1) == [2]
        lost = feed.cursor()
    doomed.pair.fail_over()
    _insert(doomed, "f", 4, node="b")
    seal(journal_of(doomed, "f", "b"))
    with Feed("f", _urls(doomed), after=lost) as feed, pytest.raises(TimelineForked) as raised:
        feed.read(0)
    assert (raised.value.fork_lsn, raised.value.cursor) == (good.lsn, lost)
    with Feed("f", _urls(doomed), after=good) as feed:
        assert _ids(feed, 1) == [4]


def test_a_role_without_replication_reads_a_journal(site: Site) -> None:
    """It needs to read tables and no more; what can be decoded only, it cannot."""
    create(site, "plain")
    _insert(site, "plain", 1)
    seal_all(site, "plain")
    site.run("create role plain_reader login")
    site.run("grant usage on schema hadrian to plain_reader")
    site.run("grant select on all tables in schema hadrian to plain_reader")
    site.catch_up()
    urls = [url.replace("postgres@", "plain_reader@") for url in _urls(site)]
    for nodes in (urls, urls[1:]):
        with Feed("plain", nodes) as feed:
            assert _ids(feed, 1) == [1]
    with contextlib.closing(site.pair.embedded.server("b")) as server:
        assert topology.look(server).timeline == 1
    with Feed("plain", urls) as feed, pytest.raises(NotPermitted):
        feed._nodes[1].timeline_history()


def test_a_standby_tells_its_timeline_without_replication(doomed: Site) -> None:
    """By what it receives if the role may see that, else by its control file, and as long as it is not promoted."""
    for role, grant in (("watcher", "grant pg_monitor to watcher"), ("nobody", "select 1")):
        doomed.run(f"create role {role} login")
        doomed.run(grant)
    doomed.catch_up()
    for role in ("watcher", "nobody"):
        nodes = Feed("x", [url.replace("postgres@", f"{role}@") for url in _urls(doomed)])
        seen = topology.reachable(nodes._nodes)
        assert [look.timeline for _, look in seen] == [1, 1]
        nodes.close()


def test_the_commands_read_a_journal(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """What is sealed, the same bytes each time, on behind any line's cursor; nothing is consumed by it."""
    site.run("create table lines (id bigint primary key, version bigint not null, v text)")
    _insert(site, "lines", 1, 2)
    journal_feed.create("lines", "lines", primary_url=url_of(site, "a"))
    _insert(site, "lines", 3, 4)
    seal_all(site, "lines")
    site.run("delete from lines where id = 1")
    seal_all(site, "lines")
    _insert(site, "lines", 5)
    nodes = [word for url in _urls(site) for word in ("--node", url)]

    def read(*more: str) -> str:
        assert main(["feed", "read", "lines", *nodes, *more]) == 0
        return capsys.readouterr().out

    said = read()
    lines = said.splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    assert [(row["_op"], row["id"]) for row in rows] == [
        ("snapshot", 1), ("snapshot", 2), ("insert", 3), ("insert", 4), ("delete", 1),
    ]  # fmt: skip
    for number, row in enumerate(rows, 1):
        assert read("--after", row["_cursor"]) == "".join(lines[number:])
    assert read() == said
    assert journal_of(site, "lines").confirmed() == 1
    assert main(["feed", "status", "lines", *nodes, "--format", "json"]) == 0
    on = {one["state"]["node"]: one["state"] for one in json.loads(capsys.readouterr().out)["journals"]}
    assert set(on) == {site.nodes["a"].where, site.nodes["b"].where}
    state = on[site.nodes["a"].where]
    assert (state["sealed"], state["confirmed"], state["waiting"]) == (3, 1, 1)
    assert main(["feed", "status", "lines", *nodes, "--limit", "1kB"]) == 1
    table = capsys.readouterr().out
    assert "warning: feed lines: its journal on" in table
    assert "1 rows wait to be sealed" in table
    assert main(["feed", "drop", "lines", "--primary", url_of(site, "a"), *nodes]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "dropped the journal of feed lines and its triggers", "removed feed lines and its snapshot",
    ]  # fmt: skip


def test_what_was_confirmed_is_told_to_be_gone(site: Site) -> None:
    """A second reader of the journal that is further behind gets an error, and no gap."""
    create(site, "gone")
    for number in (1, 2):
        _insert(site, "gone", number)
        seal_all(site, "gone")
    with Feed("gone", _urls(site)) as feed:
        assert _ids(feed, 2) == [1, 2]
        feed.confirm(feed.cursor())
    seal_all(site, "gone")
    with Feed("gone", _urls(site)) as feed, pytest.raises(FeedBroken, match="were confirmed"):
        feed.read(0)


def test_a_journal_has_no_slot_to_name_and_no_spare(site: Site) -> None:
    """Both are refused in a line."""
    create(site, "slotless")
    site.catch_up()
    with Feed("slotless", _urls(site), slot="other") as feed, pytest.raises(BadInput, match="has no slot"):
        feed.read(0)
    with pytest.raises(BadInput, match="reads a journal"):
        spares.add("slotless", primary_url=url_of(site, "a"), node_urls=_urls(site))


def test_a_journal_whose_creation_was_killed_is_told_and_can_be_dropped(site: Site) -> None:
    """Its triggers go on writing to it, so status warns; drop ends both."""
    site.run("create table half (id bigint primary key)")
    journal_of(site, "half").create("half")
    site.catch_up()
    nodes = list(site.nodes.values())
    (concern,) = of_nodes(nodes, "half").concerns
    assert "feed half is not there yet, but its journal is" in concern.message
    gone = removal.remove("half", primary_url=url_of(site, "a"), node_urls=[])
    assert (gone.journal, gone.record) == (True, False)
    assert site.run("select count(*) from pg_trigger where tgrelid = 'half'::regclass") == [(0,)]
    site.catch_up()
    with pytest.raises(BadInput, match="no feed half"):
        of_nodes(nodes, "half")


def test_a_feed_is_created_by_one_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second creator would take the first one's journal away, and with it what was written meanwhile."""
    monkeypatch.setattr(creation, "_DEAD_S", 0)
    site.run("create table contested (id bigint primary key)")
    with site.nodes["a"].creating("contested"), pytest.raises(SlotInUse, match="is being created by somebody else"):
        journal_feed.create("contested", "contested", primary_url=url_of(site, "a"))
    assert site.run("select to_regclass('hadrian.journal_contested')") == [(None,)]
