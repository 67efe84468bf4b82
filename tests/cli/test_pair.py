"""`hadrian pair` on real servers: start, look, stop, promote, and every way to say no."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from replicator.errors import BadInput
from replicator.postgres.embedded import EmbeddedPair
from replicator.postgres.topology import wait_until
from tests.fixtures.command import COMMAND, complaint, environment, hadrian


@pytest.fixture
def directory() -> Iterator[Path]:
    """Name a directory for a pair that the servers' OS user can reach; whatever comes of it is removed."""
    with tempfile.TemporaryDirectory(prefix="hadrian-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        path = Path(folder) / "pair"
        try:
            yield path
        finally:
            with contextlib.suppress(BadInput):
                EmbeddedPair.open(path).remove()


def look(directory: Path) -> list[dict[str, Any]]:
    """Return what `pair status` says of the nodes a and b."""
    nodes = json.loads(hadrian("pair", "status", directory, "--format", "json").stdout)
    assert isinstance(nodes, list)
    return nodes


def living_in(directory: Path) -> list[int]:
    """Return the processes that work in or below a directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd().startswith(str(directory)):
                found.append(process.pid)
    return found


def interrupted(directory: Path, marker: str, how: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Run `pair start` and signal it once `marker` is there."""
    process = subprocess.Popen(
        [*COMMAND, "pair", "start", str(directory)],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until((directory / marker).exists, f"{marker} to appear", timeout_s=30)
    process.send_signal(how)
    return subprocess.CompletedProcess(process.args, process.wait(60), *process.communicate())


def test_start_makes_a_primary_and_a_standby(directory: Path) -> None:
    """A new directory gets two nodes, and both URLs are shown."""
    done = hadrian("pair", "start", directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("postgresql+psycopg://") == 2
    primary, standby = look(directory)
    assert (primary["role"], standby["role"]) == ("primary", "standby")
    assert (primary["timeline"], standby["timeline"]) == (1, 1)
    assert standby["lag_bytes"] >= 0
    assert primary["url"] in done.stdout


def test_a_pair_is_stopped_and_started_again(directory: Path) -> None:
    """Status exits 1 while the nodes are down, and both come back in their roles; each may be said twice."""
    hadrian("pair", "start", directory)
    for _ in range(2):
        assert hadrian("pair", "stop", directory).returncode == 0
        assert living_in(directory) == []
        assert hadrian("pair", "status", directory).returncode == 1
        assert [node["role"] for node in look(directory)] == ["down", "down"]
    for _ in range(2):
        assert hadrian("pair", "start", directory).returncode == 0
        assert [node["role"] for node in look(directory)] == ["primary", "standby"]
    assert hadrian("pair", "status", directory).returncode == 0


def test_promote_leaves_one_primary_on_a_new_timeline(directory: Path) -> None:
    """The standby becomes the primary, the old one no longer takes writes, and a second time is refused."""
    hadrian("pair", "start", directory)
    nodes = json.loads(hadrian("pair", "promote", directory, "--format", "json").stdout)
    assert [node["role"] for node in nodes] == ["down", "primary"]
    assert nodes[1]["timeline"] == 2
    assert "no standby runs" in complaint(hadrian("pair", "promote", directory))


def test_two_primaries_are_pointed_out(directory: Path) -> None:
    """An old primary that is started again is named as the one whose writes will be lost."""
    hadrian("pair", "start", directory)
    hadrian("pair", "promote", directory)
    done = hadrian("pair", "start", directory)
    assert "Both nodes take writes; timeline 2 goes on" in done.stdout


@pytest.mark.parametrize("marker", [".", "a/PG_VERSION", "a/postmaster.pid", "b"])
def test_an_interrupted_start_leaves_nothing(directory: Path, marker: str) -> None:
    """Ctrl-C at any moment of the making: one line, no file, no process."""
    assert complaint(interrupted(directory, marker, signal.SIGINT)) == "hadrian: error: interrupted\n"
    assert living_in(directory) == []
    assert not directory.exists()


def test_an_interrupted_restart_leaves_the_nodes_down(directory: Path) -> None:
    """Ctrl-C while an old pair comes up: it is down again, and can still be started."""
    hadrian("pair", "start", directory)
    hadrian("pair", "stop", directory)
    complaint(interrupted(directory, "a/postmaster.pid", signal.SIGTERM))
    assert living_in(directory) == []
    assert hadrian("pair", "start", directory).returncode == 0


@pytest.mark.parametrize("action", ["status", "stop", "promote"])
def test_a_directory_without_a_pair_is_one_line(directory: Path, action: str) -> None:
    """Looking for a pair where none is says how to make one."""
    assert f"hadrian pair start {directory}" in complaint(hadrian("pair", action, directory))
    directory.mkdir()
    (directory / "pair.json").write_text("{}")
    complaint(hadrian("pair", action, directory))


def test_a_directory_in_use_is_left_alone(directory: Path) -> None:
    """Start refuses a directory that holds something else, and a path that is a file."""
    directory.mkdir()
    (directory / "letter").write_text("dear")
    assert "is not empty" in complaint(hadrian("pair", "start", directory))
    complaint(hadrian("pair", "start", directory / "letter"))
    complaint(hadrian("pair", "start", directory / "letter" / "below"))
    assert (directory / "letter").read_text() == "dear"


def test_a_directory_that_cannot_be_made_is_one_line() -> None:
    """Start says which directory it could not make."""
    assert "/proc/pair" in complaint(hadrian("pair", "start", "/proc/pair"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the servers as another OS user")
def test_a_directory_the_servers_cannot_reach_is_one_line(directory: Path) -> None:
    """Start names the OS user that cannot get there, and leaves nothing."""
    directory.parent.chmod(0o700)
    assert "cannot reach" in complaint(hadrian("pair", "start", directory))
    assert not directory.exists()
