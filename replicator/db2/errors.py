"""SQLCODE to Hadrian's errors: the one table that says what a Db2 server, or IBM's client, complains of.

The client puts the message, its SQLSTATE and its SQLCODE into one text, and what the driver raises for it depends on
the SQLSTATE's class in ways that say little (a wrong password and a lost connection are the same), so only the text
is read. Source of the codes: IBM Db2 documentation, Messages, "SQL Messages"; IBM's client speaks of a dead
connection under codes of its own as well (CLI0106E, CLI0108E).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import sqlalchemy.exc

from replicator.errors import (
    AlreadyThere,
    BadInput,
    DiskFull,
    HadrianError,
    NodeLost,
    NodeUnreachable,
    NotConfigured,
    NotPermitted,
    QueryTimedOut,
    SchemaMissing,
)

_BY_SQLCODE: dict[int, type[HadrianError]] = {
    -204: SchemaMissing,  # undefined name: Hadrian's own statements name only its own tables and catalogs
    -206: NotConfigured,  # no such column: the catalog of an older version
    -289: DiskFull,  # a table space cannot be extended
    -440: NotConfigured,  # no such routine: a monitor function that this version does not have
    -551: NotPermitted,  # no privilege on an object
    -552: NotPermitted,  # no authority for an operation
    -803: AlreadyThere,  # duplicate key
    -900: NodeLost,  # the application has no connection
    -911: QueryTimedOut,  # deadlock or lock timeout, rolled back
    -913: QueryTimedOut,  # deadlock or lock timeout
    -952: QueryTimedOut,  # cancelled
    -964: DiskFull,  # the transaction log is full
    -968: DiskFull,  # the file system is full
    -1013: BadInput,  # no such database
    -1032: NodeUnreachable,  # no start database manager command was issued
    -1060: NotPermitted,  # the user lacks CONNECT
    -1092: NotPermitted,  # no authority for a command
    -1224: NodeLost,  # the database manager ended the request: a replay-only window, for one
    -1229: NodeLost,  # a member failed
    -1336: NodeUnreachable,  # no such host
    -1403: NotPermitted,  # a wrong user name or password
    -1477: NotConfigured,  # a table that was changed without logging: what was replayed of it is not to be used
    -1773: NotConfigured,  # a standby that is open for reads refuses this one
    -1776: NodeUnreachable,  # a standby that is closed to readers
    -30061: BadInput,  # no such database at the server
    -30081: NodeLost,  # a communication error
    -30082: NotPermitted,  # a login was refused
    -30108: NodeLost,  # a connection failed, and the client went on elsewhere or could not
}
_LOST = ("CLI0106E", "CLI0108E", "Connection is not active", "connection is no longer active")

_TABLE_SPACE = "HADRIAN_32K"

_ACTIVE = "check host, port and that the database is active (db2pd -hadr)"

# Where the class's own hint would not help.
_HINTS = {
    -1032: _ACTIVE,
    -1336: _ACTIVE,
    -204: "check that the server is a Db2 of 10.5 or later, and of the database's own catalog",
    -206: "upgrade the server to Db2 10.5 or later",
    -440: "upgrade the server to Db2 10.5 or later",
    -1477: "fail back, or drop the table and fill it anew, and set BLOCKNONLOGGED = YES",
    -1773: "set DB2_STANDBY_ISO = UR on the standby, and read no LOB or XML value outside its row there",
    -1776: "set DB2_HADR_ROS = ON on the standby and activate it again, or ask once its replay-only window is over",
}

_MESSAGE = re.compile(
    r"(?P<text>(?:SQL|CLI)[0-9]{4,5}[NCWE]\b.*?)\s*(?:SQLSTATE=(?P<state>\w{5})\s*)?(?:SQLCODE=(?P<code>-?[0-9]+))?$"
)


def from_driver(error: BaseException, where: str) -> HadrianError:
    """Return our error for one of the driver's; `where` names the node without its password."""
    # When many rows fail at once the driver asks all the same how many they were, and raises what is said to that.
    while "SQLRowCount failed" in str(error) and error.__context__ is not None:
        error = error.__context__
    text = " ".join(str(error).split())
    said = _MESSAGE.search(text)
    code = int(said["code"] or 0) if said else 0
    message = f"{where}: {said['text'] if said else text or type(error).__name__}"
    if code == 0 and any(known in text for known in _LOST):
        return NodeLost(message)
    kind = _BY_SQLCODE.get(code, HadrianError)
    if kind is SchemaMissing and _TABLE_SPACE in message:
        return NotConfigured(message, hint=f"create table space {_TABLE_SPACE}: see sql/db2/migrations/0001_store.sql")
    if kind is HadrianError:
        state = said["state"] if said else None
        return HadrianError(f"{message} ({state})" if state else message)
    return kind(message, hint=_HINTS.get(code))


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn whatever the driver raises inside into Hadrian's errors."""
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        raise from_driver(error.orig or error, where) from error
    except SystemError as error:
        if error.__cause__ is None:
            raise
        # The driver's own, of a fetch: what the server said is behind it.
        raise from_driver(error.__cause__, where) from error


@contextlib.contextmanager
def connecting(where: str) -> Iterator[None]:
    """As `translated`, for the first word to a node: silence there means that it cannot be reached."""
    try:
        with translated(where):
            yield
    except NodeLost as error:
        raise NodeUnreachable(
            str(error), hint="check host, port and that the database is active (db2pd -hadr)"
        ) from error
