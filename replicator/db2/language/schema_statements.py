"""What statements that make, change or drop objects come to, and what they make known to the statements after them."""

from __future__ import annotations

from collections.abc import Sequence

from replicator.db2.language import tables
from replicator.db2.language.known import Effect, Known, Routine, Table, unknown
from replicator.db2.language.tokenize import Kind, Token
from replicator.db2.language.words import Words, literal, matches
from replicator.db2.subject import Subject
from replicator.statement import Touch

# What may stand between CREATE and the kind of object.
_ADJECTIVES = (
    *("DISTINCT", "EXTERNAL", "GLOBAL", "LARGE", "PRIVATE", "PUBLIC", "REGULAR", "SYSTEM", "TEMP", "TEMPORARY"),
    *("SUMMARY", "UNIQUE", "USER"),
)
_KINDS = {
    **dict.fromkeys(
        (
            *("ALIAS", "AUDIT", "EVENT", "HISTOGRAM", "METHOD", "MODULE", "SCHEMA", "SERVICE", "SYNONYM", "THRESHOLD"),
            *("TRANSFORM", "TRANSFORMS", "TRIGGER", "TYPE", "USAGE", "VARIABLE", "VIEW", "WORK", "WORKLOAD"),
            *("XSROBJECT", "SPECIFIC", "CONSTRAINT", "COLUMN"),
        ),
        Subject.DDL,
    ),
    **dict.fromkeys(("ROLE", "MASK", "PERMISSION", "SECURITY", "TRUSTED"), Subject.AUTHORITY),
    **dict.fromkeys(("MAPPING", "NICKNAME", "SERVER", "WRAPPER"), Subject.FEDERATION),
    **dict.fromkeys(("TABLESPACE", "TABLESPACES"), Subject.TABLE_SPACE),
    **dict.fromkeys(("FUNCTION", "PROCEDURE"), Subject.ROUTINE),
    "BUFFERPOOL": Subject.BUFFER_POOL,
    "PACKAGE": Subject.PACKAGE,
    "SEQUENCE": Subject.SEQUENCE,
    "STOGROUP": Subject.STORAGE_GROUP,
}
# Second words of kinds, to be taken before the name.
_SECOND_WORDS = (
    *("ACTION", "CLASS", "CONTEXT", "FOR", "LABEL", "LIST", "MAPPING", "MONITOR", "POLICY", "SET", "TEMPLATE"),
    "COMPONENT",
)
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "METHOD"})
_INTERPRETED = frozenset({"", "SQL", "PLSQL"})
_DATABASE = "HADR is set up database by database, and this one is another"


def create(words: Words, known: Known) -> Effect:
    """Judge a CREATE."""
    words.take("CREATE")
    words.take("OR", "REPLACE")
    adjectives = set()
    while found := words.take_any(*_ADJECTIVES):
        adjectives.add(found)
    kind = words.peek()
    if kind == "TABLE":
        return tables.create(words, adjectives, known)
    if kind == "INDEX" and words.peek(1) != "EXTENSION":
        return tables.create_index(words, known)
    if kind in _ROUTINES and words.peek(1) != "MAPPING":
        return _create_routine(words, known)
    if kind in {"DATABASE", "DB"}:
        return _database(words)
    if kind == "SCHEMA":
        return _create_schema(words, known)
    return _object(words)


def _create_schema(words: Words, known: Known) -> Effect:
    """Judge a CREATE SCHEMA with the statements inside it, whose objects are the schema's."""
    starts = [
        index
        for index in range(words.at + 1, len(words.tokens))
        if words.tokens[index].word in {"CREATE", "COMMENT", "GRANT"}
    ]
    words.take("SCHEMA")
    name = words.name()
    effect = Effect([Touch(Subject.DDL, name.shown or words.brief())])
    outside, known.schema = known.schema, name.name
    for start, end in zip(starts, [*starts, len(words.tokens)][1:], strict=True):
        if words.tokens[start].word == "CREATE":
            effect.add(create(Words(words.tokens[start:end]), known))
    known.schema = outside
    return effect


def _object(words: Words) -> Effect:
    """Judge a statement by the kind of object that comes next."""
    if words.peek(1) == "MAPPING":
        words.at += 1
    kind = words.take_any(*_KINDS)
    if not kind:
        if words.take("INDEX"):
            return Effect([Touch(Subject.DDL, words.brief())])
        return unknown(f"no rule speaks of {words.brief(3)}")
    while words.take_any(*_SECOND_WORDS):
        pass
    words.take("IF", "EXISTS")
    words.take("IF", "NOT", "EXISTS")
    return Effect([Touch(_KINDS[kind], words.name().shown or words.brief(), "")])


def _database(words: Words) -> Effect:
    if words.peek(1) == "PARTITION":
        return Effect([Touch(Subject.DDL, words.brief(5))])
    return unknown(_DATABASE)


def drop(words: Words, known: Known) -> Effect:
    """Judge a DROP."""
    words.take("DROP")
    words.take_any("PUBLIC", "SPECIFIC", "USER", "DISTINCT")
    if words.peek() in {"DATABASE", "DB"}:
        return _database(words)
    if words.take("TABLE") or words.take("TABLE", "HIERARCHY"):
        words.take("IF", "EXISTS")
        name = words.name()
        temporary = known.table(name).temporary
        known.forget(name)
        return Effect([Touch(Subject.TEMPORARY_ROW_CHANGE if temporary else Subject.DDL, name.shown)])
    return _object(words)


def alter(words: Words, known: Known) -> Effect:
    """Judge an ALTER."""
    words.take("ALTER")
    words.take_any("PUBLIC", "SPECIFIC", "USER")
    if words.peek() == "TABLE":
        return tables.alter(words, known)
    if words.peek() in {"DATABASE", "DB"}:
        storage = words.has("STORAGE")
        return Effect([Touch(Subject.STORAGE_GROUP, "the database")]) if storage else unknown("no rule speaks of it")
    if words.peek() in _ROUTINES and words.has("EXTERNAL"):
        return Effect([_external(words, _called(words), "C")])
    if words.peek() == "MODULE" and any(words.has(kind) for kind in _ROUTINES) and words.has("EXTERNAL", "NAME"):
        return Effect([_external(words, words.brief(3), _language(words))])
    return _object(words)


def rename(words: Words, known: Known) -> Effect:
    """Judge a RENAME."""
    words.take("RENAME")
    if words.take("TABLESPACE"):
        return Effect([Touch(Subject.TABLE_SPACE, words.name().shown)])
    if words.take("STOGROUP"):
        return Effect([Touch(Subject.STORAGE_GROUP, words.name().shown)])
    index = words.take("INDEX")
    words.take("TABLE")
    name = words.name()
    if not index and words.take("TO"):
        known.rename(name, words.name())
    return Effect([Touch(Subject.DDL, name.shown)])


def declare_temporary(words: Words, known: Known) -> Effect:
    """Judge a DECLARE GLOBAL TEMPORARY TABLE."""
    words.take("DECLARE", "GLOBAL", "TEMPORARY", "TABLE")
    name = words.name()
    known.make(name._replace(schema="SESSION"), Table(temporary=True))
    return Effect([Touch(Subject.DECLARED_TEMPORARY, name.shown)])


def _called(words: Words) -> str:
    """Return a routine's kind and name."""
    kind = words.peek().lower()
    words.at += 1
    return f"{kind} {words.name().shown}"


def _create_routine(words: Words, known: Known) -> Effect:
    start = words.at
    called = _called(words)
    words.at = start + 1
    name = words.name()
    language = _language(words)
    if language not in _INTERPRETED or words.has("EXTERNAL", "NAME"):
        known.make_routine(name, Routine(language=language or "C"))
        return Effect([_external(words, called, language)])
    known.make_routine(name, Routine(body=_body(words)))
    return Effect([Touch(Subject.ROUTINE, called)])


def _language(words: Words) -> str:
    for index in range(words.at, len(words.tokens) - 1):
        if words.tokens[index].word == "BEGIN":
            break
        if words.tokens[index].word == "LANGUAGE":
            return words.tokens[index + 1].word
    return ""


_BODIES = frozenset(
    {
        *("BEGIN", "CALL", "DELETE", "EXECUTE", "IF", "INSERT", "MERGE", "RETURN", "SELECT", "SET", "SIGNAL"),
        *("TRUNCATE", "UPDATE", "VALUES", "WHILE"),
    }
)


def _body(words: Words) -> Sequence[Token]:
    """Return the body of a routine in SQL, empty where none is recognized."""
    depth = 0
    for index in range(words.at, len(words.tokens)):
        token = words.tokens[index]
        depth += {"(": 1, ")": -1}.get(token.word, 0)
        if depth or token.word not in _BODIES:
            continue
        labelled = matches(words.tokens, index - 1, ":")
        return words.tokens[index - 2 if labelled else index :]
    return ()


def _external(words: Words, called: str, language: str) -> Touch:
    """Return what a routine touches whose code is outside the database."""
    strings = [
        token
        for before, token in zip(words.tokens, words.tokens[1:], strict=False)
        if before.word == "NAME" and token.kind is Kind.STRING
    ]
    library = literal(strings[0]) if strings else ""
    if language != "JAVA":
        return Touch(Subject.EXTERNAL_LIBRARY, called, library or f"of its own name ({language or 'C'})")
    jar, _, inside = library.partition(":")
    if inside:
        return Touch(Subject.JAR, called, jar)
    return Touch(Subject.CLASS_FILE, called, library)
