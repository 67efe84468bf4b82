"""`hadrian lint`, `explain` and `rules` as a user meets them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.main import main

_SCRIPT = "create table kept (a int);\ncreate unlogged table lost (a int);\nselec 1;\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Make a script with one finding and one error."""
    path = tmp_path / "a.sql"
    path.write_text(_SCRIPT)
    return path


def test_findings_are_shown_with_their_place(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees where, what, why and what to do."""
    assert main(["lint", str(script)]) == 1
    out = capsys.readouterr().out
    assert f"{script}:2:1  not-replicated  lost" in out
    assert "PGP-001" in out
    assert "log it: ALTER TABLE ... SET LOGGED" in out
    assert f"{script}:3:1" in out
    assert out.endswith("3 statements\n")
    assert "kept" not in out


def test_json_of_all_holds_every_statement(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with the fields of the contract."""
    assert main(["lint", str(script), "--all", "--format", "json"]) == 1
    statements = json.loads(capsys.readouterr().out)["statements"]
    assert [(one["line"], one["column"], one["verdict"], one["rule"]) for one in statements][1:] == [
        (2, 1, "not-replicated", "PGP-001"),
        (3, 1, "unknown", None),
    ]
    assert [one["sql"] for one in statements] == [
        "create table kept (a int)",
        "create unlogged table lost (a int)",
        "selec 1",
    ]
    assert all(set(one) >= {"file", "message", "remedy"} for one in statements)
    assert {one["file"] for one in statements} == {str(script)}


@pytest.mark.parametrize(
    ("sql", "fail_on", "code"),
    [
        ("create unlogged table t (a int)", "lost", 0 + 1),
        ("alter system set work_mem = '1MB'", "lost", 0),
        ("alter system set work_mem = '1MB'", "stale", 1),
        ("select somebody()", "refused", 0),
        ("select somebody()", "unknown", 1),
        ("create table t (a int)", "unknown", 0),
        ("create table t (a int)", "fine", 1),
        ("selec 1", "lost", 1),
        ("-- hadrian: allow PGP-001 a cache\ncreate unlogged table t (a int)", "refused", 0),
    ],
)
def test_the_exit_code_is_that_of_the_level(sql: str, fail_on: str, code: int, tmp_path: Path) -> None:
    """A finding of the level or worse fails, and text that is no SQL always does."""
    (tmp_path / "a.sql").write_text(sql)
    assert main(["lint", str(tmp_path / "a.sql"), "--fail-on", fail_on]) == code


def test_a_directory_is_read_in_the_order_of_its_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Migrations know those before them."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "2.sql").write_text("delete from u;")
    (tmp_path / "1.sql").write_text("create unlogged table u (a int);")
    (tmp_path / "sub/3.PSQL").write_text("\\echo done\n")
    (tmp_path / "notes.txt").write_text("no SQL")
    assert main(["lint", str(tmp_path), "--all", "--format", "json"]) == 1
    statements = json.loads(capsys.readouterr().out)["statements"]
    assert [Path(one["file"]).name for one in statements] == ["1.sql", "2.sql", "3.PSQL"]
    assert statements[1]["verdict"] == "not-replicated"


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A script need not be a file."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"notify c")))
    assert main(["lint", "-"]) == 1
    assert "-:1:1" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfselect 1", b"select '\xe9'", b"select '\x00'", b""])
def test_any_bytes_are_read(content: bytes, tmp_path: Path) -> None:
    """A byte order mark, Latin-1, a NUL, nothing at all: none of them ends in a traceback."""
    (tmp_path / "a.sql").write_bytes(content)
    assert main(["lint", str(tmp_path / "a.sql")]) in {0, 1}


def test_what_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, and a directory without a script."""
    assert main(["lint", str(tmp_path / "absent.sql")]) == 2
    assert "cannot read" in capsys.readouterr().err
    assert main(["lint", str(tmp_path)]) == 2
    assert "holds no script" in capsys.readouterr().err


def test_sarif_names_rules_and_places(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the standard has it: a driver with its rules, results that point at them."""
    script.write_text(f"{_SCRIPT}-- hadrian: allow PGP-001 a cache\ncreate unlogged table cache (a int);\n")
    assert main(["lint", str(script), "--all", "--format", "sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    results = run["results"]
    assert [result["level"] for result in results] == ["note", "error", "warning", "error"]
    lost = results[1]
    assert run["tool"]["driver"]["rules"][lost["ruleIndex"]]["id"] == lost["ruleId"] == "PGP-001"
    assert lost["locations"][0]["physicalLocation"]["region"]["startLine"] == 2
    assert results[3]["suppressions"] == [{"kind": "inSource", "justification": "a cache"}]


def test_annotations_are_workflow_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One a line, with what would end a field written in its code."""
    path = tmp_path / "a,b.sql"
    path.write_text('create unlogged table "x\n%" (a int);\nselect somebody();')
    assert main(["lint", str(path), "--format", "github"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"::error file={tmp_path}/a%2Cb.sql,line=1,col=1,title=PGP-001::x%0A%25 is unlogged")
    assert second.startswith("::warning ")


def test_a_rule_is_explained_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """By its name, in whichever mode it is."""
    assert main(["explain", "pgl-001", "--format", "json"]) == 0
    rule = json.loads(capsys.readouterr().out)
    assert (rule["id"], rule["mode"]) == ("PGL-001", "postgres-logical")
    assert main(["explain", "PGP-001"]) == 0
    out = capsys.readouterr().out
    assert "after takeover" in out
    assert "PostgreSQL 18 documentation" in out
    assert main(["explain", "PGP-999"]) == 2
    assert "there is no rule PGP-999" in capsys.readouterr().err


def test_without_a_question_the_rules_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """So that one can be asked for."""
    assert main(["explain", "--mode", "db2-hadr"]) == 0
    assert "DBH-001" in capsys.readouterr().out
    assert main(["explain", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["PGP-001"] == "unlogged table"


def test_a_statement_is_explained_by_its_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict first, then each rule that it touches."""
    assert main(["explain", "insert into t values (nextval('s'))", "--mode", "postgres-logical"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("insert into t values (nextval('s'))\n  not-replicated: ")
    assert "when: " in out
    assert main(["explain", "select 1; notify c", "--format", "json"]) == 0
    statements = json.loads(capsys.readouterr().out)["statements"]
    assert [one["verdict"] for one in statements] == ["none", "not-replicated"]
    assert main(["explain", "  "]) == 2


@pytest.mark.parametrize("mode", ["postgres-physical", "postgres-logical", "db2-hadr"])
def test_the_tables_are_listed(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table, as JSON, as a page."""
    assert main(["rules", "--mode", mode, "--format", "json"]) == 0
    rules = json.loads(capsys.readouterr().out)["rules"]
    assert len(rules) > 30
    assert {rule["proof"] for rule in rules} == {"documented" if mode == "db2-hadr" else "proven"}
    assert main(["rules", "--mode", mode]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(rules) + 1
    assert main(["rules", "--mode", mode, "--format", "markdown"]) == 0
    assert f"# What replicates: {mode}" in capsys.readouterr().out
