"""What no linter checks: names that say nothing, tests without a promise, waits by the clock, long files."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "types", "misc", "manager"}
MAX_LINES = 500


def modules(*folders: str) -> list[Path]:
    """Return every module below these folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    """Return a path as a person would write it."""
    return path.relative_to(ROOT).as_posix()


CODE = modules("replicator", "trainer", "cli")
TESTS = modules("tests")


@pytest.mark.parametrize("path", CODE + TESTS, ids=shown)
def test_a_name_says_what_is_inside(path: Path) -> None:
    """No module and no folder has a name that would fit any other."""
    relative = path.relative_to(ROOT)
    assert EMPTY_NAMES.isdisjoint([*relative.parts[:-1], relative.stem])


@pytest.mark.parametrize("path", CODE + TESTS, ids=shown)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    """No module is longer than 500 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=shown)
def test_a_test_promises_something(path: Path) -> None:
    """Every test has a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("path", [path for path in TESTS if "fixtures" not in path.parts], ids=shown)
def test_a_test_waits_for_a_state(path: Path) -> None:
    """No test waits by the clock: a log position or a state is awaited, with a deadline."""
    found = re.findall(r"^.*sleep\(.*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert found == []


def test_the_replicator_does_without_torch() -> None:
    """Importing every module of the replicator imports neither torch nor what the command line is made of."""
    names = [
        shown(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in modules("replicator")
    ]
    script = f"import importlib, sys; [importlib.import_module(n) for n in {names}]; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"torch", "transformers", "click", "rich", "cli", "trainer"} & set(done.stdout.split()) == set()
