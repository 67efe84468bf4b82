"""The server's grammar over whole scripts: places, errors that cost one statement, remarks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.postgres.language.parse import INTERPOLATED, TOGETHER, _Pieces, parse
from replicator.postgres.language.script import Kind

_STATEMENTS = [
    "select 1",
    "insert into t values ('é;', \"a\")",
    "create table überall (id int)",
    "update t set a = $$ ; $$",
    "select /* inner; */ 2",
    "do $x$ begin null; end $x$",
]
_GAPS = [";", " ;\n", ";\n\n", "; -- é ;\n", ";/* é /* ; */ */ ", ";\t"]


@given(st.lists(st.tuples(st.sampled_from(_STATEMENTS), st.sampled_from(_GAPS)), max_size=8))
def test_both_ways_through_a_script_agree(parts: list[tuple[str, str]]) -> None:
    """What the grammar takes whole comes out the same when psql's rules take it apart."""
    script = "".join(statement + gap for statement, gap in parts)
    whole = [(parsed.statement, list(parsed.tree or ())) for parsed in parse(script)]
    pieces = [(parsed.statement, list(parsed.tree or ())) for parsed in _Pieces(script).parsed()]
    assert whole == pieces
    assert [statement.text for statement, _ in whole] == [statement for statement, _ in parts]


@given(st.lists(st.sampled_from([*_STATEMENTS, "selec 1", "\\echo é\n", "create"]), max_size=8))
def test_a_statement_stands_where_its_place_says(statements: list[str]) -> None:
    """Line and column count characters, from 1."""
    script = "\n ".join(statement if statement.startswith("\\") else f"{statement};" for statement in statements)
    lines = script.split("\n")
    for parsed in parse(script):
        rest = "\n".join(
            [lines[parsed.statement.line - 1][parsed.statement.column - 1 :], *lines[parsed.statement.line :]]
        )
        assert rest.startswith(parsed.statement.text)


@pytest.mark.parametrize("count", [1, 2, 300, 700])
def test_an_error_costs_its_own_statement_only(count: int) -> None:
    """However many statements stand around it, each of them is read, and the error has a place."""
    statements = [f"delete from t{n}" for n in range(count)]
    for broken in {0, count // 2, count}:
        script = ";\n".join([*statements[:broken], "selec 1", *statements[broken:]])
        parsed = list(parse(script))
        assert [one.statement.text for one in parsed if one.tree] == statements
        (error,) = (one.error for one in parsed if one.error)
        assert error == f'syntax error at or near "selec" (line {broken + 1}, column 1)'


def test_the_place_of_an_error_is_inside_its_statement() -> None:
    """As the server's caret shows it, in characters of the script."""
    (parsed,) = parse("select 'é',\n  1 +;")
    assert parsed.error.endswith("(line 2, column 6)")


def test_a_script_with_a_nul_is_read_to_its_end() -> None:
    """The grammar would take it for the end of the text."""
    first, broken, last = parse("select 1; select '\0'; select 2")
    assert (first.error, last.error) == ("", "")
    assert "NUL" in broken.error


def test_text_that_is_no_unicode_is_an_error_of_its_own() -> None:
    """A lone surrogate cannot be sent to any server."""
    broken, last = parse("select '\ud800'; select 2")
    assert "Unicode" in broken.error
    assert last.tree is not None


@pytest.mark.parametrize(
    "statement",
    [
        "select * from :table where a = :'text' limit :n",
        'insert into :"table" values (:a, :b)',
        "select :{?name}",
        "select a::int, b[1:2], c := 3 from t where :cond",
    ],
)
def test_variables_of_psql_stand_for_values(statement: str) -> None:
    """A statement with variables in it has the tree of one with names and texts there, or is said to depend on them."""
    (parsed,) = parse(f"{statement};")
    assert parsed.error == ""
    assert parsed.statement.text == statement


def test_a_statement_that_is_a_variable_cannot_be_read() -> None:
    """Nobody knows what it is before psql has its value."""
    (parsed,) = parse(":statement;")
    assert parsed.tree == {INTERPOLATED: {}}


def test_statements_of_one_message_are_read_together() -> None:
    """A semicolon that a backslash stands before sends nothing."""
    (parsed,) = parse("select 1\\; insert into t values (1);")
    assert [list(tree) for tree in (parsed.tree or {})[TOGETHER]["stmts"]] == [["SelectStmt"], ["InsertStmt"]]


def test_meta_commands_are_kept_in_their_order() -> None:
    """Those inside a statement come after it."""
    found = [(parsed.kind, parsed.statement.text) for parsed in parse("\\a\nselect 1 \\p\n, 2 \\gx\n\\b")]
    assert found == [
        (Kind.META, "\\a"),
        (Kind.SQL, "select 1 \\p\n, 2"),
        (Kind.META, "\\p"),
        (Kind.META, "\\gx"),
        (Kind.META, "\\b"),
    ]


@pytest.mark.parametrize("tail", ["", "\\echo"])
@pytest.mark.parametrize(
    ("lead", "remarks"),
    [
        ("-- hadrian: allow X-1 because\n", ("allow X-1 because",)),
        ("-- hadrian: one\n  --hadrian:two  \n", ("one", "two")),
        ("-- hadrian: one\n-- of another kind\n", ("one",)),
        ("-- hadrian: cut off\n\n", ()),
        ("select 0; -- hadrian: of the statement before\n", ()),
        ("select 0;\n-- hadrian: one\n", ("one",)),
        ("/* -- hadrian: no comment line */\n", ()),
    ],
)
def test_remarks_belong_to_the_statement_below_them(lead: str, remarks: tuple[str, ...], tail: str) -> None:
    """In comment lines directly above it, in both ways through a script."""
    parsed = [one for one in parse(f"{lead}select 1;\n{tail}") if one.statement.text == "select 1"]
    assert [one.remarks for one in parsed] == [remarks]


@given(st.text(max_size=80) | st.lists(st.sampled_from([*_STATEMENTS, ";", "\\", "'", "\n", "$$", "("])).map("".join))
def test_whatever_a_script_holds_it_is_read(script: str) -> None:
    """Each piece has a tree, an error, or is a command of psql."""
    for parsed in parse(script):
        assert (parsed.tree is not None) + bool(parsed.error) + (parsed.kind is Kind.META) == 1
