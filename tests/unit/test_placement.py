"""Where a new feed's slot goes, for every pair of versions, and what is said of it."""

from __future__ import annotations

import pytest

from replicator.errors import BadInput, NotConfigured
from replicator.postgres import failover_slot, placement
from replicator.postgres.connection import Server
from replicator.postgres.slot import Decoding

_PRIMARY = Server("postgresql://a:5432/app")
_STANDBY = Server("postgresql://b:5432/app")


@pytest.fixture
def nodes_run(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let both nodes run PostgreSQL 18; a test may set another."""
    _set(monkeypatch, 18)
    return monkeypatch


def _set(monkeypatch: pytest.MonkeyPatch, major: int) -> None:
    version = major * 10000 + 3
    monkeypatch.setattr(
        placement, "ask_decoding", lambda server: Decoding(version, server is _STANDBY, "logical", True, "u")
    )


@pytest.mark.parametrize(("major", "on_standby"), [(10, False), (15, False), (16, True), (18, True)])
def test_a_standby_gets_the_slot_from_16_on(nodes_run: pytest.MonkeyPatch, major: int, on_standby: bool) -> None:
    """Before, the primary does, and the reason names the standby's version."""
    _set(nodes_run, major)
    placed = placement.place(_PRIMARY, _STANDBY, failover=False)
    assert placed.node is (_STANDBY if on_standby else _PRIMARY)
    assert not placed.failover
    assert "decodes from" in placed.reasons[0]
    assert ("b:5432/app runs PostgreSQL 15" in placed.reasons[0]) is (major == 15)


@pytest.mark.parametrize(("major", "spare", "failover"), [(15, False, False), (16, True, False), (17, True, True)])
def test_what_saves_a_slot_on_the_primary_is_said_where_the_version_has_it(
    nodes_run: pytest.MonkeyPatch, major: int, spare: bool, failover: bool
) -> None:
    """Spare slots on a standby from 16 on, failover slots from 17 on."""
    _set(nodes_run, major)
    said = placement.place(_PRIMARY, None, failover=False).reasons[1]
    assert (("--spare" in said), ("--failover" in said)) == (spare, failover)


def test_without_a_standby_the_primary_gets_it(nodes_run: pytest.MonkeyPatch) -> None:
    """And what becomes of the slot when that node is lost is said."""
    del nodes_run
    placed = placement.place(_PRIMARY, None, failover=False)
    assert placed.node is _PRIMARY
    assert "no standby is named" in placed.reasons[0]
    assert "lost with that node" in placed.reasons[1]


def test_a_failover_slot_needs_17_and_a_standby_that_copies_it(nodes_run: pytest.MonkeyPatch) -> None:
    """Each is looked at before the slot is made, the settings last."""
    asked = []
    nodes_run.setattr(failover_slot, "check_copied", lambda primary, standby: asked.append((primary, standby)))
    with pytest.raises(BadInput, match="needs a standby"):
        placement.place(_PRIMARY, None, failover=True)
    placed = placement.place(_PRIMARY, _STANDBY, failover=True)
    assert (placed.node, placed.failover, asked) == (_PRIMARY, True, [(_PRIMARY, _STANDBY)])
    _set(nodes_run, 16)
    with pytest.raises(NotConfigured, match="runs PostgreSQL 16: failover slots came with 17"):
        placement.place(_PRIMARY, _STANDBY, failover=True)


def test_nodes_in_each_others_place_are_refused(nodes_run: pytest.MonkeyPatch) -> None:
    """A standby cannot keep the snapshot, and a slot on a primary is not what --standby asks for."""
    del nodes_run
    with pytest.raises(BadInput, match="b:5432/app is a standby, not a primary"):
        placement.place(_STANDBY, None, failover=False)
    with pytest.raises(BadInput, match="a:5432/app is a primary, not a standby"):
        placement.place(_PRIMARY, _PRIMARY, failover=False)
