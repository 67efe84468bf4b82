"""Output: tables that survive a pipe, JSON that any program reads, bars that only a person sees."""

from __future__ import annotations

import datetime as dt
import enum
import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import render
from replicator.position import Lsn
from tests.fixtures.command import environment


@dataclass(frozen=True, slots=True)
class Point:
    """A value of every kind that JSON has no word for."""

    lsn: Lsn
    when: dt.datetime
    digest: bytes
    loss: float
    where: Path


class Colour(enum.StrEnum):
    """An enumeration."""

    RED = "red"


POINT = Point(Lsn("16/B374D848"), dt.datetime(2026, 1, 2, tzinfo=dt.UTC), b"\x00\xff", float("nan"), Path("/x"))


def on_terminal(script: str, **settings: str) -> str:
    """Run Python whose standard output and error are a terminal of 60 columns, and return what it shows."""
    reader, writer = pty.openpty()
    settings = {"COLUMNS": "60", "TERM": "xterm-256color", **settings}
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=environment(**settings), stdout=writer, stderr=writer, close_fds=True
    )
    os.close(writer)
    shown = b""
    try:
        while part := os.read(reader, 4096):
            shown += part
    except OSError:
        pass  # the terminal's other side is closed: all has been read
    os.close(reader)
    assert process.wait(30) == 0, shown
    return shown.decode()


def test_a_piped_table_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """However wide, a row is one line without colours, lines or cuts, and a number stands to the right."""
    wide = "x" * 500
    render.table("Nodes", ["name", "bytes"], [[wide, 7], ["b", 1234], [None, None]])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["Nodes"], ["name", "bytes"], [wide, "7"], ["b", "1234"], ["-", "-"]]
    assert lines[2].endswith("   7")
    assert "".join(lines).isascii()


def test_a_cell_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A name from a database is shown as it is: no markup, no escape codes, no line breaks."""
    render.table("", ["name"], [["[bold]a[/bold] :smile:"], ["\x1b[31mred\n"], [True]])
    out = capsys.readouterr().out
    assert "[bold]a[/bold] :smile:" in out
    assert "\\x1b[31mred\\n" in out
    assert "yes" in out
    assert "\x1b" not in out


def test_an_empty_table_still_has_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """No row is an answer too."""
    render.table("", ["a", "b"], [])
    assert capsys.readouterr().out.split() == ["a", "b"]


def test_json_has_sorted_keys_and_one_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Keys are sorted, values are plain, and the text ends with one newline."""
    render.as_json({"b": [POINT, Colour.RED, None, True, 3], "a": (1, 2.5)})
    out = capsys.readouterr().out
    assert out.endswith("}\n")
    assert out.index('"a"') < out.index('"b"')
    point = {"lsn": "16/B374D848", "when": "2026-01-02T00:00:00+00:00", "digest": "00ff", "loss": None, "where": "/x"}
    assert json.loads(out) == {"a": [1, 2.5], "b": [point, "red", None, True, 3]}


TABLE = "from cli import render; render.table('T', ['name', 'n'], [['y' * 100, 1]])"


def test_a_terminal_gets_colours_unless_asked_not_to() -> None:
    """NO_COLOR is respected, and a long cell is folded, not cut."""
    assert "\x1b[" in on_terminal(TABLE)
    plain = on_terminal(TABLE, NO_COLOR="1")
    assert "\x1b" not in plain
    assert plain.count("y") == 100


BAR = (
    "from cli.progress import progress\n"
    "with progress('copying', 3) as advance:\n"
    "    advance(note='first')\n"
    "    advance(2)\n"
)


def test_a_person_sees_a_bar() -> None:
    """On a terminal there is a bar with its description and note."""
    shown = on_terminal(BAR)
    assert "copying" in shown
    assert "first" in shown


def test_a_pipe_sees_no_bar() -> None:
    """Where standard error is no terminal nothing is written at all."""
    done = subprocess.run([sys.executable, "-c", BAR], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
