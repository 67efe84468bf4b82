"""A reader's place among the tokens of one statement, and the questions it asks of those before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from replicator.db2.language.tokenize import Kind, Token

_IDENTIFIERS = frozenset({Kind.WORD, Kind.DELIMITED})


class Name(NamedTuple):
    """The name of an object.

    Attributes:
        schema: as the catalog has it, empty where the script names none.
        name: as the catalog has it.
        shown: as written.
    """

    schema: str
    name: str
    shown: str


def identifier(token: Token) -> str:
    """Return an identifier as the catalog has it, empty for another token."""
    if token.kind is Kind.DELIMITED:
        return token.text[token.text.index('"') + 1 : -1].replace('""', '"')
    return token.word if token.kind is Kind.WORD else ""


def literal(token: Token) -> str:
    """Return what a string stands for."""
    return token.text[token.text.index("'") + 1 : -1].replace("''", "'")


class Words:
    """A place among the tokens of a statement."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    @property
    def rest(self) -> Sequence[Token]:
        """What has not been taken."""
        return self.tokens[self.at :]

    @property
    def more(self) -> bool:
        """Whether anything has not been taken."""
        return self.at < len(self.tokens)

    def peek(self, ahead: int = 0) -> str:
        """Return a word that comes, in capitals, or an empty text."""
        index = self.at + ahead
        return self.tokens[index].word if index < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        """Take the words if they come next."""
        if all(self.peek(ahead) == word for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def take_any(self, *words: str) -> str:
        """Take the next word if it is one of these, and return it."""
        found = self.peek()
        if found and found in words:
            self.at += 1
            return found
        return ""

    def name(self) -> Name:
        """Take the name of an object, qualified or not; one of empty parts where none comes."""
        first = self.at
        parts = []
        while self.at < len(self.tokens) and self.tokens[self.at].kind in _IDENTIFIERS:
            parts.append(identifier(self.tokens[self.at]))
            self.at += 1
            if not self.take("."):
                break
        shown = "".join(token.text for token in self.tokens[first : self.at])
        return Name(parts[-2] if len(parts) > 1 else "", parts[-1] if parts else "", shown)

    def names(self) -> list[Name]:
        """Take names with commas between them."""
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return found

    def seek(self, *words: str) -> bool:
        """Go behind the next place, outside parentheses, where these words come; stay where there is none."""
        depth = 0
        for index in range(self.at, len(self.tokens)):
            word = self.tokens[index].word
            depth += {"(": 1, ")": -1}.get(word, 0)
            if not depth and matches(self.tokens, index, *words):
                self.at = index + len(words)
                return True
        return False

    def has(self, *words: str) -> bool:
        """Return whether these words come, at any depth."""
        return any(matches(self.tokens, index, *words) for index in range(self.at, len(self.tokens)))

    def items(self) -> list[Sequence[Token]]:
        """Take a list in parentheses, and return what lies between its commas; empty where none comes."""
        if self.peek() != "(":
            return []
        items = list(split(self.tokens, self.at + 1))
        self.at += 1 + sum(len(item) + 1 for item in items)
        return items

    def chunk(self) -> str:
        """Take the tokens up to the next blank, as a word that need not be SQL; a string without its quotes."""
        first = self.at
        if first >= len(self.tokens):
            return ""
        self.at += 1
        while self.at < len(self.tokens) and self.tokens[self.at - 1].end == self.tokens[self.at].start:
            self.at += 1
        text = "".join(token.text for token in self.tokens[first : self.at])
        return text.strip("'\"")

    def brief(self, words: int = 4) -> str:
        """Return the first words of the whole statement, for a message."""
        text = " ".join(token.text for token in self.tokens[:words])
        return text if len(text) <= 60 else f"{text[:57]}..."


def matches(tokens: Sequence[Token], index: int, *words: str) -> bool:
    """Return whether these words come at an index."""
    return len(tokens) - index >= len(words) and all(
        tokens[index + ahead].word == word for ahead, word in enumerate(words)
    )


def enclosed(tokens: Sequence[Token], first: int) -> Sequence[Token]:
    """Return the tokens from an index on up to the parenthesis that closes there."""
    depth = 0
    for index in range(first, len(tokens)):
        word = tokens[index].word
        if word == ")" and not depth:
            return tokens[first:index]
        depth += {"(": 1, ")": -1}.get(word, 0)
    return tokens[first:]


def split(tokens: Sequence[Token], first: int) -> Iterator[Sequence[Token]]:
    """Yield what lies between commas from an index on, up to the parenthesis that closes there."""
    depth, start = 0, first
    for index in range(first, len(tokens)):
        word = tokens[index].word
        if word == ")" and not depth:
            yield tokens[start:index]
            return
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == "," and not depth:
            yield tokens[start:index]
            start = index + 1
    yield tokens[start:]
