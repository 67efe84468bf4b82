"""What a command says on standard output: a table for people, JSON for programs, plain lines.

Text is made whole before any of it is written, so that a reader who leaves early (`| head`) is noticed in
one place, `cli.main`. A table that is piped is as wide as its cells and has no colours and no lines.
"""

from __future__ import annotations

import dataclasses
import enum
import io
import json
import math
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from replicator.position import Lsn

_UNLIMITED = 100_000  # columns: wider than any row, so a piped table is never folded


def line(text: str) -> None:
    """Write one line, at once: a reader of a pipe is to see it when it was said."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def as_json(value: object) -> None:
    """Write a value as JSON, keys sorted: dataclasses as objects, bytes as hexadecimal, NaN as null."""
    line(json.dumps(_plain(value), sort_keys=True, indent=2, allow_nan=False))


def as_json_line(value: object) -> None:
    """Write a value as JSON on one line: one object of a stream of them."""
    line(json.dumps(_plain(value), sort_keys=True, allow_nan=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; a column whose cells are all numbers is aligned to the right, and None shows as `-`."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    cells = [tuple(row) for row in rows]
    terminal = sys.stdout.isatty()
    made = Table(
        title=_cell(title) or None,
        title_justify="left",
        box=SIMPLE_HEAD if terminal else None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for index, column in enumerate(columns):
        column_cells = [row[index] for row in cells if row[index] is not None]
        made.add_column(_cell(column), justify=_justify(column_cells), overflow="fold")
    for row in cells:
        made.add_row(*map(_cell, row))
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        # NO_COLOR is about colours; without bold and italics too, what is copied is plain text.
        force_terminal=terminal and not os.environ.get("NO_COLOR"),
        width=shutil.get_terminal_size().columns if terminal else _UNLIMITED,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(made)
    line("\n".join(text.rstrip() for text in buffer.getvalue().splitlines()).strip("\n"))


def _justify(cells: Sequence[object]) -> Any:
    numbers = all(isinstance(cell, (int, float)) and not isinstance(cell, (bool, Lsn)) for cell in cells)
    return "right" if cells and numbers else "left"


def _cell(value: object) -> str:
    """Return a cell's text on one line: a name from a database may hold anything, a terminal's codes too."""
    plain = _plain(value)
    text = "-" if plain is None else {True: "yes", False: "no"}[plain] if isinstance(plain, bool) else str(plain)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _plain(value: object) -> Any:  # noqa: PLR0911 - one line a kind of value
    match value:
        case Lsn() | Path():
            return str(value)
        case enum.Enum():
            return _plain(value.value)
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return value.hex()
        case date() | datetime():
            return value.isoformat()
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case str() | int() | None:
            return value
        case Iterable():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return str(value)
