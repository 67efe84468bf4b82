"""Where exactly two nodes differ: the row's key, the columns, and the values if they are asked for.

A row that is missing and another version of the same key that only the standby has are one difference: the standby's
row is stale, or was changed there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from replicator import sql
from replicator.comparison import Suspect, What, Word
from replicator.errors import QueryTimedOut, RecoveryConflict, SchemaMissing
from replicator.postgres.verify.span_comparison import Sessions
from replicator.postgres.verify.stored_relation import Relation
from replicator.postgres.verify.tuple_session import NoBinaryForm, TupleSession, Unreadable
from replicator.postgres.verify.tuple_settling import Settled

_LOOKED_AT = 200  # differences of a table whose columns are looked at

_Texts = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row column by column: what each hashes to and how it is printed; a column that cannot be read is in neither."""

    digests: Mapping[str, int]
    texts: _Texts


def located(sessions: Sessions, relation: Relation, found: Sequence[Settled], *, values: bool) -> Iterator[Suspect]:
    """Yield each difference with its key and columns, a stale row once. Raises: as `TupleSession.ask`."""
    columns = sessions.primary.ask(sql.load("postgres/verify/relation_columns"), table=relation.name)
    names = [column.name for column in columns]
    key = [column.name for column in columns if column.in_key]
    missing: dict[tuple[tuple[str, str | None], ...], tuple[Suspect, _Row]] = {}
    surplus: list[tuple[Suspect, _Row]] = []
    for number, one in enumerate(found):
        suspect = Suspect(What.ROWS, relation.name, one.word, one.message, one.place)
        if number >= _LOOKED_AT or one.word is not Word.DIFFERENT:
            yield suspect
            continue
        here = _row(sessions.primary, relation, names, one.place, None if one.primary is None else one.primary.xmin)
        there = _row(sessions.standby, relation, names, one.place, None if one.standby is None else one.standby.xmin)
        suspect = _told(suspect, key, here, there, values=values)
        if suspect.key and here is not None and one.standby is None:
            missing[tuple(suspect.key.items())] = suspect, here
        elif suspect.key and there is not None and one.primary is None:
            surplus.append((suspect, there))
        else:
            yield suspect
    for suspect, there in surplus:
        wanted, here = missing.pop(tuple(suspect.key.items()), (None, None))
        if wanted is None:
            yield suspect
        else:
            stale = replace(wanted, message=f"another version of the row on the standby, at {suspect.place}")
            yield _told(stale, key, here, there, values=values)
    yield from (suspect for suspect, _ in missing.values())


def _told(suspect: Suspect, key: Sequence[str], here: _Row | None, there: _Row | None, *, values: bool) -> Suspect:
    """Return a suspect with its key, the columns that differ and, if they are asked for, their values."""
    keyed = next((row.texts for row in (here, there) if row is not None and all(name in row.texts for name in key)), {})
    columns: tuple[str, ...] = ()
    if here is not None and there is not None:
        names = dict.fromkeys((*here.digests, *there.digests))
        columns = tuple(name for name in names if here.digests.get(name) != there.digests.get(name))
    return replace(
        suspect,
        key={name: keyed[name] or "" for name in key if name in keyed},
        columns=columns,
        primary=_shown(here, columns) if values else None,
        standby=_shown(there, columns) if values else None,
    )


def _shown(row: _Row | None, columns: Sequence[str]) -> _Texts | None:
    return None if row is None else {name: row.texts[name] for name in (columns or row.texts) if name in row.texts}


def _row(session: TupleSession, relation: Relation, names: Sequence[str], place: str, xmin: int | None) -> _Row | None:
    """Return a row version column by column, None where the node has none, or none any more."""
    if xmin is None or not names:
        return None
    asked = {"ctid": place, "xmin": str(xmin)}

    def ask(some: Sequence[str]) -> _Row | None:
        rows = session.ask(relation.tuple_columns(some), **asked)
        if not rows:
            return None
        texts = [None if text is None else session.decoded(bytes(text)) for text in rows[0].texts]
        return _Row(dict(zip(some, rows[0].digests, strict=True)), dict(zip(some, texts, strict=True)))

    try:
        return ask(names)
    except Unreadable:
        pass
    except NoBinaryForm:
        relation.as_text = True
        return _row(session, relation, names, place, xmin)
    except (RecoveryConflict, QueryTimedOut, SchemaMissing):
        return None
    digests: dict[str, int] = {}
    texts: dict[str, str | None] = {}
    for name in names:
        try:
            column = ask([name])
        except (Unreadable, RecoveryConflict, QueryTimedOut):
            continue
        if column is not None:
            digests |= column.digests
            texts |= column.texts
    return _Row(digests, texts)
