"""What statements that read or change rows come to: SELECT, INSERT, UPDATE, DELETE, MERGE, COPY, TRUNCATE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replicator.postgres.language import functions
from replicator.postgres.language.known import Effect, Known, Persistence
from replicator.postgres.subject import Subject
from replicator.statement import Touch

Fields = Mapping[str, Any]

_CHANGE = {
    Persistence.PERMANENT: Subject.ROW_CHANGE,
    Persistence.UNLOGGED: Subject.UNLOGGED_ROW_CHANGE,
    Persistence.TEMPORARY: Subject.TEMPORARY_ROW_CHANGE,
    Persistence.FOREIGN: Subject.FOREIGN_ROW_CHANGE,
}
_ADDING = frozenset({"InsertStmt", "MergeStmt"})


def shown(name: Fields) -> str:
    """Return a relation's name as the statement has it."""
    return ".".join(str(name[part]) for part in ("schemaname", "relname") if name.get(part))


def read(tree: Fields, known: Known) -> Effect:
    """Judge a query, or an expression: the calls in it, and the row changes in its WITH."""
    found = list(functions.inside(tree))
    changes = any(name != "FuncCall" for name, _ in found)
    effect = Effect()
    for name, fields in found:
        if name == "FuncCall":
            effect.add(functions.called(fields, known, judged=not changes))
        else:
            effect.add(_target(fields["relation"], known, Subject.ROW_CHANGE, adds=name in _ADDING))
    if known.has_views:
        for _, relation in functions.inside(tree, frozenset({"RangeVar"})):
            effect.add(known.view(relation))
    return effect


def copy(fields: Fields, known: Known) -> Effect:
    """Judge a COPY, in either direction."""
    outside = "filename" in fields
    if not fields.get("is_from"):
        effect = read(fields.get("query", {}), known)
        if outside:
            effect.touches.append(Touch(Subject.FILE_OUTPUT, str(fields["filename"])))
        return effect
    effect = _target(fields["relation"], known, Subject.COPY_FROM, adds=True)
    if outside:
        effect.touches.append(Touch(Subject.SERVER_FILE, str(fields["filename"])))
    return effect


def truncate(fields: Fields, known: Known) -> Effect:
    """Judge a TRUNCATE, table by table."""
    effect = Effect()
    for relation in fields.get("relations", ()):
        name = relation["RangeVar"]
        subject = _CHANGE[known.find(name).persistence]
        effect.touches.append(Touch(Subject.TRUNCATE if subject is Subject.ROW_CHANGE else subject, shown(name)))
    return effect


def of_parts(name: Fields, known: Known) -> list[Touch]:
    """Return what a change through a table does to the parts of it that are not in the log."""
    return [
        Touch(_CHANGE[persistence], part, when=f"for the rows that fall into {part}")
        for part, persistence in known.parts(name)
    ]


def _target(name: Fields, known: Known, permanent: Subject, *, adds: bool) -> Effect:
    """Judge a change of a table's rows, and what its parts and its triggers make of it."""
    relation = known.find(name)
    subject = _CHANGE[relation.persistence]
    effect = Effect([Touch(permanent if subject is Subject.ROW_CHANGE else subject, shown(name))])
    effect.touches.extend(of_parts(name, known))
    for sequence in sorted(relation.sequences) if adds else ():
        if known.find({**name, "relname": sequence}).logged_late:
            effect.touches.append(functions.logged_late(sequence))
    for function in sorted(relation.triggers):
        body = known.routine(function)
        effect.add(Effect(body.touches if body else []), when=f"where the trigger that calls {function} fires")
    return effect
