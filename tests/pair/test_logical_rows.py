"""Rows of a publisher and its subscriber, compared while both are in use: each damage found, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, LiteralString, cast

import psycopg
import pytest

from cli.main import main
from replicator.comparison import Compared, Request, Suspect, What, Word
from replicator.errors import BadInput, NodeLost, NodeUnreachable
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.topology import wait_until
from replicator.postgres.verify import logical_rows
from replicator.postgres.verify.couple import Couple
from replicator.postgres.verify.pair import ComparedPair
from replicator.postgres.verify.reader import Reader
from replicator.rule import Mode, Unseen
from tests.fixtures.plants import await_answer
from tests.fixtures.subscription import ROWS, Subscription, fresh_subscription

REQUEST = Request(frozenset({What.ROWS}), settle_s=20)


@pytest.fixture(scope="module")
def both() -> Iterator[Subscription]:
    """Make the two once."""
    with fresh_subscription() as made:
        yield made


def seen(both: Subscription, request: Request = REQUEST) -> list[Compared | Suspect | Unseen]:
    """Compare the two."""
    found = logical_rows.compare(both.couple, request)
    return [one for one in found if isinstance(one, Compared | Suspect | Unseen)]


def suspects(both: Subscription, *tables: str, **more: object) -> list[Suspect]:
    """Return what did not look the same and was not explained."""
    request = dataclasses.replace(REQUEST, tables=tables, **more)  # type: ignore[arg-type]
    found = [one for one in seen(both, request) if not isinstance(one, Compared)]
    assert all(isinstance(one, Suspect) for one in found), found
    return [one for one in found if isinstance(one, Suspect) and one.word is not Word.SETTLED]


def test_what_is_the_same_is_found_to_be(both: Subscription) -> None:
    """Other layouts, types, keys and filters make no difference, and every row that is sent is compared."""
    found = seen(both)
    assert not [one for one in found if not isinstance(one, Compared)]
    counted = {one.object: one.items for one in found if isinstance(one, Compared)}
    assert counted == {"app.item": ROWS, 'app."City"': 700, "app.log": 40, "app.sale": 30, "app.event": 200}


# What is done to the subscriber's rows, and what must be said of it: table, key, columns or the message.
DAMAGE = {
    "update app.item set price = price + 0.1 where id = 17": [("app.item", {"id": "17"}, ("price",))],
    "update app.item set price = 1 where id = 7": [("app.item", {"id": "7"}, ("price",))],  # was 1.0000000000000000
    "update app.item set name = null where id = 900": [("app.item", {"id": "900"}, ("name",))],
    "update app.item set body = '' where id = 90": [],  # as it was
    "update app.item set body = overlay(body placing 'z' from 15000) where id = 2400": [
        ("app.item", {"id": "2400"}, ("body",))
    ],
    "update app.item set mood = 'sad', made = made + 1 where id = 50": [("app.item", {"id": "50"}, ("made", "mood"))],
    "update app.item set mine = 8 where id = 51": [],  # is not published
    "update app.item as i set name = j.name from app.item as j where i.id + j.id = 401 and i.id in (200, 201)": [
        ("app.item", {"id": "200"}, ("name",)),
        ("app.item", {"id": "201"}, ("name",)),
    ],
    f"delete from app.item where id in (1, {ROWS})": [
        ("app.item", {"id": "1"}, "is not on the subscriber"),
        ("app.item", {"id": str(ROWS)}, "is not on the subscriber"),
    ],
    "insert into app.item (id) values (-5), (9000)": [
        ("app.item", {"id": "-5"}, "is on the subscriber only"),
        ("app.item", {"id": "9000"}, "is on the subscriber only"),
    ],
    "update app.\"City\" set people = 0 where name = 'town 33'": [
        ('app."City"', {"country": "13", "name": "town 33"}, ("people",))
    ],
    "update app.\"City\" set name = 'town ''\\8%:x' where name = 'town 8'": [
        ('app."City"', {"country": "8", "name": "town 8"}, "is not on the subscriber"),
        ('app."City"', {"country": "8", "name": "town '\\8%:x"}, "is on the subscriber only"),
    ],
    "delete from app.log where ctid in (select ctid from app.log where said = 'line 3' limit 1)": [
        ("app.log", {}, "is 4 times on the publisher and 3 times on the subscriber")
    ],
    "insert into app.log select at, said from app.log where said in ('line 4', 'line 5')": [
        ("app.log", {}, "is 4 times on the publisher and 8 times on the subscriber"),
        ("app.log", {}, "is 4 times on the publisher and 8 times on the subscriber"),
    ],
    "update app.sale set amount = 0 where id = 6": [("app.sale", {"region": "eu", "id": "6"}, ("amount",))],
    "update app.sale set region = 'us' || random() where id = 9": [
        ("app.sale", {"region": "eu", "id": "9"}, "is not on the subscriber")
    ],
    "insert into app.sale values ('us', 999, 1) on conflict do nothing": [],  # somebody else's
    "update app.event set kind = '' where id = 150": [("app.event", {"id": "150"}, ("kind",))],
    "delete from app.event where id = 20": [("app.event", {"id": "20"}, "is not on the subscriber")],
}


def told(found: list[Suspect]) -> list[tuple[str, dict[str, str], object]]:
    """Return what a comparison says, as `DAMAGE` has it, sorted."""
    assert all(one.word is Word.DIFFERENT for one in found), found
    return sorted(((one.object, dict(one.key), one.columns or one.message) for one in found), key=repr)


def run(both: Subscription, repair: Path) -> None:
    """Do to the subscriber what a script says."""
    with psycopg.connect(both.subscriber.conninfo, autocommit=True) as connection:
        connection.execute(cast("LiteralString", repair.read_text()))


EXPECTED = sorted((one for expected in DAMAGE.values() for one in expected), key=repr)


def test_each_damage_is_found_and_mended(both: Subscription, tmp_path: Path) -> None:
    """Every row that is not the publisher's is located, by key and columns; the statements that are written mend it."""
    for statement in DAMAGE:
        both.there(statement.replace("%", "%%"))
    file = tmp_path / "repair.sql"
    assert told(suspects(both, repair=file)) == EXPECTED
    with pytest.raises(BadInput, match="exists"):
        suspects(both, repair=file)
    run(both, file)
    assert suspects(both) == []
    assert both.pair.run("select mine from app.item where id = 51", "b") == [(8,)]


@contextlib.contextmanager
def written_to(both: Subscription, seed: float = 0.5) -> Iterator[Callable[[], None]]:
    """Let writers change the publisher in the block: one row over and over, many rows, rows that come and go.

    What is given waits until each of them has written more.
    """
    work = (
        "update app.item set price = price + 1 where id = 1000",
        "update app.item set body = md5(random()::text) where id between 1001 and 1001 + (random() * 800)::int",
        "insert into app.item select 3000 + (random() * 500)::int, 'new' on conflict (id) do nothing",
        "delete from app.item where id >= 3000 and random() < 0.5",
        'update app."City" set people = people + 1 where people >= 100 and country = (random() * 19)::int',
        "insert into app.log values (now(), 'busy'), (now(), 'busy')",
        "delete from app.log where said = 'busy' and random() < 0.1",
        "update app.event set kind = md5(random()::text) where id between 30 and 90 and random() < 0.3",
    )
    stop = threading.Event()
    counts = [0] * len(work)

    def write(first: int) -> None:
        with psycopg.connect(both.publisher.conninfo, autocommit=True) as connection:
            connection.execute("select setseed(%s)", [seed])
            for number in itertools.cycle(range(first, len(work), 2)):
                if stop.is_set():
                    return
                connection.execute(work[number])
                counts[number] += 1

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 1)]

    def more() -> None:
        before = tuple(counts)
        wait_until(
            lambda: all(now > then + 1 for now, then in zip(counts, before, strict=True)), "more writes", timeout_s=30
        )

    for thread in threads:
        thread.start()
    try:
        more()
        yield more
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def explained(both: Subscription, table: str, more: Callable[[], None]) -> int:
    """Compare a table that the subscriber is behind with until it was read once; return how many rows were settled."""
    found: list[Suspect] = []
    with pytest.MonkeyPatch.context() as patch, psycopg.connect(both.subscriber.conninfo) as holder:
        patch.setattr(logical_rows, "_LEAST_ROWS", 10_000)  # one range, which is read before the subscriber goes on
        holder.execute('lock table app.item, app."City", app.log, app.event in exclusive mode')
        more()
        for one in logical_rows.compare(both.couple, dataclasses.replace(REQUEST, tables=(table,))):
            holder.rollback()
            if isinstance(one, Suspect):
                found.append(one)
    assert [one for one in found if one.word is not Word.SETTLED] == []
    return len(found)


def test_under_load_nothing_is_missed_and_nothing_else_is_said(both: Subscription, tmp_path: Path) -> None:
    """Rows that are written to while they are compared are settled, and the damage among them is found as at rest."""
    both.catch_up()
    with written_to(both) as more:
        for table in ("app.item", 'app."City"', "app.log", "app.event"):
            assert explained(both, table, more) > 0
        assert suspects(both) == []
        for statement in DAMAGE:
            both.there(statement.replace("%", "%%"))
        assert told(suspects(both, repair=tmp_path / "repair.sql")) == EXPECTED
        run(both, tmp_path / "repair.sql")
        assert suspects(both) == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_half_an_hour_of_load_gives_no_false_alarm(both: Subscription) -> None:
    """Thirty minutes (HADRIAN_SOAK_MINUTES) of writes that come late, drawn from HADRIAN_CHAOS_SEED."""
    seed = random.Random(os.environ.get("HADRIAN_CHAOS_SEED", "0")).random()
    both.catch_up()
    deadline = time.monotonic() + 60 * float(os.environ.get("HADRIAN_SOAK_MINUTES", "30"))
    with written_to(both, seed) as more:
        while time.monotonic() < deadline:
            for table in ("app.item", 'app."City"', "app.log", "app.event"):
                assert explained(both, table, more) > 0
            assert suspects(both) == []


def test_the_command_writes_the_repair(both: Subscription, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`hadrian verify --repair` ends with 1 and a script where something differs, and with 0 once that was run."""
    both.catch_up()
    both.there("update app.event set kind = 'damaged' where id = 120")
    nodes = ["--primary", both.pair.embedded.url("a"), "--standby", both.pair.embedded.url("b")]
    file = tmp_path / "repair.sql"
    assert main(["verify", *nodes, "--what", "rows", "--repair", str(file), "--show-values"]) == 1
    assert "damaged" in capsys.readouterr().out
    run(both, file)
    assert main(["verify", *nodes, "--what", "rows"]) == 0
    physical = ComparedPair(nodes[1], nodes[3], Mode.POSTGRES_PHYSICAL, 10)
    with contextlib.closing(physical), pytest.raises(BadInput, match="write to a standby"):
        list(physical.compare(dataclasses.replace(REQUEST, repair=tmp_path / "other.sql")))


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        ("catalog/asking_role", {"version": 140_009}, "PostgreSQL 15"),
        ("verify/hash_of_bytes", {"hash": "1"}, "hash the same bytes differently"),
        ("verify/sees_activity", {"sees": False, "role": "looker"}, "about to commit"),
    ],
)
def test_servers_that_cannot_be_compared_are_open(
    both: Subscription, monkeypatch: pytest.MonkeyPatch, question: str, answer: dict[str, object], said: str
) -> None:
    """An older publisher, another order of bytes, sessions that are hidden: nothing is called the same or different."""
    ask = Reader.ask

    def answered(self: Reader, asked: LiteralString, **parameters: object) -> Any:
        if asked == question and self.where == both.publisher.where:
            return [SimpleNamespace(**answer)]
        return ask(self, asked, **parameters)

    monkeypatch.setattr(Reader, "ask", answered)
    (open_,) = [one for one in seen(both) if isinstance(one, Suspect)]
    assert (open_.object, open_.word) == ("all tables", Word.UNSETTLED)
    assert said in open_.message


def test_of_many_differences_some_are_told_and_all_are_mended(
    both: Subscription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is lost whole fills no report: the rest is left out, or in the repair alone."""
    both.catch_up()
    both.there("truncate app.event")
    monkeypatch.setattr(logical_rows, "_DIFFERENCES", 30)
    for more in ({}, {"repair": tmp_path / "repair.sql"}):
        found = seen(both, dataclasses.replace(REQUEST, tables=("app.event",), **more))
        told = [one for one in found if isinstance(one, Suspect)]
        assert {one.message for one in told} == {"is not on the subscriber"}
        assert len(told) == 30
        (compared,) = [one for one in found if isinstance(one, Compared)]
        assert "30 differences" in compared.left_out or "in the repair" in compared.left_out
    run(both, tmp_path / "repair.sql")
    assert suspects(both, "app.event") == []
    with pytest.raises(BadInput, match="no table"):
        seen(both, dataclasses.replace(REQUEST, tables=("app.none",)))


@contextlib.contextmanager
def stopped(both: Subscription) -> Iterator[None]:
    """Stop the subscriber for the block."""
    both.subscriber.close()
    both.pair.server("b").close()
    both.pair.embedded._stop(["b"])
    yield
    both.pair.embedded.start(["b"])


def test_a_comparison_that_was_cut_off_goes_on(
    both: Subscription, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a kill of the subscriber: what was the same is not read again, what was not is, and nothing is kept."""
    both.catch_up()
    both.there("update app.item set name = 'damaged' where id = 1200")
    request = dataclasses.replace(REQUEST, tables=("app.item",), state=tmp_path / "state", repair=tmp_path / "r.sql")
    monkeypatch.setattr(logical_rows, "_LEAST_ROWS", 100)
    monkeypatch.setattr(logical_rows, "_MOST_ROWS", 100)
    cut = logical_rows.compare(both.couple, request)
    for _ in range(20):
        next(cut)
    both.pair.embedded.kill("b")
    with pytest.raises((NodeLost, NodeUnreachable), match=both.subscriber.where):
        list(cut)
    both.pair.embedded.start(["b"])
    both.subscriber.close()
    both.pair.server("b").close()
    assert not (tmp_path / "r.sql").exists()
    with pytest.raises(BadInput, match="another pair"):
        list(logical_rows.compare(Couple(both.subscriber, both.publisher, 10), dataclasses.replace(request, tables=())))
    found = seen(both, request)
    (compared,) = [one for one in found if isinstance(one, Compared)]
    (damaged,) = [one for one in found if isinstance(one, Suspect)]
    assert (damaged.word, damaged.key) == (Word.DIFFERENT, {"id": "1200"})
    assert not (tmp_path / "state").exists()
    run(both, tmp_path / "r.sql")
    whole = dataclasses.replace(REQUEST, tables=("app.item",))
    (again,) = [one for one in seen(both, whole) if isinstance(one, Compared)]
    assert compared.items == again.items
    assert compared.size < again.size / 2


def test_a_page_that_only_the_subscriber_cannot_read_is_different(
    both: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The range that it is in is told, and all others are compared."""
    both.catch_up()
    both.there("vacuum app.item", "checkpoint")
    ((name,),) = both.pair.run("select pg_relation_filepath('app.item')", "b")
    ((block,),) = both.pair.run("select (ctid::text::point)[0]::int from app.item where id = 700", "b")
    file = both.pair.embedded.directory / "b" / str(name)
    with stopped(both):
        whole = file.read_bytes()
        file.write_bytes(whole[: int(str(block)) * 8192 + 5000] + b"damage" + whole[int(str(block)) * 8192 + 5006 :])
    monkeypatch.setattr(logical_rows, "_LEAST_ROWS", 100)
    monkeypatch.setattr(logical_rows, "_MOST_ROWS", 100)
    found = suspects(both, "app.item")
    with stopped(both):
        file.write_bytes(whole)
    assert {one.word for one in found} == {Word.DIFFERENT}
    assert any(one.place == "keys above 600 up to 700" for one in found)
    assert all("invalid page" in one.message for one in found)
    assert suspects(both, "app.item") == []


def test_what_the_subscription_has_not_brought_is_unsettled(both: Subscription) -> None:
    """A row that a stopped subscription still lacks is not called different, and is the same once it goes on."""
    both.there("alter subscription app disable")
    await_answer(both.pair, "select active from pg_replication_slots where slot_name = 'app'", False)
    both.here("update app.event set kind = 'late' where id in (199, 200)")
    (open_,) = suspects(both, "app.ev*", settle_s=0.1)
    assert (open_.word, open_.object) == (Word.UNSETTLED, "app.event")
    assert "2 rows" in open_.message
    assert "subscription app" in open_.message
    both.there("alter subscription app enable")
    assert [one for one in suspects(both, "app.event") if one.key.get("id") in ("199", "200")] == []


def test_a_table_that_is_being_copied_is_unsettled_and_one_that_no_subscription_knows_differs(
    both: Subscription,
) -> None:
    """Neither is taken for a table whose rows are missing."""
    for node in (both.here, both.there):
        node("create table app.late (id int primary key)")
    both.here("insert into app.late values (1)", "alter publication app add table app.late")
    (unknown,) = suspects(both, "app.late")
    assert unknown.word is Word.DIFFERENT
    assert "no subscription knows it" in unknown.message
    both.there("insert into app.late values (1)", "alter subscription app refresh publication")  # the copy fails
    (copied,) = suspects(both, "app.late", settle_s=0.1)
    assert copied.word is Word.UNSETTLED
    assert "first copy" in copied.message
    both.there("delete from app.late")
    assert suspects(both, "app.late") == []


def test_what_is_not_sent_is_not_missed(both: Subscription) -> None:
    """Where a publication sends inserts alone, rows that stayed as they were over there are explained by that."""
    for node in (both.here, both.there):
        node("create table app.kept (id int primary key, said text)")
    both.here(
        "create publication kept for table app.kept with (publish = 'insert')",
        "insert into app.kept values (1, 'a'), (2, 'b'), (3, 'c')",
    )
    both.there("alter subscription app add publication kept")
    await_answer(both.pair, "select count(*) from app.kept", 3, "b")
    both.here("update app.kept set said = 'x' where id = 1", "delete from app.kept where id = 2")
    both.there("delete from app.kept where id = 3")
    request = dataclasses.replace(REQUEST, tables=("app.kept",))
    found = sorted((one.word.value, one.message) for one in seen(both, request) if isinstance(one, Suspect))
    assert found == [
        ("different", "is not on the subscriber"),
        ("settled", "the publications send no deletes"),
        ("settled", "the publications send no updates"),
    ]


def test_it_needs_select_and_tells_what_it_may_not_see(both: Subscription) -> None:
    """A role that may monitor and read compares all that it may read; of the rest it says which grant would show it."""
    for node in (both.here, both.there):
        node(
            "create role looker login",
            "grant pg_monitor to looker",
            "grant usage on schema app to looker",
            "grant select on app.event, app.log to looker",
        )
    both.here("grant select on app.sale to looker")
    nodes = [PostgresDatabase(node.url.set(username="looker")) for node in (both.publisher, both.subscriber)]
    found = list(logical_rows.compare(Couple(nodes[0], nodes[1], 10), dataclasses.replace(REQUEST, settle_s=5)))
    for node_ in nodes:
        node_.close()
    assert {one.object for one in found if isinstance(one, Compared)} == {"app.event", "app.log"}
    unseen = {one.what: one for one in found if isinstance(one, Unseen)}
    refused = {one.object for one in found if isinstance(one, Suspect) and one.word is Word.UNSETTLED}
    assert refused >= {"app.item", "app.sale", 'app."City"'}
    assert unseen["rows of app.sale"].where == both.subscriber.where
    assert unseen["rows of app.item"].remedy == "grant select on app.item to looker"


@pytest.mark.parametrize(
    ("before", "waiting", "ids"),
    [
        (
            (),
            ("update app.event set kind = 'waits' where id = 60", "insert into app.event values (999, '')"),
            [60, 999],
        ),
        (
            ("begin", "insert into app.event values (998, '')", "prepare transaction 'p'"),
            ("commit prepared 'p'",),
            [998],
        ),
    ],
    ids=["plain", "prepared"],
)
def test_a_commit_that_a_synchronous_standby_lets_wait_is_unsettled(
    both: Subscription, before: tuple[str, ...], waiting: tuple[str, ...], ids: list[int]
) -> None:
    """The subscriber shows its rows before the publisher does: neither the changed one nor the new one is different."""
    both.catch_up()
    with psycopg.connect(both.publisher.conninfo, autocommit=True) as connection:
        for statement in before:
            connection.execute(cast("LiteralString", statement))
    both.here("alter system set synchronous_standby_names = 'nobody'", "select pg_reload_conf()")
    await_answer(both.pair, "show synchronous_standby_names", "nobody")
    writers = [threading.Thread(target=both.here, args=(statement,)) for statement in waiting]
    for one in writers:
        one.start()
    try:
        shown = (
            f"select count(*) from app.event where kind = 'waits' or id in ({', '.join(map(str, ids))}, 0) and id > 900"
        )
        await_answer(both.pair, shown, len(ids), "b")
        found = suspects(both, "app.event", settle_s=1)
        assert {(one.word, one.key["id"]) for one in found} == {(Word.UNSETTLED, str(id_)) for id_ in ids}
    finally:
        both.here("alter system reset synchronous_standby_names", "select pg_reload_conf()")
        for one in writers:
            one.join()
    both.here("update app.event set kind = '' where id = 60")
    assert suspects(both, "app.event") == []
