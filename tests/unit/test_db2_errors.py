"""What the driver's texts become, and which URLs name a Db2 node."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import NoSuchModuleError

from replicator.db2 import connection
from replicator.db2.connection import Db2Server, parse_url
from replicator.db2.errors import from_driver
from replicator.errors import (
    BadInput,
    DiskFull,
    HadrianError,
    NodeLost,
    NotConfigured,
    NotPermitted,
    QueryTimedOut,
)

DRIVER = "ibm_db_dbi::ProgrammingError: Statement Execute Failed: [IBM][CLI Driver][DB2/LINUXX8664] "


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ('SQL0551N  No privilege.  Operation: "SELECT".  SQLSTATE=42501 SQLCODE=-551', NotPermitted, "SQL0551N No"),
        ("SQL0964C  The log is full.  SQLSTATE=57011 SQLCODE=-964", DiskFull, "SQL0964C The log is full."),
        ("SQL0952N  Interrupted.  SQLSTATE=57014 SQLCODE=-952", QueryTimedOut, "SQL0952N Interrupted."),
        ("SQL1477N  No access to T.  SQLSTATE=55019 SQLCODE=-1477", NotConfigured, "SQL1477N No access to T."),
        ("CLI0106E  Connection is closed. SQLSTATE=08003", NodeLost, "CLI0106E Connection is closed."),
        ("SQL0290N  No access.  SQLSTATE=55039 SQLCODE=-290", HadrianError, "SQL0290N No access. (55039)"),
        ("CLI0125E  Something. SQLSTATE=HY010 SQLCODE=-99999", HadrianError, "CLI0125E Something. (HY010)"),
    ],
)
def test_a_code_becomes_an_error(text: str, kind: type[HadrianError], message: str) -> None:
    """The message keeps the server's words, and loses what the driver puts around them."""
    error = from_driver(Exception(DRIVER + text), "n:1/d")
    assert type(error) is kind
    assert str(error).startswith(f"n:1/d: {message}")
    assert "SQLCODE" not in str(error)


def test_what_has_no_code_keeps_its_text() -> None:
    """The driver's own complaints have no SQLCODE, and some of them mean that the connection is gone."""
    assert str(from_driver(Exception("Binding Error"), "n")) == "n: Binding Error"
    assert str(from_driver(ValueError(), "n")) == "n: ValueError"
    assert isinstance(from_driver(Exception("Connection is not active"), "n"), NodeLost)


def test_a_complaint_that_hides_another() -> None:
    """What comes of asking for the number of rows after a failure says nothing; the failure does."""
    hidden = Exception("[IBM][CLI Driver][DB2/6000] SQL30108N  A connection failed.")
    complaint = Exception("SQLRowCount failed: [IBM][CLI Driver] CLI0125E  Function sequence error. SQLSTATE=HY010")
    assert str(from_driver(complaint, "n")) == "n: CLI0125E Function sequence error. (HY010)"
    complaint.__context__ = hidden
    assert str(from_driver(complaint, "n")) == "n: SQL30108N A connection failed."
    hidden.args = ("SQL30108N  A connection failed.  SQLSTATE=08506 SQLCODE=-30108",)
    assert isinstance(from_driver(complaint, "n"), NodeLost)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cret@h/d",
        "db2://u:s3cret@h:port/d",
        "db2://u:s3cret@/d",
        "db2://u:s3cret@h",
        "s3cret",
        "",
    ],
)
def test_what_names_no_db2_node_is_refused_without_its_password(url: str) -> None:
    """No host, no database or another engine: bad input, and no password is repeated."""
    with pytest.raises(BadInput) as refused:
        parse_url(url)
    assert "s3cret" not in f"{refused.value}{refused.value.hint}"


def test_the_address_in_messages_has_no_secret() -> None:
    """Host, port and database are shown, the usual port where none is given."""
    server = Db2Server("db2+ibm_db://u:s3cret@h/SAMPLE?security=ssl", 5)
    assert server.where == "h:50000/SAMPLE"
    assert "s3cret" not in repr(server.url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("db2://u:semi%3Bcolon@h/d", "a password with a semicolon"),
        ("db2://u:p@h/d?security=SSL%3BPWD=x", "security with a semicolon"),
        ("db2://u:p@h/d?pwd=x", "not a keyword of IBM's driver that a URL may have: pwd"),
        ("db2://u:p@h/d?HostName=x", "not a keyword of IBM's driver that a URL may have: HostName"),
        ("db2://u:p@h/d?a%3Db=x", "not a keyword of IBM's driver that a URL may have: a=b"),
        ("db2://u:p@h/d?x=1&x=2", "not a keyword of IBM's driver that a URL may have: x"),
    ],
)
def test_a_value_cannot_become_another_keyword(url: str, told: str) -> None:
    """The driver's string has no quotes, so what would end a value early is refused before it is sent."""
    with pytest.raises(BadInput, match=told) as refused:
        Db2Server(url, 5)
    assert "colon" not in str(refused.value).replace("semicolon", "")


@pytest.mark.parametrize("missing", [ImportError("ibm_db_dbi"), NoSuchModuleError("ibm_db_sa")])
def test_without_its_driver_db2_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: Exception) -> None:
    """The driver is an extra, for one kind of processor only."""

    def refuse(*_: object, **__: object) -> None:
        raise missing

    monkeypatch.setattr(connection.sqlalchemy, "create_engine", refuse)
    with pytest.raises(NotConfigured) as refused:
        _ = Db2Server("db2://u@h/d", 5).engine
    assert refused.value.hint == "pip install 'hadrian-wal[db2]'"
