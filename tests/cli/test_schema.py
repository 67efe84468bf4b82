"""`hadrian schema` on a real pair: never silent, never half-way."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator

import pytest

from replicator import migrate
from replicator.postgres import topology
from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import Pair


@pytest.fixture
def url(shared_pair: Pair) -> Iterator[str]:
    """Make a database of the test's own on the primary."""
    shared_pair.run("drop database if exists trial with (force)")
    shared_pair.run("create database trial")
    yield shared_pair.embedded.url("a").replace("@/postgres?", "@/trial?")
    shared_pair.run("drop database trial with (force)")


def states(url: str) -> list[str]:
    """Return the state of each migration."""
    return [
        row["state"] for row in json.loads(hadrian("schema", "show", "--format", "json", HADRIAN_PRIMARY=url).stdout)
    ]


def test_install_says_what_it_did(url: str) -> None:
    """The first time it names what was applied, the second time that all was there."""
    first, second = (hadrian("schema", "install", "--primary", url) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    files = migrate.available("postgres")
    assert f"is installed now; applied {', '.join(map(str, files))}" in first.stdout
    assert f"was installed already, with {len(files)} migrations; nothing to do" in second.stdout


def test_install_as_json(url: str) -> None:
    """Programs get the same facts under fixed names."""
    first, second = (
        json.loads(hadrian("schema", "install", "--format", "json", HADRIAN_PRIMARY=url).stdout) for _ in range(2)
    )
    assert first.keys() == {"where", "installed_before", "applied"}
    assert (first["installed_before"], first["applied"][0]) == (False, "0001_store")
    assert (second["installed_before"], second["applied"]) == (True, [])


def test_upgrade_needs_an_installed_schema(url: str) -> None:
    """Upgrade of nothing is refused and points to install; nothing is created."""
    assert "run: hadrian schema install" in complaint(hadrian("schema", "upgrade", "--primary", url))
    assert set(states(url)) == {"pending"}


def test_show_follows_the_database(url: str) -> None:
    """Each migration is pending before and applied after, and upgrade then has nothing to do."""
    assert set(states(url)) == {"pending"}
    hadrian("schema", "install", "--primary", url)
    assert set(states(url)) == {"applied"}
    assert "nothing to do" in hadrian("schema", "upgrade", "--primary", url).stdout


@pytest.mark.parametrize("engine", ["postgres", "db2"])
def test_show_prints_the_sql(engine: str) -> None:
    """The SQL can be read, and piped, with no database at all."""
    done = hadrian("schema", "show", "--engine", engine, HADRIAN_PRIMARY="postgresql://nobody@127.0.0.1:1/d")
    assert done.returncode == 0
    assert done.stdout.count("create table hadrian.migration") == 1
    assert done.stdout.count("create table hadrian.step") == 1


def test_show_without_a_database_lists_the_files() -> None:
    """Without URL or engine each engine's files are listed."""
    rows = json.loads(hadrian("schema", "show", "--format", "json").stdout)
    assert {row["engine"] for row in rows} == {"postgres", "db2"}
    assert {len(row["sha256"]) for row in rows} == {64}


def test_a_standby_is_refused_with_advice(shared_pair: Pair) -> None:
    """Install on the standby says to give the primary's URL."""
    said = complaint(hadrian("schema", "install", "--primary", shared_pair.embedded.url("b")))
    assert "give the URL of the primary" in said


def test_a_role_without_the_privilege_is_refused(shared_pair: Pair, url: str) -> None:
    """A role that may not create a schema gets one line."""
    shared_pair.run("drop role if exists reader")
    shared_pair.run("create role reader login")
    said = complaint(hadrian("schema", "install", "--primary", url.replace("postgres@", "reader@")))
    assert "permission denied" in said


def test_what_install_did_is_on_the_standby(shared_pair: Pair, url: str) -> None:
    """The schema and its record are replicated: the standby shows them applied."""
    hadrian("schema", "install", "--primary", url)
    topology.wait_replayed(shared_pair.standby, topology.committed(shared_pair.primary))
    assert set(states(shared_pair.embedded.url("b").replace("@/postgres?", "@/trial?"))) == {"applied"}


@pytest.mark.skipif(importlib.util.find_spec("ibm_db_sa") is not None, reason="the Db2 driver is installed")
def test_a_missing_driver_is_named() -> None:
    """Db2 without its driver says what to install."""
    said = complaint(hadrian("schema", "install", "--primary", "db2://u:s3cret@h/d"))
    assert "hadrian-wal[db2]" in said
