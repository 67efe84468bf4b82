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


def as_json_list(name: str, items: Iterable[Mapping[str, object]]) -> None:
    """Write an object that holds one list, an item a line: for many items of texts, numbers and None."""
    lines = ",\n".join(json.dumps(item) for item in items)
    line(f'{{"{name}": [\n{lines}\n]}}' if lines else f'{{"{name}": []}}')


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table; a column whose cells are all numbers is aligned to the right, and None shows as `-`."""
    made = [tuple(row) for row in rows]
    right = [_is_numeric([row[index] for row in made if row[index] is not None]) for index in range(len(columns))]
    cells = [tuple(map(cell, row)) for row in (tuple(columns), *made)]
    if sys.stdout.isatty():
        line(_drawn(cell(title), cells, right))
    else:
        line(_aligned(cell(title), cells, right))


def _aligned(title: str, cells: list[tuple[str, ...]], right: list[bool]) -> str:
    """Return the table as plain lines, as wide as its cells."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = [title] if title else []
    for row in cells:
        padded = []
        for text, width, numeric in zip(row, widths, right, strict=True):
            blanks = " " * (width - cell_len(text))
            padded.append(blanks + text if numeric else text + blanks)
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _drawn(title: str, cells: list[tuple[str, ...]], right: list[bool]) -> str:
    """Return the table as a terminal shows it, folded to its width."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    made = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0))
    for column, numeric in zip(cells[0], right, strict=True):
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells[1:]:
        made.add_row(*row)
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        # NO_COLOR is about colours; without bold and italics too, what is copied is plain text.
        force_terminal=not os.environ.get("NO_COLOR"),
        width=shutil.get_terminal_size().columns,
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(made)
    return "\n".join(text.rstrip() for text in buffer.getvalue().splitlines()).strip("\n")


def _is_numeric(cells: Sequence[object]) -> bool:
    return bool(cells) and all(isinstance(cell, (int, float)) and not isinstance(cell, (bool, Lsn)) for cell in cells)


def cell(value: object) -> str:
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
