"""Libraries: from the files of one node, through the log, to the files of another, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from replicator import migrate
from replicator.errors import AlreadyThere, ArtifactMissing, BadInput, DiskFull, HadrianError, StoreCorrupt
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.topology import wait_replayed
from replicator.store import library, library_files
from replicator.store.digest import CHUNK_BYTES
from replicator.store.library_files import State
from replicator.store.manifest import Blob
from replicator.store.writer import Writer, publish
from tests.fixtures.pair import Pair
from tests.fixtures.small_disk import mounted

_SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Shelf:
    """Both nodes of a pair with Hadrian's schema."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        migrate.install(pair.embedded.url("a"))
        self.a, self.b = (PostgresDatabase(pair.embedded.url(node)) for node in ("a", "b"))

    def catch_up(self) -> None:
        """Wait until the standby has replayed what the primary has."""
        written = self.a.committed()
        self.pair.run("select pg_logical_emit_message(true, '', '')")  # its commit flushes the log at once
        wait_replayed(self.b, written)

    def close(self) -> None:
        """Close every session."""
        self.a.close()
        self.b.close()


@pytest.fixture(scope="module")
def shelf(shared_pair: Pair) -> Iterator[Shelf]:
    """Make a shelf for the whole module; each test has libraries of its own."""
    with contextlib.closing(Shelf(shared_pair)) as made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a folder of files to push: some pieces of one that may be executed, a few bytes, and none."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name, size, mode in (("geo.so", 2 * CHUNK_BYTES + 7, 0o755), ("geo.jar", 9, 0o640), ("geo.none", 0, 0o600)):
        (folder / name).write_bytes(random.Random(size).randbytes(size))
        (folder / name).chmod(mode)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Make a folder to install in."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def files_of(database: PostgresDatabase, reference: str) -> list[library.File]:
    """Return the files of a library."""
    return library.files(database, library.named(database, reference))


def content_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return what a folder holds, with execute bits."""
    return {path.name: (path.read_bytes(), path.stat().st_mode & 0o111) for path in folder.iterdir()}


def test_a_function_works_again_once_its_file_is_installed_from_the_new_primary(pair: Pair) -> None:
    """The node with the file is gone, and the log had no more than its name: the store had the file."""
    folder = pair.embedded.directory / "functions"
    pair.embedded.owner.own(folder, 0o755)
    file = folder / "sound.so"
    shutil.copy(pair.embedded.bin.parent / "lib" / "fuzzystrmatch.so", file)
    pair.run(f"create function sound(text) returns text language c as '{file.with_suffix('')}', 'soundex'")
    with contextlib.closing(Shelf(pair)) as shelf:
        library.push(shelf.a, "sound", [file])
        shelf.catch_up()
        file.unlink()
        pair.fail_over()
        call = "select sound('Hadrian')"
        with pytest.raises(HadrianError, match="could not access file"):
            pair.run(call, "b")
        library_files.install(shelf.b, files_of(shelf.b, "sound"), folder)
        assert pair.run(call, "b") == [("H365",)]


def test_what_is_pushed_is_installed_from_the_standby(shelf: Shelf, source: Path, target: Path) -> None:
    """Each byte and each execute bit, once; a second time the files are left alone."""
    paths = sorted(source.iterdir())
    pushed = library.push(shelf.a, "whole", paths)
    assert (pushed.library, pushed.new, pushed.files) == ("whole/1", True, 3)
    shelf.catch_up()
    files = files_of(shelf.b, "whole")
    assert {one.state for one in library_files.compare(target, files)} == {State.ABSENT}
    before = library_files.install(shelf.b, files, target)
    assert {one.state for one in before} == {State.ABSENT}
    assert content_of(target) == content_of(source)
    places = {path: path.stat().st_ino for path in target.iterdir()}
    again = library_files.install(shelf.b, files, target)
    assert {one.state for one in again} == {State.SAME}
    assert {path: path.stat().st_ino for path in target.iterdir()} == places


def test_the_newest_version_is_taken_and_an_older_one_can_be(shelf: Shelf, source: Path, target: Path) -> None:
    """The same files make nothing new; other content, or another mode, makes a version; each can be had back."""
    file = source / "geo.jar"
    first = file.read_bytes()
    assert library.push(shelf.a, "twice", [file]).library == "twice/1"
    again = library.push(shelf.a, "twice", [file])
    assert (again.library, again.new, again.written.new_chunks) == ("twice/1", False, 0)
    file.chmod(0o755)
    assert library.push(shelf.a, "twice", [file]).library == "twice/2"
    file.write_bytes(b"second")
    assert library.push(shelf.a, "twice", [file]).library == "twice/3"
    file.write_bytes(first)
    assert library.push(shelf.a, "twice", [file]).written.new_chunks == 0
    versions = [version for version in library.found(shelf.a) if version.name == "twice"]
    assert [(version.number, version.size) for version in versions] == [(4, 9), (3, 6), (2, 9), (1, 9)]
    assert [version for version in library.newest(shelf.a) if version.name == "twice"] == versions[:1]
    for reference, content in (("twice", first), ("twice/3", b"second")):
        library_files.install(shelf.a, files_of(shelf.a, reference), target, force=True)
        assert (target / "geo.jar").read_bytes() == content
    for absent in ("twice/5", "twic", "absent"):
        with pytest.raises(ArtifactMissing, match=f"has no library {absent}"):
            library.named(shelf.a, absent)
    with pytest.raises(BadInput, match="neither a library nor"):
        library.named(shelf.a, "twice/01")


def test_pushes_at_once_all_become_versions(shelf: Shelf, tmp_path: Path) -> None:
    """Whoever comes second to a number takes the next; nothing is lost."""

    def push(number: int) -> str:
        path = tmp_path / str(number) / "f.so"
        path.parent.mkdir()
        path.write_bytes(b"content %d" % number)
        return library.push(shelf.a, "busy", [path]).library

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(push, range(4))) == ["busy/1", "busy/2", "busy/3", "busy/4"]
    contents = {files_of(shelf.a, f"busy/{number}")[0].sha256 for number in range(1, 5)}
    assert len(contents) == 4


def test_a_large_file_is_never_whole_in_memory(shelf: Shelf, tmp_path: Path, target: Path) -> None:
    """Neither on its way in nor on its way out."""
    path = tmp_path / "large.jar"
    path.write_bytes(random.Random(5).randbytes(128 << 20))
    tracemalloc.start()
    try:
        library.push(shelf.a, "large", [path])
        library_files.install(shelf.a, files_of(shelf.a, "large"), target)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20
    assert library_files.compare(target, files_of(shelf.a, "large"))[0].state is State.SAME


# --- what a push refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".a", "a b", "é", "a\n", "a" * 101])
def test_a_library_has_a_plain_name(shelf: Shelf, source: Path, name: str) -> None:
    """It is part of an artifact's name, and shown."""
    with pytest.raises(BadInput, match="no name for a library"):
        library.push(shelf.a, name, [source / "geo.so"])


def test_what_is_no_file_of_a_library_is_refused_before_anything_is_sent(shelf: Shelf, source: Path) -> None:
    """Directories, pipes, two of one name, names that a terminal would obey, too much: one error each, no chunk."""
    chunks = "select count(*) from hadrian.chunk"
    before = shelf.pair.run(chunks)
    good = source / "good.so"
    good.write_bytes(b"never stored")
    os.mkfifo(source / "pipe.so")
    (source / "bell\a.so").touch()
    (source / "bytes\udcff.so").touch()
    with (source / "vast.so").open("wb") as vast:
        vast.truncate(library.MAX_BYTES)
    (source / "sub").mkdir()
    (source / "sub" / "good.so").touch()
    for path, said in (
        (source / "sub", "sub: Is a directory"),
        (source / "pipe.so", "pipe.so is no regular file"),
        (source / "bell\a.so", "cannot hold a file of the name 'bell"),
        (source / "bytes\udcff.so", "cannot hold a file of the name 'bytes"),
        (source / "..", "cannot hold a file of the name"),
        (source / "absent.so", "absent.so: No such file"),
        (source / "sub" / "good.so", "two files have the name good.so"),
        (source / "vast.so", "and a library may have"),
    ):
        with pytest.raises(BadInput, match=said):
            library.push(shelf.a, "refused", [good, path])
    assert shelf.pair.run(chunks) == before


@pytest.mark.parametrize("content", [b"longer than it was", b"none"], ids=["longer", "in place"])
def test_a_file_that_changes_while_it_is_read_makes_no_version(shelf: Shelf, tmp_path: Path, content: bytes) -> None:
    """A compiler that is still writing: refused, though every chunk is what its digest says."""
    path = tmp_path / "f.so"
    path.write_bytes(b"some")
    os.utime(path, (0, 0))
    with pytest.raises(BadInput, match="changes while it is read"):
        library.push(shelf.a, "changing", [path], progress=lambda _: path.write_bytes(content))
    with pytest.raises(ArtifactMissing):
        library.named(shelf.a, "changing")


# --- what an install refuses, and what it leaves -----------------------------------------------------------------


def test_other_content_is_replaced_only_by_force(shelf: Shelf, source: Path, target: Path) -> None:
    """Else nothing is written at all; a directory stays even then."""
    library.push(shelf.a, "force", sorted(source.iterdir()))
    files = files_of(shelf.a, "force")
    (target / "geo.so").write_bytes(b"another")
    shutil.copy(source / "geo.jar", target)
    (target / "geo.jar").chmod(0o755)
    before = content_of(target)
    with pytest.raises(AlreadyThere, match=r"execute bits in geo\.jar, geo\.so"):
        library_files.install(shelf.a, files, target)
    assert content_of(target) == before
    states = {one.file.name: one.state for one in library_files.install(shelf.a, files, target, force=True)}
    assert states == {"geo.jar": State.DIFFERS, "geo.none": State.ABSENT, "geo.so": State.DIFFERS}
    assert content_of(target) == content_of(source)
    (target / "geo.none").unlink()
    (target / "geo.none").mkdir()
    with pytest.raises(BadInput, match="Is a directory"):
        library_files.install(shelf.a, files, target, force=True)
    assert {path.name for path in target.iterdir()} == {"geo.jar", "geo.none", "geo.so"}


def test_a_link_in_a_files_place_is_replaced_and_not_followed(shelf: Shelf, source: Path, target: Path) -> None:
    """What it leads to, outside of the directory, stays as it is."""
    library.push(shelf.a, "linked", [source / "geo.jar"])
    outside = source / "outside"
    outside.write_bytes(b"precious")
    (target / "geo.jar").symlink_to(outside)
    library_files.install(shelf.a, files_of(shelf.a, "linked"), target, force=True)
    assert not (target / "geo.jar").is_symlink()
    assert (target / "geo.jar").read_bytes() == (source / "geo.jar").read_bytes()
    assert outside.read_bytes() == b"precious"
    (target / "geo.jar").unlink()
    (target / "geo.jar").symlink_to(source / "nowhere")
    with pytest.raises(AlreadyThere):
        library_files.install(shelf.a, files_of(shelf.a, "linked"), target)
    assert not (source / "nowhere").exists()


def test_what_is_no_file_is_not_the_same_as_an_empty_one(shelf: Shelf, source: Path, target: Path) -> None:
    """A named pipe gives no bytes either, and is not waited for."""
    library.push(shelf.a, "pipe", [source / "geo.none"])
    os.mkfifo(target / "geo.none", 0o600)
    assert library_files.compare(target, files_of(shelf.a, "pipe"))[0].state is State.DIFFERS


def test_a_file_that_comes_meanwhile_is_kept(shelf: Shelf, source: Path, target: Path) -> None:
    """It was not there to be looked at, so it is not replaced."""
    library.push(shelf.a, "race", [source / "geo.jar"])
    files = files_of(shelf.a, "race")
    with pytest.raises(AlreadyThere, match="has come meanwhile"):
        library_files.install(shelf.a, files, target, progress=lambda _: (target / "geo.jar").write_bytes(b"theirs"))
    assert content_of(target) == {"geo.jar": (b"theirs", 0)}


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        *((name, {}) for name in ("../evil", "/evil", "..", ".", "", "a/b", "a\\b", "a\nb", "a\x00b", "é" * 128)),
        ("f", {"mode": "0755"}),
        ("f", {"mode": True}),
        ("f", {"sha256": "0"}),
        ("f", {"sha256": None}),
    ],
)
def test_a_file_that_no_push_makes_is_refused(
    shelf: Shelf, request: pytest.FixtureRequest, name: str, attributes: dict[str, object]
) -> None:
    """Whoever may write to the tables cannot have a file written outside of the directory."""
    blob = Blob(name, 0, (), {"mode": 0o755, "sha256": _SHA256_OF_NOTHING, **attributes})
    label = f"evil/{request.node.callspec.indices['name'] + 1}"
    with publish(shelf.a, library.KIND, label, [blob]):
        pass
    with pytest.raises(StoreCorrupt, match="holds what is no file of a library"):
        files_of(shelf.a, label)


def test_nobody_else_may_write_what_is_installed(shelf: Shelf, target: Path) -> None:
    """Neither group nor others, and no file runs as its owner, whatever the manifest says."""
    blob = Blob("f", 0, (), {"mode": 0o6777, "sha256": _SHA256_OF_NOTHING})
    with publish(shelf.a, library.KIND, "mode/1", [blob]):
        pass
    library_files.install(shelf.a, files_of(shelf.a, "mode"), target)
    assert (target / "f").stat().st_mode & 0o7777 == 0o755


def _interrupt(_: int) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("cause", ["interrupted", "corrupt chunk", "other digest"])
def test_an_install_that_fails_leaves_the_directory_as_it_was(
    shelf: Shelf, source: Path, target: Path, cause: str
) -> None:
    """Between files and within one: no file of the library, no part of one, the old one as it was."""
    (target / "a.so").write_bytes(b"old")
    (source / "a.so").write_bytes(cause.encode())
    (source / "geo.so").write_bytes(random.Random(cause).randbytes(2 * CHUNK_BYTES + 7))  # no chunk that others read
    progress: Callable[[int], None] = lambda _: None  # noqa: E731 - one of two
    error: type[BaseException] = StoreCorrupt
    name = cause.replace(" ", "_")
    if cause == "other digest":
        blob = Writer(shelf.a).put("a.so", b"", {"mode": 0o644, "sha256": "0" * 64})
        with publish(shelf.a, library.KIND, f"{name}/1", [blob]):
            pass
    else:
        library.push(shelf.a, name, sorted(source.iterdir()))
    files = files_of(shelf.a, name)
    if cause == "interrupted":
        progress, error = _interrupt, KeyboardInterrupt
    elif cause == "corrupt chunk":
        (last,) = (file for file in files if file.name == "geo.so")
        shelf.pair.run(f"update hadrian.chunk set body = '\\xff' where sha256 = '\\x{last.blob.chunks[-1].hex()}'")
    with pytest.raises(error):
        library_files.install(shelf.a, files, target, force=True, progress=progress)
    assert content_of(target) == {"a.so": (b"old", 0)}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    with mounted(1 << 20) as disk:
        yield disk


def test_a_full_disk_is_one_error_and_leaves_nothing(shelf: Shelf, source: Path, small_disk: Path) -> None:
    """Not even the files that had room."""
    library.push(shelf.a, "full", sorted(source.iterdir()))
    with pytest.raises(DiskFull, match=r"geo\.so: No space left"):
        library_files.install(shelf.a, files_of(shelf.a, "full"), small_disk)
    assert list(small_disk.iterdir()) == []


def test_an_artifact_that_is_no_version_is_named(shelf: Shelf) -> None:
    """Somebody else's artifact of this kind is not taken for a library."""
    with publish(shelf.a, library.KIND, "whatever", []) as (_, artifact_id):
        pass
    try:
        with pytest.raises(StoreCorrupt, match=f"artifact {artifact_id} is no version of a library: 'whatever'"):
            library.found(shelf.a)
    finally:
        shelf.pair.run(f"delete from hadrian.artifact where id = {artifact_id}")
