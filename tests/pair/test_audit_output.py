"""What `hadrian audit` gives to monitors, browsers and DBAs: a line, a page, a file of commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cli.main import main
from replicator.audit import audit
from replicator.postgres.audit.catalog import Catalog, Unanswered
from tests.fixtures.defects import planted
from tests.fixtures.pair import Pair

# A name that would end a comment, a cell of HTML, and the text of a monitor's line.
_WICKED = '"<b>|\n; drop table public.kept; --"'


@pytest.fixture
def wicked(shared_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Plant an unlogged table with a wicked name, and name the pair in the environment."""
    monkeypatch.setenv("HADRIAN_PRIMARY", shared_pair.embedded.url("a"))
    monkeypatch.setenv("HADRIAN_STANDBY", shared_pair.embedded.url("b"))
    plant = ["create table public.kept ()", f"create unlogged table public.{_WICKED} (id int)"]
    with planted(shared_pair, plant, ["drop table public.kept", f"drop table public.{_WICKED}"]):
        yield shared_pair


def test_the_remedy_file_mends_what_was_found(wicked: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its commands run as they stand, whatever a table is called; afterwards there is nothing to find."""
    file = tmp_path / "mend.sql"
    assert main(["audit", "--remedy", str(file)]) == 1
    text = file.read_text()
    assert "-- PGP-001 (lost) public." in text
    assert f"-- On {wicked.primary.where}:" in text
    wicked.run(text)
    assert main(["audit"]) == 0
    assert wicked.run("select count(*) from pg_class where relname = 'kept'") == [(1,)]
    assert capsys.readouterr().err == ""


def test_the_remedy_file_is_never_overwritten(wicked: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is, and nothing is asked of the nodes."""
    del wicked
    file = tmp_path / "mend.sql"
    file.write_text("mine")
    assert main(["audit", "--remedy", str(file)]) == 2
    assert file.read_text() == "mine"
    assert "mend.sql exists; name a new file" in capsys.readouterr().err


def test_a_monitor_gets_one_line(wicked: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """State, text and numbers stand on one line, and no name can pass for a number."""
    del wicked
    assert main(["audit", "--format", "nagios"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    text, _, data = line.partition(" | ")
    assert text.startswith("HADRIAN CRITICAL - 1 finding: PGP-001 public.")
    assert data == "findings=1;;;0 must=1;;;0 should=0;;;0 unseen=0;;;0"


def test_a_monitor_is_told_when_nothing_is_wrong(
    shared_pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a finding the state is OK, and the exit code 0."""
    monkeypatch.setenv("HADRIAN_PRIMARY", shared_pair.embedded.url("a"))
    assert main(["audit", "--format", "nagios"]) == 0
    assert capsys.readouterr().out.startswith("HADRIAN OK - 0 findings | findings=0;;;0 ")


def test_a_monitor_is_told_when_there_was_nothing_to_see(capsys: pytest.CaptureFixture[str]) -> None:
    """An audit that could not look says so where a monitor reads it, and exits with 2."""
    dead = "postgresql://u:s3cret@127.0.0.1:1/d"
    assert main(["audit", "--primary", dead, "--format", "nagios"]) == 2
    said = capsys.readouterr()
    assert said.out.startswith("HADRIAN UNKNOWN - 127.0.0.1:1/d: ")
    assert "s3cret" not in said.out + said.err


class _Tags(HTMLParser):
    """Counts the tags of a page, and what it would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag."""
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in {"src", "href"}]


def test_the_page_is_whole_and_escaped(wicked: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    """A browser needs nothing else for it, and a name cannot become a tag."""
    del wicked
    assert main(["audit", "--format", "html"]) == 1
    page = capsys.readouterr().out
    tags = _Tags()
    tags.feed(page)
    assert "b" not in tags.tags
    assert tags.fetched == []
    assert re.search(r"<td>public\.&quot;&lt;b&gt;\|\\n; drop table", page)
    assert "<td>port</td>" in page


@pytest.mark.parametrize("seconds", ["0.2", "600"])
def test_a_query_waits_for_no_lock(shared_pair: Pair, capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    """A catalog that somebody rewrites is given up after a second at most, and the audit says what it did not see."""
    session = shared_pair.embedded.server("a")
    try:
        with session.begin() as connection:
            connection.exec_driver_sql("lock table pg_event_trigger in access exclusive mode")
            assert main(["audit", "--primary", shared_pair.embedded.url("a"), "--timeout", seconds]) == 0
    finally:
        session.close()
    said = capsys.readouterr().out
    assert "not seen: login triggers on" in said
    assert "to see it: ask again later, or give it more time with --timeout" in said


def test_a_query_has_its_time(shared_pair: Pair) -> None:
    """The server ends a question that takes longer than it may: this one reads a hundred files."""
    hurried = Catalog(shared_pair.embedded.url("a"), 0.001)
    try:
        with pytest.raises(Unanswered, match="it took too long"):
            hurried.ask("catalog/available_extensions")
    finally:
        hurried.close()


def test_a_locked_table_is_found_and_not_waited_for(shared_pair: Pair) -> None:
    """A migration that holds a table hides its size, and nothing else."""
    session = shared_pair.embedded.server("a")
    with planted(shared_pair, ["create unlogged table public.u (id int)"], ["drop table public.u"]):
        try:
            with session.begin() as connection:
                connection.exec_driver_sql("lock table public.u in access exclusive mode")
                report = audit(shared_pair.embedded.url("a"), timeout_s=0.5)
        finally:
            session.close()
        assert [(one.object, one.size) for one in report.findings] == [("public.u", None)]
        assert report.unseen == []
