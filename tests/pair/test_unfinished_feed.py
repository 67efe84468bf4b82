"""What is said of a feed whose creation was cut off, and how it is given up."""

from __future__ import annotations

import pytest

from replicator import unfinished_snapshot
from replicator.errors import BadInput, SlotInUse
from replicator.feed.removal import Removed, remove
from replicator.feed.status import of_nodes
from replicator.position import Lsn
from replicator.postgres import creation
from replicator.postgres.snapshot import Begun
from tests.fixtures.site import Site

_START = Lsn(0x5000)


def _cut_off(site: Site, name: str, *, parts: int = 0) -> None:
    """Leave what a creation leaves that was killed behind so many parts."""
    primary = site.nodes["a"]
    unfinished_snapshot.begin(primary, name, Begun(_START, 1, "marks", 2048, (5000,)))
    for number in range(parts):
        unfinished_snapshot.keep_part(primary, name, number, [])
    site.catch_up()


def _drop(site: Site, name: str) -> Removed:
    urls = [site.pair.embedded.url(node) for node in ("a", "b")]
    return remove(name, primary_url=urls[0], node_urls=urls)


def _left(site: Site) -> list[tuple[object, ...]]:
    return site.run("select feed from hadrian.snapshot union all select feed from hadrian.snapshot_part")


def test_status_tells_of_a_feed_that_is_not_there_yet(site: Site) -> None:
    """Once, though both nodes know of it; with what is kept, what that costs, and what to do; not once it is there."""
    site.table("halfway", rows=1)
    site.table("another", rows=1)
    _cut_off(site, "halfway", parts=2)
    _cut_off(site, "another")
    nodes = list(site.nodes.values())
    assert len(of_nodes(nodes).concerns) == 2
    [concern] = of_nodes(nodes, "halfway").concerns
    assert "feed halfway is not there yet: 2 parts of its snapshot are kept" in concern.message
    assert f"keeps the log from {_START} on" in concern.message
    assert "hadrian feed create" in concern.remedy
    assert "hadrian feed drop halfway" in concern.remedy
    site.create("halfway")
    assert of_nodes(nodes, "halfway").concerns == ()
    for name in ("halfway", "another"):
        _drop(site, name)


def test_a_creation_that_was_cut_off_is_given_up_even_without_its_slot(site: Site) -> None:
    """Its parts go, and a second time there is nothing to give up."""
    _cut_off(site, "slotless", parts=2)
    assert _drop(site, "slotless") == Removed("slotless", record=False, slot="hadrian_slotless", slots=(), runs=())
    assert _left(site) == []
    with pytest.raises(BadInput, match="has no feed slotless"):
        _drop(site, "slotless")


def test_a_feed_that_is_being_created_is_not_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts and its slot stay with whoever is at it."""
    monkeypatch.setattr(creation, "_DEAD_S", 0)
    _cut_off(site, "busy", parts=1)
    with site.nodes["a"].creating("busy"), pytest.raises(SlotInUse, match="is being created"):
        _drop(site, "busy")
    assert len(_left(site)) == 2
    _drop(site, "busy")
    assert _left(site) == []
