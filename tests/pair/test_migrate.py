"""Migrations on a real server: whole or not at all, once each, and the same schema by every road."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from replicator import migrate
from replicator.errors import BadInput, HadrianError, SchemaMissing
from replicator.postgres.connection import Server
from replicator.postgres.topology import wait_until
from tests.fixtures.pair import Pair

FILES = migrate.available("postgres")


@pytest.fixture
def url(shared_pair: Pair) -> Iterator[str]:
    """Make a database of the test's own on the primary."""
    shared_pair.run("create database trial")
    yield shared_pair.embedded.url("a").replace("@/postgres?", "@/trial?")
    shared_pair.run("drop database trial with (force)")


def folder_of(folder: Path, *scripts: str) -> Path:
    """Make a folder of migrations: the program's own first one, and then these."""
    folder.mkdir(exist_ok=True)
    (folder / "0001_store.sql").write_text(FILES[0].script)
    for number, script in enumerate(scripts, start=2):
        (folder / f"{number:04d}_trial.sql").write_text(script)
    return folder


def dump(pair: Pair) -> str:
    """Return the definition of everything in schema hadrian, as pg_dump writes it."""
    embedded = pair.embedded
    argv: list[str | Path] = [
        embedded.bin / "pg_dump",
        "-h",
        embedded.socket,
        "-U",
        "postgres",
        "-s",
        "-n",
        "hadrian",
        "trial",
    ]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    # \restrict carries a random word
    return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


def exists(url: str, name: str) -> bool:
    """Return whether the database has a relation of that name."""
    with contextlib.closing(Server(url)) as server, server.connect() as connection:
        return connection.exec_driver_sql("select to_regclass(%s)", (name,)).scalar_one() is not None


def waiting(server: Server) -> int:
    """Return how many sessions wait for an advisory lock."""
    with server.connect() as connection:
        query = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        return int(connection.exec_driver_sql(query).scalar_one())


@pytest.mark.parametrize("first", range(1, len(FILES)))
def test_migrated_equals_fresh(shared_pair: Pair, url: str, tmp_path: Path, first: int) -> None:
    """A database that was installed early and upgraded has the schema of one installed now."""
    migrate.install(url)
    fresh, record = dump(shared_pair), [(row.number, row.state) for row in migrate.status(url)]
    shared_pair.run("drop database trial with (force)")
    shared_pair.run("create database trial")
    for file in FILES[:first]:
        (tmp_path / f"{file}.sql").write_text(file.script)
    assert migrate.install(url, tmp_path).applied == FILES[:first]
    assert dump(shared_pair) != fresh
    assert migrate.upgrade(url) == migrate.Outcome(migrate.install(url).where, first, FILES[first:])
    assert dump(shared_pair) == fresh
    assert [(row.number, row.state) for row in migrate.status(url)] == record


def test_every_file_is_recorded_with_its_digest(url: str) -> None:
    """The record says what was applied, and status finds it unchanged."""
    outcome = migrate.install(url)
    assert (outcome.found, outcome.applied) == (0, FILES)
    assert [(row.number, row.name, row.state) for row in migrate.status(url)] == [
        (file.number, file.name, "applied") for file in FILES
    ]


def test_a_migration_that_fails_leaves_nothing(url: str, tmp_path: Path) -> None:
    """Neither its first statement nor its row remains; the files before it do, and the next try goes on."""
    broken = folder_of(
        tmp_path, "create table hadrian.half (a int);\nselect 1 / 0;\ncreate table hadrian.rest (a int);"
    )
    with pytest.raises(HadrianError, match="0002_trial failed and was rolled back"):
        migrate.install(url, broken)
    assert not exists(url, "hadrian.half")
    assert [row.state for row in migrate.status(url, broken)] == ["applied", "pending"]
    mended = folder_of(tmp_path, "create table hadrian.half (a int);\ncreate table hadrian.rest (a int)")
    outcome = migrate.upgrade(url, mended)
    assert (outcome.found, [str(file) for file in outcome.applied]) == (1, ["0002_trial"])
    assert exists(url, "hadrian.rest")


def test_a_migration_that_forbids_its_own_record_leaves_nothing(url: str, tmp_path: Path) -> None:
    """A file whose row cannot be written is rolled back with it."""
    folder = folder_of(
        tmp_path, "create table hadrian.half (a int);\nalter table hadrian.migration add check (number < 2);"
    )
    with pytest.raises(HadrianError):
        migrate.install(url, folder)
    assert not exists(url, "hadrian.half")


def test_a_changed_file_is_refused(url: str, tmp_path: Path) -> None:
    """Nothing is applied on top of a file that is not what the database had; status names it."""
    folder = folder_of(tmp_path, "select 1;")
    migrate.install(url, folder)
    folder_of(tmp_path, "select 2;", "create table hadrian.more (a int);")
    for act in (migrate.install, migrate.upgrade):
        with pytest.raises(BadInput, match="0002_trial is not what this database had"):
            act(url, folder)
    assert not exists(url, "hadrian.more")
    assert [row.state for row in migrate.status(url, folder)] == ["applied", "changed", "pending"]


def test_a_newer_database_is_refused(url: str, tmp_path: Path) -> None:
    """A program older than the database says that it must be upgraded; status shows what it does not know."""
    newer = folder_of(tmp_path / "newer", *[file.script for file in FILES[1:]], "select 1;")
    migrate.install(url, newer)
    with pytest.raises(BadInput, match="newer than the program") as refused:
        migrate.upgrade(url, folder_of(tmp_path / "older"))
    assert "--upgrade" in refused.value.hint
    assert "unknown" in {row.state for row in migrate.status(url, tmp_path / "older")}


def test_upgrade_of_nothing_is_refused(url: str) -> None:
    """Upgrade does not install."""
    with pytest.raises(SchemaMissing):
        migrate.upgrade(url)
    assert not exists(url, "hadrian.migration")


def test_installs_at_once_apply_each_file_once(url: str) -> None:
    """Of programs that install at once all end well, and each file is applied by one of them."""
    with contextlib.closing(Server(url)) as server, ThreadPoolExecutor(4) as pool:
        with server.begin() as connection:
            # Nobody passes until all of them stand before the lock, so that they do meet.
            connection.execute(server.statement("schema/lock"))
            running = [pool.submit(migrate.install, url) for _ in range(4)]
            wait_until(lambda: waiting(server) == 4, "four installs to meet", timeout_s=10)
        outcomes = [future.result() for future in running]
    applied = [file.number for outcome in outcomes for file in outcome.applied]
    assert sorted(applied) == [file.number for file in FILES]
