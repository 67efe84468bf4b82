"""What the README shows is run, and what it links to is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from cli.main import COMMANDS
from tests.fixtures.command import ROOT, environment, hadrian

_README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.DOTALL | re.MULTILINE)


def test_the_two_commands_are_in_the_makefile() -> None:
    """`make -n` knows both, and what they end in."""
    for target, last in (("demo", "hadrian demo"), ("test", "pytest")):
        dry_run = ["make", "--no-print-directory", "-n", target]
        done = subprocess.run(dry_run, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip().splitlines()[-1].partition(" -n")[0].endswith(last)


def _run(script: str, folder: Path) -> str:
    """Run a block of the README in a folder where `hadrian` is this checkout's, and return what it prints."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "hadrian").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli.main "$@"\n')
    (bin_folder / "hadrian").chmod(0o755)
    path = f"{bin_folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euxc", script],  # noqa: S607 - bash from the PATH
        cwd=folder, env=environment(PATH=path), capture_output=True, text=True,
        check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_is_lost_is_shown_as_it_stands(folder: Path) -> None:
    """Every command of the section on failovers, in order, on a migration with one defect."""
    (script, _) = _blocks("sh")
    (folder / "migrations").mkdir()
    (folder / "migrations/1.sql").write_text("create table a (x int primary key);\ncreate unlogged table q (i int);\n")
    said = _run(script, folder)
    assert "PGP-001" in said
    assert "DBH-001" in said


def test_the_tour_runs_as_it_stands(folder: Path, tiny_model: Path) -> None:
    """Every command of the tour, in order, on a pair of its own, with a small model in the recipe."""
    (_, tour) = _blocks("sh")
    example = yaml.safe_load((ROOT / "examples/recipe.yaml").read_text(encoding="utf-8"))
    small = example | {"steps": 4, "checkpoint_every": 2, "tensor_parallel": 1, "held_out": None}
    small["model"] = {"path": str(tiny_model), "train_layers": 1}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(small))
    (folder / "application.py").write_text(_APPLICATION)
    script = tour.replace("hadrian feed create", f"{sys.executable} application.py\nhadrian feed create")
    try:
        assert "docs_first" in _run(script, folder)
    finally:
        hadrian("pair", "stop", folder / "pair")


# What the reader's own application does: a table, a publication, rows.
_APPLICATION = """
import os, sqlalchemy
engine = sqlalchemy.create_engine(os.environ["HADRIAN_PRIMARY"].replace("postgresql:", "postgresql+psycopg:"))
with engine.begin() as connection:
    for statement in (
        "create table doc (id integer primary key, title text, body text)",
        "alter table doc replica identity full",
        "create publication docs for table doc",
        "insert into doc select n, 'title ' || n, repeat('text ', n) from generate_series(1, 100) as n",
    ):
        connection.exec_driver_sql(statement)
"""


def test_every_command_is_in_the_readme() -> None:
    """A command that nobody tells of is not there."""
    assert [name for name in COMMANDS if f"hadrian {name}" not in _README] == []


def test_what_the_readme_links_to_is_there() -> None:
    """Relative links lead to files of the checkout."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", _README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_example_recipe_is_valid() -> None:
    """It is what a newcomer copies."""
    from trainer import recipe

    assert recipe.load(ROOT / "examples/recipe.yaml").run == "docs_first"
