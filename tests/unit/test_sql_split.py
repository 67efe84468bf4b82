"""`sql.statements`: a script becomes its statements, and nothing that looks like an end is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from replicator import sql
from replicator.migrate import ENGINES, available


def split(script: str) -> list[str]:
    """Return the statements as the driver gets them."""
    # The driver takes %% for %, so that is undone here.
    dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
    return [str(found.compile(dialect=dialect)).replace("%%", "%") for found in sql.statements(script)]


# Pieces that hold an end of statement which is none.
PIECES = [
    "select 1",
    "'a;\n'",
    "'it''s;\n'",
    "e'it\\';\n'",
    '"a;\n"',
    '"a "" ;\n"',
    "$$ a;\n b; \n$$",
    "$body$ a;\n $$;\n $body$",
    "a$b$c",
    "-- comment;\n",
    "-- it's a comment;\n",
    "-- $$ comment;\n",
    "/* a;\n it's */",
    "x::text",
    "y[1:2]",
    "5 % 3",
    ":name",
    "(a; b)",
    r"'\:'",
    "né",
]


@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), max_size=5))
def test_statements_come_out_as_they_went_in(statements: list[list[str]]) -> None:
    """Whatever strings, bodies and comments hold, each statement is found whole and unchanged."""
    texts = [" ".join(["do", *pieces, "end"]) for pieces in statements]
    assert split(";\n".join(texts) + (";\n" if texts else "")) == texts


@given(st.text(alphabet="a;'\"$\n e\\", max_size=40))
def test_no_text_is_lost(script: str) -> None:
    """On any junk, quotes that never close among it, only blanks and ends are left out."""
    left_out = str.maketrans("", "", "; \n")
    assert "".join(split(script)).translate(left_out) == script.translate(left_out)


def test_the_last_statement_needs_no_end() -> None:
    """A forgotten `;` at the end of the file loses nothing."""
    assert split("select 1;\nselect 2") == ["select 1", "select 2"]


@pytest.mark.parametrize("script", ["", "\n", ";\n", "-- only\n-- comment;\n", "/* only;\n */", ";\n;\n"])
def test_a_script_without_code_has_no_statement(script: str) -> None:
    """Comments alone are not sent to a server."""
    assert split(script) == []


def test_a_comment_may_follow_the_end() -> None:
    """`;` ends a line even with a comment behind it."""
    assert len(split("select 1; -- first;\nselect 2;   \nselect 3;")) == 3


def test_an_end_inside_a_line_is_not_one() -> None:
    """Only a `;` that ends a line ends a statement, so that a body in one line stays whole."""
    assert split("create function f() begin atomic select 1; end;\n") == [
        "create function f() begin atomic select 1; end"
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_migration_is_split_where_a_reader_would(engine: str) -> None:
    """Every statement of the program's own files begins with a verb, after its comment."""
    for file in available(engine):
        for statement in split(file.script):
            first = next(line for line in statement.splitlines() if line and not line.startswith("--"))
            assert first.split()[0] in {"create", "alter", "comment", "do", "update"}, statement
