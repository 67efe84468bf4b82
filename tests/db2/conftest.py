"""A store in Derby for each module that asks, empty for each of its tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from replicator.db2.adapter import Db2Database
from tests.fixtures.derby import Derby, Peer
from tests.fixtures.derby_store import Node


@pytest.fixture(scope="module")
def made(derby: Derby, request: pytest.FixtureRequest) -> Iterator[Node]:
    """Make the module's database once."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_").partition("_")[0].upper()
    with contextlib.closing(Node(Peer(derby.port, name))) as node:
        yield node


@pytest.fixture
def node(made: Node) -> Node:
    """Empty it for one test."""
    made.reset()
    return made


@pytest.fixture
def database(node: Node) -> Db2Database:
    """Give the store."""
    return node.database
