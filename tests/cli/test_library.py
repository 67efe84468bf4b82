"""`hadrian library` as a user meets it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.command import complaint, hadrian
from tests.fixtures.pair import fresh_pair
from tests.fixtures.site import Site


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    """Make one site for the module; nothing fails over."""
    with fresh_pair() as pair, contextlib.closing(Site(pair)) as site:
        yield site


def _settings(site: Site) -> dict[str, str]:
    a, b = (site.pair.embedded.url(node) for node in ("a", "b"))
    return {"HADRIAN_PRIMARY": a, "HADRIAN_STANDBY": b}


def test_a_library_goes_from_push_to_check(place: Site, tmp_path: Path) -> None:
    """Pushed to the primary, listed, installed and checked from the standby; 1 as long as something is not the same."""
    settings = _settings(place)
    target = tmp_path / "lib"
    target.mkdir()
    source = tmp_path / "geo.so"
    source.write_bytes(b"first")
    said = complaint(hadrian("library", "check", "--in", target, **settings))
    assert "has no libraries; push one: hadrian library push" in said
    done = hadrian("library", "push", "geo", source, **settings)
    assert (done.returncode, done.stdout) == (0, "library geo/1: 1 file, 5 B; 14 B sent\n"), done.stderr
    done = hadrian("library", "push", "geo", source, **settings)
    assert (done.returncode, done.stdout) == (0, "library geo/1 holds the same files already; nothing to do\n")
    source.write_bytes(b"second")
    pushed = json.loads(hadrian("library", "push", "geo", source, "--format", "json", **settings).stdout)
    assert (pushed["library"], pushed["new"]) == ("geo/2", True)
    place.catch_up()

    listed = json.loads(hadrian("library", "list", "--format", "json", **settings).stdout)["libraries"]
    assert [(one["name"], one["version"], one["size"]) for one in listed] == [("geo", 2, 6), ("geo", 1, 5)]
    assert listed[0]["files"][0]["mode"] == f"{source.stat().st_mode & 0o777:04o}"
    assert "geo/2    geo.so     6  " in hadrian("library", "list", **settings).stdout

    done = hadrian("library", "check", "--in", target, **settings)
    assert (done.returncode, done.stdout.splitlines()[1]) == (1, "geo/2    geo.so  absent")
    done = hadrian("library", "install", "geo/1", "--to", target, **settings)
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "geo/1    geo.so  written"), done.stderr
    done = hadrian("library", "check", "geo", "--in", target, "--format", "json", **settings)
    state = {"library": "geo", "version": 2, "name": "geo.so", "state": "differs"}
    assert (done.returncode, json.loads(done.stdout)) == (1, {"files": [state]})
    said = complaint(hadrian("library", "install", "geo", "--to", target, **settings))
    assert f"{target} has other content or execute bits in geo.so; look at it, then add --force" in said
    done = hadrian("library", "install", "geo", "--to", target, "--force", "--format", "json", **settings)
    assert json.loads(done.stdout)["files"] == [{"name": "geo.so", "done": "replaced"}]
    done = hadrian("library", "check", "--in", target, **settings)
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "geo/2    geo.so  same")


def test_what_cannot_be_done_is_one_line(place: Site, tmp_path: Path) -> None:
    """No such library, file or directory, and a standby to push to."""
    settings = _settings(place)
    source = tmp_path / "f.so"
    source.write_bytes(b"f")
    said = complaint(hadrian("library", "install", "absent", "--to", tmp_path, **settings))
    assert "has no library absent; list what is there: hadrian library list" in said
    assert "absent.so: No such file" in complaint(hadrian("library", "push", "f", tmp_path / "absent.so", **settings))
    assert "does not exist" in complaint(hadrian("library", "check", "--in", tmp_path / "absent", **settings))
    said = complaint(hadrian("library", "push", "f", source, "--primary", settings["HADRIAN_STANDBY"]))
    assert "in a read-only transaction" in said
