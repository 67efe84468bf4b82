"""What a stream's end means, by what the server said."""

from __future__ import annotations

import psycopg
import pytest

from replicator.errors import HadrianError, NodeLost, TableUnfit
from replicator.postgres.receiver import why_ended


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.ProgramLimitExceeded("string buffer exceeds maximum allowed length"), TableUnfit),
        (psycopg.errors.ProgramLimitExceeded("out of memory"), TableUnfit),
        (psycopg.errors.InternalError_("invalid memory alloc request size 1258291203"), TableUnfit),
        (psycopg.errors.AdminShutdown("terminating connection due to administrator command"), NodeLost),
        (psycopg.errors.CrashShutdown("terminating connection because of crash of another server process"), NodeLost),
        (psycopg.errors.CannotConnectNow("the database system is shutting down"), NodeLost),
        (psycopg.errors.SerializationFailure("terminating connection due to conflict with recovery"), NodeLost),
        (psycopg.OperationalError("server closed the connection unexpectedly"), NodeLost),
        (psycopg.errors.InternalError_("something else"), HadrianError),
    ],
)  # fmt: skip
def test_an_end_is_told_by_what_can_be_done(error: psycopg.Error, kind: type[HadrianError]) -> None:
    """A node that went away may be asked again, a row that is too large never comes."""
    found = why_ended(error, "node")
    assert isinstance(found, kind)
    assert isinstance(found, (NodeLost, TableUnfit)) or kind is HadrianError
    assert "column list" in found.hint or kind is not TableUnfit
