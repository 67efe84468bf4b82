"""An observation on a real server: it sees whatever a statement changes, and the statement's session never notices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from replicator.errors import NodeLost
from replicator.postgres.rehearsal.observation import Catalogs, Observation, Observer, Refused, Stored
from replicator.postgres.rehearsal.simple_query import Session
from replicator.postgres.topology import committed, wait_replayed
from tests.fixtures.pair import Pair


@pytest.fixture(scope="module")
def catalogs(shared_pair: Pair) -> Catalogs:
    """Return the queries that read the catalogs, made before any test changes them."""
    shared_pair.run("alter system set autovacuum = off")
    shared_pair.run("select pg_reload_conf()")
    with contextlib.closing(Session(shared_pair.primary)) as session:
        return Catalogs.since_now(session)


@pytest.fixture
def session(shared_pair: Pair) -> Iterator[Session]:
    """Open a session as a script has it."""
    with contextlib.closing(Session(shared_pair.primary)) as made:
        yield made


@pytest.fixture
def observer(session: Session, catalogs: Catalogs) -> Observer:
    """Return that session's observer."""
    return Observer(session, catalogs)


def changed(before: Observation, after: Observation) -> set[str]:
    """Return the kinds of things that differ."""
    return {key.kind for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def value(session: Session, query: str) -> str | None:
    """Return the one value of a query."""
    return session.rows(query)[0][0]


@pytest.mark.parametrize(
    ("before", "statement", "kinds"),
    [
        ("", "create table o1 (id int primary key)", {"pg_class", "pg_attribute", "pg_index", "pg_depend", "rows"}),
        ("create table o2 (id int)", "insert into o2 values (1)", {"rows"}),
        ("create table o3 as select 1 as id", "update o3 set id = 2", {"rows"}),
        ("create table o4 as select 1 as id", "delete from o4", {"rows"}),
        ("create table o5 as select 1 as id", "truncate o5", {"rows", "pg_class"}),
        ("create table o6 (id int)", "create index on o6 (id)", {"index", "pg_index"}),
        ("create sequence o7", "select nextval('o7')", {"sequence"}),
        ("create unlogged table o8 (id int)", "insert into o8 values (1)", {"rows"}),
        ("create temp table o9 (id int)", "insert into o9 values (1)", {"rows"}),
        ("create table o10 as select 1 as id", "analyze o10", {"pg_statistic"}),
        ("create table o11 as select 1 as id", "vacuum full o11", {"pg_class", "rows"}),
        ("create table o12 (id int)", "alter table o12 add check (id > 0)", {"pg_constraint"}),
        ("create table o13 (id int)", "comment on table o13 is 'x'", {"pg_description"}),
        ("", "grant execute on function pg_catalog.pg_ls_waldir() to pg_monitor, pg_read_all_data", {"pg_proc"}),
        ("", "create role o14 password 'x'", {"pg_authid"}),
        ("", "alter database postgres set work_mem = '9MB'", {"pg_db_role_setting"}),
        ("", "alter system set work_mem = '9MB'", {"setting"}),
        ("", "create extension if not exists citext", {"pg_extension", "files of extension", "library"}),
        ("", "select lo_from_bytea(15, 'abc')", {"pg_largeobject", "pg_largeobject_metadata"}),
        ("select lo_create(16)", "select lo_put(16, 0, 'abc')", {"pg_largeobject"}),
        ("", "select pg_create_physical_replication_slot('o17')", {"slot"}),
        ("", "select pg_create_logical_replication_slot('o18', 'pgoutput')", {"slot"}),
        ("", "create publication o19", {"pg_publication"}),
        ("", "select pg_replication_origin_create('o20')", {"pg_replication_origin"}),
        ("select pg_replication_origin_create('o21')", "select pg_replication_origin_advance('o21', '0/10')",
         {"origin progress"}),
        ("", "notify o22", {"queue of"}),
        ("", "do $$ begin perform pg_notify('o23', ''); end $$", {"queue of"}),
        ("", "create temp view o30 as select 1", {"temporary relation"}),
        ("", "listen o24", {"listening on"}),
        ("", "select pg_advisory_lock(25)", {"advisory lock"}),
        ("", "select pg_stat_reset()", {"statistics of"}),
        ("create schema o26", "drop schema o26", {"pg_namespace"}),
        ("create schema o27", "drop schema o27", {"pg_namespace"}),
        ("create table o28 (id int)", "alter table o28 rename to o28b", {"pg_class"}),
        ("create materialized view o29 as select now() as at", "refresh materialized view o29", {"rows"}),
    ],
)  # fmt: skip
def test_a_change_is_seen(session: Session, observer: Observer, before: str, statement: str, kinds: set[str]) -> None:
    """Whatever a statement changes differs between the observations before and after it."""
    if before:
        assert session.run(before).error == ""
    start = observer.observe()
    assert session.run(statement).error == ""
    assert kinds <= changed(start, observer.observe())


@pytest.mark.parametrize(
    "statement",
    ["select 1", "set work_mem = '3MB'", "prepare p1 as select 1", "select * from pg_class", "explain select 1"],
)
def test_a_read_changes_nothing(session: Session, observer: Observer, statement: str) -> None:
    """Two looks with nothing but a read between them are the same, so nothing is blamed without cause."""
    start = observer.observe()
    assert session.run(statement).error == ""
    assert changed(start, observer.observe()) == set()


def test_a_digest_does_not_depend_on_the_session(session: Session, observer: Observer) -> None:
    """Settings that change how values print are no change of the rows."""
    session.run("create table printed as select now() as at, 0.1::float8 as f, '\\x00ff'::bytea as b")
    start = observer.observe()
    session.run("set datestyle = 'German'; set timezone = 'Asia/Tokyo'; set extra_float_digits = -10")
    session.run("set bytea_output = 'escape'; create role printing; set role printing")
    observer.forget()
    assert "rows" not in changed(start, observer.observe())
    session.run("reset role; drop table printed; drop role printing")


def test_the_session_stays_as_it_was(session: Session, observer: Observer) -> None:
    """An observation in the middle of a block leaves role, settings, cursor, savepoint and locks alone."""
    session.run("create role middle; create table locked (id int)")
    session.run("begin; set local search_path = pg_temp; set local statement_timeout = '7s'; set role middle")
    session.run("declare c cursor for values (1), (2), (3); fetch c; savepoint mine")
    observer.observe()
    assert session.in_transaction
    assert not session.has_failed
    assert value(session, "select current_user") == "middle"
    assert value(session, "show search_path") == "pg_temp"
    assert value(session, "show statement_timeout") == "7s"
    assert value(session, "fetch c") == "2"
    assert value(session, "select count(*) from pg_locks where relation = 'public.locked'::regclass") == "0"
    assert session.run("rollback to savepoint mine; commit").error == ""
    session.run("reset role; drop role middle")


def test_rows_of_an_open_transaction_are_seen_and_forgotten(session: Session, observer: Observer) -> None:
    """The script's own uncommitted rows are observed, and after a rollback they are not."""
    session.run("create table pending (id int)")
    start = observer.observe()
    session.run("begin; insert into pending values (1)")
    assert changed(start, observer.observe()) == {"rows"}
    session.run("rollback")
    observer.forget()
    assert changed(start, observer.observe()) == set()


def test_a_table_is_read_again_only_when_it_has_changed(session: Session, observer: Observer) -> None:
    """A large table costs its digest once, not once a statement."""
    session.run("create table large (id int); insert into large values (1)")
    observer.observe()
    known = {key: digest for key, (_, digest) in observer._digests.items()}
    assert known
    start = observer.observe()
    assert all(start[key] is digest for key, digest in known.items())


def test_a_standby_refuses_an_unlogged_table_and_gives_the_rest(
    shared_pair: Pair, session: Session, observer: Observer, catalogs: Catalogs
) -> None:
    """One table that cannot be read does not hide the others."""
    session.run("create unlogged table not_there (id int); create table there (id int)")
    primary = observer.observe()
    wait_replayed(shared_pair.standby, committed(shared_pair.primary))
    with contextlib.closing(Session(shared_pair.standby)) as other:
        standby = Observer(other, catalogs).observe()
    names = {seen.name: standby[key] for key, seen in primary.items() if isinstance(seen, Stored)}
    refused = names["public.not_there"]
    assert isinstance(refused, Refused)
    assert "unlogged relations during recovery" in refused.words
    assert names["public.there"] == Stored(names["public.there"].file, "0", "")  # type: ignore[union-attr]


def test_data_goes_along_with_copy(session: Session) -> None:
    """COPY gets the script's data, complains where there is none, and what it prints is passed over."""
    session.run("create table loaded (id int)")
    assert session.run("copy loaded from stdin", "1\n2\n").tags == ("COPY 2",)
    assert "the script has no data for it" in session.run("copy loaded from stdin").error
    assert session.run("copy loaded to stdout").tags == ("COPY 2",)
    assert session.run("copy loaded from stdin", "").tags == ("COPY 0",)
    assert session.run("select 1; select 1/0").error == "division by zero"


def test_a_session_that_ends_is_lost(session: Session) -> None:
    """A script that ends its own session is told so."""
    with pytest.raises(NodeLost, match="terminating connection"):
        session.run("select pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize(
    "statements",
    [
        ("create table m1 (id int)", "drop table m1"),
        ("create table m2 (id int)", "comment on table m2 is 'x'", "comment on table m2 is null"),
        ("create table m3 as select 1 as id", "analyze m3", "vacuum m3", "alter table m3 rename to m3b"),
        ("create schema m4", "begin", "drop schema m4", "create schema m4", "commit"),
        ("create role m5", "begin", "alter role m5 login", "savepoint s", "drop role m5", "create role m6", "commit"),
        ("create function m7() returns int language sql return 1", "drop function m7", "create view m8 as select 1"),
    ],
    ids=lambda statements: statements[-1],
)
def test_reading_only_what_is_new_misses_nothing(
    session: Session, observer: Observer, catalogs: Catalogs, statements: tuple[str, ...]
) -> None:
    """After each statement the rows read since the last look make up what a first look sees."""
    observer.observe()
    for statement in statements:
        assert session.run(statement).error == ""
        assert observer.observe() == Observer(session, catalogs).observe(), statement
