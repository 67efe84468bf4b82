"""Text of Db2 to tokens: SQL, SQL PL and the commands of the command line processor (CLP) alike.

The tokens cover the text exactly, so nothing of a script is lost, and no text makes it fail: what is not closed is a
token `BAD` up to the end of its line, and reading goes on behind it. Where a statement ends is the client's affair: at
a terminator, which is a semicolon unless a line `--#SET TERMINATOR x` or the caller says otherwise, or at the end of
each line, as the CLP has it without its option -t. Any terminator but the semicolon counts only where it ends its line,
for it may be a letter of a name (`@`) or an operator. Source: IBM Db2 11.5 documentation, Tokens, and db2 - Command
line processor invocation command (r0010409). All offsets are in characters.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

LINE = "\n"
"""The terminator of a script in which each line is a statement, unless a backslash continues it."""


class Kind(enum.Enum):
    """What a token is."""

    SPACE = "space"
    COMMENT = "comment"
    DIRECTIVE = "directive"
    WORD = "word"
    DELIMITED = "delimited identifier"
    STRING = "string"
    NUMBER = "number"
    PARAMETER = "parameter marker"
    OPERATOR = "operator"
    TERMINATOR = "terminator"
    HOST = "command of the operating system"
    CONTINUATION = "continuation of a line"
    BAD = "something that is not closed"
    OTHER = "character of no token"


class Token(NamedTuple):
    """A token.

    Attributes:
        kind: what it is.
        start: offset of its first character.
        text: as written.
        word: in capitals where it is a word, as written where it is an operator, empty for the others.
    """

    kind: Kind
    start: int
    text: str
    word: str = ""

    @property
    def end(self) -> int:
        """Offset behind its last character."""
        return self.start + len(self.text)


NOTHING = frozenset({Kind.SPACE, Kind.COMMENT, Kind.DIRECTIVE, Kind.CONTINUATION})
"""What means nothing to the server."""

_TOKEN = re.compile(
    r"""
      (?P<SPACE>        \s++ )
    | (?P<COMMENT>      --[^\n]*+ )
    | (?P<BLOCK>        /\* )
    | (?P<STRING>       (?:[xXgGnNbB] | [gGuUbB][xX] | [uU]&)?' )
    | (?P<DELIMITED>    (?:[uU]&)?" )
    | (?P<WORD>         [^\W\d][\w@\#$]*+ | [@\#$][\w@\#$]*+ )
    | (?P<NUMBER>       (?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)? )
    | (?P<PARAMETER>    \? | (?<![\w@\#$:]):[^\W\d][\w@\#$]*+ )
    | (?P<CONTINUATION> \\[^\S\n]*(?:\n|\Z) )
    | (?P<OPERATOR>     \|\| | [<>!^¬=]= | <> | => | -> | \.\. | := | \*\* | [-+*/%&|^~¬=<>!(),.;:\[\]{}\\] )
    """,
    re.VERBOSE,
)
_CLOSING = {"'": re.compile(r"'[^']*+(?:''[^']*+)*+'"), '"': re.compile(r'"[^"]*+(?:""[^"]*+)*+"')}
_COMMENT_MARK = re.compile(r"/\*|\*/")
_DIRECTIVE = re.compile(r"--#SET\s+TERMINATOR\s+(\S{1,2})\s*$", re.IGNORECASE)
_END_OF_LINE = re.compile(r"[^\S\n]*+(?:--[^\n]*+)?(?:\n|\Z)")
_COMPARISON = frozenset("=<>")


def tokenize(text: str, terminator: str = ";") -> Iterator[Token]:
    """Yield the tokens of a text, which cover it exactly.

    Args:
        text: a script.
        terminator: what ends a statement until a line of the script says otherwise.
    """
    return _Tokenizer(text, terminator).tokens()


class _Tokenizer:
    """Where reading stands in a text."""

    def __init__(self, text: str, terminator: str) -> None:
        self.text = text
        self.terminator = terminator
        self.fresh = True  # no statement has begun since the last one ended
        self.unclosed: set[str] = set()  # what has been found to be open to the end, so that it is not sought again
        self.special = {"BLOCK": self._block, "COMMENT": self._comment, "SPACE": self._space, "WORD": self._word}

    def tokens(self) -> Iterator[Token]:
        position = 0
        while position < len(self.text):
            token = self._terminator(position) or self._token(position)
            yield token
            position = token.end
            if token.kind in {Kind.TERMINATOR, Kind.HOST}:
                self.fresh = True
            elif token.kind not in NOTHING:
                self.fresh = False

    def _terminator(self, position: int) -> Token | None:
        if not self.text.startswith(self.terminator, position):
            return None
        if self.terminator in {";", LINE} or self._ends_line(position + len(self.terminator)):
            return Token(Kind.TERMINATOR, position, self.terminator)
        return None

    def _ends_line(self, position: int) -> bool:
        return _END_OF_LINE.match(self.text, position) is not None

    def _token(self, position: int) -> Token:
        if self.fresh and self.text[position] == "!" and self.text[position + 1 : position + 2] not in _COMPARISON:
            return self._rest_of_line(Kind.HOST, position)
        match = _TOKEN.match(self.text, position)
        if match is None:
            return Token(Kind.OTHER, position, self.text[position])
        name, found = str(match.lastgroup), match.group()
        if name in {"STRING", "DELIMITED"}:
            return self._quoted(Kind[name], position, match.end() - 1)
        if name in self.special:
            return self.special[name](position, found)
        return Token(Kind[name], position, found, found if name == "OPERATOR" else "")

    def _word(self, position: int, found: str) -> Token:
        """Return a word, without a terminator that looks like its last letter."""
        end = position + len(found)
        if len(found) > len(self.terminator) and found.endswith(self.terminator) and self._ends_line(end):
            found = found.removesuffix(self.terminator)
        return Token(Kind.WORD, position, found, found.upper())

    def _space(self, position: int, found: str) -> Token:
        if self.terminator == LINE and LINE in found:
            found = found.partition(LINE)[0]
        return Token(Kind.SPACE, position, found)

    def _comment(self, position: int, found: str) -> Token:
        directive = _DIRECTIVE.match(found)
        line = self.text[self.text.rfind("\n", 0, position) + 1 : position]
        if directive is None or line.strip():
            return Token(Kind.COMMENT, position, found)
        self.terminator = directive[1]
        self.fresh = True
        return Token(Kind.DIRECTIVE, position, found)

    def _block(self, position: int, _found: str) -> Token:
        """Return a comment in brackets, whose inner comments nest; once one has failed to close, they do not."""
        end = -1
        if "*/" not in self.unclosed:
            end = self._end_of_nested(position)
            if end < 0:
                self.unclosed.add("*/")
        elif "/*" not in self.unclosed:
            end = self.text.find("*/", position + 2)
            end = end + 2 if end >= 0 else -1
            if end < 0:
                self.unclosed.add("/*")
        return (
            self._rest_of_line(Kind.BAD, position)
            if end < 0
            else Token(Kind.COMMENT, position, self.text[position:end])
        )

    def _end_of_nested(self, position: int) -> int:
        depth = 0
        for mark in _COMMENT_MARK.finditer(self.text, position):
            depth += 1 if mark.group() == "/*" else -1
            if not depth:
                return mark.end()
        return -1

    def _quoted(self, kind: Kind, position: int, quote: int) -> Token:
        mark = self.text[quote]
        match = None if mark in self.unclosed else _CLOSING[mark].match(self.text, quote)
        if match is None:
            self.unclosed.add(mark)
            return self._rest_of_line(Kind.BAD, position)
        return Token(kind, position, self.text[position : match.end()])

    def _rest_of_line(self, kind: Kind, position: int) -> Token:
        """Return a token up to the end of its line, without a terminator that ends it."""
        end = self.text.find("\n", position)
        line = self.text[position : len(self.text) if end < 0 else end].rstrip()
        for mark in (self.terminator, ";"):
            if len(line) > len(mark) and line.endswith(mark):
                line = line.removesuffix(mark).rstrip()
                break
        return Token(kind, position, line)
