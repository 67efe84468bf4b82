"""The error tree: drawn in full, every error with advice, and nothing of the driver's leaks through."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st

from replicator import errors
from replicator.errors import HadrianError
from replicator.postgres.errors import _BY_SQLSTATE, connecting, from_driver, translated


def below(root: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield a class and every class below it."""
    yield root
    for child in root.__subclasses__():
        yield from below(child)


OURS = [found for found in below(HadrianError) if found.__module__ == errors.__name__]
DRIVERS = sorted(set(below(psycopg.Error)), key=lambda found: found.__name__)


@pytest.mark.parametrize("kind", OURS)
def test_every_error_has_a_docstring_and_a_hint(kind: type[HadrianError]) -> None:
    """Each says what it means and what to do, in one line, and inherits neither."""
    assert "__doc__" in vars(kind)
    assert inspect.getdoc(kind)
    assert "hint" in vars(kind)
    assert kind.hint.strip() == kind.hint != ""
    assert "\n" not in kind.hint


def test_the_drawing_is_the_tree() -> None:
    """The tree in the module's docstring has each class, below its parent, and no other."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ([│├└─ ]*)([A-Z]\w+)(?: {2,}.*)?", line)
        if match is not None:
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            drawn[match[2]] = path[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__bases__[0].__name__ for kind in OURS}


@given(st.text(), st.text())
def test_an_error_is_one_line(message: str, hint: str) -> None:
    """Whatever goes into message and hint, line breaks do not come out."""
    error = HadrianError(message, hint=hint)
    assert len(str(error).splitlines()) <= 1
    assert len(error.hint.splitlines()) <= 1


@pytest.mark.parametrize("kind", DRIVERS, ids=lambda kind: kind.__name__)
def test_every_error_of_the_driver_becomes_ours(kind: type[psycopg.Error]) -> None:
    """Each class of psycopg, one a SQLSTATE, maps to an error with the node and one line of the cause."""
    ours = from_driver(kind("the cause\nDETAIL: more"), "db1:5432/app")
    assert type(ours) in OURS
    assert "db1:5432/app: the cause" in str(ours)
    assert "DETAIL" not in str(ours)
    assert "db1" in str(from_driver(kind(), "db1:5432/app"))


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("53100", errors.DiskFull),
        ("42501", errors.NotPermitted),
        ("28P01", errors.NotPermitted),
        ("3D000", errors.BadInput),
        ("25006", errors.NodeLost),
        ("57P01", errors.NodeLost),
        ("08006", errors.NodeLost),
        ("42P01", errors.SchemaMissing),
        ("23505", errors.AlreadyThere),
        ("55000", errors.NotConfigured),
        ("22012", HadrianError),
    ],
)
def test_a_sqlstate_means_what_a_dba_takes_it_for(state: str, kind: type[HadrianError]) -> None:
    """The codes that decide what happens next map to the error that says so."""
    ours = from_driver(psycopg.errors.lookup(state)("no"), "db1")
    assert type(ours) is kind
    assert kind is not HadrianError or state in str(ours)


@pytest.mark.parametrize("state", [state for state in _BY_SQLSTATE if len(state) == 5])
def test_every_code_in_the_table_exists(state: str) -> None:
    """A mistyped SQLSTATE would never match."""
    assert psycopg.errors.lookup(state).sqlstate == state


@pytest.mark.parametrize("kind", [psycopg.OperationalError, psycopg.InterfaceError, psycopg.DatabaseError])
def test_a_dead_socket_is_a_lost_node(kind: type[psycopg.Error]) -> None:
    """A connection that is gone has no SQLSTATE, and is known by its class; the last is a replication command's."""
    assert type(from_driver(kind("server closed the connection unexpectedly"), "db1")) is errors.NodeLost


def test_silence_at_first_is_unreachable_and_later_is_lost() -> None:
    """The same error of the driver means another thing before and after the first word."""
    cause = sqlalchemy.exc.OperationalError("select 1", {}, psycopg.OperationalError("no answer"))
    with pytest.raises(errors.NodeUnreachable), connecting("db1"):
        raise cause
    with pytest.raises(errors.NodeLost), translated("db1"):
        raise cause
