"""SQL text from files: the one place that turns a file into a statement.

A statement's name is its path without `.sql`: `load("postgres/store/missing_chunks")`. In a wheel the files
lie inside the package, in a checkout beside it. Nothing but these files becomes SQL, so no value can.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import LiteralString, cast

from sqlalchemy import TextClause, text

_PACKAGED = Path(__file__).parent / "_sql"
_CHECKOUT = Path(__file__).parent.parent / "sql"


def root() -> Path:
    """Return the folder that holds the engines' SQL files."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


@functools.cache
def source(name: str) -> LiteralString:
    """Return the text of `sql/<name>.sql`, vouched for because it is part of the program."""
    return cast(LiteralString, (root() / f"{name}.sql").read_text(encoding="utf-8"))


@functools.cache
def load(name: str) -> TextClause:
    """Return the statement in `sql/<name>.sql`, its `:name` parameters ready to bind."""
    return text(source(name))


def statements(script: str) -> list[TextClause]:
    """Split a migration at each `;` that ends a line, leaving `$$` bodies whole."""
    found: list[TextClause] = []
    lines: list[str] = []
    for line in script.splitlines():
        lines.append(line)
        in_body = "\n".join(lines).count("$$") % 2
        if line.rstrip().endswith(";") and not line.lstrip().startswith("--") and not in_body:
            found.append(text("\n".join(lines).rstrip().removesuffix(";").replace(":", r"\:")))
            lines = []
    return found
