"""A feed of a database in which nothing happens, beside a busy one: its slot on the standby moves all the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from replicator.feed.definition import Definition
from replicator.feed.reader import Reader
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import slot_state
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.topology import wait_until
from tests.fixtures.site import TIMEOUT_S, OpenFeed, Site, ids_of, read_of

_SLOT = "select restart_lsn::text, confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{}'"
_SEGMENTS = "select name from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$'"


@dataclass
class Place:
    """A site and the busy database beside the feed's, which has a table to write to."""

    site: Site
    busy: PostgresDatabase

    def busy_run(self, text: str) -> None:
        """Run SQL in the busy database."""
        with self.busy.autocommit() as connection:
            connection.exec_driver_sql(text)

    def write(self, segments: int = 1) -> Lsn:
        """Fill segments of the log from the busy database, and return the end once the standby has it."""
        for _ in range(segments):
            self.busy_run("insert into work select repeat('x', 1000) from generate_series(1, 2000)")
            self.busy_run("select pg_switch_wal()")
            self.busy_run("insert into work values ('in the next segment')")
        self.site.catch_up()
        return self.site.nodes["a"].committed()

    def positions(self, slot: str) -> tuple[Lsn, Lsn]:
        """Return from where the slot keeps the standby's log, and from where it gives commits."""
        ((restart, confirmed),) = self.site.run(_SLOT.format(slot), "b")
        return Lsn(str(restart)), Lsn(str(confirmed))


@pytest.fixture(scope="module")
def place(site: Site) -> Iterator[Place]:
    """Make the busy database."""
    site.run("create database busy")
    url = site.nodes["a"].url.set(database="busy")
    with contextlib.closing(PostgresDatabase(url)) as busy:
        made = Place(site, busy)
        made.busy_run("create table work (v text)")
        site.catch_up()
        yield made


@pytest.fixture
def definition(place: Place, request: pytest.FixtureRequest) -> Iterator[Definition]:
    """Make a feed of an empty table of the test's own; its slot goes with the test, lest it hold back another's log."""
    name = f"idle_{request.node.name[-40:]}"
    place.site.table(name)
    made = place.site.create(name)
    yield made
    slots.drop(place.site.nodes["b"], made.slot)


def cursor_of(feed: OpenFeed) -> Cursor:
    """Return the cursor behind what was read."""
    assert isinstance(feed.source, Reader)
    return feed.source.cursor()


def pass_over(feed: OpenFeed, place: Place, slot: str, end: Lsn) -> Cursor:
    """Confirm the reader's cursor, as a consumer does that keeps it, until the slot has moved to `end`; return it."""

    def has_moved() -> bool:
        # The primary writes such a list by itself, every 15 s: up to one of them a slot lets go of log.
        place.busy_run("select pg_log_standby_snapshot()")
        place.busy_run("insert into work values ('behind it')")
        assert feed.read(0.1) is None
        feed.confirm(cursor_of(feed))
        restart, confirmed = place.positions(slot)
        return min(restart, confirmed) >= end

    wait_until(has_moved, "the slot to move", timeout_s=TIMEOUT_S)
    return cursor_of(feed)


def test_the_slot_of_an_idle_database_moves_while_another_writes(place: Place, definition: Definition) -> None:
    """Both its positions pass what the other wrote, and the standby removes that log; then the next row comes."""
    site = place.site
    before, _ = place.positions(definition.slot)
    with site.open(definition) as feed:
        end = place.write(2)
        held = slot_state.look(site.nodes["b"], definition.slot).held_bytes or 0
        assert held >= end - before
        cursor = pass_over(feed, place, definition.slot, end)
        old = set(site.run(_SEGMENTS, "b"))
        site.run("checkpoint")
        site.catch_up()
        site.run("checkpoint", "b")
        assert min(set(site.run(_SEGMENTS, "b"))) > min(old)
        site.insert(definition.name, [1])
        assert ids_of(read_of(feed, 1)) == [1]
    with site.open(definition, cursor) as feed:
        assert ids_of(read_of(feed, 1)) == [1]


def test_a_transaction_that_is_open_while_the_slot_moves_comes_whole(place: Place, definition: Definition) -> None:
    """The slot's position passes the transaction's first rows before it commits; all of them come, twice if asked."""
    site = place.site
    with psycopg.connect(site.nodes["a"].conninfo) as writer:
        writer.execute(f"insert into {definition.name} (id) values (1), (2)".encode())
        began = site.nodes["a"].committed()
        end = place.write()
        with site.open(definition) as feed:

            def has_moved() -> bool:
                assert feed.read(0.1) is None
                feed.confirm(cursor_of(feed))
                return place.positions(definition.slot)[1] >= end

            wait_until(has_moved, "the slot to move", timeout_s=TIMEOUT_S)
            cursor = cursor_of(feed)
        assert place.positions(definition.slot)[0] < began < cursor.lsn
        writer.execute(f"insert into {definition.name} (id) values (3)".encode())
    site.catch_up()
    for _ in range(2):
        with site.open(definition, cursor) as feed:
            assert ids_of(read_of(feed, 3)) == [1, 2, 3]


def test_the_slot_never_passes_a_transaction_that_the_cursor_cuts(place: Place, definition: Definition) -> None:
    """Confirmed to a cursor inside one, it stays where that commits, whatever is written elsewhere: the tail comes."""
    site = place.site
    site.insert(definition.name, [1, 2, 3])
    site.catch_up()
    with site.open(definition) as feed:
        cursor = read_of(feed, 2)[-1].after
    assert cursor.seq == 2
    place.write()
    with site.open(definition, cursor) as feed:
        feed.confirm(cursor_of(feed))
        wait_until(
            lambda: place.positions(definition.slot)[1] == cursor.lsn, "the cursor to be confirmed", timeout_s=TIMEOUT_S
        )
    assert place.positions(definition.slot)[1] == cursor.lsn
    with site.open(definition, cursor) as feed:
        assert ids_of(read_of(feed, 1)) == [3]
        pass_over(feed, place, definition.slot, place.write())
