"""Who may write to the store on Db2, and how much: keys, quotas and logging, through ibm_db against Derby."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from replicator.db2.adapter import Db2Database
from replicator.db2.chunks import PIECE_BYTES
from replicator.errors import KeyMissing, NotConfigured, QuotaExceeded
from replicator.position import Cursor
from replicator.store import checkpoints, keyring, quota, reader, sealing
from replicator.store.writer import Writer, publish
from tests.fixtures.derby_store import FAR, LARGE, Node, feed


def test_sealed_chunks_come_back_with_their_keys(
    node: Node, database: Db2Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored in the open, under one key and under the next; without keys nothing sealed, and no writing."""
    stored = []
    for content in (b"in the open", LARGE[: 2 * PIECE_BYTES], LARGE[:PIECE_BYTES]):
        writer = Writer(database)
        stored.append((writer.put("a", content), content))
        writer.flush()
        keys = keyring.add(tmp_path / "keys")
        monkeypatch.setenv(keyring.VARIABLE, str(keys.path))
    for blob, content in stored:
        assert reader.read(database, blob) == content
    ids = [None, *keys.keys]
    assert [(one.key_id, one.chunks) for one in sealing.in_store(database)] == sorted(
        zip(ids[:3], [1, 1, 1], strict=True), key=lambda one: one[0] or ""
    )
    assert main(["store", "key", "list", "--node", node.peer.url()]) == 0
    monkeypatch.delenv(keyring.VARIABLE)
    assert reader.read(database, stored[0][0]) == stored[0][1]
    for (blob, _), name in zip(stored[1:], ids[1:3], strict=True):
        with pytest.raises(KeyMissing, match=str(name)):
            reader.read(database, blob)
    writer = Writer(database)
    writer.put("a", b"unsealed")
    with pytest.raises(KeyMissing):
        writer.flush()


def test_quotas_hold(node: Node, database: Db2Database) -> None:
    """Of the store and of a run, before a chunk is sent and where the artifact is made."""
    feed(database)
    node.run("insert into hadrian.run (name, feed, recipe) values ('r', 't', '')")
    url = node.peer.url()
    assert main(["store", "quota", "set", "100000B", "--primary", url]) == 0
    writer = Writer(database)
    writer.put("a", LARGE[:200_000])
    with pytest.raises(QuotaExceeded, match="the store may take 100,000 bytes"):
        writer.flush()
    assert node.run("select count(*) from hadrian.chunk") == [(0,)]
    writer = Writer(database, "r")
    blob = writer.put("a", LARGE[:90_000])
    writer.flush()

    def save(step: int) -> None:
        with publish(database, checkpoints.KIND, f"r/{step}", [blob]) as (transaction, number):
            checkpoints.record(database, transaction, "r", step, number, Cursor(FAR, 0))

    quota.put(database, "r", 80_000)
    with pytest.raises(QuotaExceeded, match="run r may take 80,000 bytes"):
        save(1)
    assert node.run("select count(*) from hadrian.checkpoint") == [(0,)]
    quota.put(database, "r", 100_000)
    for step in (1, 2):  # what both hold counts once
        save(step)
    store, run = quota.every(database)
    assert (store.allowed, run.run, run.allowed, run.used) == (100_000, "r", 100_000, store.used)
    assert 90_000 <= store.used < 91_000
    assert quota.drop(database, "r")
    assert main(["store", "quota", "show", "--primary", url]) == 0


@pytest.mark.parametrize(
    ("table", "row", "said"),
    [
        ("xsyscat.columns", ("HADRIAN", "STEP", "LOSS", "BLOB", 9, "N", 0), r"STEP\.LOSS holds values that are not"),
        ("xsysproc.mon_get_tablespace", ("HADRIAN_32K", "OFFLINE"), "HADRIAN_32K is in state OFFLINE"),
        ("xsysproc.mon_get_tablespace", ("HADRIAN_32K", "BACKUP_PENDING"), "in state BACKUP_PENDING"),
        ("xsysproc.mon_get_tablespace", ("HADRIAN_32K", "RESTORE_IN_PROGRESS"), "in state RESTORE_IN_PROGRESS"),
        ("xsysproc.mon_get_tablespace", ("HADRIAN_32K", "ROLLFORWARD_IN_PROGRESS"), "in state ROLLFORWARD_IN"),
        ("xsysproc.mon_get_tablespace", ("HADRIAN_32K", "BACKUP_IN_PROGRESS"), None),
        ("xsysproc.mon_get_tablespace", ("OTHERS", "BACKUP_PENDING"), None),
    ],
)
def test_what_the_log_would_not_bring_is_not_stored(
    node: Node, database: Db2Database, table: str, row: tuple[Any, ...], said: str | None
) -> None:
    """A LOB out of the log, a table space that cannot be recovered; not what looks like it, or is another's."""
    catalog = ("HADRIAN", "CHUNK_PIECE", "T", 1, "R", "HADRIAN_32K", None, None)
    node.run(f"insert into xsyscat.tables values ({', '.join('?' * len(catalog))})", *catalog)
    node.run(f"insert into {table} values ({', '.join('?' * len(row))})", *row)
    writer = Writer(database)
    writer.put("a", b"logged")
    if said is None:
        writer.flush()
        return
    with pytest.raises(NotConfigured, match=said):
        writer.flush()
    assert node.run("select count(*) from hadrian.chunk") == [(0,)]
