"""Snapshots that are cut off, by a kill of whoever takes them or of what they are taken from, and gone on with."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from replicator import handover
from replicator.errors import NodeLost, NodeUnreachable, RecoveryConflict, SlotInUse
from replicator.feed import removal
from replicator.feed.definition import Definition
from replicator.handover import create_feed
from replicator.postgres import changed_keys, creation, snapshot_plan
from replicator.postgres import slot as slots
from replicator.postgres.connection import Server
from replicator.postgres.snapshot import Snapshot, read_part
from replicator.postgres.snapshot_plan import Part, Stale
from tests.fixtures import busy_table
from tests.fixtures.command import environment
from tests.fixtures.site import Site
from tests.fixtures.slots import confirmed

_TAKER = Path(__file__).with_name("snapshot_taker.py")
_ROWS = 3000
_PART_BLOCKS = 4


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_plan, "PART_BLOCKS", _PART_BLOCKS)
    monkeypatch.setattr(changed_keys, "_MESSAGES", 50)
    monkeypatch.setattr(changed_keys, "_ASKED", 100)


@pytest.fixture
def parts_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note which parts are read from the table."""
    numbers: list[int] = []

    def noted(source: Server, snapshot: Snapshot, part: Part) -> Iterator[pa.RecordBatch]:
        numbers.append(part.number)
        return read_part(source, snapshot, part)

    monkeypatch.setattr(handover, "read_part", noted)
    return numbers


def _killed(site: Site, name: str, parts: int) -> set[int]:
    """Have a process create the feed, and kill it when it has kept so many parts and reads others; return all kept."""
    before = len(_kept(site, name))
    urls = [site.nodes[node].url.render_as_string(hide_password=False) for node in ("b", "a")]
    argv = [sys.executable, str(_TAKER), name, *urls, str(_PART_BLOCKS), str(parts)]
    with subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE, text=True) as taker:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "kept\n"
        taker.kill()
    kept = _kept(site, name)
    assert len(kept) == before + parts
    return kept


def _kept(site: Site, name: str) -> set[int]:
    return {
        int(str(number)) for (number,) in site.run(f"select number from hadrian.snapshot_part where feed = '{name}'")
    }


def _parts(site: Site, name: str) -> int:
    ((blocks,),) = site.run(f"select blocks[1] from hadrian.snapshot where feed = '{name}'")
    return -(-int(str(blocks)) // _PART_BLOCKS)


def _create(site: Site, name: str, said: list[str] | None = None) -> Definition:
    say: Callable[[str], None] = (said if said is not None else []).append
    made = create_feed(name, name, source=site.nodes["b"], primary=site.nodes["a"], say=say)
    site.catch_up()
    return made


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_creation_is_gone_on_with_exactly_and_reads_only_what_is_left(
    site: Site, parts_read: list[int], seed: int
) -> None:
    """Killed at any part, once or twice, while others write at full speed: no row twice, none missed."""
    name = f"killed_{seed}"
    busy_table.make(site, name, _ROWS)
    chance = random.Random(seed)
    with busy_table.written(site, name, _ROWS):
        kept = _killed(site, name, chance.randint(1, 20))
        if seed:
            kept = _killed(site, name, chance.randint(1, 20))
        total = _parts(site, name)
        said: list[str] = []
        definition = _create(site, name, said)
    assert 0 < len(kept) < total
    assert sorted(parts_read) == sorted(set(range(total)) - kept)
    assert said == [f"an earlier attempt is gone on with: {len(kept)} of {total} parts were read"]
    busy_table.check_exact(site, definition)
    assert _kept(site, name) == set()
    assert confirmed(site.nodes["b"], definition.slot) == definition.start


def test_rows_that_change_between_the_attempts_are_as_they_are_at_the_end(site: Site, parts_read: list[int]) -> None:
    """Updated, deleted, inserted, moved to another key and to another part, back and forth: each row once, as it is."""
    busy_table.make(site, "changed", _ROWS)
    kept = _killed(site, "changed", 5)
    for statement in (
        "update changed set id = id + 100000 where id > 2900",
        "update changed set version = 1 where id %% 5 = 0",
        "update changed set id = -id where id %% 7 = 0",
        "update changed set id = -id where id < 0 and id %% 2 = 0",
        "delete from changed where id %% 11 = 0",
        "insert into changed select i, 3, '' from generate_series(11, 1000, 11) as i",
    ):
        site.run(statement)
    site.catch_up()
    definition = _create(site, "changed")
    assert kept
    assert not kept & set(parts_read)
    ((count,),) = site.run("select count(*) from changed")
    assert busy_table.check_exact(site, definition) == count


_KEYED = {
    "keyed": "primary key (at, id, word)); alter table keyed replica identity default",
    "indexed": "primary key (other), constraint by_index unique (at, id, word)); "
    "alter table indexed replica identity using index by_index",
    "parted": "primary key (at, id, word)) partition by list (at); "
    "create table parted_1 partition of parted for values in ('2026-01-01'); "
    "create table parted_2 partition of parted default",
}


@pytest.mark.parametrize("name", _KEYED)
def test_keys_of_several_columns_that_move_are_told_by_the_log_alone(
    site: Site, parts_read: list[int], name: str
) -> None:
    """Without old rows in the log, by another index than the primary key's, and from one partition to another."""
    columns = "id uuid not null, at date not null, word name not null, other bigint not null, pad uuid[]"
    for statement in f"create table {name} ({columns}, {_KEYED[name]}".split(";"):
        site.run(statement)
    site.run(f"alter table {name} alter pad set storage plain")  # so that no value is stored out of line
    via = "with (publish_via_partition_root)" if name == "parted" else ""
    site.run(f"create publication {name} for table {name} {via}")
    pad = "array_fill(gen_random_uuid(), array[10])"
    when = "date '2026-01-01' + (i %% 2)::int"
    site.run(f"insert into {name} select gen_random_uuid(), {when}, 'w' || i, i, {pad} from generate_series(1, 2000) i")
    site.catch_up()
    kept = _killed(site, name, 5)
    for statement in (
        "update {0} set at = date '2026-01-01' + ((at = '2026-01-01')::int) where other %% 3 = 0",
        "update {0} set word = 'it''s \"' || other where other %% 5 = 0",
        "update {0} set other = -other where other %% 7 = 0",
        "delete from {0} where other %% 11 = 0",
        "update {0} set id = gen_random_uuid() where other %% 13 = 0",
    ):
        site.run(statement.format(name))
    site.catch_up()
    said: list[str] = []
    definition = _create(site, name, said)
    assert kept
    assert not kept & set(parts_read), said
    with site.open(definition) as feed:
        rows = [change.values for change in feed.read_until(definition.start)]
    found = site.run(f"select id::text, at, word, other from {name} order by other")
    assert sorted([(str(r["id"]), r["at"], r["word"], r["other"]) for r in rows], key=lambda row: row[3]) == found


@pytest.mark.parametrize(
    ("what", "statement", "why"),
    [
        ("truncated", "truncate {0}", "was altered"),
        ("refilled", "delete from {0}; truncate {0}; insert into {0} values (1, 1, '')", "was altered"),
        ("rewritten", "vacuum full {0}", "was altered"),
        ("retyped", "alter table {0} alter pad type text", "was altered"),
        ("filtered", "alter publication {0} set table {0} where (id > 5)", "was altered"),
        ("slotless", None, "has no slot"),
    ],
)
def test_what_cannot_be_gone_on_with_begins_again_and_says_so(
    site: Site, what: str, statement: str | None, why: str
) -> None:
    """Rows that were kept of a table that is another since are not mixed with its own."""
    busy_table.make(site, what, _ROWS)
    assert _killed(site, what, 5)
    for part in (statement or "").format(what).split(";"):
        if part:
            site.run(part)
    if statement is None:
        slots.drop(site.nodes["b"], f"hadrian_{what}")
    site.catch_up()
    said: list[str] = []
    definition = _create(site, what, said)
    (only,) = said
    assert only.startswith("an earlier attempt cannot be gone on with, all is read again: ")
    assert why in only
    ((count,),) = site.run(f"select count(*) from {what} where '{what}' <> 'filtered' or id > 5")
    with site.open(definition) as feed:
        assert sum(1 for _ in feed.read_until(definition.start)) == count


def test_with_too_many_changes_it_begins_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is not worth more than the table."""
    monkeypatch.setattr(changed_keys, "MOST", 50)
    busy_table.make(site, "shaken", _ROWS)
    assert _killed(site, "shaken", 5)
    site.run("update shaken set version = 1 where id <= 51")
    site.catch_up()
    said: list[str] = []
    busy_table.check_exact(site, _create(site, "shaken", said))
    assert "more than 50 rows" in said[0]


def test_the_death_of_the_snapshots_session_alone_costs_no_part(site: Site, parts_read: list[int]) -> None:
    """The same call goes on in a new snapshot, and reads no part twice that was kept."""
    busy_table.make(site, "orphaned_snapshot", _ROWS)
    ended: list[int] = []

    def end(*_: int) -> None:
        if not ended:
            ended.extend(_kept(site, "orphaned_snapshot"))
            site.run("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender'"
                     " and application_name <> 'walreceiver' and datname is not null", "b")  # fmt: skip

    said: list[str] = []
    with busy_table.written(site, "orphaned_snapshot", _ROWS):
        definition = create_feed(
            "orphaned_snapshot", "orphaned_snapshot", source=site.nodes["b"], primary=site.nodes["a"],
            progress=end, say=said.append,
        )  # fmt: skip
    site.catch_up()
    assert ended
    assert all(parts_read.count(number) == 1 for number in ended)
    assert any("is gone on with" in one for one in said)
    busy_table.check_exact(site, definition)


def test_the_standbys_death_costs_no_part(doomed: Site, parts_read: list[int]) -> None:
    """When it is up again, the next call reads what is left."""
    busy_table.make(doomed, "mortal", _ROWS)
    embedded = doomed.pair.embedded
    with busy_table.written(doomed, "mortal", _ROWS):
        with pytest.raises((NodeLost, NodeUnreachable)):
            create_feed(
                "mortal", "mortal", source=doomed.nodes["b"], primary=doomed.nodes["a"],
                progress=lambda *_: embedded.kill("b"),
            )  # fmt: skip
        kept = _kept(doomed, "mortal")
        parts_read.clear()
        doomed.nodes["b"].close()
        embedded.start(["b"])
        definition = _create(doomed, "mortal")
    assert kept
    assert not kept & set(parts_read)
    busy_table.check_exact(doomed, definition)


def test_a_part_whose_query_the_standby_cancels_is_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same snapshot, and nothing of the first time is kept."""
    busy_table.make(site, "cancelled", _ROWS)
    cancelled: set[int] = set()

    def read(source: Server, snapshot: Snapshot, part: Part) -> Iterator[pa.RecordBatch]:
        for batch in read_part(source, snapshot, part):
            yield batch
            if part.number % 3 == 0 and part.number not in cancelled:
                cancelled.add(part.number)
                raise RecoveryConflict("canceling statement due to conflict with recovery")

    monkeypatch.setattr(handover, "read_part", read)
    said: list[str] = []
    definition = _create(site, "cancelled", said)
    assert len(cancelled) > 10
    assert said == []
    assert busy_table.check_exact(site, definition) == _ROWS


def test_a_table_that_is_truncated_behind_the_snapshot_is_not_read_as_an_empty_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows were there where the stream begins, and no query can show them any more."""
    busy_table.make(site, "emptied", _ROWS)

    def read(source: Server, snapshot: Snapshot, part: Part) -> Iterator[pa.RecordBatch]:
        if part.number == 3:
            site.run("truncate emptied")
            site.catch_up()
        return read_part(source, snapshot, part)

    monkeypatch.setattr(handover, "read_part", read)
    with pytest.raises(Stale, match="emptied was truncated or rewritten while it was read"):
        _create(site, "emptied")
    assert site.left_behind("emptied") == []
    assert _kept(site, "emptied") == set()


def test_what_was_killed_can_be_dropped_instead(site: Site) -> None:
    """Slot and parts go, and nothing holds the log back any more."""
    busy_table.make(site, "dropped", _ROWS)
    assert _killed(site, "dropped", 3)
    urls = {name: site.nodes[name].url.render_as_string(hide_password=False) for name in site.nodes}
    removal.remove("dropped", primary_url=urls["a"], node_urls=[urls["b"]])
    assert _kept(site, "dropped") == set()
    assert site.left_behind("dropped") == []


def test_a_feed_is_created_by_one_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two would take one another's parts for their own."""
    busy_table.make(site, "claimed", 1)
    with monkeypatch.context() as patch, site.nodes["a"].creating("claimed"):
        patch.setattr(creation, "_DEAD_S", 0)
        with pytest.raises(SlotInUse, match="is being created by somebody else"):
            _create(site, "claimed")
    busy_table.check_exact(site, _create(site, "claimed"))
