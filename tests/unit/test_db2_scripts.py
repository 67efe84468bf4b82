"""What an earlier statement of Db2's makes of a later one, and what the body of a routine comes to."""

from __future__ import annotations

import pytest

from replicator.db2.language.classify import Db2Reader
from replicator.db2.subject import Subject
from replicator.lint import lint
from replicator.rule import Mode, Verdict
from replicator.statement import Reading, Touch

_LOB = "create table app.t (id int not null, pic blob(1m) not logged, doc clob(1m));\n"
_UNLOGGED = "create table t (a int) not logged initially;\n"

# The worst that the last statement of a script touches: its subject, and what a message would say in detail.
WORST: list[tuple[str, Subject, str]] = [
    (_UNLOGGED + "insert into t values (1)", Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + "commit; delete from t", Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + "create index i on t (a)", Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + "reorg table t inplace", Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + "refresh table t", Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + "load from x of del insert into t copy yes to /x", Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + "rename table t to u; insert into u values (1)", Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + 'truncate table "T" immediate', Subject.UNAVAILABLE_CHANGE, "NOT LOGGED INITIALLY"),
    (_UNLOGGED + 'insert into "t" values (1)', Subject.ROW_CHANGE, ""),
    (_UNLOGGED + "insert into other.t values (1)", Subject.ROW_CHANGE, ""),
    (_UNLOGGED + "drop table t", Subject.DDL, ""),
    (_UNLOGGED + "drop table t; insert into t values (1)", Subject.ROW_CHANGE, ""),
    (_UNLOGGED + "drop table t; create table t (a int); insert into t values (1)", Subject.ROW_CHANGE, ""),
    (
        "alter table t activate not logged initially; update t set a = 1",
        Subject.UNAVAILABLE_CHANGE,
        "NOT LOGGED INITIALLY",
    ),
    (
        "load from x of del insert into t nonrecoverable; delete from t",
        Subject.UNAVAILABLE_CHANGE,
        "LOAD NONRECOVERABLE",
    ),
    (
        "load from x of del insert into t; import from y of del insert into t",
        Subject.UNAVAILABLE_CHANGE,
        "LOAD COPY NO",
    ),
    ("load from x of del insert into t copy yes to /x; delete from t", Subject.ROW_CHANGE, ""),
    (_LOB + "insert into app.t values (1, ?, ?)", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (_LOB + "insert into app.t (id, pic) values (1, ?)", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (_LOB + "insert into app.t (id, doc) values (1, ?)", Subject.ROW_CHANGE, ""),
    (_LOB + "update app.t x set x.pic = ? where id = 1", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (_LOB + "update app.t set (id, pic) = (select 1, p from s)", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (_LOB + "update app.t set doc = ?, id = (select max(pic) from s)", Subject.ROW_CHANGE, ""),
    (_LOB + "delete from app.t", Subject.ROW_CHANGE, ""),
    (_LOB + "merge into app.t using s on 1 = 1 when not matched then insert (id) values (1)", Subject.ROW_CHANGE, ""),
    (
        _LOB + "merge into app.t using s on 1 = 1 when matched then update set pic = s.p",
        Subject.NOT_LOGGED_LOB_VALUE,
        "PIC",
    ),
    (_LOB + "import from x of del insert into app.t", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (_LOB + "ingest from file x format delimited insert into app.t (id) values ($1)", Subject.IMPORT, ""),
    (_LOB + "alter table app.t drop column pic; insert into app.t values (1, ?)", Subject.ROW_CHANGE, ""),
    (_LOB + "set schema app; update t set pic = ?", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (_LOB + "set current schema = 'APP'; update t set pic = ?", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (_LOB + "set schema = other; update t set pic = ?", Subject.ROW_CHANGE, ""),
    (_LOB + "select id from final table (insert into app.t values (1, ?, ?))", Subject.NOT_LOGGED_LOB_VALUE, "PIC"),
    (
        "create table t (a int); alter table t add p blob not logged; insert into t values (1, ?)",
        Subject.NOT_LOGGED_LOB_VALUE,
        "P",
    ),
    ("create global temporary table g (a int); insert into g values (1)", Subject.TEMPORARY_ROW_CHANGE, ""),
    ("declare global temporary table g (a int); insert into session.g values (1)", Subject.TEMPORARY_ROW_CHANGE, ""),
    ("alter table t log index build on; create index i on t (a)", Subject.INDEX_BUILD_LOGGED, ""),
    ("alter table t log index build off; create index i on t (a)", Subject.INDEX_BUILD_NOT_LOGGED, ""),
    (
        "alter table t log index build on; alter table t log index build null; create index i on t (a)",
        Subject.INDEX_BUILD,
        "",
    ),
    ("alter table t log index build on; reorg table t", Subject.REORG_OFFLINE, ""),
    (
        "create schema s create table t (a int) not logged initially; insert into s.t values (1)",
        Subject.UNAVAILABLE_CHANGE,
        "NOT LOGGED INITIALLY",
    ),
]


def last(script: str) -> Reading:
    """Return what the last statement of a script does."""
    *_, reading = Db2Reader().read(script)
    return reading


def worst(script: str) -> tuple[str, str]:
    """Return subject and detail of what decides the last statement of a script."""
    *_, judgement = lint([("x.sql", script)], Mode.DB2_HADR)
    assert judgement.rule is not None, judgement.message
    (touch, *_) = [touch for touch in last(script).touches if touch.subject == judgement.rule.subject]
    return touch.subject, touch.detail


@pytest.mark.parametrize(("script", "subject", "detail"), WORST, ids=[script[-60:] for script, _, _ in WORST])
def test_a_statement_is_judged_by_what_came_before_it(script: str, subject: Subject, detail: str) -> None:
    """What a script made decides what becomes of what it does later."""
    assert worst(script) == (subject, detail)


def test_a_script_knows_what_the_scripts_before_it_made() -> None:
    """Files are judged in the order in which they would run."""
    scripts = [("a.sql", _UNLOGGED), ("b.sql", "insert into t values (1);")]
    assert [judgement.verdict for judgement in lint(scripts, Mode.DB2_HADR)] == [Verdict.NOT_REPLICATED] * 2


COLUMNS = [
    ("b blob(1m)", Subject.LOGGED_LOB),
    ("b clob(1m) logged compact", Subject.LOGGED_LOB),
    ("b blob", Subject.LOGGED_LOB),
    ("b character large object (10k)", Subject.LOGGED_LOB),
    ("b clob(1000) inline length 2000", Subject.INLINE_LOB),
    ("b clob(1k) inline length 2000 not logged", Subject.INLINE_LOB),
    ("b clob(2000) inline length 2000 not logged", Subject.NOT_LOGGED_LOB),
    ("b dbclob(1m) not logged not compact", Subject.NOT_LOGGED_LOB),
    ("b xml inline length 1000", Subject.XML),
    ("b long varchar", Subject.READ_DATA_TYPE),
    ("b int generated always as identity (cache 20)", Subject.SEQUENCE),
]


@pytest.mark.parametrize(("column", "subject"), COLUMNS, ids=[column for column, _ in COLUMNS])
def test_a_column_is_told_by_its_type_and_options(column: str, subject: Subject) -> None:
    """Each column that a rule speaks of is named with its table."""
    (table, found) = last(f"create table s.t (a int, {column}, primary key (a))").touches
    assert (table.subject, table.object) == (Subject.DDL, "s.t")
    assert found.subject == subject
    assert found.object.endswith("s.t.b")


def test_a_copy_of_a_table_with_a_lob_that_is_not_logged_is_unknown() -> None:
    """Whether LIKE takes over how a LOB is logged is not guessed."""
    for statement in ("create table c like app.t", "create table c as (select pic from app.t) with data"):
        assert last(_LOB + statement).unknown
    assert not last("create table c like app.t").unknown


BODY = """create procedure p (in n int)
begin
  declare continue handler for sqlexception, not found insert into h values (1);
  declare x int default 0;
  insert into a values (1);
  if n = 1 then delete from b; elseif n = 2 then insert into session.c values (1); else call q(); end if;
  case n when 1 then update d set x = case when n = 1 then 2 else 3 end; else set x = next value for s; end case;
  for v as c1 cursor for select a from t do insert into e values (v.a); end for;
  repeat fetch c1 into x; until x > 1 end repeat;
  inner: begin atomic insert into f values (1); end inner;
end"""


def test_a_body_counts_when_its_routine_is_called() -> None:
    """A call does what the body does, each in its case; to create the routine is only DDL."""
    script = f"create procedure q () begin truncate table g immediate; call p(1); end;\n{BODY};\n"
    assert [touch.subject for touch in last(script).touches] == [Subject.ROUTINE]
    reading = last(script + "call p(1);")
    assert reading.unknown == ""
    branch, loop, handler = "where its branch is taken", "for each turn of its loop", "where its condition is handled"
    assert reading.touches == (
        Touch(Subject.ROW_CHANGE, "h", when=handler),
        Touch(Subject.ROW_CHANGE, "a"),
        Touch(Subject.ROW_CHANGE, "b", when=branch),
        Touch(Subject.TEMPORARY_ROW_CHANGE, "session.c", when=branch),
        Touch(Subject.TRUNCATE, "g", when=branch),
        Touch(Subject.ROW_CHANGE, "d", when=branch),
        Touch(Subject.SEQUENCE, "s", when=branch),
        Touch(Subject.ROW_CHANGE, "e", when=loop),
        Touch(Subject.ROW_CHANGE, "f"),
    )


def test_a_call_of_what_is_not_known_says_why() -> None:
    """A library and a routine of which no script speaks are two reasons."""
    external = "create procedure p () external name 'l!p' language c parameter style sql;\n"
    assert "in a library: C" in last(external + "call p()").unknown
    assert "in none of these scripts" in last("call p()").unknown


def test_a_block_of_plsql_is_read() -> None:
    """Declarations before BEGIN, loops without DO and exception handlers are Db2's too."""
    reading = last(
        "declare n int; begin for i in 1..3 loop insert into a values (i); end loop; n := s.nextval;"
        " exception when others then insert into b values (1); end;"
    )
    assert [(touch.subject, touch.object) for touch in reading.touches] == [
        (Subject.ROW_CHANGE, "a"),
        (Subject.SEQUENCE, "s"),
        (Subject.ROW_CHANGE, "b"),
    ]


@pytest.mark.parametrize(
    ("setting", "subject", "said"),
    [
        ("hadr_syncmode superasync", Subject.SUPERASYNC, "database S commits in SUPERASYNC"),
        ("hadr_syncmode SYNC", Subject.SYNC, "database S commits in SYNC"),
        ("hadr_replay_delay 3600", Subject.REPLAY_DELAY, "database S replays 3600 s late"),
        ("hadr_peer_window 0", Subject.PEER_WINDOW, "HADR_PEER_WINDOW of database S is 0"),
        ("hadr_spool_limit -1", Subject.SPOOL_LIMIT, "database S spools -1 pages of log"),
        ("hadr_timeout 60", Subject.TIMEOUT, "HADR_TIMEOUT of database S is 60"),
        ("hadr_target_list h1:4000|h2:4000", Subject.TARGET_LIST, "HADR_TARGET_LIST of database S is h1:4000|h2:4000"),
        ("logindexbuild off", Subject.INDEX_BUILD_NOT_LOGGED, "database S: its index builds are not logged"),
        ("logindexbuild on", Subject.INDEX_BUILD_LOGGED, "index of database S"),
        ("indexrec access_no_redo", Subject.INDEX_NO_REDO, "INDEXREC of database S is access_no_redo"),
        ("blocknonlogged no", Subject.BLOCK_NON_LOGGED, "BLOCKNONLOGGED of database S is NO"),
        ("logfilsiz 1000 automatic", Subject.LOG_FILE_SIZE, "LOGFILSIZ of database S is 1000 AUTOMATIC"),
    ],
)
def test_a_setting_that_means_something_to_hadr_says_so(setting: str, subject: Subject, said: str) -> None:
    """Beside being set on one node only, its value has a rule of its own."""
    from replicator.db2.rules.hadr import RULES

    configuration, touch = last(f"update db cfg for S using {setting} immediate").touches
    assert configuration.subject == Subject.DATABASE_CONFIGURATION
    assert touch.subject == subject
    (rule,) = [rule for rule in RULES if rule.subject == subject]
    assert rule.message.format(object=touch.object, detail=touch.detail).startswith(said)


def test_a_harmless_setting_has_no_rule_of_its_own() -> None:
    """A delay of 0 and a peer window are what the documents advise."""
    for setting in ("hadr_replay_delay 0", "hadr_peer_window 120", "blocknonlogged yes", "indexrec restart"):
        assert len(last(f"update db cfg using {setting}").touches) == 1


def test_a_remark_allows_a_finding_with_a_reason() -> None:
    """What someone has thought about is shown as allowed, and only the rule that is named."""
    script = "-- hadrian: allow DBH-025 it is filled anew every night\n" + _UNLOGGED
    *_, judgement = lint([("x.sql", script)], Mode.DB2_HADR)
    assert judgement.allowed == "it is filled anew every night"


def test_a_file_in_which_each_line_is_a_statement() -> None:
    """What `db2 -f` would run line by line is read line by line."""
    script = (
        "connect to s\nload from x of del \\\n  insert into t nonrecoverable\ninsert into t values (1)\nterminate\n"
    )
    subjects = [[touch.subject for touch in reading.touches] for reading in Db2Reader().read(script)]
    assert subjects == [[], [Subject.LOAD_NONRECOVERABLE], [Subject.UNAVAILABLE_CHANGE], []]


def test_routines_that_call_each_other_twice_are_read_once() -> None:
    """Sixty levels of two calls each are sixty bodies, not 2 to the 60."""
    script = "create procedure p0 () begin insert into t values (1); end;\n" + "".join(
        f"create procedure p{n} () begin call p{n - 1}(); call p{n - 1}(); end;\n" for n in range(1, 60)
    )
    assert last(f"{script}call p59();").touches == (Touch(Subject.ROW_CHANGE, "t"),)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "script",
    [
        "update db cfg using " + "a 1 " * 20_000,
        "merge into t using s on 1 = 1 " + "when matched then update set a = 1 " * 20_000,
        "create table t (" + "c blob(1m) not logged, " * 20_000 + "d int)",
        "begin " + "if a then insert into t values (1); end if; " * 20_000 + "end",
        "begin " + "begin " * 20_000 + "end " * 20_001,
        "update t set a = case " + "when b then c " * 20_000 + "end",
    ],
    ids=["settings", "merge", "columns", "branches", "blocks", "case"],
)
def test_a_long_statement_takes_time_in_proportion(script: str) -> None:
    """Statements of half a megabyte are judged in seconds."""
    assert last(script).touches or last(script).unknown
