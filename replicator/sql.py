"""SQL text from files: the one place that turns a file into a statement.

A statement's name is its path without `.sql`: `load("postgres/store/missing_chunks")`. In a wheel the files
lie inside the package, in a checkout beside it. Nothing but these files becomes SQL, so no value can; where a
name is not known before, the file has a place for it, `{table}`, and it is quoted first.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import LiteralString, cast

from sqlalchemy import TextClause, text
from sqlalchemy.engine.default import DefaultDialect

_PACKAGED = Path(__file__).parent / "_sql"
_CHECKOUT = Path(__file__).parent.parent / "sql"
_QUOTED = DefaultDialect().identifier_preparer.quote_identifier  # as the standard has it, and every engine of ours

# What a script is made of, as far as splitting it needs to know. The order of the alternatives matters.
_TOKEN = re.compile(
    r"""
      (?P<blank>   \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<end>     ; (?= [^\S\n]* (?: --[^\n]* )? (?: \n | \Z ) ) )
    | (?P<code>    \b[eE]'(?: [^'\\] | \\. | '' )*'  # an escape string, whose quote may be escaped
                 | '[^']*' | "[^"]*"              # a doubled quote is two strings side by side: as good
                 | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$  # a dollar-quoted body
                 | \w[\w$]* | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def root() -> Path:
    """Return the folder that holds the engines' SQL files."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


@functools.cache
def source(name: str) -> LiteralString:
    """Return the text of `sql/<name>.sql`, vouched for because it is part of the program."""
    content = (root() / f"{name}.sql").read_text(encoding="utf-8")
    return cast("LiteralString", content)  # type: ignore[redundant-cast] # to mypy a literal is any string


@functools.cache
def load(name: str) -> TextClause:
    """Return the statement in `sql/<name>.sql`, its `:name` parameters ready to bind."""
    return text(source(name))


def identifier(*names: str) -> str:
    """Return a name, and the names it is qualified by before it, quoted."""
    return ".".join(map(_QUOTED, names))


def filled(name: str, **parts: str) -> TextClause:
    """Return the statement in `sql/<name>.sql` with its places filled: identifiers, or a server's own words.

    The comments are left out, since a name may have a line's end in it.
    """
    code = "".join(line for line in source(name).splitlines(keepends=True) if not line.startswith("--"))
    return text(code.format(**{place: part.replace(":", r"\:") for place, part in parts.items()}))


def statements(script: str) -> list[TextClause]:
    """Split a migration at each `;` that ends a line, leaving strings, comments and `$$` bodies whole.

    What follows the last `;` is a statement too, unless it is only comment: a forgotten `;` loses nothing.
    """
    found: list[TextClause] = []
    start, empty = 0, True
    for token in _TOKEN.finditer(script):
        if token.lastgroup == "end":
            if not empty:
                found.append(_verbatim(script[start : token.start()]))
            start, empty = token.end(), True
        elif token.lastgroup == "code":
            empty = False
    if not empty:
        found.append(_verbatim(script[start:]))
    return found


def _verbatim(statement: str) -> TextClause:
    # A migration has no parameters, so each colon is its own: a cast, a slice, a word in a comment.
    return text(statement.strip().replace(":", r"\:"))
