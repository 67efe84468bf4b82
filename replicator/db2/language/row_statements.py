"""What statements that change rows come to: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, and the reads that hold one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replicator.db2.language.known import Effect, Known
from replicator.db2.language.tokenize import Token
from replicator.db2.language.words import Name, Words, enclosed, identifier, matches, split
from replicator.db2.subject import Subject
from replicator.statement import Touch

CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_ENDS_OF_SET = frozenset({"WHERE", "WITH", "WHEN", "ELSE", "FROM", "ORDER", "FETCH"})
_DEEPER = {"(": 1, ")": -1, "CASE": 1, "END": -1}
_QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "("})

Columns = frozenset[str] | None
"""Names of columns that are written; None for all, or where the text does not tell."""


def read(words: Words, known: Known) -> Effect:
    """Judge a statement that begins with one of `CHANGES`, with what stands inside it."""
    verb = words.take_any(*CHANGES)
    judge = {"INSERT": _insert, "UPDATE": _update, "DELETE": _delete, "MERGE": _merge}[verb]
    effect = judge(words, known)
    effect.add(query(words.tokens[1:], known))
    return effect


def query(tokens: Sequence[Token], known: Known) -> Effect:
    """Judge what a read does beside reading: values of sequences that it takes, changes whose result it reads."""
    effect = Effect()
    for index, token in enumerate(tokens):
        if token.word in {"NEXT", "NEXTVAL"}:
            effect.touches.extend(_sequence(tokens, index))
        elif token.word in {"FINAL", "NEW", "OLD"} and matches(tokens, index + 1, "TABLE", "("):
            inner = enclosed(tokens, index + 3)
            if inner and inner[0].word in CHANGES:
                effect.add(_change(inner, known))
    return effect


def _change(tokens: Sequence[Token], known: Known) -> Effect:
    words = Words(tokens)
    verb = words.take_any(*CHANGES)
    return {"INSERT": _insert, "UPDATE": _update, "DELETE": _delete, "MERGE": _merge}[verb](words, known)


def _sequence(tokens: Sequence[Token], index: int) -> Iterable[Touch]:
    if matches(tokens, index, "NEXT", "VALUE", "FOR"):
        words = Words(tokens[index + 3 :])
        yield Touch(Subject.SEQUENCE, words.name().shown)
    elif matches(tokens, index, "NEXTVAL", "FOR"):
        words = Words(tokens[index + 2 :])
        yield Touch(Subject.SEQUENCE, words.name().shown)
    elif index > 1 and tokens[index].word == "NEXTVAL" and tokens[index - 1].word == ".":
        yield Touch(Subject.SEQUENCE, tokens[index - 2].text)


def changed(name: Name, known: Known, columns: Columns, subject: Subject = Subject.ROW_CHANGE) -> Effect:
    """Return what it comes to that rows of a table are changed.

    Args:
        name: of the table.
        known: what scripts have made.
        columns: those that are written.
        subject: how they are changed, where the table is one that is logged.
    """
    table = known.table(name)
    shown = name.shown or "the rows of a query"
    if table.temporary:
        return Effect([Touch(Subject.TEMPORARY_ROW_CHANGE, shown)])
    if table.unavailable:
        return Effect([Touch(Subject.UNAVAILABLE_CHANGE, shown, table.unavailable)])
    effect = Effect([Touch(subject, shown)])
    lobs = table.lobs if columns is None else table.lobs & columns
    if lobs:
        effect.touches.append(Touch(Subject.NOT_LOGGED_LOB_VALUE, shown, ", ".join(sorted(lobs))))
    return effect


def _insert(words: Words, known: Known) -> Effect:
    words.take("INTO")
    name = words.name()
    return changed(name, known, _listed(words))


def _listed(words: Words) -> Columns:
    """Return the columns that a list in parentheses names, None where none comes."""
    if words.peek() != "(" or words.peek(1) in _QUERIES:
        return None
    return frozenset(identifier(item[0]) for item in words.items() if item)


def _update(words: Words, known: Known) -> Effect:
    name = words.name()
    return changed(name, known, _assigned(words) if words.seek("SET") else None)


def _assigned(words: Words) -> Columns:
    """Return the columns that a SET clause gives values to, None where it does not tell."""
    end, depth = len(words.tokens), 0
    for index in range(words.at, len(words.tokens)):
        word = words.tokens[index].word
        depth += _DEEPER.get(word, 0)
        if not depth and word in _ENDS_OF_SET:
            end = index
            break
    found: set[str] = set()
    for item in split(words.tokens[words.at : end], 0):
        target = Words(item)
        if target.peek() == "(":
            found.update(identifier(part[-1]) for part in target.items() if part)
            continue
        column = target.name().name
        if not column or target.peek() not in {"=", ".."}:
            return None
        found.add(column)
    return frozenset(found)


def _delete(words: Words, known: Known) -> Effect:
    words.take("FROM")
    return changed(words.name(), known, frozenset())


def _merge(words: Words, known: Known) -> Effect:
    words.take("INTO")
    name = words.name()
    effect = Effect()
    while words.seek("THEN"):
        if words.take("UPDATE", "SET"):
            effect.add(changed(name, known, _assigned(words)))
        elif words.take("INSERT"):
            effect.add(changed(name, known, _listed(words)))
        elif words.take("DELETE"):
            effect.add(changed(name, known, frozenset()))
    return effect if effect.touches else changed(name, known, None)


def truncate(words: Words, known: Known) -> Effect:
    """Judge a TRUNCATE."""
    words.take("TRUNCATE")
    words.take("TABLE")
    return changed(words.name(), known, frozenset(), Subject.TRUNCATE)


def refresh(words: Words, known: Known) -> Effect:
    """Judge a REFRESH TABLE."""
    words.take("REFRESH", "TABLE")
    effect = Effect()
    for name in words.names():
        effect.add(changed(name, known, frozenset(), Subject.REFRESH))
    return effect
