"""What CREATE TABLE, ALTER TABLE and CREATE INDEX come to: how a table, its LOB columns and its indexes are logged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from replicator.db2.language.known import Effect, Known, Table, unknown
from replicator.db2.language.tokenize import Kind, Token
from replicator.db2.language.words import Name, Words, identifier, matches
from replicator.db2.subject import Subject
from replicator.statement import Touch

NOT_LOGGED_INITIALLY = "NOT LOGGED INITIALLY"
_NO_COLUMN = frozenset({"CHECK", "CONSTRAINT", "FOREIGN", "LIKE", "PERIOD", "PRIMARY", "UNIQUE"})
_LOBS = frozenset({"BLOB", "CLOB", "DBCLOB", "NCLOB"})
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_MARGIN = 32  # bytes; a value in the row takes a few besides its own, how many is not relied on
_LOG_INDEX_BUILD = {"ON": Subject.INDEX_BUILD_LOGGED, "OFF": Subject.INDEX_BUILD_NOT_LOGGED}


def create(words: Words, adjectives: set[str], known: Known) -> Effect:
    """Judge a CREATE TABLE, whose adjectives have been taken."""
    words.take("TABLE")
    words.take("IF", "NOT", "EXISTS")
    if "EXTERNAL" in adjectives:
        return unknown("an external table's rows are in a file, of which no rule speaks")
    name = words.name()
    if "GLOBAL" in adjectives:
        known.make(name, Table(temporary=True))
        return Effect([Touch(Subject.CREATED_TEMPORARY, name.shown)])
    if adjectives & {"TEMP", "TEMPORARY"}:
        known.make(name, Table(temporary=True))
        return Effect([Touch(Subject.DECLARED_TEMPORARY, name.shown)])
    columns = words.items() if words.peek() == "(" else []
    effect = Effect([Touch(Subject.DDL, name.shown)])
    table = Table()
    if words.has("NOT", "LOGGED", "INITIALLY"):
        effect.touches[0] = Touch(Subject.NOT_LOGGED_INITIALLY, name.shown)
        table = replace(table, unavailable=NOT_LOGGED_INITIALLY)
    elif words.has("ORGANIZE", "BY", "COLUMN"):
        effect.touches[0] = Touch(Subject.COLUMN_ORGANIZED, name.shown)
    for column in columns:
        table = _column(name, column, table, effect)
    if known.like(_sources(words, columns)):
        effect.unknown.append("whether its LOB columns are logged is not said, and those of its source are not")
    known.make(name, table)
    return effect


def _sources(words: Words, columns: Iterable[Sequence[Token]]) -> Iterable[Name]:
    """Return the tables that a table is made like."""
    queried = words.has("AS", "(")
    for tokens in (words.tokens, *columns):
        source = Words(tokens)
        for index, token in enumerate(tokens):
            if token.word == "LIKE" or (queried and token.word in {"FROM", "JOIN"}):
                source.at = index + 1
                yield source.name()


def _column(table: Name, tokens: Sequence[Token], known: Table, effect: Effect) -> Table:
    """Add what a column's definition touches, and return the table with it."""
    name = identifier(tokens[0]) if tokens else ""
    if not name or (tokens[0].kind is Kind.WORD and name in _NO_COLUMN):
        return known
    shown = f"{table.shown}.{tokens[0].text}"
    words = Words(tokens[1:])
    if words.has("AS", "IDENTITY"):
        effect.touches.append(Touch(Subject.SEQUENCE, f"identity column {shown}"))
    if words.peek() == "XML":
        effect.touches.append(Touch(Subject.XML, shown))
    elif words.peek() == "LONG":
        effect.touches.append(Touch(Subject.READ_DATA_TYPE, shown, "a LONG field"))
    unlogged = words.has("NOT", "LOGGED")
    if unlogged or words.peek() in _LOBS or words.has("LARGE", "OBJECT"):
        subject = Subject.LOGGED_LOB
        if _in_row(words):
            subject = Subject.INLINE_LOB
        elif unlogged:
            subject = Subject.NOT_LOGGED_LOB
            known = replace(known, lobs=known.lobs | {name})
        effect.touches.append(Touch(subject, shown))
    return known


def _in_row(words: Words) -> bool:
    """Return whether every value of a LOB column fits in the row."""
    length = inline = None
    for index, token in enumerate(words.tokens):
        if token.word == "(" and length is None:
            length = _length(words.tokens[index + 1 :])
        if matches(words.tokens, index, "INLINE", "LENGTH"):
            inline = _length(words.tokens[index + 2 :])
    return length is not None and inline is not None and length + _MARGIN <= inline


def _length(tokens: Sequence[Token]) -> int | None:
    if not tokens or not tokens[0].text.isdecimal():
        return None
    unit = tokens[1].word if len(tokens) > 1 else ""
    return int(tokens[0].text) * _UNITS.get(unit, 1)


def create_index(words: Words, known: Known) -> Effect:
    """Judge a CREATE INDEX by its table."""
    words.take("INDEX")
    words.take("IF", "NOT", "EXISTS")
    words.name()
    words.take("ON")
    name = words.name()
    return Effect([index_build(name, known)])


def index_build(name: Name, known: Known) -> Touch:
    """Return what building an index of a table touches."""
    table = known.table(name)
    if table.temporary:
        return Touch(Subject.TEMPORARY_ROW_CHANGE, name.shown)
    if table.unavailable:
        return Touch(Subject.UNAVAILABLE_CHANGE, name.shown, table.unavailable)
    return Touch(_LOG_INDEX_BUILD.get(table.index_logging, Subject.INDEX_BUILD), name.shown)


def alter(words: Words, known: Known) -> Effect:
    """Judge an ALTER TABLE."""
    words.take("TABLE")
    name = words.name()
    table = known.table(name)
    effect = Effect([Touch(Subject.DDL, name.shown)])
    if table.temporary:
        return Effect([Touch(Subject.TEMPORARY_ROW_CHANGE, name.shown)])
    if table.unavailable:
        effect.touches[0] = Touch(Subject.UNAVAILABLE_CHANGE, name.shown, table.unavailable)
    if words.has("ACTIVATE", "NOT", "LOGGED", "INITIALLY"):
        emptied = words.has("WITH", "EMPTY", "TABLE")
        subject = Subject.NOT_LOGGED_EMPTIED if emptied else Subject.NOT_LOGGED_ACTIVATED
        effect.touches[0] = Touch(subject, name.shown)
        table = replace(table, unavailable=NOT_LOGGED_INITIALLY)
    for action in _actions(words.rest):
        table = _act(name, Words(action), table, effect)
    known.make(name, table)
    if _builds_index(words):
        effect.touches.append(index_build(name, known))
    return effect


def _actions(tokens: Sequence[Token]) -> Iterable[Sequence[Token]]:
    """Yield the clauses of an ALTER TABLE, each from its verb on."""
    depth, start = 0, 0
    for index, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if not depth and token.word in {"ADD", "ALTER", "DROP", "LOG"} and index > start:
            yield tokens[start:index]
            start = index
    yield tokens[start:]


def _act(name: Name, words: Words, table: Table, effect: Effect) -> Table:
    """Add what one clause of an ALTER TABLE touches, and return the table after it."""
    if words.take("LOG", "INDEX", "BUILD"):
        return replace(table, index_logging=words.take_any("ON", "OFF"))
    if words.take("ADD"):
        words.take("COLUMN")
        words.take("IF", "NOT", "EXISTS")
        return _column(name, words.rest, table, effect)
    if words.take("DROP"):
        words.take("COLUMN")
        return replace(table, lobs=table.lobs - {words.name().name})
    return table


def _builds_index(words: Words) -> bool:
    return any(words.has(*clause) for clause in (("PRIMARY", "KEY"), ("UNIQUE", "("))) and words.has("ADD")
