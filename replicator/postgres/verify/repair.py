"""A script that would make a subscriber's rows its publisher's, for a person to read and to run: nothing is run here.

It is one transaction, which writes as a subscription does: no trigger fires and no foreign key is checked. A row that
differs is only written to while it is as it was seen, so that what the subscription brings meanwhile stays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from psycopg import sql as pgsql

from replicator.errors import BadInput
from replicator.postgres.verify.reader import listed
from replicator.postgres.verify.subscribed import Column, Subscribed

Texts = tuple[str | None, ...]

# As the sessions print that read the values.
_HEAD = """-- What would make the rows of the subscriber, {subscriber}, those of the publisher, {publisher},
-- as they were seen when the two were compared. Nothing of it was run. Read it before you run it, on the subscriber and
-- as a role that may set session_replication_role; then compare again.
set client_encoding to 'UTF8';
begin;
set local session_replication_role to replica;
set local datestyle to 'ISO';
set local intervalstyle to 'postgres';
set local timezone to 'UTC';
"""
_TAIL = "commit;\n"


class Repair:
    """The statements, by kind: what must go, what must change, what must come."""

    def __init__(self) -> None:
        self._deletes: list[str] = []
        self._updates: list[str] = []
        self._inserts: list[str] = []

    def add(self, table: Subscribed, here: Sequence[Texts], there: Sequence[Texts]) -> None:
        """Take the rows that the publisher and the subscriber have of one key."""
        if not table.key:
            self._add_copies(table, here, there)
        elif len(here) == len(there) == 1:
            self._update(table, here[0], there[0])
        else:
            if there:
                self._delete(table, there[0])
            for row in here:
                self._insert(table, row)

    def _add_copies(self, table: Subscribed, here: Sequence[Texts], there: Sequence[Texts]) -> None:
        for row in here[len(there) :]:
            self._insert(table, row)
        if len(there) > len(here):
            statement = pgsql.SQL(
                "delete from {table} where (tableoid, ctid) in"
                " (select tableoid, ctid from {table} where {same} limit {copies});\n"
            ).format(
                table=_name(table),
                same=_same(table.columns, there[0]),
                copies=pgsql.Literal(len(there) - len(here)),
            )
            self._deletes.append(statement.as_string(None))

    def _update(self, table: Subscribed, here: Texts, there: Texts) -> None:
        places = [place for place, both in enumerate(zip(here, there, strict=True)) if both[0] != both[1]]
        if not places:  # mended since
            return
        columns = [table.columns[place] for place in places]
        values = [
            pgsql.SQL("{} = {}").format(pgsql.Identifier(column.name), pgsql.Literal(here[place]))
            for column, place in zip(columns, places, strict=True)
        ]
        statement = pgsql.SQL("update {} set {} where {} and {};\n").format(
            _name(table), listed(values), _has_key(table, there), _same(columns, [there[place] for place in places])
        )
        self._updates.append(statement.as_string(None))

    def _delete(self, table: Subscribed, row: Texts) -> None:
        statement = pgsql.SQL("delete from {} where {};\n").format(_name(table), _has_key(table, row))
        self._deletes.append(statement.as_string(None))

    def _insert(self, table: Subscribed, row: Texts) -> None:
        statement = pgsql.SQL("insert into {} ({}) overriding system value values ({}) on conflict do nothing;\n")
        names = listed([pgsql.Identifier(column.name) for column in table.columns])
        values = listed([pgsql.Literal(text) for text in row])
        name = pgsql.Identifier(table.schema, table.name)
        self._inserts.append(statement.format(name, names, values).as_string(None))

    def script(self, publisher: str, subscriber: str) -> Iterator[str]:
        """Yield the script's lines; the nodes are named without secrets."""
        yield _HEAD.format(publisher=publisher, subscriber=subscriber)
        yield from self._deletes
        yield from self._updates
        yield from self._inserts
        yield _TAIL


@contextlib.contextmanager
def written(path: Path, publisher: str, subscriber: str) -> Iterator[Repair]:
    """Collect a script, and write it into a new file at the end of the block; if that fails, there is no file.

    Raises:
        BadInput: there is one of that name, or it cannot be made.
    """
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise BadInput(f"{path} exists", hint="name a new file, or remove it") from None
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}", hint="name a file that can be made") from error
    try:
        with file:
            repair = Repair()
            yield repair
            file.writelines(repair.script(publisher, subscriber))
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _name(table: Subscribed) -> pgsql.Composable:
    """Return the table without those that inherit from it, whose rows are published as their own."""
    name = pgsql.Identifier(table.schema, table.name)
    return name if table.partitioned[1] else pgsql.SQL("only {}").format(name)


def _has_key(table: Subscribed, row: Texts) -> pgsql.Composed:
    texts = dict(zip((column.name for column in table.columns), row, strict=True))
    return pgsql.SQL(" and ").join(
        pgsql.SQL("{} = {}").format(pgsql.Identifier(column.name), pgsql.Literal(texts[column.name]))
        for column in table.key
    )


def _same(columns: Sequence[Column], row: Sequence[str | None]) -> pgsql.Composed:
    """Return the condition that columns print this; not every type can be compared as it is."""
    return pgsql.SQL(" and ").join(
        pgsql.SQL("{}::text is not distinct from {}").format(pgsql.Identifier(column.name), pgsql.Literal(text))
        for column, text in zip(columns, row, strict=True)
    )
