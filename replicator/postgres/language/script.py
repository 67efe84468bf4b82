"""A psql script taken apart as psql itself would: statements, meta-commands, and the data that follows COPY.

psql sends a statement at each semicolon that stands outside quotes, comments, parentheses and the `begin atomic` body
of a routine; a backslash outside quotes begins a meta-command that ends with its line, and some of those send what
stands before them. What follows `copy ... from stdin` is data up to a line that holds a backslash and a full stop.
Source: PostgreSQL 18 documentation, psql, and its section Meta-Commands. All offsets are in characters.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass


class Kind(enum.Enum):
    """What a piece of a script is."""

    SQL = "sql"
    META = "meta-command"
    DATA = "copy data"


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a script.

    Attributes:
        kind: what it is.
        start: offset of its first character; comments before it are left out.
        end: offset behind its last character; what ends it (a semicolon, a line break) is left out.
        lead: offset from which on blanks and comments lead to it.
        inner: meta-commands inside a statement, which are no part of what psql sends.
    """

    kind: Kind
    start: int
    end: int
    lead: int
    inner: tuple[Piece, ...] = ()


# Meta-commands that send the statement before them. Source: PostgreSQL 18 documentation, psql, Meta-Commands.
_SENDING = frozenset(
    {
        *("g", "gx", "gset", "gexec", "gdesc", "crosstabview", "watch"),
        *("bind", "bind_named", "parse", "sendpipeline"),
    }
)
_CLEARING = frozenset({"r", "reset"})
# The grammar takes stdout for stdin here.
_COPY_DATA = re.compile(r"\s*copy\b.*\bfrom\s+std(?:in|out)\b", re.IGNORECASE | re.DOTALL)
_META_COPY_DATA = re.compile(r"\\copy\b.*\bfrom\s+std(?:in|out)\b", re.IGNORECASE)
_END_OF_DATA = re.compile(r"^\\\.[^\S\n]*(?:\n|\Z)", re.MULTILINE)
_ROUTINE = re.compile(r"\s*create\s+(?:or\s+replace\s+)?(?:function|procedure)\b", re.IGNORECASE)
_META = re.compile(r"\\(?:\\|[^\n]*?(?=\\\\|\n|\Z))")
_META_NAME = re.compile(r"\\([A-Za-z_]+|[^\s\\]?)")

# What decides where a statement ends; everything between two of these is its text.
_TOKEN = re.compile(
    r"""
      (?P<line>    --[^\n]* )
    | (?P<block>   /\* )
    | (?P<quoted>  (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)   # an escape string
                 | '[^']*(?:'|\Z)                             # a doubled quote is two strings side by side
                 | "[^"]*(?:"|\Z)
                 | (?<![\w$])(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=tag)|\Z) )
    | (?P<word>    (?<![\w$])(?:[bB][eE][gG][iI][nN]|[cC][aA][sS][eE]|[eE][nN][dD])(?![\w$]) )
    | (?P<mark>    [;()\\] )
    | (?P<other>   [^\s] )
    """,
    re.VERBOSE | re.DOTALL,
)
# The same without `other`, for the inside of a statement: runs of plain text are passed over at once.
_INSIDE = re.compile(_TOKEN.pattern.replace(r"| (?P<other>   [^\s] )", ""), re.VERBOSE | re.DOTALL)
_COMMENT = re.compile(r"/\*|\*/")


def split(script: str) -> Iterator[Piece]:
    """Yield the pieces of a script in order; only blanks, comments and semicolons lie between them."""
    return _Splitter(script, 0).pieces()


def sent(script: str, piece: Piece) -> str:
    """Return what the server would get of a piece: meta-commands inside it are blanks, offsets stay."""
    text = script[piece.start : piece.end]
    for inner in piece.inner:
        start, end = inner.start - piece.start, inner.end - piece.start
        text = text[:start] + " " * (end - start) + text[end:]
    return text.replace("\\;", " ;")


class _Splitter:
    """Where psql's scanner stands in a script."""

    def __init__(self, script: str, position: int) -> None:
        self.script = script
        self.position = position

    def pieces(self) -> Iterator[Piece]:
        lead = self.position
        while (first := self._first()) is not None:
            if self.script.startswith("\\\\", first):  # only ends the meta-command before it
                self.position = first + 2
            elif self.script[first] == "\\":
                piece = self._meta(first, lead)
                yield piece
                if _META_COPY_DATA.match(self.script, piece.start, piece.end):
                    yield from self._data()
            elif self.script[first] == ";":
                self.position = first + 1
            else:
                inner: list[Piece] = []
                end, terminated = self._statement(first, inner)
                yield Piece(Kind.SQL, first, end, lead, tuple(inner))
                if terminated and _COPY_DATA.match(self.script, first, end):
                    yield from self._data()
            lead = self.position

    def _first(self) -> int | None:
        """Pass over blanks and comments; return where the next piece begins."""
        while match := _TOKEN.search(self.script, self.position):
            if not self._skip_comment(match):
                return match.start()
        return None

    def _skip_comment(self, match: re.Match[str]) -> bool:
        if match.lastgroup == "line":
            self.position = match.end()
        elif match.lastgroup == "block":
            self.position = _end_of_comment(self.script, match.end())
        else:
            return False
        return True

    def _statement(self, first: int, inner: list[Piece]) -> tuple[int, bool]:
        """Return where the statement ends, and whether it was sent; collect the meta-commands inside it."""
        self.position = end = first
        depth = blocks = 0
        routine = _ROUTINE.match(self.script, first) is not None
        while match := _INSIDE.search(self.script, self.position):
            if self._skip_comment(match):
                continue
            self.position = match.end()
            mark = match.group()
            if mark == "(":
                depth += 1
            elif mark == ")":
                depth = max(0, depth - 1)
            elif match.lastgroup == "word" and routine:
                blocks = _nested(mark.lower(), blocks)
            elif mark == ";" and not depth and not blocks:
                return self._trimmed(first, match.start()), True
            elif mark == "\\":
                end = match.start()
                if self.script.startswith("\\;", end):  # a semicolon that psql keeps for itself
                    self.position = end + 2
                    continue
                if self._sends(end):
                    self.position = end
                    return self._trimmed(first, end), True
                inner.append(self._meta(end, end))
        self.position = len(self.script)
        return self._trimmed(first, self.position), False

    def _sends(self, backslash: int) -> bool:
        name = _META_NAME.match(self.script, backslash)
        return name is not None and name[1] in _SENDING | _CLEARING

    def _trimmed(self, first: int, end: int) -> int:
        return first + len(self.script[first:end].rstrip())

    def _meta(self, start: int, lead: int) -> Piece:
        match = _META.match(self.script, start)
        end = match.end() if match else start + 1
        self.position = end
        return Piece(Kind.META, start, self._trimmed(start, end), lead)

    def _data(self) -> Iterator[Piece]:
        """Yield the rest of the line, and the lines after it as data, up to the line that ends them."""
        line_break = self.script.find("\n", self.position)
        start = len(self.script) if line_break < 0 else line_break + 1
        if self.script[self.position : start].strip():
            yield from _Splitter(self.script[:start], self.position).pieces()
        match = _END_OF_DATA.search(self.script, start)
        end, self.position = (match.start(), match.end()) if match else (len(self.script),) * 2
        if start < self.position:
            yield Piece(Kind.DATA, start, end, start)


def _nested(word: str, blocks: int) -> int:
    if word == "begin":
        return blocks + 1
    if not blocks:
        return 0
    return blocks + 1 if word == "case" else blocks - 1


def _end_of_comment(script: str, start: int) -> int:
    """Return the offset behind a block comment, whose inner comments nest."""
    depth = 1
    for match in _COMMENT.finditer(script, start):
        depth += 1 if match.group() == "/*" else -1
        if not depth:
            return match.end()
    return len(script)
