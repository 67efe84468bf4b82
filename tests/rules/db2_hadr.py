"""Trials of HADR's rules, for a pair of Db2 in containers: what is done, what is asked, and what a rule claims.

Each trial has a schema of its own name. Its statements run in one session of the command line processor on the
primary, and its question is asked there in the same session; then on the standby, once that has replayed the log,
and once more after a takeover by force.
"""

from __future__ import annotations

from dataclasses import dataclass

from replicator.db2.subject import Subject
from tests.rules.experiment import SAME, Expected, Refusal

_GONE = Refusal("SQL1477N")
_UNREADABLE = Refusal("SQL1773N")
_ONE = ("create table t (a int)", "insert into t values (1)")
_COUNT = "select count(*) from t"
_LONG = "insert into t values (blob(repeat('x', 30000)))"
_BYTES = "select length(b), hex(substr(b, 1, 2)) from t"
_FILE = "export to /tmp/{name}.del of del select 1 from sysibm.sysdummy1"
_OWN_SPACE = ("create tablespace ts_{name}", "create table t (a int) in ts_{name}")


@dataclass(frozen=True, slots=True)
class Trial:
    """What is done on the primary, and what a rule claims the answers to be.

    Attributes:
        subject: of the rule.
        name: unique; the schema of the trial, and `{name}` in its statements.
        do: statements and commands for the primary.
        look: the question whose answer is at stake.
        standby: what the standby answers once it has replayed `do`.
        promoted: what it answers after the takeover.
    """

    subject: Subject
    name: str
    do: tuple[str, ...]
    look: str = _COUNT
    standby: Expected = SAME
    promoted: Expected = SAME

    def script(self) -> str:
        """Return the statements as a script of the command line processor."""
        return "".join(f"{statement.format(name=self.name)};\n" for statement in self.do)


TRIALS: tuple[Trial, ...] = (
    Trial(Subject.ROW_CHANGE, "row_change", (*_ONE, "update t set a = 2"), "select a from t"),
    Trial(
        Subject.DDL,
        "ddl",
        (*_ONE, "create view v as select a from t", "comment on table t is 'x'"),
        "select count(*) from v",
    ),
    Trial(Subject.TRUNCATE, "truncated", (*_ONE, "commit", "truncate table t immediate")),
    Trial(
        Subject.BUFFER_POOL,
        "buffer_pool",
        ("create bufferpool bp_{name} size 100",),
        "select npages from syscat.bufferpools where bpname = 'BP_BUFFER_POOL'",
    ),
    Trial(
        Subject.TABLE_SPACE,
        "table_space_same",
        ("create tablespace ts_{name}", "create table t (a int) in ts_{name}", "insert into t values (1)"),
    ),
    Trial(
        Subject.TABLE_SPACE,
        "table_space_absent",
        (
            "!mkdir -p /tmp/only_here",
            "create tablespace ts_{name} managed by database using (file '/tmp/only_here/c' 1000)",
            "create table t (a int) in ts_{name}",
            "insert into t values (1)",
        ),
        standby=Refusal("SQL0290N"),
        promoted=Refusal("SQL0290N"),
    ),
    Trial(
        Subject.STORAGE_GROUP,
        "storage_same",
        ("create stogroup sg_{name} on '/share'", "create tablespace ts_{name} using stogroup sg_{name}", *_ONE),
        "select count(*) from syscat.stogroups where sgname = 'SG_STORAGE_SAME'",
    ),
    Trial(
        Subject.STORAGE_GROUP,
        "storage_absent",
        (
            "!mkdir -p /tmp/only_there",
            "create stogroup sg_{name} on '/tmp/only_there'",
            "create tablespace ts_{name} using stogroup sg_{name}",
            "create table t (a int) in ts_{name}",
            "insert into t values (1)",
        ),
        standby=Refusal("SQL0290N"),
        promoted=Refusal("SQL0290N"),
    ),
    Trial(Subject.REORG_ONLINE, "reorg_online", (*_ONE, "reorg table {name}.t inplace allow write access")),
    Trial(
        Subject.REORG_OFFLINE,
        "reorg_offline",
        ("create table t (a int)", "alter table t log index build on", "reorg table {name}.t"),
    ),
    Trial(
        Subject.INDEX_BUILD_LOGGED,
        "index_logged",
        (*_ONE, "alter table t log index build on", "create index i on t (a)"),
        "select count(*) from table(sysproc.admin_get_index_info('I', 'INDEX_LOGGED', 'T'))"
        " where index_requires_rebuild = 'N'",
    ),
    Trial(
        Subject.LOGGED_LOB,
        "logged_lob",
        ("create table t (b blob(1m) logged)", _LONG),
        _BYTES,
        standby=_UNREADABLE,
    ),
    Trial(
        Subject.INLINE_LOB,
        "inline_lob",
        ("create table t (b blob(100) inline length 1000 not logged)", "insert into t values (blob('xyz'))"),
        _BYTES,
    ),
    Trial(
        Subject.XML,
        "xml",
        ("create table t (x xml inline length 1000)", "insert into t values ('<a>1</a>')"),
        "select xmlserialize(x as varchar(100)) from t",
    ),
    Trial(
        Subject.ROUTINE,
        "routine",
        ("create function f (a int) returns int language sql return a + 1",),
        "values f(1)",
    ),
    Trial(
        Subject.SEQUENCE,
        "sequence",
        ("create sequence s cache 20", "values next value for s"),
        "select nextcachefirstvalue from syscat.sequences where seqschema = 'SEQUENCE' and seqname = 'S'",
    ),
    Trial(
        Subject.PACKAGE,
        "package",
        (
            "create procedure p () language sql begin declare x int; set x = 1; end",
            "call sysproc.rebind_routine_package('P', 'PACKAGE.P', 'ANY')",
        ),
        "select count(*) from syscat.packages where pkgschema = 'PACKAGE' and valid = 'Y'",
    ),
    Trial(
        Subject.STATISTICS,
        "statistics",
        (*_ONE, "runstats on table {name}.t"),
        "select card from syscat.tables where tabschema = 'STATISTICS' and tabname = 'T'",
    ),
    Trial(
        Subject.AUTHORITY,
        "authority",
        (*_ONE, "grant select on t to public"),
        "select selectauth from syscat.tabauth where tabschema = 'AUTHORITY' and grantee = 'PUBLIC'",
    ),
    Trial(
        Subject.REFRESH,
        "refresh",
        (
            *_ONE,
            "create table m as (select a, count(*) as n from t group by a) data initially deferred refresh deferred",
            "refresh table m",
        ),
        "select n from m",
    ),
    Trial(
        Subject.IMPORT,
        "imported",
        (*_ONE, _FILE, "import from /tmp/{name}.del of del insert into t"),
    ),
    Trial(
        Subject.COLUMN_ORGANIZED,
        "column_organized",
        ("create table t (a int) organize by column", "insert into t values (1)"),
        standby=_UNREADABLE,
    ),
    Trial(
        Subject.NOT_LOGGED_INITIALLY,
        "not_logged_initially",
        ("create table t (a int) not logged initially", "insert into t values (1)"),
        standby=Refusal("SQL1477N|SQL1773N"),
        promoted=_GONE,
    ),
    Trial(
        Subject.NOT_LOGGED_ACTIVATED,
        "not_logged_activated",
        (
            *_ONE,
            "update command options using c off",
            "alter table t activate not logged initially",
            "insert into t values (2)",
            "commit",
        ),
        standby=Refusal("SQL1477N|SQL1773N"),
        promoted=_GONE,
    ),
    Trial(
        Subject.NOT_LOGGED_EMPTIED,
        "not_logged_emptied",
        (*_ONE, "alter table t activate not logged initially with empty table"),
        standby=Refusal("SQL1477N|SQL1773N"),
        promoted=_GONE,
    ),
    Trial(
        Subject.UNAVAILABLE_CHANGE,
        "unavailable_change",
        ("create table t (a int) not logged initially", "commit", "insert into t values (1)"),
        standby=Refusal("SQL1477N|SQL1773N"),
        promoted=_GONE,
    ),
    Trial(
        Subject.NOT_LOGGED_LOB,
        "not_logged_lob",
        ("create table t (b blob(1m) not logged)", _LONG),
        _BYTES,
        standby=_UNREADABLE,
        promoted=[("30000", "0000")],
    ),
    Trial(
        Subject.NOT_LOGGED_LOB_VALUE,
        "not_logged_lob_value",
        ("create table t (b blob(1m) not logged)", _LONG),
        "select hex(substr(b, 1, 1)) from t",
        standby=_UNREADABLE,
        promoted=[("00",)],
    ),
    Trial(
        Subject.LOAD_COPY_YES,
        "copy_shared",
        (*_OWN_SPACE, _FILE, "load from /tmp/{name}.del of del insert into t copy yes to /share"),
    ),
    Trial(
        Subject.LOAD_COPY_YES,
        "copy_local",
        (
            *_OWN_SPACE,
            _FILE,
            "!mkdir -p /tmp/copy_local",
            "load from /tmp/{name}.del of del insert into t copy yes to /tmp/copy_local",
        ),
        standby=Refusal("SQL0290N"),
        promoted=Refusal("SQL0290N"),
    ),
    Trial(
        Subject.LOAD_COPY_NO,
        "copy_no",
        (*_OWN_SPACE, _FILE, "load from /tmp/{name}.del of del insert into t copy no"),
        standby=Refusal("SQL1477N|SQL0290N"),
        promoted=Refusal("SQL1477N|SQL0290N"),
    ),
    Trial(
        Subject.LOAD_NONRECOVERABLE,
        "nonrecoverable",
        (*_OWN_SPACE, _FILE, "load from /tmp/{name}.del of del insert into t nonrecoverable"),
        standby=_GONE,
        promoted=_GONE,
    ),
    Trial(
        Subject.DECLARED_TEMPORARY,
        "declared_temporary",
        (
            "declare global temporary table session.t (a int) on commit preserve rows not logged",
            "insert into session.t values (1)",
        ),
        "select count(*) from session.t",
        standby=Refusal("SQL"),
        promoted=Refusal("SQL0204N"),
    ),
    Trial(
        Subject.CREATED_TEMPORARY,
        "created_temporary",
        ("create global temporary table t (a int) on commit preserve rows", "insert into t values (1)"),
        standby=_UNREADABLE,
        promoted=[("0",)],
    ),
    Trial(
        Subject.TEMPORARY_ROW_CHANGE,
        "temporary_rows",
        ("create global temporary table t (a int) on commit preserve rows", "insert into t values (1)"),
        "select sum(a) from t",
        standby=_UNREADABLE,
        promoted=[("-",)],
    ),
    Trial(
        Subject.DATABASE_CONFIGURATION,
        "database_configuration",
        ("update db cfg for SAMPLE using locktimeout 77",),
        "select value from sysibmadm.dbcfg where name = 'locktimeout'",
        standby=[("-1",)],
        promoted=[("-1",)],
    ),
    Trial(
        Subject.INSTANCE_CONFIGURATION,
        "instance_configuration",
        ("update dbm cfg using diaglevel 4",),
        "select value from sysibmadm.dbmcfg where name = 'diaglevel'",
        standby=[("3",)],
        promoted=[("3",)],
    ),
    Trial(
        Subject.REGISTRY_VARIABLE,
        "registry_variable",
        ("!db2set DB2_SKIPINSERTED=ON",),
        "select count(*) from sysibmadm.reg_variables where reg_var_name = 'DB2_SKIPINSERTED'",
        standby=[("0",)],
        promoted=[("0",)],
    ),
    Trial(
        Subject.BACKUP,
        "backup",
        ("backup db SAMPLE online to /share",),
        "select count(*) from sysibmadm.db_history"
        " where operation = 'B' and operationtype = 'N' and location = '/share'",
        standby=[("0",)],
        promoted=[("0",)],
    ),
)

_STATE = "it is a state of the standby, which an audit finds, and no data is at stake"
_REFUSAL = "what it says of a reader is tried with the tables that a reader cannot see"
_BUILD = "what it costs is the time of the build after takeover, which no answer shows"
_MACHINE = "it needs another machine, product or file than the community image has"

UNTRIED: dict[Subject, str] = {
    **dict.fromkeys(
        (Subject.TABLE_UNAVAILABLE, Subject.TABLE_SPACE_STATE, Subject.TABLE_SPACE_REPLAY, Subject.READ_MONITORING),
        _STATE,
    ),
    **dict.fromkeys((Subject.INDEX_BUILD, Subject.INDEX_BUILD_NOT_LOGGED, Subject.INDEX_NO_REDO), _BUILD),
    **dict.fromkeys(
        (
            *(Subject.READ_ISOLATION, Subject.READ_WRITE, Subject.READ_CATCHUP, Subject.READ_REPLAY_WINDOW),
            *(Subject.READ_DATA_TYPE, Subject.READ_TOOLS, Subject.READ_TEMPORARY_SPACE, Subject.READ_REROUTE),
        ),
        _REFUSAL,
    ),
    **dict.fromkeys(
        (
            *(Subject.EXTERNAL_LIBRARY, Subject.JAR, Subject.CLASS_FILE, Subject.FEDERATION, Subject.TEXT_SEARCH),
            *(Subject.RAW_LOGS, Subject.PARTITIONED_DATABASE, Subject.READ_PURESCALE, Subject.USERS_AND_GROUPS),
            Subject.INSTANCE_AUDIT,
        ),
        _MACHINE,
    ),
    **dict.fromkeys(
        (
            *(Subject.SYNC, Subject.NEARSYNC, Subject.ASYNC, Subject.SUPERASYNC, Subject.PEER_WINDOW),
            *(Subject.TIMEOUT, Subject.TARGET_LIST, Subject.REPLAY_DELAY, Subject.SPOOL_LIMIT),
        ),
        "it decides which commits arrive, and the trials wait until all have",
    ),
    **dict.fromkeys(
        (Subject.TAKEOVER, Subject.TAKEOVER_BY_FORCE, Subject.TAKEOVER_PEER_WINDOW),
        "the trials end in one takeover by force, after everything has arrived",
    ),
    **dict.fromkeys((Subject.SELF_TUNING, Subject.BACKGROUND_WORK), "what it changes cannot be told from the outside"),
    Subject.LOG_FILE_SIZE: "it shows only after a restart of the new primary",
    Subject.BLOCK_NON_LOGGED: "it is the absence of a refusal, and the trials rest on it",
    Subject.HISTORY_FILE: "it is tried with BACKUP, whose entry is missing there",
    Subject.TABLE_MOVE: "which options COPY_USE_LOAD takes was not read in full",
}
"""Rules without a trial, and why."""
