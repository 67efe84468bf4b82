"""Db2's tokens: they cover any text, and each is what the server would take it for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.db2.language.tokenize import LINE, NOTHING, Kind, tokenize

# A busy machine is not an error.
_PATIENT = settings(deadline=None)
_PIECES = st.sampled_from(
    [
        *(
            "select",
            "begin",
            "end",
            "t",
            "a@b",
            "@",
            "#",
            "$",
            ";",
            "!",
            "/",
            "\\\n",
            "\n",
            "\r\n",
            " ",
            "\t",
            "'",
            '"',
        ),
        *("''", "x'", "GX'", "--", "-- c\n", "/*", "*/", "(", ")", "||", "<>", "!=", ":h", ":", "?", "1", "1.5e3", "."),
        *("--#SET TERMINATOR @\n", "--#SET TERMINATOR ;\n", "é", "`", "\x00", "¬="),
    ]
)
JUNK = st.one_of(st.text(), st.lists(_PIECES).map("".join))


@_PATIENT
@given(JUNK, st.sampled_from([";", "@", LINE, "%", "//"]))
def test_the_tokens_cover_the_text(text: str, terminator: str) -> None:
    """Nothing of a text is lost and nothing is added, whatever the text is."""
    tokens = list(tokenize(text, terminator))
    assert "".join(token.text for token in tokens) == text
    assert [token.start for token in tokens] == [sum(len(t.text) for t in tokens[:i]) for i in range(len(tokens))]
    assert all(token.text for token in tokens)


KINDS = [
    ("name_1", [Kind.WORD]),
    ("#a$b@c", [Kind.WORD]),
    ("straße", [Kind.WORD]),
    ('"a ""b"" c"', [Kind.DELIMITED]),
    ("'it''s'", [Kind.STRING]),
    ("x'00ff'", [Kind.STRING]),
    ("GX'0041'", [Kind.STRING]),
    ("g'abc'", [Kind.STRING]),
    ("N'abc'", [Kind.STRING]),
    ("BX'00'", [Kind.STRING]),
    ("u&'\\0041'", [Kind.STRING]),
    ("'two\nlines'", [Kind.STRING]),
    ("'--no comment'", [Kind.STRING]),
    ("-- it's a comment", [Kind.COMMENT]),
    ("/* one /* two */ one */", [Kind.COMMENT]),
    ("12", [Kind.NUMBER]),
    ("1.5E-10", [Kind.NUMBER]),
    (".5", [Kind.NUMBER]),
    ("10M", [Kind.NUMBER, Kind.WORD]),
    ("?", [Kind.PARAMETER]),
    (":host_variable", [Kind.PARAMETER]),
    ("label:begin", [Kind.WORD, Kind.OPERATOR, Kind.WORD]),
    ("a||b", [Kind.WORD, Kind.OPERATOR, Kind.WORD]),
    ("a!=b", [Kind.WORD, Kind.OPERATOR, Kind.WORD]),
    ("a..b", [Kind.WORD, Kind.OPERATOR, Kind.WORD]),
    ("a;", [Kind.WORD, Kind.TERMINATOR]),
    ("a \\\n b", [Kind.WORD, Kind.CONTINUATION, Kind.WORD]),
    ("!ls -l /tmp; b", [Kind.HOST]),
    ("!ls\nb", [Kind.HOST, Kind.WORD]),
    ("a !ls", [Kind.WORD, Kind.OPERATOR, Kind.WORD]),
    ("`", [Kind.OTHER]),
    ("'open\nb", [Kind.BAD, Kind.WORD]),
    ("'open;\nb", [Kind.BAD, Kind.TERMINATOR, Kind.WORD]),
    ('"open\nb', [Kind.BAD, Kind.WORD]),
    ("/* open\nb /* c */", [Kind.BAD, Kind.WORD, Kind.COMMENT]),
]


@pytest.mark.parametrize(("text", "kinds"), KINDS, ids=[text for text, _ in KINDS])
def test_a_token_is_what_the_server_takes_it_for(text: str, kinds: list[Kind]) -> None:
    """Names, strings, numbers and comments are told apart as Db2 tells them apart."""
    left_out = NOTHING - {Kind.COMMENT, Kind.CONTINUATION}
    assert [token.kind for token in tokenize(text) if token.kind not in left_out] == kinds


def terminators(text: str, terminator: str = ";") -> list[int]:
    """Return where terminators stand."""
    return [token.start for token in tokenize(text, terminator) if token.kind is Kind.TERMINATOR]


def test_a_directive_changes_the_terminator_from_its_line_on() -> None:
    """`--#SET TERMINATOR` counts where it is a line, and not inside another comment."""
    text = "a;\n--#SET TERMINATOR @\nb; c@\n--#set terminator ;\nd@ e;\n-- --#SET TERMINATOR @\nf;"
    assert terminators(text) == [text.index(";"), text.index("@\n--#set"), text.index(";\n-- --"), len(text) - 1]


def test_a_letter_ends_a_statement_only_at_the_end_of_its_line() -> None:
    """`@` is a letter of names, so `a@b` is one of them and `end@` at the end of a line is not."""
    assert terminators("drop table a@b@\nend@ -- c\nx@y", "@") == [14, 19]
    assert terminators("a / b /\nc", "/") == [6]


def test_a_terminator_inside_a_string_or_a_comment_ends_nothing() -> None:
    """A statement does not end where its text only looks like it."""
    assert terminators("a 'x;' /* ; */ \"y;\" -- ;\n;") == [25]


def test_each_line_is_a_statement_unless_it_is_continued() -> None:
    """Without -t the command line processor ends a statement with its line."""
    assert terminators("a\nb \\\n c\nd", LINE) == [1, 8]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "junk", ["'\n", '"x\n', "/*\n", "/* */ /*", " ", "\\\n", "--x\n", ":", "@", "'' ", "!x\n", "1."]
)
def test_junk_takes_time_in_proportion_to_its_length(junk: str) -> None:
    """A megabyte of anything is read in seconds, where a quadratic reader would take hours."""
    assert sum(len(token.text) for token in tokenize(junk * 300_000)) == len(junk) * 300_000
