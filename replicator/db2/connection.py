"""Sessions on one Db2 node, through IBM's driver and SQLAlchemy.

The connection string is put together here: `ibm_db_sa` leaves out every keyword of the URL's query that it does not
know, and cuts a password at its first semicolon. A semicolon cannot be sent at all, since the driver has no way to
write one, so a value that holds one is refused before it becomes a keyword.

The client may follow a failing connection to the other node by itself (automatic client reroute), so what was asked
of a standby can be answered by a primary: whoever asks must look at the node's role.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import sqlalchemy.exc
from sqlalchemy.engine import URL, make_url

from replicator import sql
from replicator.db2.errors import connecting, translated
from replicator.errors import BadInput, NodeLost, NotConfigured

CONNECT_TIMEOUT_S = 5

_PORT = 50000
_BACKENDS = frozenset({"db2", "ibm_db_sa"})
# What the URL says elsewhere, or this module.
_TAKEN = frozenset(
    {
        "database",
        "hostname",
        "port",
        "protocol",
        "uid",
        "pwd",
        "tcpipconnecttimeout",
        "connecttimeout",
        "receivetimeout",
    }
)
_HINT = "write it as db2+ibm_db://user@host:50000/database"


def parse_url(url: str | URL) -> URL:
    """Return a Db2 URL.

    Raises:
        BadInput: not one.
    """
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        # The text may hold a password, so it is not repeated.
        raise BadInput("not a database URL", hint=_HINT) from error
    if parsed.get_backend_name() not in _BACKENDS:
        raise BadInput(f"not a Db2 URL: {parsed.render_as_string(hide_password=True)}", hint=_HINT)
    if not parsed.host or not parsed.database:
        raise BadInput(f"no host or no database: {parsed.render_as_string(hide_password=True)}", hint=_HINT)
    return parsed


class Db2Server:
    """One Db2 node, by its URL. Connections are made when needed and can be closed together.

    A node that leaves the client without a word for `timeout_s` counts as lost: the driver has no limit for a query
    that would leave the connection whole.

    Attributes:
        url: SQLAlchemy URL; printing it hides the password.
        where: host, port and database, for messages.
    """

    def __init__(self, url: str | URL, timeout_s: float) -> None:
        self.url = parse_url(url)
        self.where = f"{self.url.host}:{self.url.port or _PORT}/{self.url.database}"
        self._timeout_s = max(1, round(timeout_s))
        self._keywords = self._connection_keywords()

    def _connection_keywords(self) -> dict[str, str]:
        for key, value in self.url.query.items():
            if not key.isalnum() or key.lower() in _TAKEN or not isinstance(value, str):
                raise BadInput(f"not a keyword of IBM's driver that a URL may have: {key}", hint=_HINT)
        keywords = {
            **{key: value for key, value in self.url.query.items() if isinstance(value, str)},
            "database": self.url.database or "",
            "hostname": self.url.host or "",
            "port": str(self.url.port or _PORT),
            "protocol": "tcpip",
            "connecttimeout": str(CONNECT_TIMEOUT_S),
        }
        if self.url.username:
            keywords["uid"] = self.url.username
        if self.url.password:
            keywords["pwd"] = str(self.url.password)
        for key, value in keywords.items():
            if ";" in value:
                said = "a password" if key == "pwd" else key
                raise BadInput(f"{said} with a semicolon: IBM's driver would cut it there", hint="use one without")
        return keywords

    def _open(self) -> Any:
        """Open a connection of the driver's. The string holds the password: never print it."""
        driver = importlib.import_module("ibm_db")
        dbapi = importlib.import_module("ibm_db_dbi")
        connection = dbapi.connect("".join(f"{key.upper()}={value};" for key, value in self._keywords.items()))
        # As a keyword, RECEIVETIMEOUT has no effect beside CONNECTTIMEOUT.
        connection.set_option({driver.SQL_ATTR_RECEIVE_TIMEOUT: self._timeout_s})
        return connection

    @cached_property
    def engine(self) -> sqlalchemy.Engine:
        """The pool of sessions.

        Raises:
            NotConfigured: the driver is not installed.
        """
        try:
            engine = sqlalchemy.create_engine("ibm_db_sa://", creator=self._open, pool_size=2, pool_logging_name="db2")
        except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
            raise NotConfigured("IBM's driver is not installed", hint="pip install 'hadrian-wal[db2]'") from error
        # Both print the traceback of what is an answer here: a refused statement, a connection that was lost already.
        logging.getLogger("ibm_db_sa").disabled = True
        logging.getLogger("sqlalchemy.pool.impl.QueuePool.db2").disabled = True
        return engine

    @contextlib.contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        """Open a session; what it did is rolled back unless it commits.

        Raises:
            NodeUnreachable: no answer, or a standby that is closed to readers.
            NodeLost: it went away in between, or did not answer in time.
            NotPermitted: the login was refused.
            NotConfigured: the driver is not installed.
        """
        with connecting(self.where):
            connection = self.engine.connect()
        try:
            with translated(self.where):
                yield connection
        except NodeLost:
            connection.invalidate()
            raise
        finally:
            with contextlib.suppress(sqlalchemy.exc.DBAPIError):
                connection.close()

    @contextlib.contextmanager
    def begin(self) -> Iterator[sqlalchemy.Connection]:
        """Open a session and a transaction that commits at the end of the block. Raises: as `connect`."""
        with self.connect() as connection, connection.begin():
            yield connection

    def statement(self, name: str) -> sqlalchemy.TextClause:
        """Return `sql/db2/<name>.sql`."""
        return sql.load(f"db2/{name}")

    def close(self) -> None:
        """Close every pooled session."""
        if "engine" in self.__dict__:
            self.engine.dispose()
