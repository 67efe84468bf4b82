"""`hadrian verify` before it meets a server."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.command import complaint, hadrian

_URLS = ("--primary", "postgresql://u@127.0.0.1:1/x", "--standby", "postgresql://u@127.0.0.1:2/x")


def test_what_cannot_be_compared_is_refused() -> None:
    """A kind that there is not is one line that names those there are."""
    said = complaint(hadrian("verify", *_URLS, "--what", "rows,cows"))
    assert "no kind of thing to compare: cows; choose of rows,schema," in said


def test_a_repair_is_never_overwritten(tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    file = tmp_path / "repair.sql"
    file.write_text("mine")
    assert "repair.sql exists" in complaint(hadrian("verify", *_URLS, "--repair", file))
    assert file.read_text() == "mine"


def test_a_monitor_learns_that_nothing_could_be_compared() -> None:
    """A node that does not answer is UNKNOWN on standard output, beside the line for people, and exit code 2."""
    done = hadrian("verify", *_URLS, "--format", "nagios")
    assert done.returncode == 2
    assert done.stdout.startswith("HADRIAN UNKNOWN - 127.0.0.1:")
    assert done.stderr.startswith("hadrian: error: 127.0.0.1:")
