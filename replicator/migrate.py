"""Hadrian's own schema: forward-only files, each applied in one transaction with its `hadrian.migration` row.

`plan` compares what a database has had with the files of this program and says what is still to do, or why
nothing may be done. Before each file the database is locked and looked at again, so that of two programs
that install at once each file is applied by one; if a file fails, neither it nor its row remains. An engine
without such a lock (no `schema/lock.sql`) relies on the key of `hadrian.migration`: the second fails whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import sqlalchemy

from replicator import logged, sql
from replicator.db2.connection import Db2Server
from replicator.engines import engine_of
from replicator.errors import BadInput, HadrianError, NodeLost, SchemaMissing
from replicator.postgres.connection import Server

ENGINES = ("postgres", "db2")

_DB2_TIMEOUT_S = 300
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql", re.ASCII)

State = Literal["applied", "pending", "changed", "unknown"]


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file.

    Attributes:
        number: its place in the order, from 1.
        name: the file's name without number and suffix.
        sha256: of the file's bytes.
        script: its text.
    """

    number: int
    name: str
    sha256: bytes
    script: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A migration file among those of every engine.

    Attributes:
        engine: the engine's folder.
        number: the file's place in the order.
        name: the file's name without number and suffix.
        sha256: of the file's bytes.
    """

    engine: str
    number: int
    name: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Applied:
    """A row of `hadrian.migration`: a file as it was when this database had it.

    Attributes:
        number: the file's place in the order.
        name: the file's name without number and suffix.
        sha256: of the file's bytes then.
        applied_at: when the transaction that applied it began.
    """

    number: int
    name: str
    sha256: bytes
    applied_at: datetime | None = None

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `install` or `upgrade` found and did.

    Attributes:
        where: the database.
        found: how many migrations it had had before; above 0 it was installed already.
        applied: what was applied now, in order.
    """

    where: str
    found: int
    applied: tuple[Migration, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one migration stands in a database.

    Attributes:
        number: its place in the order.
        name: the file's name without number and suffix.
        state: `changed` when the file is not what was applied, `unknown` when this program has no such file.
        applied_at: None while it is pending.
    """

    number: int
    name: str
    state: State
    applied_at: datetime | None


def available(engine: str, folder: Path | None = None) -> tuple[Migration, ...]:
    """Return the migrations in `folder`, by default this program's own for `engine`, in order.

    Raises:
        BadInput: a file's name is not `NNNN_name.sql`.
    """
    folder = folder or sql.root() / engine / "migrations"
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise BadInput(f"not a migration's name: {path}", hint="name it NNNN_name.sql")
        content = path.read_bytes()
        found.append(Migration(int(match[1]), match[2], hashlib.sha256(content).digest(), content.decode()))
    return tuple(found)


def every_file() -> list[Listed]:
    """Return this program's migrations for each engine."""
    return [Listed(engine, file.number, file.name, file.sha256) for engine in ENGINES for file in available(engine)]


def plan(applied: Sequence[Applied], files: Sequence[Migration]) -> tuple[Migration, ...]:
    """Return the migrations still to apply, in order.

    Raises:
        BadInput: a number is missing or used twice, a file is not what was applied, or the database has had
            more migrations than this program knows. Nothing may be applied then.
    """
    _check_order(files, "among the migration files")
    _check_order(applied, "in hadrian.migration")
    for row, file in zip(applied, files, strict=False):
        if row.sha256 != file.sha256:
            raise BadInput(
                f"migration {file} is not what this database had: the file has changed",
                hint="bring back the file as released (pip install --force-reinstall hadrian-wal)",
            )
    if len(applied) > len(files):
        raise BadInput(
            f"this database is newer than the program: it has had migration {applied[-1]}",
            hint="pip install --upgrade hadrian-wal",
        )
    return tuple(files[len(applied) :])


def _check_order(found: Sequence[Migration | Applied], place: str) -> None:
    for expected, one in enumerate(found, start=1):
        if one.number != expected:
            raise BadInput(
                f"{place}, {expected:04d} should come where {one} is",
                hint="bring the missing migration back, or install the program again",
            )


def install(url: str, folder: Path | None = None) -> Outcome:
    """Bring the schema into a database, or an older one up to date; `Outcome.found` says which.

    Raises:
        BadInput: see `plan`; or no URL of an engine that is known.
        NodeUnreachable: no answer.
        NotPermitted: the role may not create it.
        NotConfigured: its tables are there, and not all of them are in the log.
    """
    return _migrate(url, folder, fresh=True)


def upgrade(url: str, folder: Path | None = None) -> Outcome:
    """Bring an installed schema up to date.

    Raises:
        SchemaMissing: it is not installed.
        BadInput, NodeUnreachable, NotPermitted, NotConfigured: as `install`.
    """
    return _migrate(url, folder, fresh=False)


def status(url: str, folder: Path | None = None) -> list[Standing]:
    """Compare a database with the files, changing nothing. Unlike `plan` it refuses nothing: it reports.

    Raises:
        BadInput: no URL of an engine that is known.
        NodeUnreachable: no answer.
    """
    files = {file.number: file for file in available(engine_of(url), folder)}
    with contextlib.closing(_open(url)) as database, database.connect() as connection:
        applied = {row.number: row for row in _applied(database, connection)}
    return [_standing(number, applied.get(number), files.get(number)) for number in sorted({*files, *applied})]


def _standing(number: int, row: Applied | None, file: Migration | None) -> Standing:
    match row, file:
        case Applied(), Migration():
            return Standing(number, row.name, "applied" if row.sha256 == file.sha256 else "changed", row.applied_at)
        case Applied(), None:
            return Standing(number, row.name, "unknown", row.applied_at)
        case _:
            return Standing(number, file.name if file else "", "pending", None)


def _migrate(url: str, folder: Path | None, *, fresh: bool) -> Outcome:
    files = available(engine_of(url), folder)
    done: list[Migration] = []
    with contextlib.closing(_open(url)) as database:
        found, file = _advance(database, files, fresh=fresh)
        while file is not None:
            done.append(file)
            _, file = _advance(database, files, fresh=fresh)
        logged.check(database)
        return Outcome(database.where, found, tuple(done))


def _advance(database: _Database, files: Sequence[Migration], *, fresh: bool) -> tuple[int, Migration | None]:
    """Apply the next file in its own transaction; return how many came before, and the file or None."""
    file = None
    try:
        with database.begin() as connection:
            if (sql.root() / database.engine_name / "schema/lock.sql").exists():
                connection.execute(database.statement("schema/lock"))
            applied = _applied(database, connection)
            if not (applied or fresh):
                raise SchemaMissing(f"{database.where} has no schema hadrian to upgrade")
            file = next(iter(plan(applied, files)), None)
            if file is not None:
                _apply(database, connection, file)
    except HadrianError as error:
        if file is None:
            raise
        # A standby refuses to write in the words of a node that was demoted.
        lost = isinstance(error, NodeLost)
        hint = "give the URL of the primary and run the command again" if lost else error.hint
        raise type(error)(f"migration {file} failed and was rolled back: {error}", hint=hint) from error
    return len(applied), file


def _applied(database: _Database, connection: sqlalchemy.Connection) -> list[Applied]:
    if not connection.execute(database.statement("schema/installed")).scalar_one():
        return []
    rows = connection.execute(database.statement("schema/applied"))
    return [Applied(row.number, row.name, bytes(row.sha256), row.applied_at) for row in rows]


def _apply(database: _Database, connection: sqlalchemy.Connection, file: Migration) -> None:
    for statement in sql.statements(file.script):
        connection.execute(statement)
    record = {"number": file.number, "name": file.name, "sha256": file.sha256}
    connection.execute(database.statement("schema/record"), record)


class _Postgres(Server):
    engine_name = "postgres"


class _Db2(Db2Server):
    engine_name = "db2"


_Database: TypeAlias = _Postgres | _Db2


def _open(url: str) -> _Database:
    return _Db2(url, _DB2_TIMEOUT_S) if engine_of(url) == "db2" else _Postgres(url)
