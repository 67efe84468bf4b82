"""PostgreSQL's own grammar over a script: libpg_query, through pglast.

A script that holds nothing but SQL is parsed in one go, and the grammar says where each statement stands. Where that
fails (meta-commands, data behind COPY, variables of psql, a syntax error) psql's own rules take the script apart, and
its statements are parsed in groups that are halved until each error stands alone: so an error costs its own
statement and no other.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pglast.parser

from replicator.postgres.language import script as psql
from replicator.statement import Statement

Tree = dict[str, Any]  # one node: its name, and its fields

# Nodes of our own, beside the grammar's.
TOGETHER = "Together"  # statements of one message, under `stmts`
INTERPOLATED = "Interpolated"  # a statement that cannot be read before psql has put a variable's value into it

_REMARK = re.compile(r"--\s*hadrian:\s*(.*?)\s*")
_BLANK = re.compile(rb"(?:\s|--[^\n]*(?:\n|\Z))*")
# A variable of psql, which its value replaces before the server sees it; `::` is a cast and `:=` an assignment.
_VARIABLE = re.compile(r"(?<!:):(?:'\w+'|\"\w+\"|[^\W\d]\w*|\{\?\w+\})")
_GROUP = 256  # statements parsed together at first


@dataclass(frozen=True, slots=True)
class Parsed:
    """A piece of a script, and its tree.

    Attributes:
        statement: the piece as written.
        kind: SQL, or a meta-command of psql.
        tree: the statement's node, or None.
        error: the grammar's complaint, with the place, where there is no tree for SQL.
        remarks: texts of the `-- hadrian:` comments on the lines directly above.
    """

    statement: Statement
    kind: psql.Kind
    tree: Tree | None = None
    error: str = ""
    remarks: tuple[str, ...] = ()


def parse(script: str) -> Iterator[Parsed]:
    """Yield every statement and meta-command of a script, in order."""
    if "\0" not in script:  # the grammar would take it for the end
        try:
            encoded = script.encode()
            nodes = _statements(script)
        except (pglast.parser.ParseError, UnicodeEncodeError):
            pass
        else:
            if not any(_reads_data(node["stmt"]) for node in nodes):
                yield from _placed(encoded, nodes)
                return
    yield from _Pieces(script).parsed()


def trees(text: str) -> list[Tree]:
    """Return the trees of a text that holds nothing but SQL, such as the body of a function.

    Raises:
        pglast.parser.ParseError: it holds something else.
    """
    return [node["stmt"] for node in _statements(text)]


def _statements(text: str) -> list[Tree]:
    return list(orjson.loads(pglast.parser.parse_sql_json(text)).get("stmts", ()))


def _reads_data(tree: Tree) -> bool:
    copy = tree.get("CopyStmt")
    return copy is not None and copy.get("is_from", False) and "filename" not in copy


def _placed(script: bytes, nodes: Sequence[Tree]) -> Iterator[Parsed]:
    """Give each node of a script its place; the grammar counts bytes, and its statements begin with their comments."""
    line, line_start, counted = 1, 0, 0
    lead = 0
    for node in nodes:
        location, length = node.get("stmt_location", 0), node.get("stmt_len", 0)
        end = location + length if length else len(script)
        start = _after_comments(script, location, end)
        breaks = script.count(b"\n", counted, start)
        if breaks:
            line += breaks
            line_start = script.rfind(b"\n", counted, start) + 1
        counted = start
        column = len(script[line_start:start].decode()) + 1
        remarks = _remarks(script[lead:start].decode(), whole=lead == 0) if b"hadrian:" in script[lead:start] else ()
        text = script[start:end].rstrip().decode()
        yield Parsed(Statement(text, line, column), psql.Kind.SQL, node["stmt"], remarks=remarks)
        lead = end


def _after_comments(script: bytes, start: int, end: int) -> int:
    while True:
        match = _BLANK.match(script, start, end)
        start = match.end() if match else start
        if not script.startswith(b"/*", start):
            return start
        depth = 1
        start += 2
        while depth:
            opened, closed = script.find(b"/*", start), script.find(b"*/", start)
            inner = 0 <= opened < closed
            depth += 1 if inner else -1
            start = (opened if inner else closed) + 2


def _remarks(lead: str, *, whole: bool) -> tuple[str, ...]:
    """Return the remarks in the comment lines directly above a statement.

    Args:
        lead: what stands between the piece before and the statement.
        whole: its first line is a whole line, and not the rest of one that belongs to the piece before.
    """
    found: list[str] = []
    for line in reversed(lead.split("\n")[0 if whole else 1 : -1]):
        comment = line.strip()
        if not comment.startswith("--"):
            break
        if match := _REMARK.fullmatch(comment):
            found.append(match[1])
    return tuple(reversed(found))


class _Pieces:
    """A script that is more than SQL, in pieces."""

    def __init__(self, script: str) -> None:
        self.script = script
        self.pieces = [piece for piece in psql.split(script) if piece.kind is not psql.Kind.DATA]
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", script))]

    def parsed(self) -> Iterator[Parsed]:
        """Yield every piece with its tree, meta-commands inside a statement after it."""
        sql = [piece for piece in self.pieces if piece.kind is psql.Kind.SQL]
        texts = [psql.sent(self.script, piece) for piece in sql]
        found = iter([result for n in range(0, len(texts), _GROUP) for result in _each(texts[n : n + _GROUP])])
        for piece in self.pieces:
            if piece.kind is psql.Kind.META:
                yield self._meta(piece)
                continue
            tree, error, offset = next(found)
            if error:
                line, column = self._place(piece.start + offset)
                error = f"{error} (line {line}, column {column})"
            yield Parsed(self._statement(piece), piece.kind, tree, error, self._remarks(piece))
            yield from map(self._meta, piece.inner)

    def _meta(self, piece: psql.Piece) -> Parsed:
        return Parsed(self._statement(piece), psql.Kind.META, remarks=self._remarks(piece))

    def _remarks(self, piece: psql.Piece) -> tuple[str, ...]:
        whole = piece.lead == 0 or self.script[piece.lead - 1] == "\n"
        return _remarks(self.script[piece.lead : piece.start], whole=whole)

    def _statement(self, piece: psql.Piece) -> Statement:
        return Statement(self.script[piece.start : piece.end], *self._place(piece.start))

    def _place(self, offset: int) -> tuple[int, int]:
        line = bisect.bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1


Outcome = tuple[Tree | None, str, int]  # the tree, or what is wrong with the text and where in it


def _each(texts: Sequence[str]) -> list[Outcome]:
    """Parse texts of one statement each."""
    try:
        nodes = _statements(";\n".join(texts)) if not any("\0" in text for text in texts) else []
    except (pglast.parser.ParseError, UnicodeEncodeError):
        nodes = []
    if len(nodes) == len(texts):
        return [(node["stmt"], "", 0) for node in nodes]
    if len(texts) == 1:
        return [_one(texts[0])]
    half = len(texts) // 2
    return _each(texts[:half]) + _each(texts[half:])


def _one(text: str) -> Outcome:
    """Parse a text that the grammar refused in a group: it may have psql's variables in it, or several statements."""
    if "\0" in text:
        return None, "a NUL character, which no statement can hold", text.index("\0")
    filled = _VARIABLE.sub(_stand_in, text)
    try:
        nodes = _statements(filled)
    except pglast.parser.ParseError as error:
        if filled != text:
            return {INTERPOLATED: {}}, "", 0
        message, offset = error.args
        # Without a place the grammar means the end, where something is missing.
        return None, str(message), len(text) if offset is None else int(offset)
    except UnicodeEncodeError as error:
        return None, "a character that is no Unicode text", error.start
    if len(nodes) == 1:
        return nodes[0]["stmt"], "", 0
    # `\;` joins statements into one message.
    return {TOGETHER: {"stmts": [node["stmt"] for node in nodes]}}, "", 0


def _stand_in(variable: re.Match[str]) -> str:
    """Return something of the same length that the grammar takes where a value would stand."""
    text = variable.group()
    if text[1] == "{":
        return "true".ljust(len(text))
    if text[1] in "'\"":
        return f" {text[1:]}"
    return f"_{text[1:]}"
