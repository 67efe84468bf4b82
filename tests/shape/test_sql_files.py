"""Every SQL file can be read by a DBA, and is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replicator import sql

ROOT = Path(__file__).parents[2]

# Migrations and roles are scripts, and the drill is an application's schema: none is a single question.
_SCRIPTS = {"migrations", "access", "drill"}
STATEMENTS = sorted(
    path for path in sql.root().rglob("*.sql") if not _SCRIPTS & set(path.relative_to(sql.root()).parts)
)
LABELS = ("Parameters:", "Columns:", "Since:", "Privilege:")


def name_of(path: Path) -> str:
    """Return a statement's name: `postgres/topology/node`."""
    return path.relative_to(sql.root()).with_suffix("").as_posix()


def header_of(path: Path) -> list[str]:
    """Return the comment lines a file opens with."""
    lines = path.read_text(encoding="utf-8").splitlines()
    code = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return [line.removeprefix("--").strip() for line in lines[:code]]


def parameters_of(path: Path) -> set[str]:
    """Return the names a statement wants bound."""
    return set(sql.load(name_of(path))._bindparams)


def uses(module: str, name: str) -> bool:
    """Return whether a module's text has the statement's name, or its folder's name and its own."""
    _, _, shared = name.partition("/")
    folder, _, stem = shared.rpartition("/")
    parts = f"{folder}/{{" in module and f'"{stem}"' in module
    return parts or any(f'"{known}"' in module for known in (name, shared)) or f'"{shared}.sql"' in module


@pytest.fixture(scope="module")
def program() -> list[str]:
    """Return the text of each module."""
    files = [path for folder in ("replicator", "trainer") for path in (ROOT / folder).rglob("*.py")]
    return [path.read_text(encoding="utf-8") for path in files]


@pytest.mark.parametrize("path", STATEMENTS, ids=name_of)
def test_a_file_opens_with_its_header(path: Path) -> None:
    """Purpose first, then parameters, columns, version and privilege, in that order."""
    header = header_of(path)
    text = "\n".join(header)
    assert header, "no header"
    assert re.match(r"[A-Z].*", header[0]), "the first line says what the statement is for"
    assert not header[0].startswith(LABELS), "the first line says what the statement is for"
    places = [text.find(label) for label in LABELS]
    assert -1 not in places, f"missing: {[label for label, place in zip(LABELS, places, strict=True) if place < 0]}"
    assert places == sorted(places)


@pytest.mark.parametrize("path", STATEMENTS, ids=name_of)
def test_the_header_names_each_parameter(path: Path) -> None:
    """A parameter that is bound is described, and where none is bound the header says so."""
    text = "\n".join(header_of(path))
    described = text[text.find("Parameters:") : text.find("Columns:")]
    wanted = parameters_of(path)
    assert all(re.search(rf"\b{name}\b", described) for name in wanted)
    assert bool(wanted) != described.startswith("Parameters: none")


@pytest.mark.parametrize("path", STATEMENTS, ids=name_of)
def test_a_file_is_one_statement(path: Path) -> None:
    """A file can be sent as it is: one statement, without an end."""
    text = path.read_text(encoding="utf-8")
    assert len(sql.statements(text)) == 1
    assert not text.rstrip().endswith(";")


@pytest.mark.parametrize("path", STATEMENTS, ids=name_of)
def test_a_file_is_used(path: Path, program: list[str]) -> None:
    """Some module loads it, by its whole name or by the name that every engine shares."""
    assert any(uses(module, name_of(path)) for module in program)


def test_the_statements_are_found() -> None:
    """The other tests look at something."""
    assert "postgres/topology/node" in {name_of(path) for path in STATEMENTS}
