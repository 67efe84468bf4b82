"""`hadrian rehearse` as a user meets it: what it prints, how it ends, and that nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from replicator.errors import NotConfigured
from replicator.postgres.connection import Server
from replicator.postgres.embedded import EmbeddedPair
from replicator.postgres.rehearsal import structure
from replicator.postgres.topology import wait_until
from tests.fixtures.command import COMMAND, complaint, environment, hadrian
from tests.fixtures.pair import Pair

LOGGED = "create table ok (id int primary key);\ninsert into ok values (1);\n"
UNLOGGED = "create unlogged table cache (id int);\ninsert into cache values (1);\n"


def written(folder: Path, name: str, text: str) -> Path:
    """Write a script and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def rehearse(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command with its pair below a folder."""
    return hadrian("rehearse", *arguments, TMPDIR=str(folder))


def statements(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return what it printed of each statement."""
    found = json.loads(done.stdout)["statements"]
    assert isinstance(found, list)
    return found


def left_in(folder: Path) -> list[object]:
    """Return what a rehearsal has left: its directories, and processes that work in them."""
    processes = [each for each in psutil.process_iter(["cwd"]) if (each.info["cwd"] or "").startswith(f"{folder}/")]
    return [*folder.glob("hadrian-*"), *processes]


def test_what_is_kept_is_fine(folder: Path, tmp_path: Path) -> None:
    """Exit code 0, a line a statement, what cannot be rehearsed once, and nothing left behind."""
    done = rehearse(folder, written(tmp_path, "m.sql", LOGGED))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" kept") == 2
    assert done.stdout.count("not rehearsed: ") == 1
    assert done.stderr == ""
    assert left_in(folder) == []


def test_what_is_lost_is_told_beside_what_lint_says(folder: Path, tmp_path: Path) -> None:
    """Exit code 1, and each statement with its verdict, its rule, and what was seen of it."""
    done = rehearse(folder, written(tmp_path, "m.sql", UNLOGGED), "--format", "json")
    assert done.returncode == 1, done.stderr
    create, insert = statements(done)
    assert (create["line"], create["column"], create["outcome"], create["lint"]) == (1, 1, "lost", "not-replicated")
    assert insert["rule"] == "PGP-018"
    assert insert["effects"] == [
        {"detail": "1 before takeover, 0 after", "outcome": "lost", "what": "rows of public.cache"}
    ]
    assert all(each["agrees"] for each in (create, insert))


def test_a_statement_that_fails_is_told_in_the_servers_words(folder: Path, tmp_path: Path) -> None:
    """Exit code 1 for a migration that does not run; the rest of it is still tried."""
    done = rehearse(folder, written(tmp_path, "m.sql", "drop table absent;\ncreate table t (id int);\n"))
    assert done.returncode == 1, done.stderr
    assert 'table "absent" does not exist' in done.stdout
    assert " kept" in done.stdout


def test_the_schema_comes_first_and_is_not_judged(folder: Path, tmp_path: Path) -> None:
    """What the schema defines is known to the server and to lint; what the pair lacks for it is named."""
    schema = written(tmp_path, "s.sql", "create extension postgis;\ncreate unlogged table cache (id int);\n")
    done = rehearse(folder, written(tmp_path, "m.sql", "insert into cache values (1);\n"), "--schema", schema)
    assert done.returncode == 1, done.stderr
    assert "missing: the pair lacks the extension postgis" in done.stdout
    assert 'schema, line 1: extension "postgis" is not available' in done.stdout
    assert "PGP-018  lost" in done.stdout
    assert "create unlogged" not in done.stdout


def test_the_schema_of_a_live_database(folder: Path, tmp_path: Path, shared_pair: Pair) -> None:
    """Tables, roles and the database's name come along, rows do not, and a migration of them runs."""
    shared_pair.run("create database shop")
    shared_pair.run("create role clerk")
    shared_pair.run("create table customer (id int primary key); insert into customer values (1)")
    shared_pair.run("alter table customer owner to clerk")
    url = shared_pair.embedded.url("a")
    migration = written(
        tmp_path,
        "m.sql",
        "alter table customer add column email text;\n"
        "grant select on customer to clerk;\n"
        "alter database postgres set work_mem = '8MB';\n"
        "do $$ begin assert (select count(*) from customer) = 0; end $$;\n",
    )
    done = rehearse(folder, migration, "--schema-from", url, "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["refused_schema"] == []
    assert [each["outcome"] for each in statements(done)] == ["kept", "kept", "kept", "nothing"]
    assert left_in(folder) == []


def test_the_schema_of_another_major_version_is_declined(shared_pair: Pair) -> None:
    """One line that names both versions and says how to go on."""
    with pytest.raises(NotConfigured, match="is PostgreSQL 18, the embedded one is PostgreSQL 17"):
        structure.dump(shared_pair.primary, shared_pair.embedded.bin, 17)


def test_a_password_of_the_url_is_in_no_command_line(shared_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user of a machine can read what its programs were called with."""
    calls: list[tuple[list[str], dict[str, str]]] = []
    run = subprocess.run

    def watched(argv: list[str], **options: Any) -> Any:
        calls.append((argv, options["env"]))
        return run(argv, **options)

    monkeypatch.setattr(structure.subprocess, "run", watched)
    server = Server(shared_pair.primary.url.set(password="s3cret"))  # noqa: S106 - the server asks for none
    assert "CREATE ROLE" in structure.dump(server, shared_pair.embedded.bin, 18)
    assert len(calls) == 2
    assert all("s3cret" not in " ".join(argv) and env["PGPASSWORD"] == "s3cret" for argv, env in calls)


def test_a_disagreement_is_our_error(folder: Path, tmp_path: Path) -> None:
    """With a rule turned round the command still prints everything, and ends with 2 and the statement to report."""
    script = written(tmp_path, "m.sql", LOGGED)
    turned = (
        "import dataclasses, sys, cli.main\n"
        "from replicator.postgres.rules import physical\n"
        "from replicator.rule import Verdict\n"
        "physical.RULES = tuple(dataclasses.replace(rule, verdict=Verdict.NOT_REPLICATED)"
        " if rule.id == 'PGP-012' else rule for rule in physical.RULES)\n"
        f"sys.exit(cli.main.main(['rehearse', {str(script)!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", turned],
        env=environment(TMPDIR=str(folder)), text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout.count(" kept") == 2
    assert f"{script}:2:1: lint says not-replicated, the rehearsal kept" in done.stderr
    assert done.stderr.count("\n") == 1


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    """A file that is not there, one that is no text, and two schemas."""
    assert "cannot read" in complaint(hadrian("rehearse", tmp_path / "absent.sql"))
    (tmp_path / "latin.sql").write_bytes(b"select '\xe4';")
    assert "is not UTF-8 text" in complaint(hadrian("rehearse", tmp_path / "latin.sql"))
    script = written(tmp_path, "m.sql", "select 1;")
    both = ("--schema", script, "--schema-from", "postgresql://localhost/x")
    assert "exclude each other" in complaint(hadrian("rehearse", script, *both))
    assert "Db2 has no pair" in complaint(hadrian("rehearse", script, "--schema-from", "db2://localhost/x"))
    assert "Missing argument" in complaint(hadrian("rehearse"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(folder: Path, tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C in the middle of a statement removes servers and directory."""
    script = written(tmp_path, "m.sql", "create table begun (id int);\nselect pg_sleep_for('50 s');\n")
    process = subprocess.Popen(
        [*COMMAND, "rehearse", str(script)],
        env=environment(TMPDIR=str(folder)), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip

    def is_in_the_statement() -> bool:
        found = list(folder.glob("hadrian-rehearse-*/pair/pair.json"))
        if not found:
            return False
        server = EmbeddedPair.open(found[0].parent).server("a")
        with server.connect() as connection:
            query = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
            running = connection.exec_driver_sql(query).scalar_one()
        server.close()
        return bool(running)

    wait_until(is_in_the_statement, "the second statement to run", timeout_s=60)
    process.send_signal(how)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (2, "", "hadrian: error: interrupted\n")
    assert left_in(folder) == []


def test_a_script_that_ends_its_session_is_one_line(folder: Path, tmp_path: Path) -> None:
    """The line of the statement is named, and nothing is left behind."""
    script = written(tmp_path, "m.sql", "select 1;\nselect pg_terminate_backend(pg_backend_pid());\n")
    said = complaint(rehearse(folder, script))
    assert "line 2: " in said
    assert "terminating connection" in said
    assert left_in(folder) == []


def test_a_hundred_statements_take_less_than_20_seconds(folder: Path, tmp_path: Path) -> None:
    """From the command to its last line, the pair included; a busy machine is given as much longer as it is busy."""
    script = written(
        tmp_path,
        "m.sql",
        "".join(
            f"create table t{n} (id bigserial primary key, a int, b text default 'x');\n"
            f"create index on t{n} (a);\n"
            f"insert into t{n} (a) select generate_series(1, 1000);\n"
            f"alter table t{n} add column d int;\n"
            for n in range(25)
        ),
    )
    began = time.monotonic()
    done = rehearse(folder, script, "--format", "json")
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert len(statements(done)) == 100
    assert took < 20 * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))
