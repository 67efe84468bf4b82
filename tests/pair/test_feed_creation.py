"""Feeds that cannot be made, are interrupted while they are made, or have lost what they need."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NoReturn

import pytest
from sqlalchemy import Connection

from replicator.errors import (
    AlreadyThere,
    BadInput,
    FeedBroken,
    HadrianError,
    NodeLost,
    NodeUnreachable,
    NotConfigured,
    NotPermitted,
    TableUnfit,
)
from replicator.feed import definition as definitions
from replicator.handover import create_feed
from replicator.position import Cursor
from replicator.postgres import slot as slots
from replicator.postgres import slot_state
from replicator.postgres.adapter import PostgresDatabase
from tests.fixtures.site import Site, ids_of, read_of
from tests.fixtures.slots import confirmed

_UNFIT = [
    ("keyless", "create table keyless (id int); create publication keyless for table keyless", TableUnfit),
    (
        "toasted",
        "create table toasted (id int primary key, v text); create publication toasted for table toasted",
        TableUnfit,
    ),
    (
        "two",
        "create table one (id int primary key); create table two as table one;"  # noqa: ISC004 - one script
        "create publication two for table one, two",
        BadInput,
    ),
    ("empty", "create publication empty", BadInput),
    ("absent", "select 1", BadInput),
]


@pytest.mark.parametrize(("name", "ddl", "kind"), _UNFIT, ids=[name for name, _, _ in _UNFIT])
def test_what_cannot_be_fed_is_refused_and_leaves_nothing(
    site: Site, name: str, ddl: str, kind: type[HadrianError]
) -> None:
    """A table or publication that is not fit is found before a slot is made."""
    site.run(ddl)
    site.catch_up()
    with pytest.raises(kind) as raised:
        site.create(name)
    assert type(raised.value) is kind
    assert site.left_behind(name) == []


def test_a_slot_of_another_database_is_not_taken(site: Site) -> None:
    """Slots of all databases of a server share their names; whose slot it is decides, and it stays."""
    site.table("namesake", rows=1)
    site.run("create database elsewhere")
    site.catch_up()
    url = site.nodes["a"].url.set(database="elsewhere")
    with contextlib.closing(PostgresDatabase(url)) as elsewhere:
        with elsewhere.autocommit() as connection:
            connection.exec_driver_sql("select pg_create_logical_replication_slot('hadrian_namesake', 'pgoutput')")
        with pytest.raises(AlreadyThere, match="hadrian_namesake"):
            create_feed("namesake", "namesake", source=site.nodes["a"], primary=site.nodes["a"])
        assert slot_state.look(elsewhere, "hadrian_namesake").present
        slots.drop(elsewhere, "hadrian_namesake")


@pytest.mark.parametrize(
    ("role", "attribute", "message"),
    [("watcher", "noreplication", "lacks REPLICATION"), ("blind", "replication", "permission denied")],
)
def test_a_role_without_the_privilege_is_refused_and_leaves_nothing(
    site: Site, role: str, attribute: str, message: str
) -> None:
    """Neither a role that may not decode nor one that may not read the table leaves a slot behind."""
    site.table(f"for_{role}", rows=1)
    site.run(f"create role {role} login {attribute}")
    site.catch_up()
    url = site.nodes["b"].url.set(username=role)
    with contextlib.closing(PostgresDatabase(url)) as source, pytest.raises(NotPermitted, match=message):
        create_feed(role, f"for_{role}", source=source, primary=site.nodes["a"])
    assert site.left_behind(role) == []


def test_a_primary_that_does_not_log_enough_is_refused_and_leaves_nothing(doomed: Site) -> None:
    """With wal_level = replica neither the primary nor its standby can be decoded, and both say so."""
    doomed.table("terse", rows=1)
    doomed.run("alter system set wal_level = replica")
    doomed.close()
    doomed.pair.close()
    embedded = doomed.pair.embedded
    log = embedded.directory / "a.log"
    argv = [embedded.bin / "pg_ctl", "restart", "-D", "a", "-l", log, "-m", "fast", "-w"]
    embedded.owner.run(argv, embedded.directory)
    doomed.catch_up()
    for source in ("a", "b"):
        with pytest.raises(NotConfigured, match="wal_level"):
            create_feed("terse", "terse", source=doomed.nodes[source], primary=doomed.nodes["a"])
    assert doomed.left_behind("terse") == []


def test_a_feeds_name_is_taken_once(site: Site) -> None:
    """A second feed of the same name is refused, and the first keeps its slot."""
    site.table("taken", rows=1)
    definition = site.create("taken")
    with pytest.raises(AlreadyThere):
        site.create("taken")
    assert definitions.find(site.nodes["b"], "taken") == definition
    assert confirmed(site.nodes["b"], definition.slot) == definition.start


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_creation_leaves_nothing_and_can_be_repeated(
    site: Site, interruption: type[BaseException]
) -> None:
    """Whatever is raised while the snapshot is kept, no feed, no artifact and no slot remain."""
    name = f"cut_{interruption.__name__.lower()}"
    site.table(name, rows=2500)

    def interrupt(*done: int) -> NoReturn:
        raise interruption(done)

    with pytest.raises(interruption):
        create_feed(name, name, source=site.nodes["b"], primary=site.nodes["a"], progress=interrupt)
    assert site.left_behind(name) == []
    with site.open(site.create(name)) as feed:
        assert len(read_of(feed, 2500)) == 2500


def test_a_creation_that_the_primarys_death_interrupts_can_be_repeated(doomed: Site) -> None:
    """On the promoted node there is neither feed nor artifact, and the next attempt succeeds."""
    doomed.table("again", rows=2500)
    a, b = doomed.nodes["a"], doomed.nodes["b"]
    with pytest.raises((NodeLost, NodeUnreachable)):
        create_feed("again", "again", source=b, primary=a, progress=lambda *_: doomed.pair.embedded.kill("a"))
    doomed.pair.embedded.promote("b")
    assert definitions.find(b, "again") is None
    assert doomed.run("select from hadrian.artifact", "b") == []
    definition = create_feed("again", "again", source=b, primary=b)
    doomed.insert("again", [2501], "b")
    with doomed.open(definition) as feed:
        changes = read_of(feed, 2501)
    assert ids_of(changes) == list(range(1, 2502))
    assert definition.timeline == changes[-1].after.timeline == 2


def test_an_orphan_slot_is_replaced(site: Site) -> None:
    """A slot that an interrupted attempt left does not decide where the feed begins."""
    site.table("orphaned", rows=1)
    site.run("select pg_create_logical_replication_slot('hadrian_orphaned', 'pgoutput')")
    site.insert("orphaned", [2])
    definition = site.create("orphaned", "a")
    assert confirmed(site.nodes["a"], "hadrian_orphaned") == definition.start
    site.insert("orphaned", [3])
    with site.open(definition, node="a") as feed:
        assert ids_of(read_of(feed, 3)) == [1, 2, 3]


class _LosesTheAnswer(PostgresDatabase):
    """A primary that commits a feed, and is gone before it says so."""

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Commit, and go if that was the last transaction."""
        with super().begin() as transaction:
            yield transaction
        if definitions.find(self, "doubtful") is not None:
            raise NodeLost("the answer was lost")


def test_a_feed_whose_commit_was_in_doubt_has_its_slot(site: Site) -> None:
    """If the last transaction did commit, the slot that its record names is there."""
    site.table("doubtful", rows=1)
    with contextlib.closing(_LosesTheAnswer(site.nodes["a"].url)) as primary, pytest.raises(NodeLost):
        create_feed("doubtful", "doubtful", source=site.nodes["b"], primary=primary)
    site.catch_up()
    definition = definitions.find(site.nodes["b"], "doubtful")
    assert definition is not None
    site.insert("doubtful", [2])
    with site.open(definition) as feed:
        assert ids_of(read_of(feed, 2)) == [1, 2]


def test_a_publication_that_is_gone_is_not_read_as_an_idle_one(site: Site) -> None:
    """The server itself passes over the rows of a publication that it does not find."""
    site.table("dropped", rows=1)
    definition = site.create("dropped")
    site.run("drop publication dropped")
    site.catch_up()
    with pytest.raises(BadInput, match="publication dropped"):
        site.stream(definition, Cursor(definition.start, 0))


def test_a_feed_without_its_slot_is_broken(site: Site) -> None:
    """A slot that somebody dropped is named, with what to do."""
    site.table("slotless", rows=1)
    definition = site.create("slotless")
    slots.drop(site.nodes["b"], definition.slot)
    with pytest.raises(FeedBroken, match="has no slot hadrian_slotless"):
        site.stream(definition, Cursor(definition.start, 0))
