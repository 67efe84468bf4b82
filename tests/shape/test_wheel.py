"""The wheel that users install: the SQL files are in it, and are the ones that are used."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.fixtures.command import ROOT, environment


def test_the_wheel_holds_the_sql_and_reads_it_from_there(tmp_path: Path) -> None:
    """Outside a checkout there is no `sql/` beside the package."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the build backend cannot be had here: {done.stderr.strip().splitlines()[-1]}")
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(next(tmp_path.glob("*.whl"))).extractall(unpacked)
    question = "from replicator import migrate, sql; print(sql.root()); print(len(migrate.available('postgres')))"
    asked = subprocess.run(
        [sys.executable, "-c", question],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(unpacked)),
        capture_output=True,
        text=True,
        check=True,
    )
    root, migrations = asked.stdout.split()
    assert Path(root) == unpacked / "replicator" / "_sql"
    assert int(migrations) == len(list((ROOT / "sql/postgres/migrations").glob("*.sql")))
