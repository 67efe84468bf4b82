"""What Db2's statements and commands come to: each in its text alone, and in the light of what came before it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.db2.language.classify import Db2Reader
from replicator.db2.rules.hadr import RULES
from replicator.db2.subject import Subject
from replicator.lint import Judgement, lint
from replicator.rule import Mode, Verdict
from replicator.statement import Reading

# A busy machine is not an error.
_PATIENT = settings(deadline=None)
_SUBJECTS = {rule.subject for rule in RULES}

# Statements by the subject that decides.
DECIDED: dict[Subject, tuple[str, ...]] = {
    Subject.ROW_CHANGE: (
        "insert into t values (1)",
        "INSERT INTO app.t (a, b) SELECT a, b FROM s",
        'insert into "T" values (?)',
        "update t set a = 1, b = case when a = 1 then 2 else 3 end where current of c",
        "update (select a from t) set a = 1",
        "delete from t where a in (select a from s)",
        "merge into t using s on t.a = s.a when matched then delete else ignore",
        "select * from final table (insert into t values (1))",
        "with n as (select a from old table (delete from t)) select count(*) from n",
        "begin atomic insert into t values (1); end",
        "begin execute immediate 'insert into t ' || 'values (1)'; end",
        "explain plan for select 1 from t",
        "call sysproc.admin_move_table('S','T','','','','','','','','','MOVE')",
    ),
    Subject.DDL: (
        "create table t (a int not null primary key, b varchar(10))",
        "create table t (a int) data capture changes compress yes",
        "create table t like s",
        "create table t as (select a from s) with no data",
        "create table m as (select a from s) data initially deferred refresh deferred",
        "create summary table m as (select a from s) data initially deferred refresh immediate",
        "create or replace view v as select 1 from t",
        "create schema s authorization u",
        "create alias a for t",
        "create type t as integer with comparisons",
        "create variable v int default 1",
        "create trigger tr after insert on t for each row update s set a = 1",
        "create event monitor m for statements write to table",
        "create workload w applname('x')",
        "alter table t add column b int",
        "alter table t append on volatile",
        "alter table t alter column b set data type bigint",
        "alter view v alter a add scope s",
        "drop table if exists t",
        "drop view v",
        "drop index i",
        "rename table a to b",
        "rename index i to j",
        "comment on table t is 'x'",
        "transfer ownership of table t to user u preserve privileges",
        "audit database using policy p",
        "register xmlschema 'http://x' from 'file' as s.x complete",
    ),
    Subject.TRUNCATE: ("truncate table t immediate", "truncate t drop storage immediate"),
    Subject.BUFFER_POOL: ("create bufferpool b size 1000", "alter bufferpool b size 10", "drop bufferpool b"),
    Subject.TABLE_SPACE: (
        "create tablespace ts managed by database using (file '/x/y' 100)",
        "create large tablespace ts using stogroup sg",
        "create user temporary tablespace ts managed by system using ('/x')",
        "alter tablespace ts add (file '/x/z' 10)",
        "drop tablespace ts",
        "rename tablespace a to b",
    ),
    Subject.STORAGE_GROUP: (
        "create stogroup sg on '/x'",
        "alter stogroup sg add '/y'",
        "drop stogroup sg",
        "alter database add storage on '/z'",
        "alter database sample drop storage on '/z'",
    ),
    Subject.REORG_ONLINE: (
        "reorg table t inplace allow write access",
        "reorg table t reclaim extents allow write access",
        "reorg indexes all for table t cleanup",
        "call admin_cmd('reorg table t inplace')",
    ),
    Subject.INDEX_BUILD: (
        "create index i on t (a)",
        "create unique index s.i on s.t (a) include (b)",
        "alter table t add primary key (a)",
        "alter table t add constraint u unique (a)",
        "reorg indexes all for table t allow write access",
        "reorg index i for table t",
        "reorg table t",
    ),
    Subject.ROUTINE: (
        "create function f (a int) returns int language sql no external action return a + 1",
        "create procedure p () language sql begin insert into t values (1); end",
        "create procedure p () begin load_it: begin set x = 1; end; end",
        "drop procedure p",
        "drop specific function f1",
        "drop function f (int)",
    ),
    Subject.SEQUENCE: (
        "create sequence s cache 20",
        "alter sequence s restart with 1",
        "values next value for s",
        "select s.nextval from sysibm.sysdummy1",
        "set x = nextval for s",
    ),
    Subject.PACKAGE: (
        "bind /x/y.bnd collection c",
        "rebind package s.p",
        "prep x.sqc package using y",
        "drop package s.p",
        "call sysproc.rebind_routine_package('P', 's.p', 'any')",
    ),
    Subject.STATISTICS: (
        "runstats on table s.t with distribution and indexes all",
        "reorgchk update statistics on table all",
        "call sysproc.admin_cmd('runstats on table s.t')",
    ),
    Subject.AUTHORITY: (
        "grant select on table t to user u",
        "revoke dbadm on database from user u",
        "create role r",
        "create permission p on t for rows where 1 = 1 enforced for all access enable",
        "create mask m on t for column a return a enable",
        "create security label s.l component c 'x'",
        "create trusted context c based upon connection using system authid u",
    ),
    Subject.REFRESH: ("refresh table m", "refresh table a, b incremental"),
    Subject.IMPORT: (
        "import from x.del of del insert into t",
        "import from x.ixf of ixf lobs from /l commitcount 100 replace into s.t (a, b)",
        "ingest from file x.del format delimited ($a integer external) insert into t values ($a)",
        "ingest from file x format delimited replace into t",
    ),
    Subject.TABLE_MOVE: (
        "call sysproc.admin_move_table('S','T','','','','','','','','COPY_USE_LOAD','MOVE')",
        "call admin_move_table('S','T','','','','','','','','COPY_USE_LOAD COPY YES TO /x','MOVE')",
    ),
    Subject.COLUMN_ORGANIZED: ("create table t (a int) organize by column",),
    Subject.NOT_LOGGED_INITIALLY: (
        "create table t (a int) not logged initially",
        "create table t (a int) in ts organize by (a) not logged initially",
        "create table t as (select a from s) with data not logged initially",
        "create schema s create table t (a int) not logged initially create view v as select a from t",
        "begin execute immediate 'create table t (a int) not logged initially'; end",
    ),
    Subject.NOT_LOGGED_ACTIVATED: (
        "alter table t activate not logged initially",
        "ALTER TABLE s.t ACTIVATE NOT LOGGED INITIALLY",
    ),
    Subject.NOT_LOGGED_EMPTIED: ("alter table t activate not logged initially with empty table",),
    Subject.NOT_LOGGED_LOB: (
        "create table t (a int, b blob(1m) not logged)",
        "create table t (b clob(10k) not logged compact not null)",
        "create table t (b binary large object (1g) not logged)",
        "create table t (b s.picture not logged)",
        "create table t (b blob(1m) inline length 1000 not logged)",
        "alter table t add column b dbclob(1k) not logged",
        "alter table t add a int add b blob not logged add c int",
    ),
    Subject.LOAD_COPY_YES: (
        "load from x.del of del insert into t copy yes to /backup",
        "load client from x.ixf of ixf messages m.txt replace into s.t copy yes use tsm open 2 sessions",
    ),
    Subject.LOAD_COPY_NO: (
        "load from x.del of del insert into t copy no",
        "load from x.del of del insert into t",
        "load from c of cursor replace into s.t statistics use profile copy no indexing mode rebuild",
        "call sysproc.admin_cmd('load from x of del insert into t copy no')",
    ),
    Subject.LOAD_NONRECOVERABLE: (
        "load from x.del of del insert into t nonrecoverable",
        "call admin_cmd('load from /x of del insert into ' || 't nonrecoverable')",
    ),
    Subject.DECLARED_TEMPORARY: (
        "declare global temporary table session.t (a int) not logged on commit preserve rows",
        "declare global temporary table t like s with replace",
        "create temp table t (a int)",
    ),
    Subject.CREATED_TEMPORARY: (
        "create global temporary table t (a int, b blob(1m)) on commit delete rows not logged",
    ),
    Subject.TEMPORARY_ROW_CHANGE: (
        "insert into session.t values (1)",
        "delete from SESSION.t",
        "create index session.i on session.t (a)",
        "drop table session.t",
    ),
    Subject.DATABASE_CONFIGURATION: (
        "update db cfg for sample using logfilsiz 1000",
        "update database configuration for sample using locktimeout 30 deferred",
        "update database config using logarchmeth1 'DISK:/x/y' immediate",
        "update db cfg using hadr_syncmode async hadr_peer_window 0",
        "reset db cfg for sample",
        "autoconfigure using mem_percent 60 apply db only",
        "call sysproc.admin_cmd('update db cfg using auto_maint off')",
    ),
    Subject.INSTANCE_CONFIGURATION: (
        "update dbm cfg using diaglevel 4",
        "update database manager configuration using svcename 50000",
        "reset dbm cfg",
    ),
    Subject.REGISTRY_VARIABLE: ("db2set DB2_HADR_ROS=ON", "!db2set -i db2inst1 DB2COMM=TCPIP", 'db2set DB2_X="a b"'),
    Subject.HISTORY_FILE: ("prune history 20260101 with force option", "update history for 1 with comment 'x'"),
    Subject.BACKUP: (
        "backup db sample online to /x include logs",
        "set write suspend for database",
        "set write resume for db",
    ),
    Subject.EXTERNAL_LIBRARY: (
        "create function f (a int) returns int external name 'lib!f' language c parameter style sql no sql",
        "create or replace procedure p () external language cobol parameter style general",
        "create procedure p () language clr external name 'a.dll:n.c!m' parameter style sql",
        "create function f () returns int language python external name 'm!f'",
        "alter function f external name 'other!f'",
    ),
    Subject.JAR: (
        "create function f () returns int external name 'myjar:pkg.cls.m' language java parameter style java",
        "call sqlj.install_jar('file:/x/y.jar', 'myjar')",
        "call sqlj.replace_jar('file:/x/y.jar', 'myjar')",
    ),
    Subject.CLASS_FILE: (
        "create procedure p () external name 'pkg.cls.m' language java parameter style java",
        "create function f () returns int external name 'cls!m' language java parameter style db2general",
    ),
    Subject.INSTANCE_AUDIT: ("db2audit configure scope all status both", "!db2audit start"),
    Subject.FEDERATION: (
        "create wrapper drda library 'libdb2drda.so'",
        "create server s type db2/udb version 11 wrapper drda",
        "create user mapping for u server s options (remote_authid 'x')",
        "create nickname n for s.a.t",
        "drop nickname n",
        "alter server s options (set x 'y')",
        "create function mapping m for f server s",
    ),
    Subject.TEXT_SEARCH: (
        '!db2ts "create index i for text on t (a)"',
        "call sysproc.systs_create('s', 'i', 't (a)', '', 'en_US', ?)",
    ),
    Subject.TAKEOVER: ("takeover hadr on db sample", "takeover hadr on database sample user u using p"),
    Subject.TAKEOVER_BY_FORCE: ("takeover hadr on db sample by force",),
    Subject.TAKEOVER_PEER_WINDOW: ("takeover hadr on database sample by force peer window only",),
}
NOTHING = (
    *(
        "connect to sample user u using 'p'",
        "connect reset",
        "terminate",
        "quit",
        "commit work",
        "rollback",
        "? SQL1477N",
    ),
    *("select a from t where b = 'not logged initially' with ur", "values current timestamp", "(select 1 from t)"),
    *("with a as (select 1 from t) select * from a", "set schema app", "set current isolation = ur", "set x = 1"),
    *("declare c cursor for select a from t", "open c", "fetch c into :x", "close c", "lock table t in share mode"),
    *("export to x.del of del select * from t", "list applications", "get db cfg for sample", "describe table t"),
    *(
        "echo load from x of del insert into t nonrecoverable",
        "update command options using c off",
        "reset monitor all",
    ),
    *("start hadr on db sample as standby", "activate db sample", "force application all", "load query table t"),
    *(
        "call dbms_output.put_line('x')",
        "call sqlj.refresh_classes()",
        "savepoint s on rollback retain cursors",
        "db2set -all",
    ),
    *(
        "reorgchk current statistics on table t",
        "start database manager",
        "stop database manager",
        "archive log for db s",
    ),
    *(
        "begin declare x int; set x = 1; if x = 1 then set x = 2; end if; return; end",
        "prune logfile prior to S0000001.LOG",
        "autoconfigure apply none",
    ),
)
UNKNOWN = (
    *("call p()", "execute s", "begin execute immediate v; end", "call admin_cmd(?)", "restore db sample from /x"),
    *("set integrity for t immediate checked", "create database other", "drop database other", "quiesce db immediate"),
    *("!rm -rf /tmp/x", "db2 -tvf other.sql", "frobnicate table t", "begin frobnicate; end", "stop hadr on db sample"),
    *("create external table 'x' using (delimiter ',') as select 1 from t", "upgrade db sample", "import something"),
    *(
        "create gadget g",
        "update alternate server for database s using hostname h port 1",
        "rollforward db s to end of logs",
    ),
)


def judge(script: str) -> Judgement:
    """Return what becomes of the last statement of a script."""
    *_, last = lint([("x.sql", script)], Mode.DB2_HADR)
    return last


def read(script: str) -> Reading:
    """Return what the last statement of a script does."""
    *_, last = Db2Reader().read(script)
    return last


@pytest.mark.parametrize(
    ("subject", "statement"),
    [pytest.param(subject, each, id=each[:60]) for subject, statements in DECIDED.items() for each in statements],
)
def test_a_statement_is_decided_by_its_rule(subject: Subject, statement: str) -> None:
    """The rule that costs most of those a statement touches is the one that is shown."""
    judgement = judge(statement)
    assert judgement.rule is not None, judgement.message
    assert judgement.rule.subject == subject
    assert judgement.verdict is judgement.rule.verdict


@pytest.mark.parametrize("statement", NOTHING)
def test_a_statement_that_leaves_nothing_touches_nothing(statement: str) -> None:
    """Reads and a session's own affairs are no finding."""
    assert judge(statement).verdict is Verdict.NONE


@pytest.mark.parametrize("statement", UNKNOWN)
def test_what_cannot_be_judged_is_said_to_be_unknown(statement: str) -> None:
    """A reason is given instead of a guess."""
    judgement = judge(statement)
    assert judgement.verdict is Verdict.UNKNOWN
    assert judgement.message
    assert not judgement.error


def test_there_are_more_than_a_hundred_and_fifty_statements() -> None:
    """The tables above are as long as they claim to be."""
    assert sum(map(len, DECIDED.values())) + len(NOTHING) + len(UNKNOWN) > 150


@_PATIENT
@given(
    st.lists(st.sampled_from(sorted({w for each in DECIDED.values() for s in each for w in s.split()})), max_size=30)
)
def test_no_mixture_of_words_makes_the_reader_fail(words: list[str]) -> None:
    """Every reading is of a known subject with an object to name, whatever the words say."""
    for reading in Db2Reader().read(" ".join(words)):
        assert {touch.subject for touch in reading.touches} <= _SUBJECTS
        assert all(touch.object for touch in reading.touches)
