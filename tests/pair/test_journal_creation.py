"""How a journal feed begins and ends on a real pair, and its commands."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator

import psycopg
import pytest

from cli.main import main
from replicator import journal_feed
from replicator.errors import (
    AlreadyThere,
    BadInput,
    HadrianError,
    NodeUnreachable,
    TableUnfit,
)
from replicator.feed import removal
from replicator.feed.journal import seal
from tests.fixtures.journal_site import (
    ROWS,
    create,
    journal_of,
    rows_of,
    seal_all,
    source_of,
    url_of,
)
from tests.fixtures.site import Site

# Its making and its end


@pytest.mark.parametrize(
    ("made", "kind", "says"),
    [
        ("create table odd (id int primary key) partition by range (id)", TableUnfit, "stands alone"),
        ("create table odd () inherits (parent); alter table odd add primary key (id)", TableUnfit, "stands alone"),
        ("create unlogged table odd (id int primary key)", TableUnfit, "not logged"),
        ("create table odd (id int)", TableUnfit, "no primary key"),
        ("create table odd (id int primary key, _seq int)", TableUnfit, "column _seq"),
        ("create view odd as select 1 as id", TableUnfit, "stands alone"),
        ("select 1", BadInput, "no table odd"),
    ],
)
def test_a_table_that_cannot_be_fed(site: Site, made: str, kind: type[HadrianError], says: str) -> None:
    """What triggers would not see, or a journal not hold, is refused before anything is made."""
    site.run("create table if not exists parent (id int not null)")
    site.run(made)
    with pytest.raises(kind, match=says):
        journal_feed.create("odd", "odd", primary_url=url_of(site, "a"))
    assert site.left_behind("odd") == []
    assert site.run("select to_regclass('hadrian.journal_odd')") == [(None,)]
    with contextlib.suppress(HadrianError):
        site.run("drop table odd")
    with contextlib.suppress(HadrianError):
        site.run("drop view odd")


def test_names_that_need_quotes(site: Site) -> None:
    """Whatever a table and its columns are called, the names stay names; generated columns are left out."""
    table = '"O\'dd : %s {x}"'
    with psycopg.connect(site.nodes["a"].conninfo, autocommit=True) as connection:
        columns = '"Id " int primary key, "a""b;--\n:c %d" text, made int generated always as ("Id " * 2) stored'
        connection.execute(f"create table {table} ({columns})".encode())
        journal_feed.create("quoted", table, primary_url=url_of(site, "a"))
        connection.execute(f"insert into {table} values (1, 'v')".encode())
    seal_all(site, "quoted")
    (row,) = rows_of(source_of(site, "quoted"))
    assert list(row.items())[:3] == [("Id ", 1), ('a"b;--\n:c %d', "v"), ("_op", "insert")]


def test_a_feed_ends(site: Site) -> None:
    """Nothing is left of it: no trigger, no journal, no record."""
    create(site, "ended")
    site.run("insert into ended values (1, 1, 'a')")
    seal_all(site, "ended")
    with pytest.raises(AlreadyThere):
        journal_feed.create("ended", "ended", primary_url=url_of(site, "a"))
    removal.remove("ended", primary_url=url_of(site, "a"), node_urls=[])
    site.catch_up()
    assert site.left_behind("ended") == []
    assert site.run("select count(*) from pg_trigger where tgrelid = 'ended'::regclass") == [(0,)]
    assert site.run("select to_regclass('hadrian.journal_ended')") == [(None,)]
    assert site.run("select count(*) from hadrian.seal where feed = 'ended'") == [(0,)]
    with pytest.raises(BadInput, match="no journal feed ended"):
        seal(journal_of(site, "ended"))


def test_a_creation_that_fails_leaves_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot that cannot be kept ends the triggers too; so does the next attempt, where a kill left them."""
    site.run(f"create table failing ({ROWS})")
    site.run("insert into failing values (1, 1, 'a')")

    def full(*_: object) -> None:
        raise HadrianError("no room")

    monkeypatch.setattr("replicator.kept_snapshot.keep", full)
    with pytest.raises(HadrianError, match="no room"):
        journal_feed.create("failing", "failing", primary_url=url_of(site, "a"))
    assert site.run("select count(*) from pg_trigger where tgrelid = 'failing'::regclass") == [(0,)]
    monkeypatch.undo()
    journal_of(site, "failing").create("failing")
    site.run("insert into failing values (2, 1, 'b')")
    journal_feed.create("failing", "failing", primary_url=url_of(site, "a"))
    site.run("insert into failing values (3, 1, 'c')")
    assert seal_all(site, "failing") == 1


def test_a_standby_makes_no_feed(site: Site) -> None:
    """It is told to whoever gave its URL."""
    with pytest.raises(BadInput, match="is a standby"):
        journal_feed.create("elsewhere", "pg_class", primary_url=url_of(site, "b"))


# The command line


def test_the_commands(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Create, list, seal and drop, for programs to read."""
    site.run(f"create table told ({ROWS})")
    primary = ["--primary", url_of(site, "a"), "--format", "json"]
    assert main(["feed", "create", "told", "--source", "journal", "--table", "told", *primary]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == "journal"
    site.run("insert into told values (1, 1, 'a'), (2, 1, 'b')")
    nodes = ["--node", url_of(site, "b"), "--node", url_of(site, "a")]
    assert main(["feed", "seal", "told", *nodes, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rows": 2}
    assert main(["feed", "list", *primary]) == 0
    listed = json.loads(capsys.readouterr().out)["feeds"]
    assert [(one["source"], one["publication"]) for one in listed if one["name"] == "told"] == [
        ("journal", "public.told")
    ]
    assert main(["feed", "create", "told", "--source", "journal", *primary]) == 2
    assert "--table" in capsys.readouterr().err
    assert main(["feed", "drop", "told", *primary, *nodes]) == 0


class Ended(BaseException):
    """Ends a command that goes on."""


def test_sealing_that_goes_on(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what it sealed, waits through an outage, says that once, and goes on."""
    create(site, "going")
    writes = "insert into going select max(id) + 1, 1, 'a' from (select id from going union select 0) as known"
    outage = pytest.MonkeyPatch()

    def gone(_: object) -> None:
        raise NodeUnreachable("nobody")

    def end() -> None:
        raise Ended

    rounds: Iterator[Callable[[], object]] = iter(
        [
            lambda: site.run(writes),
            lambda: outage.setattr(journal_feed, "writable", gone),
            lambda: site.run(writes),
            outage.undo,
            end,
        ]
    )
    monkeypatch.setattr("time.sleep", lambda _: next(rounds)())
    nodes = ["--node", url_of(site, "a"), "--node", url_of(site, "b")]
    with pytest.raises(Ended):
        main(["feed", "seal", "going", *nodes, "--every", "7"])
    assert capsys.readouterr().out.splitlines() == ["sealed 1 rows", "waits: nobody", "sealed 1 rows"]
