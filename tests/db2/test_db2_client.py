"""IBM's client, with ibm_db against Derby: what it stores, and what each bad answer becomes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from cli.main import main
from replicator.audit import audit
from replicator.db2 import connection
from replicator.db2.connection import Db2Server
from replicator.errors import (
    AlreadyThere,
    BadInput,
    HadrianError,
    NodeLost,
    NodeUnreachable,
    NotConfigured,
    NotPermitted,
    QueryTimedOut,
    SchemaMissing,
)
from tests.fixtures.db2_catalog import RecordedPair
from tests.fixtures.derby import PASSWORD, READER, READERS_PASSWORD, Peer
from tests.fixtures.drda_rewriting import Refusal

MEGABYTES = bytes(range(256)) * 6000


@pytest.fixture
def peer(db2_pair: RecordedPair) -> Iterator[Peer]:
    """Give the primary's peer, with a table of the test's own."""
    db2_pair.run("create table app.piece (id integer not null primary key, name varchar(99), body blob(2m))")
    yield db2_pair.peers["a"]
    db2_pair.reset()
    db2_pair.run("drop table app.piece")


@pytest.fixture
def server(peer: Peer) -> Iterator[Db2Server]:
    """Give a handle on it."""
    handle = Db2Server(peer.url(), 30)
    yield handle
    handle.close()


def refusal(url: str, statement: str = "values 1", timeout_s: float = 30) -> HadrianError:
    """Ask what must fail, and return our error."""
    handle = Db2Server(url, timeout_s)
    try:
        with pytest.raises(HadrianError) as refused, handle.connect() as session:
            session.exec_driver_sql(statement)
    finally:
        handle.close()
    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)
    return refused.value


# What is stored


@pytest.mark.parametrize("body", [b"", b"\0\xff'\n", MEGABYTES], ids=len)
def test_bytes_come_back_as_they_went(server: Db2Server, body: bytes) -> None:
    """One row or many, small or large, bytes are stored and read whole."""
    insert = "insert into app.piece values (?, ?, ?)"
    with server.connect() as session:
        session.exec_driver_sql(insert, (1, "naïve 數", body))
        session.exec_driver_sql(insert, [(2, "b", body), (3, "c", body)])
        session.commit()
        rows = session.exec_driver_sql("select id, name, body from app.piece order by id").all()
    assert [(row[0], row[1], bytes(row[2])) for row in rows] == [(1, "naïve 數", body), (2, "b", body), (3, "c", body)]


def test_the_driver_stores_the_address_of_a_memoryview(server: Db2Server) -> None:
    """Of several rows at once, the driver stores what a memoryview prints, without an error: give it bytes."""
    with server.connect() as session:
        session.exec_driver_sql("insert into app.piece values (?, 'a', ?)", [(i, memoryview(b"data")) for i in (1, 2)])
        session.exec_driver_sql("insert into app.piece values (?, 'b', ?)", [(i, b"data") for i in (3, 4)])
        bodies = [bytes(row[0]) for row in session.exec_driver_sql("select body from app.piece order by id")]
    assert all(body.startswith(b"<memory at 0x") for body in bodies[:2])
    assert bodies[2:] == [b"data", b"data"]


def test_what_is_not_committed_is_rolled_back(server: Db2Server) -> None:
    """A session that ends without a commit leaves nothing, and its connection serves the next one."""
    with server.connect() as session:
        session.exec_driver_sql("insert into app.piece values (1, 'a', null)")
    with server.connect() as session:
        assert session.exec_driver_sql("select count(*) from app.piece").scalar_one() == 0


# Refused by Derby, in Db2's codes


def test_an_object_that_is_not_there(peer: Peer, capfd: pytest.CaptureFixture[str]) -> None:
    """SQL0204N, and nothing that the dialect would print of it."""
    error = refusal(peer.url(), "select * from app.nothing")
    assert isinstance(error, SchemaMissing)
    assert 'SQL0204N "APP.NOTHING" is an undefined name' in str(error)
    assert capfd.readouterr() == ("", "")


def test_a_name_that_is_taken(peer: Peer) -> None:
    """SQL0803N."""
    statement = "insert into app.piece values (1, 'a', null), (1, 'b', null)"
    assert isinstance(refusal(peer.url(), statement), AlreadyThere)


def test_a_privilege_that_is_missing(peer: Peer) -> None:
    """SQL0551N."""
    error = refusal(peer.url(READER, READERS_PASSWORD), "select name from app.piece")
    assert isinstance(error, NotPermitted)
    assert "SQL0551N" in str(error)


def test_a_lock_that_is_not_given_up(peer: Peer, server: Db2Server) -> None:
    """SQL0911N: the same statement may be right a moment later."""
    with server.connect() as session:
        session.exec_driver_sql("lock table app.piece in exclusive mode")
        error = refusal(peer.url(), "select name from app.piece")
    assert isinstance(error, QueryTimedOut)
    assert "SQL0911N" in str(error)


def test_a_wrong_password(peer: Peer) -> None:
    """SQL30082N, without the password."""
    error = refusal(peer.url(password="gue5s"))  # noqa: S106 - refused on purpose
    assert isinstance(error, NotPermitted)
    assert "SQL30082N" in str(error)
    assert "gue5s" not in f"{error}{error.hint}"


def test_a_database_that_is_not_there(peer: Peer) -> None:
    """SQL30061N."""
    error = refusal(peer.url().replace("/NODEA", "/NOWHERE"))
    assert isinstance(error, BadInput)
    assert "SQL30061N" in str(error)


# Refused as only a Db2 would


@pytest.mark.parametrize(
    ("answer", "kind", "hint"),
    [
        (Refusal(-440, "42884", ("MON_GET_HADR", "FUNCTION")), NotConfigured, "10.5"),
        (Refusal(-1224, "55032"), NodeLost, "promote"),
        (Refusal(-1773, "51045", ("1",)), NotConfigured, "DB2_STANDBY_ISO"),
        (Refusal(-290, "55039"), HadrianError, "--help"),
    ],
)
def test_a_statement_that_a_db2_refuses(peer: Peer, answer: Refusal, kind: type[HadrianError], hint: str) -> None:
    """A standby's limits and states, as the client tells them of the error area that a Db2 sends."""
    peer.script.refused["SYSDUMMY1"] = answer
    error = refusal(peer.url(), "select 1 from sysibm.sysdummy1")
    assert type(error) is kind
    assert f"SQL{-answer.sqlcode:04}N" in str(error)
    assert hint in error.hint


def test_a_connection_that_a_standby_refuses(peer: Peer) -> None:
    """A standby in a replay-only window cannot be reached, and says why."""
    peer.script.no_connection = Refusal(-1224, "55032")
    error = refusal(peer.url())
    assert isinstance(error, NodeUnreachable)
    assert "SQL1224N" in str(error)


# No answer


def test_a_server_that_dies_in_the_middle(peer: Peer, server: Db2Server, caplog: pytest.LogCaptureFixture) -> None:
    """The session is lost without a word of the pool's or the driver's own, and the next one is a new one."""
    opened = []

    def interrupted() -> None:
        with server.connect() as session:
            opened.append(session.connection.dbapi_connection)
            peer.drop_connections()
            session.exec_driver_sql("values 1")

    with pytest.raises(NodeLost):
        interrupted()
    with server.connect() as session:
        assert session.exec_driver_sql("values 2").scalar_one() == 2
        assert session.connection.dbapi_connection is not opened[0]
    assert caplog.records == []


def test_a_server_that_dies_between_two_questions(
    peer: Peer, server: Db2Server, caplog: pytest.LogCaptureFixture
) -> None:
    """The second one is lost, and to close what is gone already is no event."""
    with server.connect() as session:
        session.exec_driver_sql("values 1")
    peer.drop_connections()
    peer.script.no_connection = Refusal(-1224, "55032")
    with pytest.raises(NodeLost), server.connect() as session:
        session.exec_driver_sql("values 2")
    assert caplog.records == []


def test_a_server_that_does_not_answer_in_time(peer: Peer) -> None:
    """A query that hangs ends with the time it was given."""
    peer.script.unanswered.add("HANGS")
    late = threading.Timer(20, peer.drop_connections)  # the driver cannot be interrupted: rather fail than hang
    late.start()
    try:
        error = refusal(peer.url(), "select 1 from hangs", timeout_s=1)
        assert late.is_alive()
    finally:
        late.cancel()
    assert isinstance(error, NodeLost)


def test_a_port_that_nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQL30081N."""
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refusal(f"db2://u:{PASSWORD}@127.0.0.1:{taken.getsockname()[1]}/d")
    assert isinstance(error, NodeUnreachable)
    assert "SQL30081N" in str(error)
    assert "db2pd" in error.hint


def test_a_server_that_takes_the_connection_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process keeps its port open; to connect has a limit all the same."""
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert isinstance(refusal(f"db2://u:p@127.0.0.1:{silent.getsockname()[1]}/d"), NodeUnreachable)


@pytest.mark.parametrize("scheme", ["db2", "db2+ibm_db", "ibm_db_sa"])
def test_a_host_that_nobody_knows(scheme: str) -> None:
    """SQL1336N, by whichever scheme the URL names Db2."""
    with pytest.raises(NodeUnreachable, match="SQL1336N"):
        audit(f"{scheme}://u:{PASSWORD}@nowhere.invalid/d")


def test_the_command_ends_in_one_line(peer: Peer, capfd: pytest.CaptureFixture[str]) -> None:
    """A refused login is said once, without its password and without a traceback."""
    assert main(["audit", "--primary", peer.url(password="gue5s")]) == 2  # noqa: S106 - refused on purpose
    said = capfd.readouterr()
    assert said.out == ""
    assert [line.partition(":")[0] for line in said.err.splitlines()] == ["hadrian"]
