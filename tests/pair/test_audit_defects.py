"""Every defect that an audit claims to see, planted in one real pair: found, nothing else with it, and gone after.

A defect is one row of the table: what puts it there and takes it away, and which rule names which object. The pair
is clean before and after each, so a false alarm fails the test of every defect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pytest

from replicator.audit import Report, audit
from replicator.rule import Finding
from tests.fixtures import plants
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.plants import Plant, both, line, setting, sql, until

# What only a restart sets: an archive that takes everything, and room for prepared transactions.
_SETTINGS = "archive_mode = on\narchive_command = 'true'\nmax_prepared_transactions = 4\n"


@dataclass(frozen=True)
class Defect:
    """One defect.

    Attributes:
        name: of the test.
        plant: puts it there, waits until it shows, and takes it away.
        findings: rule and object (as a shell pattern) of all that must be found.
        remarks: the same, of what must be remarked beside what always is.
    """

    name: str
    plant: Plant
    findings: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    remarks: frozenset[tuple[str, str]] = field(default_factory=frozenset)


def found(*named: str) -> frozenset[tuple[str, str]]:
    """Return rules and objects written as `PGP-001 public.u`."""
    return frozenset((rule, name) for rule, _, name in (one.partition(" ") for one in named))


_LOGIN = "create function public.hello() returns event_trigger language plpgsql as 'begin end'"
_SLOT = "select pg_create_logical_replication_slot('{0}', 'pgoutput'{1})"
_DROP_SLOT = "select pg_drop_replication_slot('{0}')"
_LATE = sql(_SLOT.format("late", ", failover => true"), undo=(_DROP_SLOT.format("late"),))
_IN_STEP = until("select sync_state from pg_stat_replication", "sync")

DEFECTS = (
    Defect(
        "unlogged table",
        sql("create unlogged table public.u (id int)", undo=("drop table public.u",)),
        found("PGP-001 public.u"),
    ),
    Defect(
        "unlogged partition",
        sql(
            "create table public.p (id int) partition by list (id)",
            "create unlogged table public.p1 partition of public.p for values in (1)",
            undo=("drop table public.p",),
        ),
        found("PGP-002 public.p1"),
    ),
    Defect(
        "unlogged child",
        sql(
            "create table public.p (id int)",
            "create unlogged table public.c () inherits (public.p)",
            undo=("drop table public.p cascade",),
        ),
        found("PGP-002 public.c"),
    ),
    Defect(
        "unlogged sequence",
        sql("create unlogged sequence public.s", undo=("drop sequence public.s",)),
        found("PGP-003 public.s"),
    ),
    Defect(
        "logical slot",
        sql(_SLOT.format("plain", ""), undo=(_DROP_SLOT.format("plain"),)),
        found("PGP-004 plain"),
    ),
    Defect("failover slot that is not synchronized", _LATE, found("PGP-005 late")),
    Defect(
        "no feedback for a failover slot",
        both(_LATE, setting("b", "hot_standby_feedback", "off")),
        found("PGP-005 late", "PGP-006 hot_standby_feedback"),
    ),
    Defect(
        "physical slot",
        sql(
            "select pg_create_physical_replication_slot('other')",
            undo=(_DROP_SLOT.format("other"),),
        ),
        found("PGP-073 other"),
    ),
    Defect("setting", setting("a", "work_mem", "'99MB'"), found("PGP-008 work_mem")),
    Defect(
        "published table without identity",
        sql(
            "create table public.bare (id int)",
            "create publication news for table public.bare",
            undo=("drop publication news", "drop table public.bare"),
        ),
        found("PGP-009 public.bare"),
    ),
    Defect(
        "published partition without identity",
        sql(
            "create table public.root (id int) partition by list (id)",
            "create table public.leaf partition of public.root for values in (1)",
            "create publication news for table public.root",
            undo=("drop publication news", "drop table public.root"),
        ),
        found("PGP-009 public.leaf"),
    ),
    Defect("directory of a tablespace", plants.lost_directory, found("PGP-010 ts")),
    Defect("library", plants.lost_library, found("PGP-011 */gone")),
    Defect("build of a library", plants.other_library, found("PGP-062 hadrian_probe", "PGP-008 dynamic_library_path")),
    Defect(
        "files of an extension",
        plants.extension_of_one_node,
        found("PGP-121 probe 1.0", "PGP-008 extension_control_path"),
    ),
    Defect(
        "preloaded library", setting("a", "session_preload_libraries", "auto_explain"), found("PGP-068 auto_explain")
    ),
    Defect("file that a foreign table reads", plants.lost_file, found("PGP-035 */rows.csv")),
    Defect(
        "foreign server on the node itself",
        sql(
            "create extension postgres_fdw",
            "create server near foreign data wrapper postgres_fdw options (host 'localhost')",
            undo=("drop extension postgres_fdw cascade",),
        ),
        found("PGP-071 near"),
    ),
    Defect(
        "foreign server elsewhere",
        sql(
            "create extension postgres_fdw",
            "create server far foreign data wrapper postgres_fdw options (host 'db.example.com')",
            undo=("drop extension postgres_fdw cascade",),
        ),
        remarks=found("PGP-071 far"),
    ),
    Defect(
        "version of a collation",
        sql(
            "create collation public.c (provider = builtin, locale = 'C.UTF-8')",
            "create table public.t (name text collate public.c primary key)",
            "update pg_collation set collversion = '0' where collname = 'c'",
            undo=("drop table public.t", "drop collation public.c"),
        ),
        found("PGP-067 collation public.c"),
    ),
    Defect(
        "version of the database's collation", plants.stray_collation, found("PGP-067 collation of database postgres")
    ),
    Defect("access rule", line("b", "pg_hba.conf", "host all all 10.0.0.0/8 reject"), found("PGP-064 pg_hba.conf")),
    Defect(
        "access rule that cannot be read",
        line("b", "pg_hba.conf", "host all all nonsense"),
        found("PGP-064 line * of pg_hba.conf", "PGP-064 pg_hba.conf"),
    ),
    Defect("user map", line("b", "pg_ident.conf", "m root postgres"), found("PGP-064 pg_ident.conf")),
    Defect(
        "setting that waits for a restart",
        setting("a", "max_connections", "101"),
        found("PGP-120 max_connections"),
    ),
    Defect("setting that is refused", line("b", "postgresql.conf", "work_mem = 'lots'"), found("PGP-120 work_mem")),
    Defect("file that was not read", plants.touched, found("PGP-120 */b/postgresql.auto.conf")),
    Defect("fsync", setting("a", "fsync", "off"), found("PGP-105 fsync", "PGP-008 fsync")),
    Defect(
        "full_page_writes on both nodes",
        both(setting("a", "full_page_writes", "off"), setting("b", "full_page_writes", "off")),
        found("PGP-105 full_page_writes"),
    ),
    Defect("invalid index", plants.broken_index, found("PGP-092 public.t_id")),
    Defect(
        "materialized view that was never filled",
        sql(
            "create materialized view public.mv as select 1 as id with no data",
            undo=("drop materialized view public.mv",),
        ),
        found("PGP-122 public.mv"),
    ),
    Defect(
        "login trigger",
        sql(
            _LOGIN,
            "create event trigger hello on login execute function public.hello()",
            undo=("drop event trigger hello", "drop function public.hello"),
        ),
        found("PGP-123 hello"),
    ),
    Defect(
        "synchronous standby that nobody is",
        setting("a", "synchronous_standby_names", "'nobody'"),
        found("PGP-103 synchronous_standby_names"),
    ),
    Defect(
        "too few synchronous standbys",
        both(setting("a", "synchronous_standby_names", "'2 (b, nobody)'"), _IN_STEP),
        found("PGP-103 synchronous_standby_names"),
    ),
    Defect(
        "commits that wait for nothing",
        setting("a", "synchronous_commit", "off"),
        found("PGP-099 synchronous_commit", "PGP-008 synchronous_commit"),
    ),
    Defect(
        "commits of a role that wait for nothing",
        sql(
            "create role hasty",
            "alter role hasty in database postgres set synchronous_commit = off",
            undo=("drop role hasty",),
        ),
        found("PGP-099 synchronous_commit of role hasty in database postgres"),
    ),
    Defect(
        "commits of a database that wait for nothing",
        sql(
            "alter database template1 set synchronous_commit = off",
            undo=("alter database template1 reset synchronous_commit",),
        ),
        found("PGP-099 synchronous_commit in database template1"),
    ),
    Defect(
        "commits that do not wait for the standby",
        both(setting("a", "synchronous_standby_names", "b"), _IN_STEP, setting("a", "synchronous_commit", "local")),
        found("PGP-100 synchronous_commit", "PGP-008 synchronous_commit"),
    ),
    Defect(
        "commits that only seem to wait for a standby",
        setting("a", "synchronous_commit", "remote_apply"),
        found("PGP-101 synchronous_commit", "PGP-008 synchronous_commit"),
    ),
    Defect("archive that fails", plants.failing_archive, found("PGP-070 archive_command", "PGP-008 archive_command")),
    Defect(
        "archive without a command",
        both(setting("a", "archive_command", "''"), setting("b", "archive_command", "''")),
        found("PGP-070 archive_command"),
    ),
    Defect(
        "delayed replay", setting("b", "recovery_min_apply_delay", "'1s'"), found("PGP-104 recovery_min_apply_delay")
    ),
    Defect("paused replay", plants.paused, found("PGP-124 replay")),
    Defect("lag", plants.lagging, found("PGP-124 replay", "PGP-125 the standby")),
    Defect("standby that is cut off", plants.cut_off, found("PGP-126 the standby")),
    Defect(
        "prepared transaction",
        sql(
            "begin; create table public.never (); prepare transaction 'gx'",
            undo=("rollback prepared 'gx'",),
        ),
        remarks=found("PGP-080 gx"),
    ),
    Defect("temporary table", plants.temporary, remarks=found("PGP-027 pg_temp_*.scratch")),
    Defect(
        "subscription",
        sql(
            "create subscription news connection 'host=/nowhere' publication news with (connect = false)",
            "alter subscription news enable",
            undo=(
                "alter subscription news disable",
                "alter subscription news set (slot_name = none)",
                "drop subscription news",
            ),
        ),
        remarks=found("PGP-075 news"),
    ),
)


@pytest.fixture(scope="module")
def pair_of_defects() -> Iterator[Pair]:
    """Make the pair in which all of them are planted, one after the other."""
    with fresh_pair(_SETTINGS) as made:
        yield made


def report(pair: Pair) -> Report:
    """Audit the pair."""
    return audit(pair.embedded.url("a"), pair.embedded.url("b"))


def unmatched(seen: list[Finding], expected: frozenset[tuple[str, str]]) -> list[str]:
    """Return what was seen and not expected, and what was expected and not seen."""
    extra = [f"{one.rule.id} {one.object}" for one in seen if not any(matches(one, each) for each in expected)]
    return extra + [" ".join(each) for each in expected if not any(matches(one, each) for one in seen)]


def matches(finding: Finding, expected: tuple[str, str]) -> bool:
    """Return whether a finding is the expected one."""
    return finding.rule.id == expected[0] and fnmatchcase(finding.object, expected[1])


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_is_found_and_nothing_else(pair_of_defects: Pair, defect: Defect) -> None:
    """The pair is clean, the defect is named by its rule, and without it the pair is clean again."""
    usual = {(one.rule.id, one.object) for one in report(pair_of_defects).remarks}
    with defect.plant(pair_of_defects):
        seen = report(pair_of_defects)
    assert unmatched(seen.findings, defect.findings) == []
    if defect.remarks:
        assert unmatched([one for one in seen.remarks if (one.rule.id, one.object) not in usual], defect.remarks) == []
    assert seen.unseen == []
    after = report(pair_of_defects)
    assert [(one.rule.id, one.object) for one in after.findings] == []


def test_a_clean_pair_has_nothing_to_find(pair_of_defects: Pair) -> None:
    """What differs on a clean pair are names of places, and none of it counts."""
    clean = report(pair_of_defects)
    assert (clean.findings, clean.unseen) == ([], [])
    assert {one.object for one in clean.remarks} == {
        *("config_file", "data_directory", "hba_file", "ident_file", "in_hot_standby", "port"),
        *("primary_conninfo", "primary_slot_name"),
    }


def test_every_defect_has_its_own_rule_or_object() -> None:
    """There are more than the twenty-five that an audit is asked for, and no two are the same."""
    assert len({(defect.findings, defect.remarks) for defect in DEFECTS}) > 40
    assert len({rule for defect in DEFECTS for rule, _ in defect.findings | defect.remarks}) > 25
