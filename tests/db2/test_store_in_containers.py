"""The store on a HADR pair of Db2 itself: `pytest -m docker`, wherever a Docker engine answers."""

from __future__ import annotations

import contextlib
import random

import pytest

from replicator import migrate
from replicator.db2.adapter import Db2Database
from replicator.errors import NodeLost, NodeUnreachable, SlotInUse
from replicator.position import Lsn
from replicator.postgres import topology
from replicator.store import reader
from replicator.store.digest import CHUNK_BYTES
from replicator.store.writer import Writer, publish
from tests.fixtures.db2_container import HadrContainers

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

CONTENT = {"large": random.Random(1).randbytes(3 * CHUNK_BYTES + 1), "numbers": bytes(range(256)) * 9000}
TIMEOUT_S = 120


def has_replayed(standby: Db2Database, position: Lsn) -> bool:
    """Return whether a standby has come so far; while it replays DDL, it takes no connection."""
    with contextlib.suppress(NodeLost, NodeUnreachable):
        return standby.replayed() >= position
    return False


def test_what_is_stored_on_the_primary_is_read_on_the_standby(hadr_containers: HadrContainers) -> None:
    """Bytes put in here come out there once the position behind their commit is replayed; and one creates at a time."""
    hadr_containers.sql(
        "create bufferpool hadrian_32k pagesize 32k",
        "create tablespace hadrian_32k pagesize 32k bufferpool hadrian_32k",
    )
    assert migrate.install(hadr_containers.url("a")).applied
    with (
        contextlib.closing(Db2Database(hadr_containers.url("a"), 60)) as primary,
        contextlib.closing(Db2Database(hadr_containers.url("b"), 60)) as standby,
    ):
        writer = Writer(primary)
        blobs = [writer.put(name, data) for name, data in CONTENT.items()]
        writer.flush()
        with publish(primary, "report", "r", blobs) as (_, number):
            pass
        committed = primary.committed()
        topology.wait_until(lambda: has_replayed(standby, committed), "replay", timeout_s=TIMEOUT_S)
        kept = reader.manifest(standby, number)
        assert {blob.name: bytes(reader.read(standby, blob)) for blob in kept.blobs} == CONTENT
        with primary.creating("t"), pytest.raises(SlotInUse), primary.creating("t"):
            pass
