"""What an experiment does to a node beside SQL: stop and start it, set it up, wait for it."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import psycopg.conninfo

from replicator.postgres import topology
from replicator.postgres.embedded import NodeName
from tests.fixtures.defects import configure
from tests.fixtures.pair import Pair


def stop(pair: Pair, node: NodeName) -> None:
    """Stop a node as its operator would."""
    pair.server(node).close()
    pair.embedded._program(["pg_ctl", "stop", "-D", node, "-w", "-m", "fast"])


def start(pair: Pair, node: NodeName, **environment: str) -> None:
    """Start a node that is down, with environment variables of its own."""
    log = str(pair.embedded.directory / f"{node}.log")
    variables = [f"{name}={value}" for name, value in environment.items()]
    program = str(pair.embedded.bin / "pg_ctl")
    pair.embedded.owner.run(
        ["env", *variables, program, "start", "-D", node, "-l", log, "-w"], cwd=pair.embedded.directory
    )


def restart(pair: Pair, node: NodeName, settings: dict[str, str]) -> None:
    """Restart a node with changed settings; a standby that loses its primary by that looks for it again at once."""
    for name, value in settings.items():
        pair.run(f"alter system set {name} = {value}", node)
    if node == "a" and pair.embedded.postmaster("b") is not None:
        configure(pair, "b", "wal_retrieve_retry_interval", "'100ms'")
    stop(pair, node)
    start(pair, node)


def folder(pair: Pair, name: str) -> Path:
    """Make a folder of the servers' OS user beside the nodes."""
    made = pair.embedded.directory / name
    pair.embedded.owner.own(made, 0o755)
    return made


def library(pair: Pair, name: str) -> Path:
    """Return a library that PostgreSQL came with."""
    return pair.embedded.bin.parent / "lib" / f"{name}.so"


def put(source: Path, target: Path) -> None:
    """Copy a library to a name that a server may have loaded before: a new file, never the old one changed."""
    new = target.with_name(f"{target.name}.new")
    shutil.copy(source, new)
    new.rename(target)


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait for a state."""
    topology.wait_until(condition, what, timeout_s=30)


@contextlib.contextmanager
def session(pair: Pair, node: NodeName, database: str = "postgres") -> Iterator[psycopg.Connection]:
    """Open a session on a node in which every statement is its own transaction."""
    conninfo = psycopg.conninfo.make_conninfo(pair.server(node).conninfo, dbname=database)
    with contextlib.closing(psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)) as opened:
        yield opened


def make_slot_on_standby(pair: Pair, name: str, database: str = "postgres") -> None:
    """Create a logical slot on the standby, which waits until the primary says which transactions run."""

    def create() -> None:
        with session(pair, "b", database) as standby:
            standby.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))

    thread = threading.Thread(target=create)
    thread.start()

    def made() -> bool:
        pair.run("select pg_log_standby_snapshot()")
        return not thread.is_alive()

    wait(made, f"slot {name} on the standby")
