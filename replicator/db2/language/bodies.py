"""The statements inside a compound statement of SQL PL, in the order in which they would run, each with its case.

What stands in a branch, a loop or a handler may or may not run, so it is handed out with that case. A condition is
handed out too, for a sequence may be advanced in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replicator.db2.language.tokenize import Kind, Token
from replicator.db2.language.words import Words, literal, matches

_BRANCH = "where its branch is taken"
_LOOP = "for each turn of its loop"
_HANDLER = "where its condition is handled"
_DEEPEST = 100  # blocks inside each other; the server allows fewer, and junk could have thousands


@dataclass(frozen=True, slots=True)
class Inner:
    """A simple statement of a body, or the head of one that holds others.

    Attributes:
        tokens: what it says.
        when: in which case it runs, empty where it surely does.
        head: it is a condition or a query of the statement around it.
    """

    tokens: Sequence[Token]
    when: str
    head: bool


class TooDeep(Exception):
    """Blocks inside each other beyond all measure."""


def statements(tokens: Sequence[Token]) -> Iterator[Inner]:
    """Yield the simple statements of a body with their cases.

    Raises:
        TooDeep: more blocks inside each other than any server takes.
    """
    yield from _Body(tokens).statement("", 0)


class _Body:
    """Where reading stands in a body."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.words = Words(tokens)

    def statement(self, when: str, depth: int) -> Iterator[Inner]:
        """Yield what one statement comes to, and go behind it and its semicolon."""
        if depth > _DEEPEST:
            raise TooDeep
        words = self.words
        if words.peek(1) == ":":
            words.at += 2
        match words.peek():
            case "BEGIN":
                words.at += 1
                yield from self._block(when, depth)
            case "IF" if self._comes("THEN"):
                yield from self._choice("IF", when, depth)
            case "CASE":
                yield from self._choice("CASE", when, depth)
            case "WHILE" | "FOR" if word := self._comes("DO", "LOOP"):
                yield from self._up_to(when, word)
                yield from self._until_end(_LOOP, depth)
            case "EXCEPTION":
                words.at += 1
                yield from self._exceptions(depth)
                return
            case "LOOP" | "REPEAT":
                words.at += 1
                yield from self._until_end(_LOOP, depth)
            case "DECLARE" if self._is_handler():
                self._skip_conditions()
                yield from self.statement(_HANDLER, depth + 1)
            case _:
                yield from self._up_to(when, ";")
                return
        words.take(";")

    def _block(self, when: str, depth: int) -> Iterator[Inner]:
        self.words.take("NOT")
        self.words.take("ATOMIC")
        yield from self._until_end(when, depth)

    def _until_end(self, when: str, depth: int) -> Iterator[Inner]:
        """Yield statements up to the END of the block, and go behind it and what it repeats."""
        yield from self._sequence(when, depth, "END")
        while self.words.more and self.words.peek() != ";":
            self.words.at += 1

    def _sequence(self, when: str, depth: int, *ends: str) -> Iterator[Inner]:
        words = self.words
        while words.more and words.peek() not in ends:
            before = words.at
            if words.take("UNTIL"):
                yield from self._up_to(when, "END", keep=True)
                return
            yield from self.statement(when, depth + 1)
            if words.at == before:
                words.at += 1

    def _choice(self, kind: str, when: str, depth: int) -> Iterator[Inner]:
        """Yield what an IF or a CASE comes to."""
        words = self.words
        words.at += 1
        if kind == "CASE":
            yield from self._up_to(when, "WHEN", keep=True)
            words.take("WHEN")
        yield from self._up_to(when, "THEN")
        while words.more:
            yield from self._sequence(_BRANCH, depth, "ELSEIF", "WHEN", "ELSE", "END")
            if words.take("END"):
                break
            if not words.take("ELSE"):
                words.at += 1
                yield from self._up_to(when, "THEN")
        while words.more and words.peek() != ";":
            words.at += 1

    def _up_to(self, when: str, end: str, *, keep: bool = False) -> Iterator[Inner]:
        """Yield the tokens up to a word outside parentheses and CASE expressions, and go behind the word."""
        words = self.words
        first, depth = words.at, 0
        while words.at < len(words.tokens):
            word = words.peek()
            if word == ";" or (not depth and word == end):
                break
            depth = max(0, depth + {"(": 1, ")": -1, "CASE": 1, "END": -1}.get(word, 0))
            words.at += 1
        if words.at > first:
            yield Inner(words.tokens[first : words.at], when, head=end != ";")
        if not keep:
            words.at += 1

    def _exceptions(self, depth: int) -> Iterator[Inner]:
        """Yield what stands in the handlers of a block of PL/SQL."""
        while self.words.take("WHEN"):
            yield from self._up_to(_HANDLER, "THEN")
            yield from self._sequence(_HANDLER, depth, "WHEN", "END")

    def _comes(self, *words: str) -> str:
        """Return which of these words comes before the next semicolon."""
        for index in range(self.words.at, len(self.words.tokens)):
            word = self.words.tokens[index].word
            if word in words:
                return word
            if word == ";":
                break
        return ""

    def _is_handler(self) -> bool:
        return self.words.peek(1) in {"CONTINUE", "EXIT", "UNDO"} and self.words.peek(2) == "HANDLER"

    def _skip_conditions(self) -> None:
        words = self.words
        words.at += 4  # DECLARE kind HANDLER FOR
        while words.more:
            words.take("NOT")
            if words.take("SQLSTATE"):
                words.take("VALUE")
            words.at += 1
            if not words.take(","):
                return


def literals(tokens: Sequence[Token]) -> list[str] | None:
    """Return the arguments in parentheses, each a constant or a chain of constants; None where one is not."""
    words = Words(tokens)
    found = []
    for item in words.items():
        text = ""
        for index, token in enumerate(item):
            if token.kind is Kind.STRING:
                text += literal(token)
            elif not matches(item, index, "||"):
                return None
        found.append(text)
    return found
