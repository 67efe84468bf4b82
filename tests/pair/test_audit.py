"""The audit of a real pair: each defect is planted and found, and what is in order is not."""

from __future__ import annotations

import json
import threading

import pytest

from cli.main import main
from replicator.audit import audit
from replicator.errors import BadInput
from replicator.postgres import topology
from tests.fixtures.defects import catch_up, configure, findings, planted, refusal
from tests.fixtures.pair import Pair


def test_a_clean_pair_has_no_findings(shared_pair: Pair) -> None:
    """Ordinary tables, sequences and settings raise no alarm."""
    plant = [
        "create table public.kept (id int primary key)",
        "create sequence public.counted",
        "create publication clean for table public.kept",
    ]
    remove = ["drop publication clean", "drop table public.kept", "drop sequence public.counted"]
    with planted(shared_pair, plant, remove):
        report = audit(shared_pair.embedded.url("a"), shared_pair.embedded.url("b"))
        assert (report.findings, report.unseen) == ([], [])


def test_a_sequence_is_not_blamed_beside_the_unlogged_table_that_owns_it(shared_pair: Pair) -> None:
    """One defect gives one finding: indexes, TOAST and the identity's sequence follow the table."""
    plant = ["create unlogged table public.u (id int generated always as identity primary key, body text)"]
    with planted(shared_pair, plant, ["drop table public.u"]):
        found = audit(shared_pair.embedded.url("a"), shared_pair.embedded.url("b")).findings
    assert [(finding.rule.id, finding.object) for finding in found] == [("PGP-001", "public.u")]


def test_unlogged_content_cannot_be_read_on_the_standby(shared_pair: Pair) -> None:
    """The standby knows the table and the sequence, and refuses to read them."""
    plant = ["create unlogged table public.u (id int)", "create unlogged sequence public.s"]
    with planted(shared_pair, plant, ["drop table public.u", "drop sequence public.s"]):
        for name in ("u", "s"):
            assert "during recovery" in refusal(shared_pair, f"table public.{name}", "b")


def test_an_unlogged_child_is_found_through_every_level_above_it(shared_pair: Pair) -> None:
    """Inheritance counts as partitioning does, and a logged grandparent counts too."""
    plant = [
        "create table public.top (id int)",
        "create unlogged table public.middle () inherits (public.top)",
        'create unlogged table public."Low" () inherits (public.middle)',
    ]
    with planted(shared_pair, plant, ["drop table public.top cascade"]):
        found = findings(shared_pair, "PGP-002")
        assert set(found) == {"public.middle", 'public."Low"'}
        assert 'public."Low" is unlogged and part of public.top' in found['public."Low"'].message
        assert "during recovery" in refusal(shared_pair, "select count(*) from public.top", "b")


def test_what_the_primary_alone_shows_needs_no_standby(shared_pair: Pair) -> None:
    """Without a standby's URL, only the rules that need none are checked, the worst finding first."""
    plant = [
        "create table public.bare (id int)",
        "create publication every_table for all tables",
        "create unlogged sequence public.s",
        "create unlogged table public.u (id int primary key)",
        "select pg_create_logical_replication_slot('plain', 'pgoutput')",
        "select pg_create_logical_replication_slot('ready', 'pgoutput', failover => true)",
    ]
    remove = [
        "select pg_drop_replication_slot('plain')",
        "select pg_drop_replication_slot('ready')",
        "drop publication every_table",
        "drop table public.u, public.bare",
        "drop sequence public.s",
    ]
    with planted(shared_pair, plant, remove):
        found = audit(shared_pair.embedded.url("a")).findings
    assert [finding.rule.id for finding in found] == ["PGP-004", "PGP-001", "PGP-003", "PGP-009"]
    assert {finding.where for finding in found} == {shared_pair.primary.where}


def test_a_slot_that_the_standby_has_of_its_own_is_not_lost(shared_pair: Pair) -> None:
    """A consumer that keeps a slot of the same name on the standby can go on there."""
    plant = ["select pg_create_logical_replication_slot('twin', 'pgoutput')"]
    with planted(shared_pair, plant, ["select pg_drop_replication_slot('twin')"]):
        assert set(findings(shared_pair, "PGP-004")) == {"twin"}
        create_standby_slot(shared_pair, "twin")
        try:
            assert findings(shared_pair, "PGP-004") == {}
        finally:
            shared_pair.run("select pg_drop_replication_slot('twin')", "b")


def create_standby_slot(pair: Pair, name: str) -> None:
    """Create a logical slot on the standby, which waits for the primary to describe its transactions."""
    helper = pair.embedded.server("b")

    def create() -> None:
        with helper.autocommit() as connection:
            connection.exec_driver_sql(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')")
        helper.close()

    thread = threading.Thread(target=create)
    thread.start()

    def done() -> bool:
        pair.run("select pg_log_standby_snapshot()")
        return not thread.is_alive()

    topology.wait_until(done, f"slot {name} on the standby", timeout_s=30)


def test_without_feedback_a_vacuum_on_the_primary_invalidates_the_slot(shared_pair: Pair) -> None:
    """The warning comes while the slot is still good; a catalog vacuum then ends it."""
    create_standby_slot(shared_pair, "at_risk")
    try:
        assert findings(shared_pair, "PGP-006") == {}
        configure(shared_pair, "b", "hot_standby_feedback", "off")
        found = findings(shared_pair, "PGP-006")
        assert found["hot_standby_feedback"].where == shared_pair.standby.where
        assert found["hot_standby_feedback"].message.endswith("invalidate logical slot at_risk")
        topology.wait_until(lambda: vacuumed_away(shared_pair, "at_risk"), "rows_removed", timeout_s=60)
    finally:
        shared_pair.run("select pg_drop_replication_slot('at_risk')", "b")
        configure(shared_pair, "b", "hot_standby_feedback", "on")


def vacuumed_away(pair: Pair, slot: str) -> bool:
    """Make dead catalog rows, vacuum them, and return whether the standby's slot fell with them."""
    for statement in ("create table public.churn ()", "drop table public.churn", "vacuum pg_class"):
        pair.run(statement)
    catch_up(pair)
    reasons = "select slot_name, invalidation_reason from pg_replication_slots"
    return (slot, "rows_removed") in pair.run(reasons, "b")


def test_feedback_is_wanted_for_the_primarys_failover_slots_too(shared_pair: Pair) -> None:
    """A standby that is to synchronize failover slots needs feedback before it has a slot."""
    plant = ["select pg_create_logical_replication_slot('coming', 'pgoutput', failover => true)"]
    with planted(shared_pair, plant, ["select pg_drop_replication_slot('coming')"]):
        configure(shared_pair, "b", "hot_standby_feedback", "off")
        try:
            assert "coming" in findings(shared_pair, "PGP-006")["hot_standby_feedback"].message
        finally:
            configure(shared_pair, "b", "hot_standby_feedback", "on")


def test_alter_system_on_the_primary_does_not_reach_the_standby(shared_pair: Pair) -> None:
    """A setting is found as soon as the nodes differ, with both values."""
    configure(shared_pair, "a", "work_mem", "'99MB'")
    try:
        found = findings(shared_pair, "PGP-008")
        assert shared_pair.run("show work_mem", "b") == [("4MB",)]
        assert set(found) == {"work_mem"}
        assert "99MB on the primary and 4MB on the standby" in found["work_mem"].message
    finally:
        configure(shared_pair, "a", "work_mem", "default")
    assert findings(shared_pair, "PGP-008") == {}


def test_settings_that_name_the_node_may_differ(shared_pair: Pair) -> None:
    """Its log's place and its own synchronous standbys are each node's affair."""
    configure(shared_pair, "b", "log_filename", "'b.log'")
    try:
        assert findings(shared_pair, "PGP-008") == {}
    finally:
        configure(shared_pair, "b", "log_filename", "default")


@pytest.mark.parametrize(
    ("table", "identity"),
    [
        ("(id int)", "replica identity full"),
        ("(id int primary key)", "replica identity default"),
        ("(id int not null unique)", "replica identity using index bare_id_key"),
    ],
)
def test_a_published_table_without_identity_refuses_updates(shared_pair: Pair, table: str, identity: str) -> None:
    """The primary refuses what the publication could not describe, until the table has an identity."""
    plant = [
        f"create table public.bare {table}",
        "alter table public.bare replica identity nothing",
        "insert into public.bare values (1)",
        "create publication news for table public.bare",
    ]
    with planted(shared_pair, plant, ["drop publication news", "drop table public.bare"]):
        found = findings(shared_pair, "PGP-009")
        assert "news publishes its updates and deletes" in found["public.bare"].message
        assert "does not have a replica identity" in refusal(shared_pair, "update public.bare set id = 2", "a")
        shared_pair.run(f"alter table public.bare {identity}")
        assert findings(shared_pair, "PGP-009") == {}
        shared_pair.run("update public.bare set id = 2")


def test_a_partition_without_identity_is_found_through_its_published_root(shared_pair: Pair) -> None:
    """Publishing the root does not spare the partitions: each one's own identity counts."""
    plant = [
        "create table public.root (id int) partition by list (id)",
        "create table public.leaf partition of public.root for values in (1)",
        "insert into public.root values (1)",
        "create publication rooted for table public.root",
        "alter publication rooted set (publish = 'insert, delete', publish_via_partition_root = true)",
    ]
    with planted(shared_pair, plant, ["drop publication rooted", "drop table public.root"]):
        found = findings(shared_pair, "PGP-009")
        assert set(found) == {"public.leaf"}
        assert "rooted publishes its deletes" in found["public.leaf"].message
        assert "does not have a replica identity" in refusal(shared_pair, "delete from public.root", "a")


def test_inserts_alone_need_no_identity(shared_pair: Pair) -> None:
    """A publication of inserts describes new rows only, so any table will do."""
    plant = [
        "create table public.bare (id int)",
        "create publication news for table public.bare with (publish = 'insert, truncate')",
    ]
    with planted(shared_pair, plant, ["drop publication news", "drop table public.bare"]):
        assert findings(shared_pair, "PGP-009") == {}


# What the command says


def test_the_command_prints_findings_as_json_and_exits_with_1(
    shared_pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs get every field of the contract, and an exit code that says there is something."""
    plant = [
        "create unlogged table public.u (id int)",
        "insert into public.u select generate_series(1, 100)",
        "analyze public.u",
    ]
    arguments = [
        "audit",
        "--primary",
        shared_pair.embedded.url("a"),
        "--standby",
        shared_pair.embedded.url("b"),
    ]
    with planted(shared_pair, plant, ["drop table public.u"]):
        assert main([*arguments, "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"mode", "findings", "remarks", "unseen"}
    assert (report["mode"], report["unseen"]) == ("postgres-physical", [])
    (finding,) = report["findings"]
    assert [name for name, value in finding.items() if value is None] == ["since"]
    assert (finding["rule"], finding["severity"], finding["object"]) == ("PGP-001", "lost", "public.u")
    assert (finding["grade"], finding["rows_estimate"]) == ("must", 100)
    assert finding["size_bytes"] >= 8192
    assert finding["command"] == "alter table public.u set logged;"
    assert set(finding) == {
        *("rule", "severity", "grade", "object", "where", "message", "size_bytes", "rows_estimate", "since"),
        *("standby_now", "after_takeover", "remedy", "command", "source"),
    }
    differing = {remark["object"]: remark for remark in report["remarks"]}
    assert differing["port"]["grade"] == "may"
    assert "socket" not in differing["primary_conninfo"]["message"]


def test_the_command_takes_its_urls_from_the_environment(
    shared_pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table tells a person what and why; without findings one line says so, and the exit code is 0."""
    monkeypatch.setenv("HADRIAN_PRIMARY", shared_pair.embedded.url("a"))
    monkeypatch.setenv("HADRIAN_STANDBY", shared_pair.embedded.url("b"))
    assert main(["audit"]) == 0
    assert capsys.readouterr().out == "nothing found, 8 remarks (--format json shows them)\n"
    configure(shared_pair, "a", "work_mem", "'99MB'")
    try:
        assert main(["audit"]) == 1
    finally:
        configure(shared_pair, "a", "work_mem", "default")
    assert "work_mem is 99MB on the primary" in capsys.readouterr().out


# What cannot be audited


def test_a_role_without_privileges_sees_the_catalogs_and_is_told_what_it_does_not(shared_pair: Pair) -> None:
    """Catalogs are open to every role, closed schemas included; of the rest it learns which grant shows it."""
    urls = [shared_pair.embedded.url(node).replace("postgres@", "reader@") for node in ("a", "b")]
    plant = [
        "create role reader login",
        "create schema closed",
        "create table closed.bare (id int)",
        "create unlogged table closed.u (id int)",
        "create publication news for all tables",
    ]
    remove = ["drop extension if exists hstore", "drop publication news", "drop schema closed cascade"]
    with planted(shared_pair, plant, [*remove, "drop role reader"]):
        shared_pair.run("create extension hstore")
        catch_up(shared_pair)
        report = audit(*urls)
        assert [finding.rule.id for finding in report.findings] == ["PGP-001", "PGP-009"]
        assert {one.what: one.why for one in report.unseen} == {
            "settings that hold commands and paths": "the role does not see them",
            "lines of the configuration files": "permission denied for view pg_file_settings",
            "times of the configuration files": "permission denied for function pg_stat_file",
            "synchronous standbys": "the role does not see them",
            "rules of pg_hba.conf": "permission denied for view pg_hba_file_rules",
            "lines of pg_ident.conf": "permission denied for view pg_ident_file_mappings",
            "libraries": "permission denied for view pg_config",
        }


def test_what_is_granted_is_seen(shared_pair: Pair) -> None:
    """The grants that an audit asks for are all it needs: with them nothing is left unseen."""
    urls = [shared_pair.embedded.url(node).replace("postgres@", "grantee@") for node in ("a", "b")]
    with planted(
        shared_pair,
        ["create role grantee login", "create extension hstore"],
        ["drop extension hstore", "drop owned by grantee", "drop role grantee"],
    ):
        for one in audit(*urls).unseen:
            shared_pair.run(one.remedy)
        catch_up(shared_pair)
        assert audit(*urls).unseen == []


def test_exchanged_urls_are_refused(shared_pair: Pair) -> None:
    """A standby given as the primary, or a primary as the standby, is named with the role it has."""
    primary, standby = shared_pair.embedded.url("a"), shared_pair.embedded.url("b")
    with pytest.raises(BadInput, match="is a standby, not a primary") as refused:
        audit(standby, primary)
    assert refused.value.hint == "give the URL of the primary in its place"
    with pytest.raises(BadInput, match="is a primary, not a standby"):
        audit(primary, primary)


def test_the_standby_of_another_primary_is_refused(shared_pair: Pair, pair: Pair) -> None:
    """Two nodes that do not descend from one initdb cannot be compared."""
    with pytest.raises(BadInput, match="is not a copy of"):
        audit(shared_pair.embedded.url("a"), pair.embedded.url("b"))


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "postgres://u:secret@h/d", "secret", "", "postgresql//u:secret@h/d"]
)
def test_an_unknown_url_is_refused_without_its_password(url: str) -> None:
    """What is not one of our engines is bad input, and no password is repeated."""
    with pytest.raises(BadInput) as refused:
        audit(url)
    assert "secret" not in str(refused.value)
