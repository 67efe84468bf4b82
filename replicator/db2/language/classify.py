"""Db2's statements and the commands of its command line processor, each laid against the subjects of the rules.

The first word decides who judges a statement. What a script makes is remembered, so that a later statement is judged by
it; what no table here knows is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from replicator.db2.language import bodies, commands, row_statements, schema_statements
from replicator.db2.language.known import Effect, Known, unknown
from replicator.db2.language.parse import Part, parse
from replicator.db2.language.row_statements import CHANGES, query
from replicator.db2.language.tokenize import NOTHING, Kind, Token, tokenize
from replicator.db2.language.words import Name, Words, identifier, literal
from replicator.db2.subject import Subject
from replicator.statement import Reading, Touch

_Judge = Callable[[Words, Known], Effect]

# A session's own affair, or a look at something.
_NOTHING = frozenset(
    {
        *("ACTIVATE", "ALLOCATE", "ARCHIVE", "ASSOCIATE", "ATTACH", "CATALOG", "CHANGE", "CLOSE", "COMMIT", "CONNECT"),
        *("DEACTIVATE", "DESCRIBE", "DETACH", "DISCONNECT", "ECHO", "EDIT", "EXIT", "EXPORT", "FETCH", "FLUSH"),
        *("FORCE", "FREE", "GET", "GOTO", "HELP", "INSPECT", "ITERATE", "LEAVE", "LIST", "LOCK", "NULL", "OPEN"),
        *("PING", "PREPARE", "QUERY", "QUIT", "RAISE", "RELEASE", "RESIGNAL", "RESTART", "ROLLBACK", "SAVEPOINT"),
        *("SIGNAL", "PIPE"),
        *("TERMINATE", "UNCATALOG", "XQUERY", "?"),
    }
)
_READS = frozenset({"(", "RETURN", "SELECT", "VALUES", "WITH"})
_DDL = frozenset({"AUDIT", "COMMENT", "COMPLETE", "REGISTER", "TRANSFER"})
_REPLACED = "the database is replaced or rolled forward, and the standby must be initialized again"
_UNKNOWN = {
    **dict.fromkeys(("RECOVER", "RESTORE", "ROLLFORWARD"), _REPLACED),
    **dict.fromkeys(("MIGRATE", "UPGRADE"), "no rule speaks of an upgrade"),
    **dict.fromkeys(("QUIESCE", "UNQUIESCE"), "no document says whether the standby is quiesced too"),
    "DB2": "a line of the shell, not of SQL: what db2 is given there is not read",
}
_STARTED = frozenset({"DATABASE", "DB", "DB2", "DBM", "HADR"})
_HARMLESS_SCHEMAS = frozenset({"DBMS_OUTPUT", "DBMS_LOCK", "DBMS_UTILITY"})
_UNCHECKED = frozenset({"INTEGRITY", "CONSTRAINTS", "TABLESPACE"})


def _nothing(_words: Words, _known: Known) -> Effect:
    return Effect()


def _read(words: Words, known: Known) -> Effect:
    return query(words.tokens, known)


def _ddl(words: Words, _known: Known) -> Effect:
    return Effect([Touch(Subject.DDL, words.brief())])


def _authority(words: Words, _known: Known) -> Effect:
    return Effect([Touch(Subject.AUTHORITY, words.brief())])


def _explain(_words: Words, _known: Known) -> Effect:
    return Effect([Touch(Subject.ROW_CHANGE, "the explain tables")])


def _start(words: Words, _known: Known) -> Effect:
    stopped = words.take("STOP", "HADR")
    if stopped:
        return unknown("after it nothing is replicated, until HADR is started again")
    return Effect() if words.peek(1) in _STARTED else unknown(f"no rule speaks of {words.brief(2)}")


_JUDGES: dict[str, _Judge] = {
    **dict.fromkeys(_NOTHING, _nothing),
    **dict.fromkeys(_READS, _read),
    **dict.fromkeys(_DDL, _ddl),
    **dict.fromkeys(CHANGES, row_statements.read),
    **dict.fromkeys(("BIND", "PRECOMPILE", "PREP", "REBIND"), commands.bind),
    **dict.fromkeys(("RUNSTATS", "REORGCHK"), commands.statistics),
    "ALTER": schema_statements.alter,
    "AUTOCONFIGURE": commands.autoconfigure,
    "BACKUP": commands.backup,
    "CREATE": schema_statements.create,
    "DROP": schema_statements.drop,
    "EXPLAIN": _explain,
    "GRANT": _authority,
    "IMPORT": commands.import_rows,
    "INGEST": commands.ingest,
    "LOAD": commands.load,
    "PRUNE": commands.history,
    "REFRESH": row_statements.refresh,
    "RENAME": schema_statements.rename,
    "REORG": commands.reorg,
    "REVOKE": _authority,
    "START": _start,
    "STOP": _start,
    "TAKEOVER": commands.takeover,
    "TRUNCATE": row_statements.truncate,
}


class Db2Reader:
    """Db2's answer to `replicator.engine.ScriptReader`."""

    def __init__(self) -> None:
        self._known = Known()
        self._called: dict[Name, Effect] = {}  # by the statement that is being read
        self._judges: dict[str, _Judge] = {
            **_JUDGES,
            "BEGIN": self._compound,
            "CALL": self._call,
            "DECLARE": self._declare,
            "EXECUTE": self._execute,
            "RESET": self._update,
            "SET": self._set,
            "UPDATE": self._update,
        }
        self._procedures = {
            "ADMIN_CMD": self._admin_cmd,
            "ADMIN_MOVE_TABLE": commands.move_table,
            "REBIND_ROUTINE_PACKAGE": commands.rebind_routine,
        }

    def read(self, script: str) -> Iterator[Reading]:
        """As `ScriptReader.read`."""
        for part in parse(script):
            yield self._reading(part)

    def _reading(self, part: Part) -> Reading:
        if part.error:
            return Reading(part.statement, error=part.error, remarks=part.remarks)
        self._called.clear()
        effect = self._judge(part.tokens).once()
        brief = Words(part.tokens).brief()
        touches = tuple(touch if touch.object else replace(touch, object=brief) for touch in effect.touches)
        return Reading(part.statement, touches, "; ".join(effect.unknown), "", part.remarks)

    def _judge(self, tokens: Sequence[Token]) -> Effect:
        """Return what a statement does."""
        words = Words(tokens)
        verb = words.peek() or tokens[0].text
        if tokens[0].kind is Kind.HOST:
            return commands.outside(tokens[0].text.removeprefix("!"))
        judge = self._judges.get(verb)
        return judge(words, self._known) if judge else self._other(words, verb)

    def _other(self, words: Words, verb: str) -> Effect:
        """Judge what does not begin with a verb of its own."""
        if words.peek(1) == ":" and words.peek(2) == "BEGIN":
            return self._compound(words, self._known)
        if words.peek(1) in {":", ":="}:  # of a loop with a label, and of PL/SQL
            return query(words.tokens, self._known)
        if verb in _UNKNOWN:
            return unknown(_UNKNOWN[verb])
        if verb.startswith("DB2"):
            return commands.outside(_written(words.tokens))
        return unknown(f"no rule speaks of {words.brief(3)}")

    # Statements that hold others

    def _compound(self, words: Words, _known: Known) -> Effect:
        return self._body(words.tokens)

    def _body(self, tokens: Sequence[Token]) -> Effect:
        effect = Effect()
        try:
            for inner in bodies.statements(tokens):
                done = query(inner.tokens, self._known) if inner.head else self._judge(inner.tokens)
                effect.add(done, inner.when)
        except bodies.TooDeep:
            effect.unknown.append("its blocks are too deep inside each other to be read")
        return effect

    def _declare(self, words: Words, known: Known) -> Effect:
        if words.peek(1) == "GLOBAL":
            return schema_statements.declare_temporary(words, known)
        if words.has("BEGIN"):  # a block of PL/SQL
            words.seek("BEGIN")
            return self._body(words.tokens[words.at - 1 :])
        return query(words.tokens, known)

    def _execute(self, words: Words, _known: Known) -> Effect:
        words.take("EXECUTE")
        if words.take("IMMEDIATE") and words.more:
            texts = [literal(token) for token in words.rest if token.kind is Kind.STRING]
            if all(token.kind is Kind.STRING or token.word == "||" for token in words.rest):
                return self._text("".join(texts))
        return unknown(f"it runs a statement that is put together at run time: {words.brief()}")

    def _text(self, text: str) -> Effect:
        """Judge a statement or command that another one holds as a text."""
        tokens = tuple(token for token in tokenize(text) if token.kind not in NOTHING | {Kind.TERMINATOR})
        if not tokens or any(token.kind is Kind.BAD for token in tokens):
            return unknown("the text of the statement inside it cannot be read")
        return self._judge(tokens)

    def _call(self, words: Words, known: Known) -> Effect:
        words.take("CALL")
        name = words.name()
        effect = query(words.rest, known)
        if name.schema in {"", "SYSPROC"} and name.name in self._procedures:
            effect.add(self._procedures[name.name](words))
        elif name.schema == "SQLJ":
            effect.add(commands.jar(words, name))
        elif name.name.startswith("SYSTS_"):
            effect.touches.append(Touch(Subject.TEXT_SEARCH, words.brief()))
        elif name.schema not in _HARMLESS_SCHEMAS:
            effect.add(self._routine(name))
        return effect

    def _admin_cmd(self, words: Words) -> Effect:
        arguments = bodies.literals(words.rest)
        if arguments is None:
            return unknown("the command that ADMIN_CMD is given is put together at run time")
        return self._text("".join(arguments))

    def _routine(self, name: Name) -> Effect:
        routine = self._known.routine(name)
        if routine is None:
            return unknown(f"what {name.shown} does is in none of these scripts")
        if routine.language:
            return unknown(f"what {name.shown} does is in a library: {routine.language}")
        if not routine.body:
            return unknown(f"the body of {name.shown} cannot be read")
        if name not in self._called:
            self._called[name] = Effect()  # a call of itself adds nothing
            self._called[name] = self._body(routine.body).once()
        return self._called[name]

    # Statements that change how later ones are judged, or are of several kinds

    def _update(self, words: Words, known: Known) -> Effect:
        row = words.at
        effect = commands.update(words)
        if effect is not None:
            return effect
        words.at = row
        if words.peek() == "RESET":
            return Effect() if words.peek(1) == "MONITOR" else unknown(f"no rule speaks of {words.brief(3)}")
        return row_statements.read(words, known)

    def _set(self, words: Words, known: Known) -> Effect:
        words.take("SET")
        if words.peek() in _UNCHECKED:
            return unknown(f"no document says whether the standby repeats {words.brief(3)}")
        if words.take("WRITE"):
            return commands.backup(words, known)
        words.take("CURRENT")
        if words.take("SCHEMA") or words.take("SQLID"):
            words.take("=")
            known.schema = _schema(words)
        return query(words.tokens, known)


def _schema(words: Words) -> str:
    """Return the schema that a SET SCHEMA names; one that no script can name where it is not a constant."""
    if not words.more:
        return ""
    token = words.rest[0]
    return literal(token) if token.kind is Kind.STRING else identifier(token) or "?"


def _written(tokens: Sequence[Token]) -> str:
    """Return tokens as written, with one blank where there was any."""
    parts = []
    for before, token in zip((None, *tokens), tokens, strict=False):
        parts.append(" " if before is not None and before.end != token.start else "")
        parts.append(token.text)
    return "".join(parts)
