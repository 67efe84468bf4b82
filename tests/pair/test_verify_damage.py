"""`hadrian verify` misses nothing: each kind of damage, made in the standby's files, is found and located."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import nullcontext

import psycopg
import pytest

from cli.main import main
from replicator.comparison import Request, Suspect, What
from replicator.postgres.verify import stored_relation
from replicator.postgres.verify.span_comparison import block_of
from replicator.verify import Report, verify
from tests.fixtures.damage import ctid, standby_file, stopped_standby, unchecked_pair
from tests.fixtures.defects import catch_up, configure
from tests.fixtures.hot_rows import written
from tests.fixtures.pair import Pair

_TABLES = """
create extension pageinspect;
create extension amcheck;
create extension pg_buffercache;
create table doc (id bigint primary key, a int, t text not null, b int);
alter table doc set (fillfactor = 80);
insert into doc
  select i, nullif(mod(i, 3), 0), 'the text of row ' || i || repeat(' and more', 5), i
  from generate_series(1, 3000) as i;
create table big (id bigint primary key, v text);
alter table big alter v set storage external;
insert into big select i, repeat('value ' || i || ', ', 600) from generate_series(1, 40) as i;
create table packed (id bigint primary key, v text);
insert into packed select i, string_agg('entry ' || n * n * i, ';') from generate_series(1, 20) as i,
  generate_series(1, 900) as n group by i;
create table small (id bigint primary key);
insert into small values (1), (2);
create table listed (id bigint primary key);
insert into listed select i * 1000 from generate_series(1, 100) as i;
create table bare (v text);
insert into bare values ('without a key');
vacuum (freeze, analyze);
"""
# Each has a table of its own, so that none is found only because another one is.
_KINDS = ("flipped", "nulled", "missing", "aborted", "exchanged", "moved", "surplus", "stale")
_LOAD = [
    "update doc set b = b + 1, t = t || ' ' where id = 2000 + mod(%s, 1000)",
    "delete from doc where id = 2000 + mod(%s, 1000)",
    "insert into doc values (2000 + mod(%s, 1000), 1, 'back', 1) on conflict (id) do update set b = doc.b + 1",
    "update big set v = repeat(md5(id::text), 100 + mod(%s, 9)) where id between 30 and 33",
]


class Damaged:
    """A pair whose standby was damaged, and where."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.places: dict[str, str] = {}

    def verify(self, what: What = What.ROWS, *tables: str, pages: bool = False, show_values: bool = False) -> Report:
        """Compare the rows, or the indexes."""
        embedded = self.pair.embedded
        request = Request(frozenset({what}), tables, pages=pages, show_values=show_values, settle_s=20)
        return verify(embedded.url("a"), embedded.url("b"), request)


@pytest.fixture(scope="module")
def damaged() -> Iterator[Damaged]:
    """Damage a standby in every way that is promised to be found."""
    with unchecked_pair() as pair, psycopg.connect(pair.primary.conninfo) as old:
        for statement in _TABLES.split(";\n"):
            pair.run(statement)
        made = Damaged(pair)
        places = made.places
        for kind in _KINDS:
            pair.run(f"create table {kind} (like doc including all)")
            pair.run(f"insert into {kind} select * from doc where id <= 400")
            places[kind] = ctid(pair, kind, "id = 321" if kind == "nulled" else "id = 322")
            places[f"{kind} too"] = ctid(pair, kind, "id = 323")
        pair.run("vacuum (freeze)")
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("select pg_current_snapshot()")  # so that what is deleted now is not cleaned away on both nodes
        pair.run("delete from surplus where id = 322")
        pair.run("update stale set t = 'new' where id = 322")
        places["stale new"] = ctid(pair, "stale", "id = 322")
        places["big 7"] = ctid(pair, "big", "id = 7")
        places["packed 3"] = ctid(pair, "packed", "id = 3")
        places["bare"] = ctid(pair, "bare", "true")
        toasts = {}
        for table, row in (("big", 7), ("packed", 3)):
            ((toast,),) = pair.run(f"select reltoastrelid::regclass::text from pg_class where relname = '{table}'")
            where = f"chunk_id = (select pg_column_toast_chunk_id(v) from {table} where id = {row}) and chunk_seq = 1"
            ((chunk,),) = pair.run(f"select chunk_data from {toast} where {where}")
            toasts[str(toast)] = ctid(pair, str(toast), where), bytes(chunk)[40:60]  # type: ignore[arg-type]
        with stopped_standby(pair):
            for kind, damage in (
                ("flipped", lambda file: file.flip(places["flipped"], b"row 322")),
                ("nulled", lambda file: file.set_null(places["nulled"], 3)),
                ("missing", lambda file: file.forget(places["missing"])),
                ("aborted", lambda file: file.abort(places["aborted"])),
                ("exchanged", lambda file: file.exchange(places["exchanged"], places["exchanged too"])),
                ("moved", lambda file: file.exchange_places(places["moved"], places["moved too"])),
                ("surplus", lambda file: file.revive(places["surplus"])),
                ("stale", lambda file: (file.revive(places["stale"]), file.forget(places["stale new"]))),
            ):
                with standby_file(pair, kind) as file:
                    damage(file)
            for toast, (place, some) in toasts.items():
                with standby_file(pair, toast) as file:
                    file.flip(place, some)
            with standby_file(pair, "small") as file:
                assert file.append_copy(0) == 1
            with standby_file(pair, "listed_pkey") as file:
                file.flip_in_page(1, struct.pack("<q", 77_000))
            with standby_file(pair, "bare") as file:
                file.flip(places["bare"], b"without")
        catch_up(pair)
        yield made


@pytest.mark.parametrize("load", [False, True], ids=["at rest", "under load"])
@pytest.mark.parametrize("pages", [False, True], ids=["rows", "pages"])
def test_every_kind_of_damage_is_found_and_located(damaged: Damaged, *, pages: bool, load: bool) -> None:
    """Each damaged row is named by table, place, key and columns, and no other row is, whoever writes beside it."""
    with written(damaged.pair, _LOAD) if load else nullcontext():
        report = damaged.verify(pages=pages)
    assert _told(report) == _made(damaged, report)
    assert report.unsettled == []
    assert report.cut is None


def test_servers_that_hash_no_bytes_find_the_same(damaged: Damaged, monkeypatch: pytest.MonkeyPatch) -> None:
    """As PostgreSQL up to 17 hashes: through a record of one value, with which nothing cancels either."""
    monkeypatch.setattr(stored_relation, "_BYTES_SINCE", 1_000_000)
    for pages in (False, True):
        report = damaged.verify(pages=pages)
        assert _told(report) == _made(damaged, report)


def _told(report: Report) -> set[tuple[object, ...]]:
    return {(one.object, one.place, one.key.get("id"), one.columns, one.message) for one in report.different}


def _made(damaged: Damaged, report: Report) -> set[tuple[object, ...]]:
    places, all_columns = damaged.places, ("id", "a", "t", "b")
    return {
        ("public.flipped", places["flipped"], "322", ("t",), "other on the standby"),
        ("public.nulled", places["nulled"], "321", ("b",), "other on the standby"),
        ("public.missing", places["missing"], "322", (), "missing on the standby"),
        ("public.aborted", places["aborted"], "322", (), "missing on the standby"),
        ("public.exchanged", places["exchanged"], "322", all_columns, "other on the standby"),
        ("public.exchanged", places["exchanged too"], "323", all_columns, "other on the standby"),
        ("public.moved", places["moved"], "322", all_columns, "other on the standby"),
        ("public.moved", places["moved too"], "323", all_columns, "other on the standby"),
        ("public.surplus", places["surplus"], "322", (), "only on the standby"),
        ("public.stale", places["stale new"], "322", ("t",), _stale(places["stale"])),
        ("public.big", places["big 7"], "7", ("v",), "other on the standby"),
        ("public.packed", places["packed 3"], "3", ("v",), _of(report, "public.packed").message),
        ("public.small", "(1,1)", "1", (), "only on the standby"),
        ("public.small", "(1,2)", "2", (), "only on the standby"),
        ("public.bare", places["bare"], None, ("v",), "other on the standby"),
    }


def _stale(place: str) -> str:
    return f"another version of the row on the standby, at {place}"


def _of(report: Report, table: str) -> Suspect:
    return next(one for one in report.different if one.object == table)


def test_values_are_shown_only_when_asked_for(damaged: Damaged) -> None:
    """Without being asked, no value leaves the database but keys; asked, both nodes' values of the columns do."""
    assert all(one.primary is one.standby is None for one in damaged.verify().different)
    shown = {one.place: one for one in damaged.verify(show_values=True).different if one.columns == ("t",)}
    flipped = shown[damaged.places["flipped"]]
    assert flipped.primary is not None
    assert flipped.standby is not None
    assert flipped.primary["t"] is not None
    assert flipped.primary["t"].startswith("the text of row 322 and")
    assert flipped.standby["t"] == flipped.primary["t"].replace("row 322", "sow 322")


def test_an_index_that_disagrees_with_its_table_is_named_with_its_node(damaged: Damaged) -> None:
    """Only the standby's index is damaged, and its table is not, so rows are the same and the index is not."""
    assert damaged.verify(What.ROWS, "public.listed").different == []
    (found,) = damaged.verify(What.INDEXES, "public.listed").different
    assert (found.object, found.place) == ("public.listed", "public.listed_pkey")
    assert found.message.startswith("index public.listed_pkey on the standby: ")


def test_a_page_that_the_standby_cannot_read_is_named(damaged: Damaged) -> None:
    """Where the server itself refuses a page, that page is the difference, and the table's others are compared."""
    block = block_of(damaged.places["flipped"])
    pair = damaged.pair
    configure(pair, "b", "ignore_checksum_failure", "off")
    try:
        pair.run("select pg_buffercache_evict_relation('flipped')", "b")
        report = damaged.verify(What.ROWS, "public.flipped")
    finally:
        configure(pair, "b", "ignore_checksum_failure", "on")
    (found,) = report.different
    assert found.place == f"block {block}"
    assert "cannot be read on the standby" in found.message
    assert f"invalid page in block {block}" in found.message
    (compared,) = report.compared
    assert compared.items == 400


def test_each_format_says_what_differs(damaged: Damaged, capsys: pytest.CaptureFixture[str]) -> None:
    """People, monitors, programs and browsers learn table, place and key, with exit code 1; where it is the same, 0."""
    urls = ["--primary", damaged.pair.embedded.url("a"), "--standby", damaged.pair.embedded.url("b")]
    arguments = ["verify", *urls, "--what", "rows", "--no-pages", "--table"]
    said = {}
    for form in ("table", "nagios", "json", "html"):
        assert main([*arguments, "public.flipped", "--format", form]) == 1
        said[form] = capsys.readouterr().out
    place = damaged.places["flipped"]
    row = next(line for line in said["table"].splitlines() if line.startswith("different "))
    assert row.split()[1:6] == ["rows", "public.flipped", place, "id=322", "t"]
    assert "different: 400 items of 1 object compared, 1 difference" in said["table"]
    assert said["nagios"].startswith("HADRIAN CRITICAL - different: ")
    assert (
        said["nagios"]
        .rstrip()
        .endswith("| different=1;;;0 unsettled=0;;;0 settled=0;;;0 unseen=0;;;0 compared=400;;;0")
    )
    report = json.loads(said["json"])
    assert report["same"] is False
    (found,) = report["different"]
    assert (found["object"], found["place"], found["key"], found["columns"]) == (
        *("public.flipped", place, {"id": "322"}, ["t"]),
    )
    assert found["primary"] is None
    assert f"<td>{place}</td>" in said["html"]
    assert main([*arguments, "public.listed", "--format", "nagios"]) == 0
    assert capsys.readouterr().out.startswith("HADRIAN OK - the same: 100 items of 1 object compared")
