"""Sessions on one node: ordinary ones through SQLAlchemy, replication ones straight through libpq.

Both kinds set the same output format, so that a value has the same text whether a query, COPY or
logical decoding printed it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, cast

import psycopg.conninfo
import sqlalchemy.exc
from psycopg import pq
from sqlalchemy.engine import URL, make_url

from replicator import sql
from replicator.errors import BadInput, NodeLost, NodeUnreachable, NotPermitted
from replicator.postgres.errors import connecting, from_driver, translated

CONNECT_TIMEOUT_S = 5

# A network that falls silent loses the session within minutes. Without these TCP may take a quarter of an hour to give
# up what it sends, and hours where it only waits for an answer. A URL may say otherwise.
# Source: PostgreSQL 18 documentation, libpq, "Parameter Key Words"; tcp(7).
_SILENCE = {"keepalives_idle": "30", "keepalives_interval": "10", "tcp_user_timeout": "120000"}

# Text output must not depend on who asks: these decide how dates, intervals, floats and bytea are printed.
_OUTPUT = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 -c timezone=UTC -c bytea_output=hex"
_ENCODING = "utf8"  # the driver gives bytes for text where the session's is SQL_ASCII, as such a database's would be


def parse_url(url: str | URL) -> URL:
    """Return the URL with psycopg 3 as its driver.

    Raises:
        BadInput: not a PostgreSQL URL.
    """
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        # The text may hold a password, so it is not repeated.
        raise BadInput("not a database URL", hint="write it as postgresql://user@host:5432/database") from error
    if parsed.get_backend_name() != "postgresql":
        raise BadInput(f"not a PostgreSQL URL: {parsed.render_as_string(hide_password=True)}")
    return parsed.set(drivername="postgresql+psycopg")


def nodes_of(url: str | URL) -> list[URL]:
    """Return a URL for each host that one names: `?host=a:5432&host=b:5433`, or `?host=a,b&port=5432,5433`.

    Raises:
        BadInput: not a PostgreSQL URL, or it has another number of ports than of hosts.
    """
    parsed = parse_url(url)
    hosts, ports = (_listed(parsed.query.get(key, ())) for key in ("host", "port"))
    if len(hosts) < 2:
        return [parsed]
    if len(ports) not in (0, 1, len(hosts)):
        raise BadInput(
            f"a database URL names {len(hosts)} hosts and {len(ports)} ports",
            hint="give one port for all, or one for each host",
        )
    alone = parsed.difference_update_query(["host", "port"])
    nodes = []
    for host, port in zip(hosts, ports if len(ports) > 1 else (ports or [""]) * len(hosts), strict=True):
        name, _, its_port = ("" if host.startswith("/") else host).partition(":")
        address = {"port": its_port or port}
        if not name:  # a socket's folder, which SQLAlchemy takes in the query only
            address["host"] = host
        nodes.append(alone.set(host=name or None).update_query_dict({k: v for k, v in address.items() if v}))
    return nodes


def _listed(value: str | tuple[str, ...]) -> list[str]:
    return [one for part in ((value,) if isinstance(value, str) else value) for one in part.split(",")]


class Server:
    """One PostgreSQL node, by its URL. Connections are made when needed and can be closed together.

    Attributes:
        url: SQLAlchemy URL; printing it hides the password.
        where: host, port and database, for messages.
    """

    def __init__(self, url: str | URL) -> None:
        self.url = parse_url(url)
        host = self.url.query.get("host", self.url.host) or "localhost"
        port = self.url.query.get("port", self.url.port) or 5432
        self.where = f"{host}:{port}/{self.url.database or ''}"

    @cached_property
    def engine(self) -> sqlalchemy.Engine:
        """The pool of ordinary sessions."""
        return sqlalchemy.create_engine(
            self.url,
            connect_args={
                **{key: value for key, value in _SILENCE.items() if key not in self.url.query},
                "connect_timeout": CONNECT_TIMEOUT_S,
                "options": _OUTPUT,
                "client_encoding": _ENCODING,
                "prepare_threshold": None,
            },
            pool_size=4,  # as many as read a checkpoint's chunks at once
        )

    @contextlib.contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        """Open a session; what it did is rolled back unless it commits.

        Raises:
            NodeUnreachable: no answer.
            NodeLost: it went away in between.
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
        """Open a session and a transaction that commits at the end of the block, flushed.

        Raises: as `connect`.
        """
        with self.connect() as connection, connection.begin():
            connection.execute(sql.load("postgres/topology/flush_commit"))
            yield connection

    @contextlib.contextmanager
    def autocommit(self) -> Iterator[sqlalchemy.Connection]:
        """Open a session in which every statement is its own transaction. Raises: as `connect`."""
        with self.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def conninfo(self) -> str:
        """The same address for libpq, password included: never print it."""
        parts: dict[str, str | int | None] = {
            "host": self.url.host,
            "port": self.url.port,
            "user": self.url.username,
            "password": self.url.password,
            "dbname": self.url.database,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": _OUTPUT,
            "client_encoding": _ENCODING,
            **_SILENCE,
        }
        parts |= {key: value for key, value in self.url.query.items() if isinstance(value, str)}
        return psycopg.conninfo.make_conninfo("", **parts)

    def replication(self) -> pq.abc.PGconn:
        """Open a session that speaks the logical replication protocol.

        The caller finishes it.

        Raises:
            NodeUnreachable: no answer, or a refusal in the server's own words.
            NotPermitted: the role lacks REPLICATION.
        """
        pgconn = pq.PGconn.connect(f"{self.conninfo} replication=database".encode())
        if pgconn.status != pq.ConnStatus.OK:
            message = pgconn.error_message.decode(errors="replace").strip().splitlines()[0]
            pgconn.finish()
            self._check_replication()
            raise NodeUnreachable(f"{self.where}: {message}")
        return pgconn

    def _check_replication(self) -> None:
        # libpq passes no SQLSTATE when a connection is refused, so the likeliest reason is looked up.
        with self.connect() as connection:
            row = connection.execute(sql.load("postgres/feed/decoding")).one()
        if not row.may_replicate:
            hint = f"run: alter role {row.role} replication"
            raise NotPermitted(f"{self.where}: role {row.role} lacks REPLICATION", hint=hint)

    def statement(self, name: str) -> sqlalchemy.TextClause:
        """Return `sql/postgres/<name>.sql`."""
        return sql.load(f"postgres/{name}")

    def close(self) -> None:
        """Close every pooled session."""
        if "engine" in self.__dict__:
            self.engine.dispose()


def driver(connection: sqlalchemy.Connection) -> psycopg.Connection[Any]:
    """Return the driver's own connection of a session that is open."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def command(pgconn: pq.abc.PGconn, text: bytes, where: str) -> pq.abc.PGresult:
    """Run one replication command and return its result.

    Raises:
        HadrianError: what the server said, through the table of SQLSTATEs.
    """
    result = pgconn.exec_(text)
    if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
        raise from_driver(psycopg.errors.error_from_result(result), where)
    return result
