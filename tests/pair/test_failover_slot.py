"""Failover slots on a real pair: refused unless the standby copies them, and read on from the copy after a takeover."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from replicator import handover
from replicator.errors import FeedBroken, NotConfigured
from replicator.feed import definition as definitions
from replicator.feed.status import of_nodes
from replicator.follow import Feed
from replicator.position import Cursor, Lsn
from replicator.postgres import failover_slot, slot_state, spare
from replicator.postgres import slot as slots
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.embedded import NodeName
from replicator.postgres.topology import wait_until
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import fresh_pair
from tests.fixtures.settings import configure, configured
from tests.fixtures.site import TIMEOUT_S, Site, read_of

_COPYING: dict[NodeName, dict[str, str]] = {
    "a": {"synchronized_standby_slots": "hadrian_pair"},
    "b": {"sync_replication_slots": "on"},
}


@contextlib.contextmanager
def _copying_site() -> Iterator[Site]:
    with fresh_pair() as pair, contextlib.closing(Site(pair)) as made:
        for node, settings in _COPYING.items():
            configure(made, node, settings)
        yield made


@pytest.fixture
def copying() -> Iterator[Site]:
    """Make a site whose standby copies failover slots, for one test, which may kill and promote."""
    with _copying_site() as made:
        yield made


@pytest.fixture(scope="module")
def shared_copying() -> Iterator[Site]:
    """Make such a site for the tests that kill nothing."""
    with _copying_site() as made:
        yield made


def create(site: Site, name: str) -> handover.Created:
    """Create a feed with a failover slot."""
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    made = handover.create(name, name, primary_url=a, standby_url=b, failover=True)
    site.catch_up()
    return made


def wait_copy(site: Site, slot: str, confirmed: Lsn | None = None) -> None:
    """Wait until the standby has begun a copy or, with a position, one that has moved there and is finished."""

    def is_there() -> bool:
        site.run("select pg_reload_conf()", "b")  # wakes the worker from its nap
        state = slot_state.look(site.nodes["b"], slot)
        if confirmed is None:
            return state.copied
        return state.copied and state.finished and (state.confirmed or Lsn(0)) >= confirmed

    wait_until(is_there, "the standby's copy", timeout_s=TIMEOUT_S)


def begin_copy(site: Site, slot: str) -> None:
    """Let the standby begin a copy: what is confirmed from here on finishes it."""
    wait_copy(site, slot)
    site.run("select pg_log_standby_snapshot()")


def finish_copy(site: Site, feed: str, slot: str) -> None:
    """Let the standby begin a copy, and move the primary's slot so that it is finished."""
    begin_copy(site, slot)
    site.insert(feed, [100])
    end = site.nodes["a"].committed()
    assert spare.advance(site.nodes["a"], slot, Cursor(end, 0), Cursor(end, 0))
    wait_copy(site, slot, end)


@pytest.mark.parametrize(
    ("node", "broken", "says", "remedy"),
    [
        ("b", {"hot_standby_feedback": "off"}, "hot_standby_feedback is off", "set hot_standby_feedback = on"),
        ("b", {"sync_replication_slots": "off"}, "sync_replication_slots is off", "set sync_replication_slots = on"),
        ("b", {"primary_slot_name": ""}, "primary_slot_name is not set", "set primary_slot_name to a physical slot"),
        ("b", {"primary_slot_name": "unmade"}, "has no physical slot unmade", "pg_create_physical_replication_slot"),
        ("b", {"primary_conninfo": "host=/nowhere password=s3cret"}, "names no dbname", "add dbname"),
        ("b", {"primary_conninfo": "host=/nowhere password='s3cret"}, "names no dbname", "add dbname"),
        ("a", {"synchronized_standby_slots": ""}, "synchronized_standby_slots does not name", "= 'hadrian_pair'"),
        ("a", {"synchronized_standby_slots": "other"}, "does not name its slot", "= 'other, hadrian_pair'"),
    ],
)  # fmt: skip
def test_each_setting_that_copying_needs_is_asked_for(
    shared_copying: Site, node: NodeName, broken: dict[str, str], says: str, remedy: str
) -> None:
    """Where one is missing, the message says which and the hint what to set; no password is in either."""
    site = shared_copying
    a, b = site.nodes["a"], site.nodes["b"]
    failover_slot.check_copied(a, b)
    with configured(site, node, broken), pytest.raises(NotConfigured) as raised:
        failover_slot.check_copied(a, b)
    assert says in str(raised.value)
    assert remedy in raised.value.hint
    assert "s3cret" not in str(raised.value) + raised.value.hint


def test_a_role_that_cannot_see_the_settings_is_told_which_grant_it_needs(shared_copying: Site) -> None:
    """What cannot be looked at is not taken for well."""
    site = shared_copying
    site.run("create role unsighted login replication")
    site.catch_up()
    url = site.nodes["b"].url.set(username="unsighted")
    with contextlib.closing(PostgresDatabase(url)) as standby, pytest.raises(NotConfigured) as raised:
        failover_slot.check_copied(site.nodes["a"], standby)
    assert "role unsighted may not see primary_conninfo" in str(raised.value)
    assert "grant pg_read_all_settings to unsighted" in raised.value.hint


def test_the_command_refuses_a_failover_slot_that_nothing_would_copy(site: Site) -> None:
    """One line that names all that is missing and what to set, and neither node keeps a slot."""
    site.table("uncopied", rows=1)
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    command = ("feed", "create", "uncopied", "--publication", "uncopied", "--primary", a, "--failover")
    said = complaint(hadrian(*command, "--standby", b))
    assert "sync_replication_slots is off, synchronized_standby_slots does not name its slot" in said
    assert f"on {site.nodes['b'].where} set sync_replication_slots = on" in said
    assert f"on {site.nodes['a'].where} set synchronized_standby_slots = 'hadrian_pair'; then reload both" in said
    assert "name it with --standby" in complaint(hadrian(*command))
    assert "leave out --spare" in complaint(hadrian(*command, "--standby", b, "--node", b, "--spare", "all"))
    assert site.left_behind("uncopied") == []


def test_reading_goes_on_from_the_copy_when_the_primary_is_killed(copying: Site) -> None:
    """Created with --failover and copied, read on the promoted standby at the same cursor, inside a transaction too."""
    site = copying
    site.table("carried")
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    done = hadrian(
        "feed", "create", "carried", "--publication", "carried", "--primary", a, "--standby", b,
        "--failover", "--format", "json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["node"] == site.nodes["a"].where
    assert any("synchronized_standby_slots" in reason for reason in said["reasons"])
    definition = definitions.find(site.nodes["a"], "carried")
    assert definition is not None
    slot = definition.slot
    begin_copy(site, slot)
    site.insert("carried", [4, 5])
    site.insert("carried", [6, 7, 8])
    site.run("update carried set v = 'b' where id > 6")
    with site.open(definition, node="a") as feed:
        undisturbed = read_of(feed, 7)
    with site.open(definition, node="a") as feed:
        first = read_of(feed, 4)
        cursor = first[-1].after
        assert cursor.seq == 2
        feed.confirm(cursor)
    wait_copy(site, slot, cursor.lsn)
    assert not slot_state.look(site.nodes["b"], slot).keeps(cursor.lsn)  # not yet
    with pytest.raises(FeedBroken, match="readable once this node is promoted"):
        slot_state.look(site.nodes["b"], slot).check_readable()
    site.pair.fail_over()
    site.nodes["a"].close()
    site.nodes["b"].close()
    assert slot_state.look(site.nodes["b"], slot).keeps(cursor.lsn)
    with Feed("carried", [a, b], after=cursor) as followed:
        rest = [change for batch in followed.batches() for change in followed.changes(batch)]
    assert rest == undisturbed[4:]


def test_a_copy_is_left_to_the_standby(shared_copying: Site) -> None:
    """A spare's progress passes it over, no spare is made beside it, and it goes with the primary's slot."""
    site = shared_copying
    site.table("kept", rows=1)
    slot = create(site, "kept").feed.slot
    finish_copy(site, "kept", slot)
    b = site.nodes["b"]
    site.insert("kept", [101])
    site.catch_up()
    assert spare.advance(b, slot, Cursor(b.replayed(), 0), Cursor(Lsn(1), 0))
    slots.drop(b, slot)
    assert slot_state.look(b, slot).copied
    with pytest.raises(NotConfigured, match=r"is a failover slot, which .* copies under the same name"):
        spare.add(b, slot, site.nodes["a"])
    a_url, b_url = (site.pair.embedded.url(node) for node in ("a", "b"))
    done = hadrian("feed", "drop", "kept", "--primary", a_url, "--node", b_url)
    assert done.returncode == 0, done.stderr
    assert f"dropped slot {slot} on {site.nodes['a'].where}" in done.stdout
    assert f"on {b.where}" not in done.stdout

    def is_gone() -> bool:
        site.run("select pg_reload_conf()", "b")
        return not slot_state.look(b, slot).present

    wait_until(is_gone, "the copy to go", timeout_s=TIMEOUT_S)


def test_status_tells_how_far_the_copy_is(shared_copying: Site) -> None:
    """Not there or unfinished: a takeover would lose the feed. Finished: it serves once promoted, and all is well."""
    site = shared_copying
    site.table("watched", rows=1)
    slot = create(site, "watched").feed.slot
    nodes = [site.nodes["a"], site.nodes["b"]]
    (concern,) = of_nodes(nodes, "watched").concerns
    assert f"failover slot {slot}: no standby given has a finished copy" in concern.message
    finish_copy(site, "watched", slot)
    found = of_nodes(nodes, "watched")
    assert found.concerns == ()
    assert [one.service for one in found.slots] == ["ready", "once promoted"]


def test_status_tells_which_standby_the_rows_wait_for(shared_copying: Site) -> None:
    """A slot that is named in synchronized_standby_slots and that nobody uses holds up every reader."""
    site = shared_copying
    site.table("waiting", rows=1)
    slot = create(site, "waiting").feed.slot
    site.run("select pg_create_physical_replication_slot('unused', true)")
    with configured(site, "a", {"synchronized_standby_slots": "hadrian_pair, unused"}):
        said = [one.message for one in of_nodes([site.nodes["a"]], "waiting").concerns]
    site.run("select pg_drop_replication_slot('unused')")
    assert any(f"slot {slot} on {site.nodes['a'].where} gives no rows until" in one and "unused" in one for one in said)
