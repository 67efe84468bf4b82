"""SQLSTATE to Hadrian's errors: the one table that says what a server's complaint means.

Source of the codes: PostgreSQL documentation, Appendix A, "PostgreSQL Error Codes".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
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
    PageCorrupt,
    QueryTimedOut,
    RecoveryConflict,
    SchemaMissing,
    SlotInUse,
)

# Exact codes first, then classes of two characters.
_BY_SQLSTATE: dict[str, type[HadrianError]] = {
    "23505": AlreadyThere,  # unique_violation
    "42710": AlreadyThere,  # duplicate_object: a slot of another database, for one
    "53100": DiskFull,  # disk_full
    "42501": NotPermitted,  # insufficient_privilege
    "28000": NotPermitted,  # invalid_authorization_specification
    "28P01": NotPermitted,  # invalid_password
    "3D000": BadInput,  # invalid_catalog_name: no such database
    "40001": RecoveryConflict,  # serialization_failure: on a standby, a conflict with recovery
    "25006": NodeLost,  # read_only_sql_transaction: the node was demoted, or never was a primary
    "57014": QueryTimedOut,  # query_canceled: by statement_timeout
    "55P03": QueryTimedOut,  # lock_not_available: by lock_timeout
    "57P01": NodeLost,  # admin_shutdown
    "57P02": NodeLost,  # crash_shutdown
    "57P03": NodeLost,  # cannot_connect_now
    "57P05": NodeLost,  # idle_session_timeout
    "3F000": SchemaMissing,  # invalid_schema_name
    "42P01": SchemaMissing,  # undefined_table: Hadrian's own statements name only its own tables and catalogs
    "55000": NotConfigured,  # object_not_in_prerequisite_state
    "55006": SlotInUse,  # object_in_use
    "53400": NotConfigured,  # configuration_limit_exceeded: no free replication slot, for one
    "XX001": PageCorrupt,  # data_corrupted: a page whose checksum is wrong, a piece of a long value that is absent
    "XX002": PageCorrupt,  # index_corrupted
    "08": NodeLost,  # connection_exception
    "58": NodeLost,  # system_error
}


def from_driver(error: psycopg.Error, where: str) -> HadrianError:
    """Return our error for one of psycopg's; `where` names the node without its password."""
    state = error.sqlstate
    message = f"{where}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"
    if state is not None:
        kind = _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2]) or HadrianError
        return kind(message) if kind is not HadrianError else HadrianError(f"{message} ({state})")
    # libpq reports a dead socket without a code, and psycopg makes of such a result the class of no code in particular.
    lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) or type(error) is psycopg.DatabaseError
    return NodeLost(message) if lost else HadrianError(message)


@contextlib.contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn whatever the driver raises inside into Hadrian's errors."""
    try:
        yield
    except sqlalchemy.exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.Error):
            raise from_driver(error.orig, where) from error
        raise
    except psycopg.Error as error:
        raise from_driver(error, where) from error


@contextlib.contextmanager
def connecting(where: str) -> Iterator[None]:
    """As `translated`, for the first word to a node: silence there means that it cannot be reached."""
    try:
        with translated(where):
            yield
    except RecoveryConflict:  # what opening a session asks was in replay's way: the node is there
        raise
    except NodeLost as error:
        raise NodeUnreachable(str(error)) from error
