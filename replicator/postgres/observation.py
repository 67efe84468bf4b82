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
from replicator.postgres.simple_query import Session


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


def catalogs_query(session: Session) -> str:
    """Return the query that reads every catalog, of the large ones what is written from now on."""
    return str(session.rows(sql.source("postgres/observation/catalogs"))[0][0])


class Observer:
    """Observes one session's view of its database.

    Args:
        session: the session, whatever it is in the middle of; a failed transaction cannot be observed.
        catalogs: from `catalogs_query`.
    """

    def __init__(self, session: Session, catalogs: str) -> None:
        self._session = session
        self._catalogs = catalogs
        self._digests: dict[Key, tuple[str | None, Stored]] = {}

    def forget(self) -> None:
        """Read every table again next time: rows have gone that the server's counters still count."""
        self._digests.clear()

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
            found |= self._relations()
        finally:
            self._session.run(
                "rollback to savepoint hadrian; release savepoint hadrian" if inside else "rollback",
            )
        return found

    def _state(self) -> Observation:
        found: Observation = {}
        for query in (sql.source("postgres/observation/state"), self._catalogs):
            for kind, identity, value in self._session.rows(query):
                found[Key(str(kind), str(identity))] = str(value)
        return found

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
