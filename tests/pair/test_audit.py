"""The audit on a real pair: each defect is planted, found, and shown to do what its rule says."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import main
from replicator.audit import audit
from replicator.errors import BadInput, HadrianError, NotConfigured, NotPermitted
from replicator.postgres import topology
from replicator.postgres.embedded import NodeName
from replicator.rule import Finding
from tests.fixtures.pair import Pair, fresh_pair


def findings(pair: Pair, rule: str) -> dict[str, Finding]:
    """Audit the pair and return what one rule found, by object."""
    found = audit(pair.embedded.url("a"), pair.embedded.url("b"))
    return {finding.object: finding for finding in found if finding.rule.id == rule}


def catch_up(pair: Pair) -> None:
    """Wait until the standby has replayed everything the primary has committed."""
    topology.wait_replayed(pair.standby, topology.committed(pair.primary))


@contextlib.contextmanager
def planted(pair: Pair, plant: list[str], remove: list[str], node: NodeName = "a") -> Iterator[None]:
    """Run statements on a node, wait for replay, and undo them after the block."""
    try:
        for statement in plant:
            pair.run(statement, node)
        catch_up(pair)
        yield
    finally:
        for statement in remove:
            pair.run(statement, node)
        catch_up(pair)


def refusal(pair: Pair, statement: str, node: NodeName) -> str:
    """Run a statement that the node must refuse, and return what it says."""
    with pytest.raises(HadrianError) as refused:
        pair.run(statement, node)
    return str(refused.value)


def configure(pair: Pair, node: NodeName, name: str, value: str) -> None:
    """Set a reloadable setting on one node and wait until it has been read."""
    pair.run(f"alter system set {name} = {value}", node)
    loaded = pair.run("select pg_conf_load_time()", node)
    pair.run("select pg_reload_conf()", node)
    topology.wait_until(lambda: pair.run("select pg_conf_load_time()", node) != loaded, "a reload", timeout_s=30)


def restart(pair: Pair, node: NodeName) -> None:
    """Restart one node."""
    pair.server(node).close()
    log = str(pair.embedded.directory / f"{node}.log")
    pair.embedded._program(["pg_ctl", "restart", "-D", node, "-l", log, "-w", "-m", "fast"])


# What needs no takeover


def test_a_clean_pair_has_no_findings(shared_pair: Pair) -> None:
    """Ordinary tables, sequences and settings raise no alarm."""
    plant = [
        "create table public.kept (id int primary key)",
        "create sequence public.counted",
        "create publication clean for table public.kept",
    ]
    remove = ["drop publication clean", "drop table public.kept", "drop sequence public.counted"]
    with planted(shared_pair, plant, remove):
        assert audit(shared_pair.embedded.url("a"), shared_pair.embedded.url("b")) == []


def test_a_sequence_is_not_blamed_beside_the_unlogged_table_that_owns_it(shared_pair: Pair) -> None:
    """One defect gives one finding: indexes, TOAST and the identity's sequence follow the table."""
    plant = ["create unlogged table public.u (id int generated always as identity primary key, body text)"]
    with planted(shared_pair, plant, ["drop table public.u"]):
        found = audit(shared_pair.embedded.url("a"), shared_pair.embedded.url("b"))
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
        found = audit(shared_pair.embedded.url("a"))
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


# What was there before, and what is there after

_EXPERIMENT = [
    "create unlogged table public.u (id int)",
    "insert into public.u select generate_series(1, 100)",
    "create table public.p (id int) partition by range (id)",
    "create table public.p_low partition of public.p for values from (0) to (5)",
    "create unlogged table public.p_high partition of public.p for values from (5) to (10)",
    "insert into public.p select generate_series(2, 7)",
    "create unlogged sequence public.s",
    "select nextval('public.s') from generate_series(1, 40)",
    "select pg_create_logical_replication_slot('plain', 'pgoutput')",
    "select pg_create_logical_replication_slot('early', 'pgoutput', failover => true)",
]


@pytest.fixture(scope="module")
def taken_over() -> Iterator[tuple[Pair, list[Finding]]]:
    """Plant what a takeover loses, audit the pair, and take over."""
    with fresh_pair() as pair:
        for statement in _EXPERIMENT:
            pair.run(statement)
        topology.wait_until(lambda: synchronized(pair, "early"), "slot early on the standby", timeout_s=30)
        pair.run("select pg_create_logical_replication_slot('late', 'pgoutput', failover => true)")
        catch_up(pair)
        found = audit(pair.embedded.url("a"), pair.embedded.url("b"))
        pair.fail_over()
        yield pair, found


def synchronized(pair: Pair, slot: str) -> bool:
    """Move a failover slot on, have the standby fetch it, and return whether it is there to stay."""
    pair.run("select pg_log_standby_snapshot()")
    pair.run(f"select pg_replication_slot_advance('{slot}', pg_current_wal_lsn())")
    catch_up(pair)
    pair.run("select pg_sync_replication_slots()", "b")
    return (slot, False) in pair.run("select slot_name, temporary from pg_replication_slots", "b")


def message_of(found: list[Finding], rule: str) -> list[str]:
    """Return the messages of one rule."""
    return [finding.message for finding in found if finding.rule.id == rule]


def test_an_unlogged_table_is_empty_after_takeover(taken_over: tuple[Pair, list[Finding]]) -> None:
    """A hundred rows were there; the table comes back with none, and takes writes."""
    pair, found = taken_over
    assert message_of(found, "PGP-001") == ["public.u is unlogged: after takeover it has 0 rows"]
    assert pair.run("select count(*) from public.u", "b") == [(0,)]
    pair.run("insert into public.u values (1)", "b")


def test_a_parent_answers_without_its_unlogged_partition(taken_over: tuple[Pair, list[Finding]]) -> None:
    """Six rows were there; the query succeeds and counts three."""
    pair, found = taken_over
    (message,) = message_of(found, "PGP-002")
    assert message.startswith("public.p_high is unlogged and part of public.p:")
    assert pair.run("select count(*) from public.p", "b") == [(3,)]


def test_an_unlogged_sequence_hands_out_used_values(taken_over: tuple[Pair, list[Finding]]) -> None:
    """Forty values had been handed out; the next one is the first again."""
    pair, found = taken_over
    assert message_of(found, "PGP-003")[0].startswith("public.s is unlogged")
    assert pair.run("select nextval('public.s')", "b") == [(1,)]


def test_a_slot_survives_takeover_only_if_it_was_synchronized(taken_over: tuple[Pair, list[Finding]]) -> None:
    """Of three slots the audit named two, and just those two are gone."""
    pair, found = taken_over
    assert [message.split()[2] for message in message_of(found, "PGP-004")] == ["plain"]
    assert [message.split()[2] for message in message_of(found, "PGP-005")] == ["late"]
    slots = pair.run("select slot_name from pg_replication_slots where slot_type = 'logical'", "b")
    assert slots == [("early",)]


def test_nothing_else_was_reported_before_the_takeover(taken_over: tuple[Pair, list[Finding]]) -> None:
    """The worst come first: what is lost, then what answers wrongly."""
    _, found = taken_over
    assert [finding.rule.id for finding in found] == ["PGP-005", "PGP-004", "PGP-001", "PGP-002", "PGP-003"]


# What stops the standby


def test_a_lower_setting_pauses_replay_and_bars_the_takeover(pair: Pair) -> None:
    """A standby may have more connections than its primary; with fewer it grows stale, and dies promoted."""
    pair.run("alter system set max_connections = 120", "b")
    restart(pair, "b")
    assert audit(pair.embedded.url("a"), pair.embedded.url("b")) == []
    pair.run("alter system set max_connections = 130")
    restart(pair, "a")
    (finding,) = audit(pair.embedded.url("a"), pair.embedded.url("b"))
    assert finding.rule.id == "PGP-007"
    assert finding.object == "max_connections"
    assert "is 130 on the primary and 120 on the standby" in finding.message
    topology.wait_until(
        lambda: pair.run("select pg_get_wal_replay_pause_state()", "b") == [("paused",)],
        "replay to pause",
        timeout_s=30,
    )
    pair.run("create table public.never_seen (id int)")
    assert "does not exist" in refusal(pair, "select * from public.never_seen", "b")
    with contextlib.suppress(HadrianError):  # it may be gone before it answers
        pair.run("select pg_promote(wait => false)", "b")
    topology.wait_until(lambda: pair.embedded.postmaster("b") is None, "the standby to shut down", timeout_s=30)
    said = (pair.embedded.directory / "b.log").read_text()
    assert "recovery aborted because of insufficient parameter settings" in said


def test_a_standby_without_a_tablespaces_directory_shuts_down(pair: Pair) -> None:
    """The warning comes while the standby lags; once it replays the tablespace, it is gone."""
    folder = pair.embedded.directory / "space"
    pair.embedded.owner.own(folder, 0o700)
    pair.run("select pg_wal_replay_pause()", "b")
    pair.run(f"create tablespace ts location '{folder}'")
    assert findings(pair, "PGP-010") == {}
    folder.rename(folder.with_name("elsewhere"))
    found = findings(pair, "PGP-010")
    assert f"tablespace ts has no directory {folder}" in found["ts"].message
    with contextlib.suppress(HadrianError):  # it may be gone before it answers
        pair.run("select pg_wal_replay_resume()", "b")
    topology.wait_until(lambda: pair.embedded.postmaster("b") is None, "the standby to shut down", timeout_s=30)


def test_a_function_fails_where_its_library_is_absent(pair: Pair) -> None:
    """The log brings the function and not its file: absent, another, and the same are told apart."""
    library = pair.embedded.bin.parent / "lib"
    for node in ("a", "b"):
        pair.embedded.owner.own(pair.embedded.directory / f"lib_{node}", 0o755)
        configure(pair, node, "dynamic_library_path", f"'/nowhere:{pair.embedded.directory}/lib_{node}:$libdir'")
    place(library / "fuzzystrmatch.so", pair.embedded.directory / "lib_a")
    pair.run("create function public.sound(text) returns text language c strict as 'hadrian_probe', 'soundex'")
    pair.run("create extension hstore")
    catch_up(pair)

    call = "select public.sound('Hadrian')"
    assert pair.run(call) == [("H365",)]
    found = findings(pair, "PGP-011")
    assert set(found) == {"hadrian_probe"}
    assert "hadrian_probe is absent on the standby" in found["hadrian_probe"].message
    assert "could not access file" in refusal(pair, call, "b")

    place(library / "unaccent.so", pair.embedded.directory / "lib_b")
    assert "is another file on the standby" in findings(pair, "PGP-011")["hadrian_probe"].message
    assert "could not find function" in refusal(pair, call, "b")
    pair.fail_over()
    assert "could not find function" in refusal(pair, call, "b")

    place(library / "fuzzystrmatch.so", pair.embedded.directory / "lib_b")
    pair.server("b").close()
    assert pair.run(call, "b") == [("H365",)]


def place(library: Path, folder: Path) -> None:
    """Put a library into a node's folder under the name the function knows it by."""
    shutil.copy(library, folder / "hadrian_probe.so.new")
    (folder / "hadrian_probe.so.new").rename(folder / "hadrian_probe.so")


# What the command says


def test_the_command_prints_findings_as_json_and_exits_with_1(
    shared_pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs get every field of the contract, and an exit code that says there is something."""
    plant = ["create unlogged table public.u (id int)"]
    arguments = [
        "audit",
        "--primary",
        shared_pair.embedded.url("a"),
        "--standby",
        shared_pair.embedded.url("b"),
    ]
    with planted(shared_pair, plant, ["drop table public.u"]):
        assert main([*arguments, "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert all(finding.values())
    assert (finding["rule"], finding["severity"], finding["object"]) == ("PGP-001", "lost", "public.u")
    assert set(finding) == {
        *("rule", "severity", "object", "where", "message"),
        *("standby_now", "after_takeover", "remedy", "source"),
    }


def test_the_command_takes_its_urls_from_the_environment(
    shared_pair: Pair, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table tells a person what and why; without findings one line says so, and the exit code is 0."""
    monkeypatch.setenv("HADRIAN_PRIMARY", shared_pair.embedded.url("a"))
    monkeypatch.setenv("HADRIAN_STANDBY", shared_pair.embedded.url("b"))
    assert main(["audit"]) == 0
    assert capsys.readouterr().out == "nothing found\n"
    configure(shared_pair, "a", "work_mem", "'99MB'")
    try:
        assert main(["audit"]) == 1
    finally:
        configure(shared_pair, "a", "work_mem", "default")
    assert "work_mem is 99MB on the primary" in capsys.readouterr().out


# What cannot be audited


def test_a_role_without_privileges_is_told_when_it_lacks_one(shared_pair: Pair) -> None:
    """Catalogs are open to every role, schemas closed to it included; a library's file is not."""
    urls = [shared_pair.embedded.url(node).replace("postgres@", "reader@") for node in ("a", "b")]
    plant = [
        "create role reader login replication",  # a standby tells its timeline over this protocol only
        "create schema closed",
        "create table closed.bare (id int)",
        "create unlogged table closed.u (id int)",
        "create publication news for all tables",
    ]
    remove = ["drop extension if exists hstore", "drop publication news", "drop schema closed cascade"]
    with planted(shared_pair, plant, [*remove, "drop role reader"]):
        assert [finding.rule.id for finding in audit(*urls)] == ["PGP-001", "PGP-009"]
        shared_pair.run("create extension hstore")
        catch_up(shared_pair)
        with pytest.raises(NotPermitted, match="permission denied"):
            audit(*urls)


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


@pytest.mark.parametrize("url", ["db2://u:secret@h/d", "db2+ibm_db://u:secret@h/d", "ibm_db_sa://u:secret@h/d"])
def test_a_db2_url_is_refused_in_one_line(url: str) -> None:
    """Db2 is known by name, and cannot be audited yet."""
    with pytest.raises(NotConfigured, match=r"^Db2 cannot be audited yet$"):
        audit(url)


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "postgres://u:secret@h/d", "secret", "", "postgresql//u:secret@h/d"]
)
def test_an_unknown_url_is_refused_without_its_password(url: str) -> None:
    """What is not one of our engines is bad input, and no password is repeated."""
    with pytest.raises(BadInput) as refused:
        audit(url)
    assert "secret" not in str(refused.value)
