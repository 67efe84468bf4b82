"""What Hadrian's roles may do, and what none of them may."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import main
from replicator import access, migrate, step_journal
from replicator.errors import HadrianError, NotPermitted
from replicator.position import Cursor, Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.step_journal import Step
from replicator.store import checkpoints, keyring, quota, reader
from replicator.store.writer import Writer, publish
from tests.fixtures.pair import Pair

_CURSOR = Cursor(Lsn(7), 0)


@pytest.fixture(scope="module")
def pair(shared_pair: Pair) -> Pair:
    """Make the schema, a feed, and the roles with somebody in each."""
    url = shared_pair.embedded.url("a")
    migrate.install(url)
    with contextlib.closing(PostgresDatabase(url)) as owner, publish(owner, "snapshot", "f", []) as (transaction, made):
        feed = "insert into hadrian.feed (name, publication, slot, start_lsn, timeline, snapshot_id) "
        transaction.exec_driver_sql(f"{feed} values ('f', 'p', 's', '0/1', 1, %s)", (made,))
    for _ in range(2):  # again, as after an upgrade
        access.grant(url)
    for role in ("reader", "trainer", "admin"):
        shared_pair.run(f"create role a_{role} login in role hadrian_{role}")
    return shared_pair


@contextlib.contextmanager
def _as(pair: Pair, role: str) -> Iterator[PostgresDatabase]:
    with contextlib.closing(PostgresDatabase(pair.embedded.url("a").replace("postgres@", f"a_{role}@"))) as node:
        yield node


def _tables(pair: Pair) -> list[str]:
    return [str(name) for (name,) in pair.run("select tablename from pg_tables where schemaname = 'hadrian'")]


def _is_denied(node: PostgresDatabase, statement: str) -> bool:
    try:
        with node.begin() as transaction:
            transaction.exec_driver_sql(statement)
    except NotPermitted:
        return True
    except HadrianError:
        return False
    return False


def test_a_trainer_leaves_what_a_run_leaves_and_deletes_nothing(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run, step, sealed checkpoint and what was passed over, within its quota; a reader reads all of it back."""
    monkeypatch.setenv(keyring.VARIABLE, str(keyring.add(tmp_path / "keys").path))
    with _as(pair, "admin") as node:
        for run in (None, "r"):
            quota.put(node, run, 1 << 20)
    with _as(pair, "trainer") as node:
        step_journal.open_run(node, "r", "f", "{}")
        step_journal.append(node, "r", Step(1, Cursor(Lsn(0), 0), _CURSOR, 1, bytes(32), 1.0, 1.0))
        writer = Writer(node)
        blob = writer.put("w", b"weights")
        writer.flush()
        with publish(node, checkpoints.KIND, "r/1", [blob]) as (transaction, artifact_id):
            checkpoints.record(node, transaction, "r", 1, artifact_id, _CURSOR)
        checkpoints.pass_over(node, "r", 1, Cursor(Lsn(9), 0))
        checkpoints.note_commit(node, "r", 1)
        for table in _tables(pair):
            assert _is_denied(node, f"delete from hadrian.{table}"), table
        assert _is_denied(node, "update hadrian.artifact set name = 'other'")
        assert _is_denied(node, "update hadrian.quota set allowed_bytes = 1")
        assert _is_denied(node, "insert into hadrian.quota (run, allowed_bytes) values ('s', 1)")
    with _as(pair, "reader") as node:
        (found,) = checkpoints.found(node, "r")
        assert reader.read(node, reader.manifest(node, found.artifact_id).blobs[0]) == b"weights"


def test_a_reader_writes_nothing(pair: Pair) -> None:
    """Into no table, and makes none."""
    with _as(pair, "reader") as node:
        for table in _tables(pair):
            for statement in ("insert into hadrian.{} default values", "delete from hadrian.{}", "truncate hadrian.{}"):
                assert _is_denied(node, statement.format(table)), statement.format(table)
        assert _is_denied(node, "create table hadrian.own (id int)")


def test_an_admin_removes_and_makes(pair: Pair) -> None:
    """Rows, and a journal's table."""
    with _as(pair, "admin") as node, node.begin() as transaction:
        transaction.exec_driver_sql("delete from hadrian.checkpoint_tag")
        transaction.exec_driver_sql("delete from hadrian.seal")
        transaction.exec_driver_sql("create table hadrian.journal_made (id int)")


def test_the_command_makes_and_prints_them(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """Who may not make roles is told, and can hand the statements to who may."""
    assert main(["schema", "roles", "--primary", pair.embedded.url("a")]) == 0
    assert "hadrian_reader, hadrian_trainer, hadrian_watcher, hadrian_admin are there" in capsys.readouterr().out
    for engine in ("postgres", "db2"):
        assert main(["schema", "roles", "--engine", engine]) == 0
        assert "hadrian_trainer" in capsys.readouterr().out
    with _as(pair, "reader") as node, pytest.raises(NotPermitted):
        access.grant(node.url.render_as_string(hide_password=False))
