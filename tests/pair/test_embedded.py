"""An embedded pair's nodes come back after a loss: in their role, or as the other's standby."""

from __future__ import annotations

import pytest

from replicator.errors import BadInput
from replicator.postgres import topology
from replicator.topology import Role
from tests.fixtures.pair import Pair


def test_a_killed_node_starts_again_at_once(pair: Pair) -> None:
    """Whatever it has left locked, and alone where that is asked for."""
    pair.run("create table kept (id int)")
    pair.embedded.kill("b")
    pair.embedded.kill("a")
    pair.embedded.start(["a"])
    assert {name: node and node.role for name, node in pair.embedded.status().items()} == {"a": Role.PRIMARY, "b": None}
    pair.close()
    assert pair.run("select count(*) from kept") == [(0,)]


def test_a_lost_primary_joins_again_as_the_standby(pair: Pair) -> None:
    """It follows the node that was promoted; one that runs is left alone."""
    with pytest.raises(BadInput, match="node a runs"):
        pair.embedded.rejoin("a")
    pair.fail_over()
    pair.run("create table after_the_fork (id int)", "b")
    pair.embedded.rejoin("a")
    found = pair.embedded.status()
    assert {name: node and (node.role, node.timeline) for name, node in found.items()} == {
        "a": (Role.STANDBY, 2),
        "b": (Role.PRIMARY, 2),
    }
    topology.wait_replayed(pair.server("a"), topology.committed(pair.server("b")))
    assert pair.run("select count(*) from after_the_fork", "a") == [(0,)]
