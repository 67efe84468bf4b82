"""The drill's documents: the same each time, and split as promised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from replicator import sql
from trainer.drill import corpus
from trainer.drill.corpus import Doc, Split, in_scope, plan_split, stdlib_docs

_DIGEST = """
import hashlib
from trainer.drill.corpus import stdlib_docs
print(hashlib.sha256(repr(stdlib_docs()).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def docs() -> list[Doc]:
    """Return the documents of this interpreter."""
    return stdlib_docs()


@pytest.fixture(scope="module")
def split(docs: list[Doc]) -> Split:
    """Return what becomes of them."""
    return plan_split(docs)


def test_the_standard_library_gives_thousands_of_documents_fast() -> None:
    """A drill does not wait for its text."""
    started = time.monotonic()
    found = stdlib_docs()
    assert len(found) > 3000
    assert time.monotonic() - started < 10


def test_each_document_has_a_key_of_its_own_and_text_a_database_takes(docs: list[Doc]) -> None:
    """They are rows: a unique key in order, no NUL, no empty text."""
    assert [doc.key for doc in docs] == sorted({doc.key for doc in docs})
    assert not any("\0" in "".join((*doc.key, doc.signature, doc.doc)) for doc in docs)
    assert all(doc.module and doc.qualname and len(doc.doc) >= 40 for doc in docs)


def test_another_process_finds_the_same_documents() -> None:
    """Neither the hash seed nor the environment shows in them."""

    def digest(**environment: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env={"PATH": os.environ["PATH"], **environment},
            text=True, capture_output=True, check=True,
        ).stdout  # fmt: skip

    assert len(digest(PYTHONHASHSEED="1").strip()) == 64
    assert digest(PYTHONHASHSEED="1") == digest(PYTHONHASHSEED="2", HOME="/nowhere", GREETING="hello")


def test_a_signature_shows_no_default_that_could_be_a_secret(docs: list[Doc]) -> None:
    """The environment is a default value in the standard library, and the documents go into a database."""

    def borrowing(environ: object = os.environ, path: str = sys.prefix, depth: int = 3) -> None:
        """Stand for `cgi.parse`."""

    assert corpus._signature(borrowing) == "(environ=..., path=..., depth=3)"
    assert not any(re.search(r" at 0x|environ\(", doc.signature) for doc in docs)


def test_a_module_that_prints_and_warns_when_imported_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some do, and some cannot be imported at all."""
    text = '"A module whose documentation is long enough to be wanted."\nimport sys, warnings\n'
    noise = "print('hello')\nprint('hello', file=sys.stderr)\nwarnings.warn('old', DeprecationWarning)\n"
    (tmp_path / "hadrian_noisy.py").write_text(text + noise)
    (tmp_path / "hadrian_broken.py").write_text("raise SystemError")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "stdlib_module_names", {"hadrian_noisy", "hadrian_broken"})
    (found,) = stdlib_docs()
    assert found.key == ("hadrian_noisy", corpus.MODULE_DOC)
    assert capsys.readouterr() == ("", "")


def test_nothing_that_opens_a_window_or_tests_is_imported(docs: list[Doc]) -> None:
    """One module opens a browser when imported, others a display; test packages are not documentation."""
    script = "import sys; from trainer.drill import corpus; corpus.stdlib_docs(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True)
    assert {"antigravity", "this", "tkinter", "turtle", "readline"}.isdisjoint(done.stdout.split())
    assert not any({"test", "tests", "idlelib"} & set(doc.module.split(".")) for doc in docs)


def test_each_document_is_in_exactly_one_part(docs: list[Doc], split: Split) -> None:
    """Nothing is lost or doubled by the split, and each part is in key order."""
    parts = (split.initial, split.held_back, split.held_out)
    assert Counter(doc for part in parts for doc in part) == Counter(docs)
    assert all(list(part) == sorted(part) for part in parts)


def test_the_split_does_not_depend_on_the_order_of_the_documents(docs: list[Doc], split: Split) -> None:
    """It is a function of the set."""
    assert plan_split(docs[::-1]) == split


def test_the_snapshot_will_be_small_and_the_writer_has_much_to_insert(split: Split) -> None:
    """150 to 200 rows in scope at first, several hundred later, thousands beside them."""
    assert 80 <= sum(in_scope(doc.module) for doc in split.initial) <= 120
    assert len(split.initial) > 2000
    scoped = sum(in_scope(doc.module) for doc in split.held_back)
    assert scoped > 400
    assert scoped > 0.8 * len(split.held_back)
    assert scoped < len(split.held_back)


def test_long_texts_are_in_scope_from_the_start(split: Split) -> None:
    """An update that leaves an out-of-line text alone must be possible at once."""
    sizes = [len(doc.doc.encode()) for doc in split.initial if in_scope(doc.module)]
    assert sum(size > 2048 for size in sizes) > 5
    assert max(sizes) > 8192


def test_what_is_held_out_is_never_trained_on(split: Split) -> None:
    """About two dozen documents of named packages, none of them in scope."""
    assert 15 <= len(split.held_out) <= 60
    assert {doc.module.partition(".")[0] for doc in split.held_out} == set(corpus.HELD_OUT)
    assert not any(in_scope(doc.module) for doc in split.held_out)


def test_scope_is_by_top_level_package() -> None:
    """`json.decoder` belongs to `json`; `jsonish` does not."""
    assert in_scope("json")
    assert in_scope("json.decoder")
    assert not in_scope("jsonish")
    assert not in_scope("email.json")


def test_the_publications_name_the_same_packages() -> None:
    """The lists stand in Python and in SQL, and are the same lists."""
    named = {
        text.split()[0]: sorted(re.findall(r"'(\w+)'", text.partition(" in (")[2].partition(")")[0]))
        for text in sql.source("postgres/drill/create").split("create publication ")[1:]
    }
    assert named == {"hadrian_drill": sorted(corpus.SCOPE), "hadrian_drill_held_out": sorted(corpus.HELD_OUT)}
