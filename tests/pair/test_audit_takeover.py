"""What the audit warned of happens: before and after a takeover, or when the standby ends."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from replicator.audit import audit
from replicator.errors import HadrianError
from replicator.postgres import topology
from replicator.postgres.embedded import NodeName
from replicator.rule import Finding
from tests.fixtures.defects import catch_up, configure, findings, planted, refusal
from tests.fixtures.pair import Pair, fresh_pair
from tests.fixtures.plants import await_answer

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
        found = audit(pair.embedded.url("a"), pair.embedded.url("b")).findings
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


def restart(pair: Pair, node: NodeName) -> None:
    """Restart one node."""
    pair.server(node).close()
    log = str(pair.embedded.directory / f"{node}.log")
    pair.embedded._program(["pg_ctl", "restart", "-D", node, "-l", log, "-w", "-m", "fast"])


def test_a_lower_setting_pauses_replay_and_bars_the_takeover(pair: Pair) -> None:
    """A standby may have more connections than its primary; with fewer it grows stale, and dies promoted."""
    pair.run("alter system set max_connections = 120", "b")
    restart(pair, "b")
    assert audit(pair.embedded.url("a"), pair.embedded.url("b")).findings == []
    pair.run("alter system set max_connections = 130")
    restart(pair, "a")
    found = findings(pair, "PGP-007")
    assert "is 130 on the primary and 120 on the standby" in found["max_connections"].message
    assert found["max_connections"].command == "alter system set max_connections = '130'; -- and restart the standby"
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
    assert f"tablespace ts needs directory {folder} on the standby" in found["ts"].message
    with contextlib.suppress(HadrianError):  # it may be gone before it answers
        pair.run("select pg_wal_replay_resume()", "b")
    topology.wait_until(lambda: pair.embedded.postmaster("b") is None, "the standby to shut down", timeout_s=30)


def test_a_standby_may_keep_its_tablespaces_elsewhere(pair: Pair) -> None:
    """What counts is the directory that the standby's own link names, as pg_basebackup may have mapped it."""
    folder, mapped = pair.embedded.directory / "space", pair.embedded.directory / "mapped"
    for directory in (folder, mapped):
        pair.embedded.owner.own(directory, 0o700)
    pair.run(f"create tablespace ts location '{folder}'")
    catch_up(pair)
    ((oid,),) = pair.run("select oid from pg_tablespace where spcname = 'ts'")
    link = pair.embedded.directory / "b" / "pg_tblspc" / str(oid)
    link.unlink()
    link.symlink_to(mapped)
    folder.rename(folder.with_name("elsewhere"))
    assert findings(pair, "PGP-010") == {}
    mapped.rename(folder)
    assert f"needs directory {mapped} on" in findings(pair, "PGP-010")["ts"].message


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
    assert findings(pair, "PGP-011") == {}
    assert "is another build on the standby" in findings(pair, "PGP-062")["hadrian_probe"].message
    assert "could not find function" in refusal(pair, call, "b")
    pair.fail_over()
    assert "could not find function" in refusal(pair, call, "b")

    place(library / "fuzzystrmatch.so", pair.embedded.directory / "lib_b")
    pair.server("b").close()
    assert pair.run(call, "b") == [("H365",)]


def test_a_library_that_both_nodes_lack_is_found_too(shared_pair: Pair) -> None:
    """Two nodes that lack the same file agree, and both fail."""
    file = shared_pair.embedded.directory / "gone.so"
    shutil.copy(shared_pair.embedded.bin.parent / "lib" / "fuzzystrmatch.so", file)
    name = str(file.with_suffix(""))
    plant = [f"create function public.sound(text) returns text language c as '{name}', 'soundex'"]
    with planted(shared_pair, plant, ["drop function public.sound"]):
        assert findings(shared_pair, "PGP-011") == {}
        file.unlink()
        assert set(findings(shared_pair, "PGP-011")) == {name}


def place(library: Path, folder: Path) -> None:
    """Put a library into a node's folder under the name the function knows it by."""
    shutil.copy(library, folder / "hadrian_probe.so.new")
    (folder / "hadrian_probe.so.new").rename(folder / "hadrian_probe.so")


def test_what_a_stopped_or_restarted_node_has_of_its_own_is_found(pair: Pair) -> None:
    """Checksums are each node's, and commit timestamps and preloaded libraries wait for a restart on each."""
    assert findings(pair, "PGP-078") == {}
    pair.server("b").close()
    pair.embedded._program(["pg_ctl", "stop", "-D", "b", "-w", "-m", "fast"])
    pair.embedded._program(["pg_checksums", "--disable", "-D", "b"])
    pair.embedded._start("b")
    pair.run("alter system set track_commit_timestamp = on")
    pair.run("alter system set shared_preload_libraries = 'pg_stat_statements', 'auto_explain'")
    restart(pair, "a")
    await_answer(pair, "select count(*) from pg_stat_wal_receiver", 1, "b")
    found = audit(pair.embedded.url("a"), pair.embedded.url("b")).findings
    commands = {(finding.rule.id, finding.object): finding.command for finding in found}
    preload = (
        "alter system set shared_preload_libraries = 'pg_stat_statements', 'auto_explain'; -- and restart the standby"
    )
    assert commands == {
        ("PGP-078", "data_checksums"): "",
        ("PGP-079", "track_commit_timestamp"): (
            "alter system set track_commit_timestamp = 'on'; -- and restart the standby"
        ),
        ("PGP-068", "pg_stat_statements"): preload,
        ("PGP-068", "auto_explain"): preload,
    }
    for command in commands.values():
        if command:
            pair.run(command, "b")
    restart(pair, "b")
    await_answer(pair, "select count(*) from pg_stat_wal_receiver", 1, "b")
    assert {finding.rule.id for finding in audit(pair.embedded.url("a"), pair.embedded.url("b")).findings} == {
        "PGP-078"
    }
