"""A comparison that is cut off: by the loss of a node, of the network, or of itself; and what goes on from there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.comparison import Progress, Request, What
from replicator.errors import NodeLost, NodeUnreachable
from replicator.postgres import connection
from replicator.postgres.embedded import NodeName
from replicator.postgres.topology import wait_until
from replicator.postgres.verify import tuple_session
from replicator.postgres.verify.tuple_settling import RoleChanged
from replicator.verify import verify
from tests.fixtures.command import COMMAND, environment
from tests.fixtures.defects import catch_up
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.relay import Relay

_BLOCKS = 640


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Make a pair with a table of five megabytes."""
    with fresh_pair() as made:
        made.run("create table wide (id bigint primary key, pad text)")
        made.run("alter table wide alter pad set storage plain")
        made.run(f"insert into wide select i, repeat('x', 7000) from generate_series(1, {_BLOCKS}) as i")
        catch_up(made)
        yield made


def _begun(pair: Pair, state: Path) -> subprocess.Popen[str]:
    """Begin a slow comparison, and return when it has come some way."""
    urls = ("--primary", pair.embedded.url("a"), "--standby", pair.embedded.url("b"))
    options = ("--what", "rows", "--no-pages", "--rate", "1", "--resume", str(state), "--format", "json")
    process = subprocess.Popen(
        [*COMMAND, "verify", *urls, *options],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: state.exists() and state.read_text().count("\n") > 2, "some ranges", timeout_s=60)
    return process


def _goes_on(pair: Pair, state: Path) -> None:
    """Check that a second comparison reads what is left, answers for all, and forgets how far the first had come."""
    known = state.read_text().count("\n") - 1
    request = Request(frozenset({What.ROWS}), pages=False, state=state)
    report = verify(pair.embedded.url("a"), pair.embedded.url("b"), request)
    assert (report.different, report.unsettled, report.cut) == ([], [], None)
    (wide,) = report.compared
    assert wide.items == _BLOCKS
    assert 0 < wide.size < _BLOCKS * 8192
    assert known >= 2
    assert not state.exists()


def test_a_comparison_that_was_killed_goes_on(pair: Pair, tmp_path: Path) -> None:
    """SIGKILL of the command leaves no session behind that reads, and a file that the next one goes on from."""
    state = tmp_path / "state"
    process = _begun(pair, state)
    process.kill()
    process.communicate()
    sessions = "select count(*) from pg_stat_activity where query like '%from only%' and pid <> pg_backend_pid()"
    for node in ("a", "b"):
        wait_until(lambda: pair.run(sessions.replace("%", "%%"), node) == [(0,)], "no session", timeout_s=30)  # noqa: B023
    _goes_on(pair, state)


@pytest.mark.parametrize("node", ["a", "b"])
def test_a_node_that_is_killed_is_named_and_the_next_comparison_goes_on(
    pair: Pair, tmp_path: Path, node: NodeName
) -> None:
    """Kill -9 of either node is one line and exit code 2; what was the same by then is not read again."""
    state = tmp_path / "state"
    process = _begun(pair, state)
    pair.embedded.kill(node)
    out, err = process.communicate(timeout=60)
    pair.embedded.start([node])
    pair.server(node).close()
    assert process.returncode == 2
    assert pair.server(node).where in err
    assert err.startswith("hadrian: error: ")
    assert err.count("\n") == 1
    report = json.loads(out)
    assert report["same"] is False
    assert pair.server(node).where in report["cut"]
    catch_up(pair)
    _goes_on(pair, state)


def test_a_network_that_is_cut_is_a_node_that_is_lost(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that drops connections is bridged; one that swallows everything, or refuses, ends the comparison."""
    monkeypatch.setattr(tuple_session, "_SILENCE_S", 0.1)
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 2)
    embedded = pair.embedded
    with Relay(embedded.socket / ".s.PGSQL.5433") as relay:
        standby = f"postgresql://postgres@127.0.0.1:{relay.port}/postgres?sslmode=disable&gssencmode=disable"
        for fate, is_cut in ((relay.cut, False), (relay.refuse, True), (relay._stop, True)):
            fates = [fate]

            def fall(_: Progress) -> None:
                if fates:  # noqa: B023 - called before the next
                    fates.pop()()  # noqa: B023

            request = Request(frozenset({What.ROWS}), pages=False, rate=4e6, max_snapshot_s=0.5, settle_s=3)
            report = verify(embedded.url("a"), standby, request, watch=fall)
            assert report.different == []
            assert isinstance(report.cut, NodeUnreachable | NodeLost) == is_cut, (fate, report.cut)
            relay.flow()
            relay.cut()


def test_a_standby_that_was_promoted_is_no_standby_any_more(pair: Pair) -> None:
    """Behind a takeover the two go their own ways: that is said, and no row is called different for it."""
    taken = []

    def take_over(_: Progress) -> None:
        if not taken:
            taken.append(pair.embedded.promote("b"))
            pair.run("update wide set pad = 'mine'", "b")

    request = Request(frozenset({What.ROWS}), pages=False, rate=2e6)
    report = verify(pair.embedded.url("a"), pair.embedded.url("b"), request, watch=take_over)
    assert report.different == []
    assert isinstance(report.cut, RoleChanged)
    assert "is no standby any more" in str(report.cut)
