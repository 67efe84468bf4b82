"""Everything on a node that a statement could have changed, read from outside.

An observation knows nothing of statements or rules. It reads every catalog, a digest of every table, the state of
every sequence and index, and what lies outside: files with settings, slots, locks, notifications. Two of them on one
node give what was changed in between; one on each node gives what they differ in. Things are known by their object
ids, which a physical copy shares.

A script's own session is observed inside the transaction that it has open, for nobody else sees what it has done
there. A savepoint keeps the script from noticing: rolled back, it takes settings and locks with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg

from replicator import sql
from replicator.postgres.rehearsal.simple_query import Session


class Key(NamedTuple):
    """What can change: a kind of thing, and which one."""

    kind: str
    identity: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What a relation holds.

    Attributes:
        file: the number of its file, another one for each rewriting.
        content: a table's count and digest, a sequence's state, whether an index has a block.
        name: the relation's name, which may change.
    """

    file: str
    content: str
    name: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """What cannot be read: the server's words."""

    words: str
    name: str = field(compare=False)


Value = str | Stored | Refused
Observation = dict[Key, Value]

_EVER = "0"  # older than any transaction


class Catalogs(NamedTuple):
    """Queries that read every catalog, of the large ones what was written since they were made.

    Attributes:
        rows: those of a transaction id or later, and all that may be changed in place.
        counts: how many there are, by catalog.
    """

    rows: str
    counts: str

    @classmethod
    def since_now(cls, session: Session) -> Catalogs:
        """Have the server write them."""
        ((rows, counts),) = session.rows(sql.source("postgres/observation/catalogs"))
        return cls(str(rows), str(counts))


class Observer:
    """Observes one session's view of its database.

    Args:
        session: the session, whatever it is in the middle of; a failed transaction cannot be observed.
        catalogs: how to read the catalogs.
    """

    def __init__(self, session: Session, catalogs: Catalogs) -> None:
        self._session = session
        self._catalogs = catalogs
        self._mark = _EVER
        self._rows: dict[str, dict[Key, Value]] = {}
        self._digests: dict[Key, tuple[str | None, Stored]] = {}

    def forget(self) -> None:
        """Read everything again next time: what was taken back may look as if nothing had happened since."""
        self._digests.clear()
        self._rows.clear()
        self._mark = _EVER

    def observe(self) -> Observation:
        """Read everything and leave the session as it was. Raises: NodeLost."""
        inside = self._session.in_transaction
        if not inside:
            self._session.run(sql.source("postgres/observation/flush"))
        self._session.run("savepoint hadrian" if inside else "begin")
        try:
            self._session.rows(sql.source("postgres/observation/pin"))
            self._session.run("savepoint hadrian_reading")
            found = self._state()
            found |= self._catalog_rows()
            found |= self._relations()
        finally:
            self._session.run(
                "rollback to savepoint hadrian; release savepoint hadrian" if inside else "rollback",
            )
        return found

    def _state(self) -> Observation:
        state = self._session.rows(sql.source("postgres/observation/state"))
        return {Key(str(kind), str(identity)): str(value) for kind, identity, value in state}

    def _catalog_rows(self) -> Observation:
        """Read the rows that are new, and everything where some have gone."""
        mark = str(self._session.rows(sql.source("postgres/observation/mark"))[0][0])
        counts = {str(kind): int(str(count)) for kind, count in self._session.rows(self._catalogs.counts)}
        self._read_since(self._mark)
        if any(len(self._rows.get(kind, ())) != count for kind, count in counts.items()):
            self._rows.clear()
            self._read_since(_EVER)
        self._mark = mark
        return {key: value for rows in self._rows.values() for key, value in rows.items()}

    def _read_since(self, mark: str) -> None:
        for kind, identity, value in self._session.rows(self._catalogs.rows, mark):
            self._rows.setdefault(str(kind), {})[Key(str(kind), str(identity))] = str(value)

    def _relations(self) -> Observation:
        found: Observation = {}
        for row in self._session.rows(sql.source("postgres/observation/relations")):
            kind, oid, name, file, content, changes, query = row
            key = Key(str(kind), str(oid))
            stored = Stored(str(file), content or "", str(name))
            known = self._digests.get(key)
            if query is None:
                found[key] = stored
            elif known is not None and known[0] == changes:
                found[key] = known[1]
            else:
                found[key] = self._digest(key, stored, changes, query)
        return found

    def _digest(self, key: Key, stored: Stored, changes: str | None, query: str) -> Stored | Refused:
        try:
            content = self._session.rows(query)[0][0]
        except psycopg.Error as error:
            self._session.run("rollback to savepoint hadrian_reading")
            return Refused(str(error.diag.message_primary or error), stored.name)
        read = Stored(stored.file, content or "", stored.name)
        self._digests[key] = (changes, read)
        return read
