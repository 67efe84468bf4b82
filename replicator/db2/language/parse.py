"""A script of Db2 taken apart into statements, each with its place, its tokens and the remarks above it.

A semicolon ends a statement unless it stands in a block: between BEGIN and its END, in IF, CASE, LOOP, WHILE, REPEAT
and FOR of a routine's body. How a file is to be run (`db2 -td@ -f file`) does not stand in it, so the terminator is
read off its lines: `@` and its like where a line holds nothing else, where END is followed by it, or where the last
line ends with it, `@` where two lines do; and the end of the line where none ends with a semicolon and each begins with
a verb.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replicator.db2.language.tokenize import LINE, NOTHING, Kind, Token, tokenize
from replicator.statement import Statement


@dataclass(frozen=True, slots=True)
class Part:
    """A statement of a script.

    Attributes:
        statement: the statement.
        tokens: what it says, without blanks and comments; a semicolon inside it is an operator.
        error: why it is no statement, with the place, or empty.
        remarks: what follows `-- hadrian:` on the lines directly above it.
    """

    statement: Statement
    tokens: tuple[Token, ...]
    error: str
    remarks: tuple[str, ...]


CLIENT_VERBS = frozenset(
    {
        *("ACTIVATE", "ARCHIVE", "ATTACH", "BACKUP", "BIND", "CATALOG", "CONNECT", "DEACTIVATE", "DESCRIBE", "DETACH"),
        *("DISCONNECT", "ECHO", "EXPORT", "FORCE", "GET", "IMPORT", "INGEST", "LIST", "LOAD", "PRECOMPILE", "PREP"),
        *("PRUNE", "QUERY", "QUIESCE", "QUIT", "REBIND", "RECOVER", "REORG", "REORGCHK", "RESET", "RESTORE"),
        *("ROLLFORWARD", "RUNSTATS", "START", "STOP", "TAKEOVER", "TERMINATE", "UNCATALOG", "UNQUIESCE", "DB2SET"),
    }
)
"""Verbs of the CLP's own commands; text from one of them to the end of a statement need not be SQL."""
_SQL_VERBS = frozenset(
    {
        *("ALTER", "BEGIN", "CALL", "COMMENT", "COMMIT", "CREATE", "DECLARE", "DELETE", "DROP", "EXPLAIN", "GRANT"),
        *("INSERT", "LOCK", "MERGE", "REFRESH", "RENAME", "REVOKE", "ROLLBACK", "SELECT", "SET", "TRUNCATE"),
        *("UPDATE", "VALUES", "WITH"),
    }
)
_TERMINATED = re.compile(r"^[ \t]*(?:end\b[^;\n]*?)?(?P<mark>[@#%!$~^])[ \t\r]*$", re.IGNORECASE | re.MULTILINE)
_LAST = re.compile(r"[^;\s](?P<mark>[@#%!$~^])\s*\Z")
_AT = re.compile(r"^(?![ \t]*--).*[^;\s][ \t]*@[ \t\r]*$", re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*--#SET\s+TERMINATOR\s", re.IGNORECASE | re.MULTILINE)
_COMMENT_LINES = re.compile(r"^[ \t]*--[^\n]*\n?", re.MULTILINE)
_REMARK = re.compile(r"--\s*hadrian:\s*(.*?)\s*$", re.IGNORECASE)
_ROUTINES = frozenset({"FUNCTION", "METHOD", "PROCEDURE", "TRIGGER"})
_PREDICATES = frozenset({"", "DISTINCT", "FALSE", "NOT", "NULL", "OF", "TRUE", "UNKNOWN"})
_NAMED_IN_END = frozenset({"CASE", "FOR", "IF", "LOOP", "REPEAT", "WHILE"})
_OPENING = {"IF": "THEN", "WHILE": "DO", "FOR": "DO"}
_FAILURES = 8  # how often a block without its end is sought to the end of the script


def parse(script: str) -> Iterator[Part]:
    """Yield the statements of a script in order; only blanks, comments and terminators lie between them."""
    tokens = list(tokenize(script, terminator(script)))
    places = Places(script)
    position = failures = 0
    remarks = _Remarks(script, places)
    while position < len(tokens):
        if tokens[position].kind in NOTHING or tokens[position].kind is Kind.TERMINATOR:
            remarks.note(tokens[position])
            position += 1
            continue
        first = position
        position, open_block = _end(tokens, first, blocks=failures < _FAILURES)
        if open_block:
            failures += 1
            position, _ = _end(tokens, first, blocks=False)
        found = tuple(_plain(token) for token in tokens[first:position] if token.kind not in NOTHING)
        statement = places.statement(found[0].start, found[-1].end)
        error = _error(found, places) or ("BEGIN without its END" if open_block else "")
        yield Part(statement, found, error, remarks.above(statement.line))
        remarks.clear()


def terminator(script: str) -> str:
    """Return what ends the statements of a script, as far as its lines tell."""
    if _DIRECTIVE.search(script):
        return ";"
    match = _TERMINATED.search(script) or _LAST.search(script)
    if match:
        return match["mark"]
    if len(_AT.findall(script)) > 1:
        return "@"
    return LINE if _a_line_a_statement(script) else ";"


def _a_line_a_statement(script: str) -> bool:
    lines = [line for line in _COMMENT_LINES.sub("", script).splitlines() if line.strip()]
    continued = [line.rstrip().endswith("\\") for line in lines]
    starts = [line for line, follows in zip(lines, [False, *continued], strict=False) if not follows]
    ends = [line for line, goes_on in zip(lines, continued, strict=True) if not goes_on]
    if ";" in script and (not any(continued) or any(line.rstrip().endswith(";") for line in ends)):
        return False
    verbs = [line.split()[0].upper() for line in starts]
    known = all(verb in CLIENT_VERBS or verb in _SQL_VERBS or verb.startswith(("!", "?")) for verb in verbs)
    return known and (any(continued) or any(verb in CLIENT_VERBS for verb in verbs))


def _plain(token: Token) -> Token:
    return Token(Kind.OPERATOR, token.start, ";", ";") if token.kind is Kind.TERMINATOR else token


class Places:
    """Where the lines of a script begin."""

    def __init__(self, script: str) -> None:
        self.script = script
        self._starts = [0, *(match.end() for match in re.finditer("\n", script))]

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both from 1."""
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def statement(self, start: int, end: int) -> Statement:
        """Return the statement between two offsets."""
        return Statement(self.script[start:end], *self.line_and_column(start))


class _Remarks:
    """The comments since the last statement that stand on lines of their own."""

    def __init__(self, script: str, places: Places) -> None:
        self._script = script
        self._places = places
        self._lines: dict[int, str] = {}

    def note(self, token: Token) -> None:
        if token.kind is Kind.COMMENT and token.text.startswith("--"):
            line, column = self._places.line_and_column(token.start)
            start = token.start - column + 1
            if not self._script[start : token.start].strip():
                self._lines[line] = token.text

    def above(self, line: int) -> tuple[str, ...]:
        found = []
        while (line := line - 1) in self._lines:
            remark = _REMARK.match(self._lines[line])
            if remark:
                found.append(remark[1])
        return tuple(reversed(found))

    def clear(self) -> None:
        self._lines.clear()


def _end(tokens: Sequence[Token], first: int, *, blocks: bool) -> tuple[int, bool]:
    """Return the index behind a statement's last token, and whether a block in it is still open there."""
    if tokens[first].kind is Kind.HOST:
        return first + 1, False
    state = _Blocks()
    for index in range(first, len(tokens)):
        token = tokens[index]
        if token.kind is Kind.TERMINATOR:
            if token.text != ";" or not (blocks and state.open):
                return index, False
            state.see(";")
        elif token.kind is Kind.DIRECTIVE:
            return index, False
        elif blocks and token.kind not in NOTHING:
            state.see(token.word)
    return len(tokens), state.open


class _Blocks:
    """How deep a statement stands in blocks whose semicolons do not end it."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._routine = False
        self._declaring = False  # in the declarations of PL/SQL, which stand before BEGIN
        self._began = False
        self._depth = 0
        self._parentheses = 0
        self._awaited = ""  # the word that makes a block of IF, WHILE or FOR
        self._last = self._before = ""

    @property
    def open(self) -> bool:
        """Whether a semicolon here would not end the statement."""
        return self._depth > 0 or self._declaring

    def see(self, word: str) -> None:
        """Take note of the next word."""
        if len(self._head) < 6:
            self._head.append(word)
            self._routine = self._routine or self._begins_routine(word)
        if self._routine:
            self._follow(word)
        self._before, self._last = self._last, word

    def _begins_routine(self, word: str) -> bool:
        head = self._head
        if head[0] == "BEGIN" or head[1:3] == [":", "BEGIN"]:
            return True
        if head[0] == "DECLARE" and len(head) == 3 and head[1] != "GLOBAL" and "CURSOR" not in head:
            self._declaring = word not in {"SENSITIVE", "INSENSITIVE", "ASENSITIVE", "NO", "SCROLL"}
            return self._declaring
        return word in _ROUTINES and head[0] in {"CREATE", "ALTER"} and len(head) <= (4 if head[0] == "CREATE" else 6)

    def _follow(self, word: str) -> None:
        self._complete(word)
        if word == "BEGIN" and self._last != "ROW":
            self._began, self._declaring = True, False
            self._depth += 1
        elif word == "END" and self._last != "ROW":
            self._depth = max(0, self._depth - 1)
        elif self._last == "END" and word in _NAMED_IN_END:
            pass
        elif word in {"CASE", "LOOP"}:
            self._depth += 1
        elif word and word == self._awaited:
            self._depth += 1
            self._awaited = ""
        elif word in _OPENING:
            self._awaited = _OPENING[word]
        elif word == ";":
            self._awaited = ""

    def _complete(self, word: str) -> None:
        """Take note of what the word before has turned out to be."""
        self._parentheses += {"(": 1, ")": -1}.get(word, 0)
        if self._last == "REPEAT" and self._before != "END" and word != "(":  # no call of the function
            self._depth += 1
        if self._last == "IS" and not self._began and not self._parentheses and word not in _PREDICATES:
            self._declaring = True


def _error(tokens: Sequence[Token], places: Places) -> str:
    """Return why tokens are no statement, with the place, or an empty text."""
    client = tokens[0].word in CLIENT_VERBS or tokens[0].kind is not Kind.WORD
    opened: list[Token] = []
    for token in tokens:
        if token.kind is Kind.BAD:
            return _at(token, "this is not closed", places)
        if token.kind is Kind.OTHER and not client:
            return _at(token, "no statement has this character", places)
        if token.word == "(":
            opened.append(token)
        elif token.word == ")":
            if not opened and not client:
                return _at(token, "nothing is open that this could close", places)
            del opened[-1:]
    return _at(opened[-1], "this is not closed", places) if opened and not client else ""


def _at(token: Token, what: str, places: Places) -> str:
    line, column = places.line_and_column(token.start)
    shown = token.text if len(token.text) <= 20 else f"{token.text[:17]}..."
    return f"line {line}, column {column}: {what}: {shown}"
