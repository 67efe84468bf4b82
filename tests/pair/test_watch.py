"""`hadrian watch` on a real pair: scraped as Prometheus does it, through a difference and through a takeover."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from replicator import access, migrate
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.watch import history
from tests.fixtures.command import COMMAND, environment, hadrian
from tests.fixtures.defects import catch_up, configure
from tests.fixtures.pair import Pair, fresh_pair

_SAMPLE = re.compile(r"^hadrian_(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class Watched:
    """A watch in a process of its own, and what it tells."""

    def __init__(self, pair: Pair, user: str = "postgres") -> None:
        urls = [pair.embedded.url(node).replace("postgres@", f"{user}@") for node in ("a", "b")]  # type: ignore[arg-type]
        self.process = subprocess.Popen(
            [*COMMAND, "watch", "--primary", urls[0], "--standby", urls[1], "--every", "1s", "--listen", "127.0.0.1:0"],
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr is not None
        self.address = self.process.stderr.readline().rpartition(" ")[2].strip()

    def metrics(self) -> dict[str, float]:
        """Ask as Prometheus does; return samples by name and labels, `findings{what="rows",word="different"}`."""
        with urllib.request.urlopen(self.address, timeout=10) as answer:  # noqa: S310 - it is http, and ours
            text = answer.read().decode()
        return {
            f"{name}{{{labels}}}" if labels else name: float(value) for name, labels, value in _SAMPLE.findall(text)
        }

    def until(self, holds: Callable[[dict[str, float]], bool], what: str) -> dict[str, float]:
        """Ask until something holds, and return what was told then."""
        last: dict[str, float] = {}

        def told() -> bool:
            nonlocal last
            last = self.metrics()
            return holds(last)

        topology.wait_until(told, what, timeout_s=60)
        return last


@contextlib.contextmanager
def watched(pair: Pair, user: str = "postgres") -> Iterator[Watched]:
    """Run a watch for as long as the block runs."""
    made = Watched(pair, user)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def node(pair: Pair, name: str) -> str:
    """Return a node's label."""
    return f'node="{pair.server(name).where}"'  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Make a pair with a table, Hadrian's own and a role that may watch."""
    with fresh_pair("wal_retrieve_retry_interval = 200ms\n") as made:
        migrate.install(made.embedded.url("a"))
        access.grant(made.embedded.url("a"))
        made.run("create table public.kept (id int primary key)")
        made.run("insert into public.kept values (1), (2)")
        made.run("create role eye login in role pg_monitor, pg_read_all_data, hadrian_watcher")
        catch_up(made)
        yield made


def test_a_watch_tells_what_it_sees_and_keeps_it(pair: Pair) -> None:
    """A sound pair is up, not behind and the same; a setting that differs appears, and each comparison is recorded."""
    different = 'findings{what="settings",word="different"}'
    with watched(pair, "eye") as watch:
        told = watch.until(lambda now: now.get('comparisons_total{result="same"}', 0) > 0, "a comparison")
        assert told[f"node_up{{{node(pair, 'a')}}}"] == told[f"node_up{{{node(pair, 'b')}}}"] == 1
        assert (told[f"node_is_primary{{{node(pair, 'a')}}}"], told[f"node_is_primary{{{node(pair, 'b')}}}"]) == (1, 0)
        assert told["history_up"] == 1
        assert told[different] == 0
        assert told["read_bytes_total"] > 0
        table = '{object="public.kept",what="rows"}'
        assert told[f"verified_lsn{table}"] > 0
        assert abs(time.time() - told[f"verified_timestamp_seconds{table}"]) < 60
        watch.until(lambda now: (now["lag_bytes"], now["lag_seconds"]) == (0, 0), "no lag")
        configure(pair, "b", "work_mem", "'7MB'")
        told = watch.until(lambda now: now[different] == 1, "the difference")
        assert told['comparisons_total{result="different"}'] > 0
        configure(pair, "b", "work_mem", "default")
        watch.until(lambda now: now[different] == 0, "the difference to go")
        watch.process.send_signal(signal.SIGINT)
        output, complaint = watch.process.communicate(timeout=5)
    assert (watch.process.returncode, complaint) == (0, "")
    assert re.search(r" different: .*; settings work_mem different$", output, re.MULTILINE)
    (rows,) = pair.run("select count(*), max(different), min(different), max(problem) from hadrian.verification")
    assert rows[0] == output.count("\n")
    assert rows[1:] == (1, 0, "")
    found = pair.run("select count(*) > 0 from hadrian.verification where position('work_mem' in findings) > 0")
    assert found == [(True,)]
    with contextlib.closing(PostgresDatabase(pair.embedded.url("a"))) as database:
        kept = history.read(database, pair.standby.where)
    assert [one.object for one in kept if one.what == "rows" and one.object == "public.kept"] == ["public.kept"]
    assert all(abs(time.time() - one.at.timestamp()) < 60 for one in kept)


def test_a_watch_lives_on_without_its_history(pair: Pair) -> None:
    """A role that may not write costs the history alone, and that is told."""
    pair.run("create role blind login in role pg_monitor, pg_read_all_data")
    catch_up(pair)
    with watched(pair, "blind") as watch:
        told = watch.until(lambda now: now.get('comparisons_total{result="same"}', 0) > 0, "a comparison")
        assert told["history_up"] == 0


def test_a_watch_survives_a_takeover(pair: Pair) -> None:
    """A node that is away is told; once it follows the one that was promoted, that is compared, under its own name."""
    with watched(pair) as watch:
        watch.until(lambda now: now.get('comparisons_total{result="same"}', 0) > 0, "a comparison")
        pair.fail_over()
        told = watch.until(lambda now: now[f"node_up{{{node(pair, 'a')}}}"] == 0, "the loss")
        assert (told[f"node_up{{{node(pair, 'b')}}}"], told["pair_up"]) == (1, 0)
        assert "lag_bytes" not in told
        pair.embedded.rejoin("a")
        told = watch.until(
            lambda now: (
                now.get(f"node_is_primary{{{node(pair, 'b')}}}") == 1
                and now.get('verified_lsn{object="public.kept",what="rows"}', 0) > 0
                and now["pair_up"] == 1
            ),
            "a comparison behind the takeover",
        )
        assert told[f"node_is_primary{{{node(pair, 'a')}}}"] == 0
    where = pair.server("a").where
    assert pair.run(f"select count(*) > 0 from hadrian.verification where standby_node = '{where}'", "b") == [(True,)]


def test_an_address_that_is_none_is_refused() -> None:
    """One line, before anything is connected to."""
    done = hadrian("watch", "--primary", "postgresql://x/y", "--standby", "postgresql://x/y", "--listen", "here")
    assert done.returncode == 2
    assert "not an address: 'here'" in done.stderr
