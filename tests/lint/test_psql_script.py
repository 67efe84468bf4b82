"""psql's own way of taking a script apart: what ends a statement, what is a command, what is data."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.postgres.language.script import Kind, Piece, split


def pieces(script: str) -> list[tuple[str, str]]:
    """Return each piece as its kind and its text."""
    return [(piece.kind.name, script[piece.start : piece.end]) for piece in split(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("select 1; select 2", ["select 1", "select 2"]),
        ("select ';'; select 2", ["select ';'", "select 2"]),
        (r"select E'\';'; select 2", [r"select E'\';'", "select 2"]),
        ("select 'it''s;'; select 2", ["select 'it''s;'", "select 2"]),
        ('select ";"; select 2', ['select ";"', "select 2"]),
        ("do $a$ ; $$ ; $a$; select 2", ["do $a$ ; $$ ; $a$", "select 2"]),
        ("select a$b; select $c from t$d", ["select a$b", "select $c from t$d"]),
        ("select 1 -- ;\n; select 2", ["select 1 -- ;", "select 2"]),
        ("select /* ; /* ; */ ; */ 1; select 2", ["select /* ; /* ; */ ; */ 1", "select 2"]),
        ("create rule r as on insert to t do (select 1; select 2); select 3;", None),
        ("create function f() returns int begin atomic select case when true then 1 end; select 2; end; x", None),
        ("create or replace procedure p() begin atomic begin; end; end; select 3", None),
        ("begin; end; select 1", ["begin", "end", "select 1"]),
        (r"select 1 \; select 2; select 3", [r"select 1 \; select 2", "select 3"]),
        (";;select 1;;", ["select 1"]),
        ("-- nothing", []),
        ("", []),
        ("select 'open ; select 2", ["select 'open ; select 2"]),
        ("select $$ open ; select 2", ["select $$ open ; select 2"]),
        ("/* open ; select 2", []),
    ],
)
def test_a_statement_ends_where_psql_sends_it(script: str, expected: list[str] | None) -> None:
    """Quotes, comments, parentheses and routine bodies keep their semicolons."""
    found = pieces(script)
    assert all(kind == "SQL" for kind, _ in found)
    if expected is None:
        assert len(found) == 2
    else:
        assert [text for _, text in found] == expected


def test_a_meta_command_ends_with_its_line() -> None:
    """Two backslashes end it before, and what it sends is a statement without a semicolon."""
    script = "\\set a 1\nselect 1 \\gx\nselect 2 \\g out.txt\n\\if true \\\\ select 3;\n\\endif"
    assert pieces(script) == [
        ("META", "\\set a 1"),
        ("SQL", "select 1"),
        ("META", "\\gx"),
        ("SQL", "select 2"),
        ("META", "\\g out.txt"),
        ("META", "\\if true"),
        ("SQL", "select 3"),
        ("META", "\\endif"),
    ]


def test_a_meta_command_inside_a_statement_does_not_send_it() -> None:
    """It is told apart from the text that psql keeps."""
    (piece,) = split("select 1\n\\p\n, 2;")
    assert [inner.kind for inner in piece.inner] == [Kind.META]
    assert piece.end == len("select 1\n\\p\n, 2")


@pytest.mark.parametrize("stream", ["stdin", "STDOUT"])
def test_what_follows_copy_from_stdin_is_data(stream: str) -> None:
    """Its lines are no statements, whatever they look like, up to the line that ends them."""
    script = f"copy t (a, b) from {stream} with (format csv);\n1;drop table t\n\\echo\n\\.\nselect 1;"
    assert [kind for kind, _ in pieces(script)] == ["SQL", "DATA", "SQL"]
    assert pieces(f"\\copy t from {stream.lower()}\n1;2\n\\.\nselect 1")[1:] == [("DATA", "1;2\n"), ("SQL", "select 1")]


def test_what_follows_copy_on_its_line_is_no_data() -> None:
    """The server gets it behind the data."""
    script = "copy t from stdin; select 1\n1\n\\.\nselect 2"
    assert [text for _, text in pieces(script)] == ["copy t from stdin", "select 1", "1\n", "select 2"]


def test_data_without_an_end_reaches_to_the_end_of_the_script() -> None:
    """As for psql, which then has read everything."""
    assert pieces("copy t from stdin;\n1\n2\n") == [("SQL", "copy t from stdin"), ("DATA", "1\n2\n")]
    assert pieces("copy t from stdin;") == [("SQL", "copy t from stdin")]
    assert pieces("copy t to stdout;\nselect 1") == [("SQL", "copy t to stdout"), ("SQL", "select 1")]


_FRAGMENTS = st.sampled_from(
    [
        *("select 1", ";", "\n", " ", "'", '"', "$$", "$a$", "--", "/*", "*/", "(", ")", "\\", "\\;", "\\\\", "\\g\n"),
        *("E'", "begin", "end", "case", "create function f()", "copy t from stdin", "\\.\n", "é", "\0", "\x80", ":x"),
    ]
)
_JUNK = st.lists(_FRAGMENTS, max_size=30).map("".join) | st.text(max_size=60)


@given(_JUNK)
def test_between_the_pieces_nothing_is_lost(script: str) -> None:
    """Whatever a script holds, only blanks, comments and marks lie outside the pieces, in order."""
    end = 0
    for piece in split(script):
        assert end <= piece.lead <= piece.start < piece.end
        assert is_nothing(script[end : piece.start]), script[end : piece.start]
        end = piece.end
    assert is_nothing(script[end:]), script[end:]


def is_nothing(text: str) -> bool:
    """Return whether a text holds blanks, semicolons, separators, ends of data and comments only."""
    if "/*" in text or "--" in text:
        return True
    return re.fullmatch(r"(?:\s|;|\\\\|\\\.)*", text) is not None


_NAMES = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
_STATEMENTS = st.one_of(
    _NAMES.map(lambda name: f"select '{name};'"),
    _NAMES.map(lambda name: f'table "{name};"'),
    _NAMES.map(lambda name: f"do $b$ begin perform {name}(); end $b$"),
    _NAMES.map(lambda name: f"create table {name} (a int /* ; */, b int)"),
)


@given(
    st.lists(st.tuples(_STATEMENTS, st.sampled_from([";", " ; ", ";\n-- ;\n", ";/* ; */\n", "\n\\g\n"])), max_size=8)
)
def test_every_statement_is_found_as_it_was_written(parts: list[tuple[str, str]]) -> None:
    """However they are separated."""
    script = "".join(statement + end for statement, end in parts)
    found = [script[piece.start : piece.end] for piece in split(script) if piece.kind is Kind.SQL]
    assert found == [statement for statement, _ in parts]


def test_a_piece_knows_where_its_comments_begin() -> None:
    """The lead reaches back to the end of the piece before."""
    script = "select 1; -- a\n-- b\nselect 2"
    _, second = split(script)
    assert second == Piece(Kind.SQL, script.index("select 2"), len(script), script.index(";") + 1)
