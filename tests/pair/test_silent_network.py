"""Sessions that a silent network must not hold for hours, over TCP."""

from __future__ import annotations

import contextlib
import os
import socket

import psycopg.conninfo
import pytest

from replicator.postgres.connection import Server, driver
from tests.fixtures.pair import Pair
from tests.fixtures.relay import Relay

_OPTIONS = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT)
_PARAMETERS = ("keepalives_idle", "keepalives_interval", "tcp_user_timeout")


def _silence(descriptor: int) -> tuple[int, ...]:
    """Return how long a connection's socket waits for an idle peer, between asking it, and for an acknowledgement."""
    with contextlib.closing(socket.socket(fileno=os.dup(descriptor))) as connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        return tuple(connection.getsockopt(socket.IPPROTO_TCP, option) for option in _OPTIONS)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("", (30, 10, 120_000)), ("&keepalives_idle=7&tcp_user_timeout=8000", (7, 10, 8000))],
)
def test_a_network_that_falls_silent_loses_a_session_within_minutes(
    shared_pair: Pair, asked: str, expected: tuple[int, ...]
) -> None:
    """Ordinary sessions and those of a feed; the address may say otherwise."""
    embedded = shared_pair.embedded
    with Relay(embedded.socket / f".s.PGSQL.{shared_pair.primary.url.query['port']}") as relay:
        address = f"postgresql://postgres@127.0.0.1:{relay.port}/postgres?sslmode=disable{asked}"
        with contextlib.closing(Server(address)) as server:
            with server.connect() as connection:
                assert _silence(driver(connection).fileno()) == expected
            told = psycopg.conninfo.conninfo_to_dict(server.conninfo)
            assert tuple(int(str(told[name])) for name in _PARAMETERS) == expected
