"""Scripts of Db2 taken apart: every statement is found, at its place, and blocks are not torn."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.db2.language.parse import parse, terminator
from replicator.db2.language.tokenize import LINE, NOTHING, Kind, tokenize

# A busy machine is not an error.
_PATIENT = settings(deadline=None)
_PIECES = st.sampled_from(
    [
        *("begin ", "end ", "end if ", "if ", "then ", "else ", "case ", "when ", "while ", "do ", "loop ", "repeat "),
        *("create procedure p() ", "create trigger t ", "declare ", "for ", "each ", "label: ", "is ", "(", ")", "; "),
        *("@\n", "\n", "--#SET TERMINATOR @\n", "-- hadrian: allow x y\n", "'", '"', "/*", "*/", "a ", "!x\n", "\\\n"),
    ]
)

PROCEDURE = """create or replace procedure p (in a int, inout b int) language sql
begin
  declare x int default case when a = 1 then 2 else 3 end;
  declare continue handler for not found set x = 4;
  if a is null then insert into t values (1); elseif a > 3 then set x = 1; else set x = 2; end if;
  while x > 1 do set x = x - 1; end while;
  for v as select * from t do insert into u values (v.a); end for;
  case x when 1 then set x = 2; else set x = 3; end case;
  repeat set x = x + 1; until x > 3 end repeat;
  set y = repeat('ab', 3);
  inner: loop leave inner; end loop inner;
  drop table if exists z;
  begin atomic update t set a = 1; end;
end"""
STATEMENTS = [
    "select 1 from sysibm.sysdummy1",
    "insert into t values ('a;b', \"c;d\")",
    PROCEDURE,
    "begin atomic declare i int; set i = 1; end",
    "here: begin set i = 1; end here",
    "begin not atomic call p(); end",
    "create trigger tr after insert on t for each row mode db2sql begin atomic update t set a = 1; end",
    "create trigger tr no cascade before update on t referencing new as n for each row when (n.a > 1) set n.a = 1",
    "create function f (a int) returns int language sql return case when a = 1 then 2 else 3 end",
    "create procedure q () language sql if 1 = 1 then insert into t values (1); end if",
    "create procedure r () while x > 1 do set x = 2; end while",
    "create procedure s () is n int; begin n := 1; for i in 1..3 loop null; end loop; end",
    "alter module m publish procedure p () begin call q(); end",
    "begin create table t (s timestamp(12) as row begin, e timestamp(12) as row end); commit; end",
    "declare n int; begin n := 1; end",
    "declare c cursor with hold for select a from t where b is not null",
    "declare global temporary table session.t (a int) on commit preserve rows not logged",
    "create table t (s timestamp(12) generated always as row begin not null, e timestamp(12) as row end)",
    "create view v as select case when a = 1 then 'begin' else 'end' end as c from t",
    "merge into t using s on t.a = s.a when matched then update set b = 1 when not matched then insert values (1)",
    "update db cfg for sample using logarchmeth1 disk:/archive/db2 immediate",
    "load from /data/x.del of del messages /tmp/m insert into t copy yes to /backup",
    'create table "Begin" (a int)',
    "connect to sample user x using 'y'",
    "? SQL1477N",
    "commit",
]
_BETWEEN = st.sampled_from([" ", "\n", "\n\n", " -- a comment; with 'one quote\n", "\n/* block; begin */\n", "\t"])


@_PATIENT
@given(st.lists(st.tuples(st.sampled_from(STATEMENTS), _BETWEEN), max_size=8), st.sampled_from([";", "@"]))
def test_a_script_gives_back_the_statements_it_was_made_of(script: list[tuple[str, str]], mark: str) -> None:
    """However statements are mixed, commented and terminated, each comes back as it was written."""
    head = "" if mark == ";" else f"--#SET TERMINATOR {mark}\n"
    text = head + "".join(f"{blank}{statement}{mark}\n" for statement, blank in script)
    parts = list(parse(text))
    assert [part.statement.text for part in parts] == [statement for statement, _ in script]
    assert [part.error for part in parts] == [""] * len(parts)
    lines = text.splitlines()
    for part in parts:
        first = part.statement.text.splitlines()[0]
        assert lines[part.statement.line - 1][part.statement.column - 1 :].startswith(first)


@_PATIENT
@given(st.lists(_PIECES, max_size=40).map("".join) | st.text())
def test_no_text_is_lost_and_none_is_too_much(text: str) -> None:
    """Whatever a text is, all of it but blanks, comments and terminators is in some statement."""
    parts = list(parse(text))
    inside = [set(range(part.tokens[0].start, part.tokens[-1].end)) for part in parts]
    for token in tokenize(text, terminator(text)):
        if token.kind not in NOTHING and token.kind is not Kind.TERMINATOR:
            assert sum(token.start in span for span in inside) == 1
    assert all(part.statement.text.strip() == part.statement.text for part in parts)


def test_a_place_counts_characters_from_one() -> None:
    """Line and column are those that an editor shows."""
    places = [(part.statement.line, part.statement.column) for part in parse("é; é;\n\n  select 1;")]
    assert places == [(1, 1), (1, 4), (3, 3)]


GUESSED = [
    ("create table t (a int);\n", ";"),
    ("create procedure p ()\nbegin\n  commit;\nend@\ncommit@\n", "@"),
    ("begin\n  commit;\nend\n@\n", "@"),
    ("begin\n  commit;\nend p@\n-- the end\n", "@"),
    ("commit%\nrollback%", "%"),
    ("create table t (a int)@\ndrop table t @\nbegin\n  commit;\nend\n", "@"),
    ("select a\n     , cust#\n     , acct#\nfrom t;\n", ";"),
    ("create procedure p () \\\nbegin \\\n  commit; \\\nend\nterminate\n", LINE),
    ("load from x of del insert into t; delete from t", ";"),
    ("--#SET TERMINATOR @\nend@\n", ";"),
    ("select a@b from t;\n", ";"),
    ("connect to sample\nload from x of del \\\n  insert into t\nterminate\n", LINE),
    ("select a\nfrom t\n", ";"),
    ("insert into t\nselect 1 from u\n", ";"),
    ("", ";"),
]


@pytest.mark.parametrize(("text", "mark"), GUESSED, ids=[text[:20] for text, _ in GUESSED])
def test_the_terminator_is_read_off_the_lines(text: str, mark: str) -> None:
    """What the command line would have said is seen in how the statements end."""
    assert terminator(text) == mark


def test_a_remark_belongs_to_the_statement_directly_below_it() -> None:
    """A remark counts on its own lines, with no line between, in the order written."""
    text = """-- hadrian: allow DBH-001 no
drop table a;

-- a word
--hadrian: allow DBH-002 one
-- Hadrian:  allow DBH-003 two
drop table b; -- hadrian: allow DBH-004 not this
drop table c;
-- hadrian: allow DBH-005 too far

drop table d;
"""
    assert [part.remarks for part in parse(text)] == [
        ("allow DBH-001 no",),
        ("allow DBH-002 one", "allow DBH-003 two"),
        (),
        (),
    ]


ERRORS = [
    ("select 'a from t;", "line 1, column 8: this is not closed: 'a from t"),
    ('drop table "a;', 'line 1, column 12: this is not closed: "a'),
    ("select (1;", "line 1, column 8: this is not closed: ("),
    ("select 1);", "line 1, column 9: nothing is open that this could close: )"),
    ("drop table a`b;", "line 1, column 13: no statement has this character: `"),
    ("/* a\n b;", "line 1, column 1: this is not closed: /* a"),
    ("begin commit;", "BEGIN without its END"),
]


@pytest.mark.parametrize(("text", "error"), ERRORS, ids=[text for text, _ in ERRORS])
def test_an_error_names_its_place_and_the_rest_is_still_read(text: str, error: str) -> None:
    """What is not closed is told where it opens, and the statements after it are there."""
    first, *rest = parse(f"{text}\ncommit;\nrollback;\n")
    assert first.error == error
    assert [part.statement.text for part in rest][-2:] == ["commit", "rollback"]


def test_a_client_command_may_hold_what_is_no_sql() -> None:
    """File names and texts of commands are not held to the grammar of SQL."""
    assert [part.error for part in parse("echo (`hello;\nload from {x}.del of del insert into t;")] == ["", ""]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "junk", ["begin insert into t values (1);\n", "create procedure p() begin\n", "if a then ", "("]
)
def test_unclosed_blocks_take_time_in_proportion(junk: str) -> None:
    """A script full of blocks that never end is read in seconds."""
    assert list(parse(junk * 20_000))
