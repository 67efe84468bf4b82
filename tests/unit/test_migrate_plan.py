"""`migrate.plan`: what is still to do, and every reason to do nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator import migrate
from replicator.errors import BadInput
from replicator.migrate import ENGINES, Applied, Migration, available, plan

scripts = st.lists(st.text(max_size=5), max_size=8)


def files_of(texts: list[str]) -> list[Migration]:
    """Return migrations 1, 2, … with these texts."""
    return [
        Migration(number, f"m{number}", hashlib.sha256(text.encode()).digest(), text)
        for number, text in enumerate(texts, start=1)
    ]


def had(files: list[Migration]) -> list[Applied]:
    """Return the rows that these files leave."""
    return [Applied(file.number, file.name, file.sha256) for file in files]


@given(scripts, st.data())
def test_what_is_left_is_what_was_not_applied(texts: list[str], data: st.DataObject) -> None:
    """After any number of files the plan is the rest, in order."""
    files = files_of(texts)
    count = data.draw(st.integers(0, len(files)))
    assert plan(had(files[:count]), files) == tuple(files[count:])


@given(scripts)
def test_an_interruption_after_any_step_ends_the_same(texts: list[str]) -> None:
    """Planned again after each single step, every file comes up exactly once and in order."""
    files = files_of(texts)
    done: list[Migration] = []
    while pending := plan(had(done), files):
        done.append(pending[0])
    assert done == files


@given(scripts.filter(bool), st.data())
def test_a_changed_file_is_refused(texts: list[str], data: st.DataObject) -> None:
    """One bit of one applied file is enough, and the message names the file."""
    files = files_of(texts)
    rows = had(files)
    at = data.draw(st.integers(0, len(rows) - 1))
    rows[at] = Applied(rows[at].number, rows[at].name, bytes([rows[at].sha256[0] ^ 1]) + rows[at].sha256[1:])
    with pytest.raises(BadInput, match=str(files[at])) as refused:
        plan(rows, files)
    assert "pip install" in refused.value.hint


@given(scripts.filter(lambda texts: len(texts) > 1), st.data())
def test_a_gap_is_refused(texts: list[str], data: st.DataObject) -> None:
    """A number that is missing from the files, or from what was applied, stops everything."""
    files = files_of(texts)
    at = data.draw(st.integers(0, len(files) - 2))
    gap = files[:at] + files[at + 1 :]
    with pytest.raises(BadInput, match=f"{at + 1:04d} should come"):
        plan([], gap)
    with pytest.raises(BadInput, match=f"{at + 1:04d} should come"):
        plan(had(gap), files)


@given(scripts.filter(bool), st.data())
def test_a_number_used_twice_is_refused(texts: list[str], data: st.DataObject) -> None:
    """Two files of one number have no order."""
    files = files_of(texts)
    twice = data.draw(st.sampled_from(files))
    with pytest.raises(BadInput):
        plan([], sorted([*files, twice], key=lambda file: file.number))


@given(scripts.filter(bool), st.data())
def test_a_newer_database_is_refused(texts: list[str], data: st.DataObject) -> None:
    """A database that had more files than there are is not touched."""
    files = files_of(texts)
    fewer = files[: data.draw(st.integers(0, len(files) - 1))]
    with pytest.raises(BadInput, match="newer than the program"):
        plan(had(files), fewer)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_programs_own_files_are_in_order(engine: str) -> None:
    """Each engine's files can be planned from nothing, and every engine has the same ones."""
    files = available(engine)
    assert plan([], files) == files
    assert [str(file) for file in files] == [str(file) for file in available("postgres")]
    assert {file.engine for file in migrate.every_file()} == set(ENGINES)


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    """The digest is that of the file, so that sha256sum can check it."""
    (tmp_path / "0001_first.sql").write_bytes("select 'é';\r\n".encode())
    (file,) = available("postgres", tmp_path)
    assert file.sha256 == hashlib.sha256((tmp_path / "0001_first.sql").read_bytes()).digest()
    assert (file.number, file.name) == (1, "first")


@pytest.mark.parametrize("name", ["1_first.sql", "0001.sql", "0001-first.sql", "first.sql"])
def test_a_file_with_another_name_is_refused(tmp_path: Path, name: str) -> None:
    """A file that would be overlooked is an error."""
    (tmp_path / name).write_text("select 1;")
    with pytest.raises(BadInput, match="not a migration"):
        available("postgres", tmp_path)
