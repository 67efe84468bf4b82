"""The audit of a Db2 pair, with ibm_db against Derby: each planted defect is found, and what is in order is not.

The rows stand in tables of Derby's in the shape of Db2's catalog; nothing here has run on Db2.
"""

from __future__ import annotations

import json

import pytest

from cli.main import main
from replicator.audit import Report, audit
from replicator.errors import BadInput, NodeUnreachable, NotPermitted
from replicator.rule import Finding, Grade, Mode
from tests.fixtures.db2_catalog import NodeName, RecordedPair
from tests.fixtures.derby import READER, READERS_PASSWORD
from tests.fixtures.drda_rewriting import Refusal


def looked(pair: RecordedPair) -> Report:
    """Audit both nodes."""
    return audit(*pair.urls())


def everything(report: Report) -> list[Finding]:
    """Return findings and remarks."""
    return [*report.findings, *report.remarks]


def test_a_pair_in_good_order_has_no_findings(db2_pair: RecordedPair) -> None:
    """Views, the system's own tables, values that the server chose and what names a node raise no alarm."""
    report = looked(db2_pair)
    assert report.mode is Mode.DB2_HADR
    assert report.findings == []
    assert report.unseen == []
    assert [(remark.rule.id, remark.object) for remark in report.remarks] == [("DBH-058", "a feed from the standby")]


PLANTED: list[tuple[NodeName, str, str, str, str]] = [
    (
        "a",
        "insert into xsyscat.columns values ('APP', 'ORDERS', 'SCAN', 'BLOB', 99, 'N', 0)",
        *("DBH-029", "APP.ORDERS.SCAN", "binary zeros"),
    ),
    (
        "a",
        "insert into xsyscat.routines values ('APP', 'F', 'F', 'E', 'C', 'lib!f', null)",
        *("DBH-044", "APP.F", "lib!f"),
    ),
    (
        "a",
        "insert into xsyscat.routines values ('APP', 'F', 'F1', 'E', 'JAVA', 'J:c!m', 'J')",
        *("DBH-045", "APP.F (F1)", "refreshed"),
    ),
    (
        "a",
        "insert into xsyscat.routines values ('APP', 'G', 'G', 'E', 'JAVA', 'c!m', null)",
        *("DBH-046", "APP.G", "c!m"),
    ),
    (
        "a",
        "update xsysibmadm.dbcfg set value = 'NO' where name = 'blocknonlogged'",
        *("DBH-041", "NODEA", "not refused"),
    ),
    (
        "b",
        "update xsysibmadm.dbcfg set value = 'NO' where name = 'blocknonlogged'",
        *("DBH-041", "NODEB", "not refused"),
    ),
    (
        "a",
        "update xsysibmadm.dbcfg set value = 'OFF' where name = 'logindexbuild'",
        *("DBH-011", "database NODEA", "not logged"),
    ),
    (
        "b",
        "update xsysibmadm.dbcfg set value = 'ACCESS_NO_REDO' where name = 'indexrec'",
        *("DBH-012", "NODEB", "ACCESS_NO_REDO"),
    ),
    (
        "a",
        "update xsysibmadm.admintabinfo set available = 'N' where tabname = 'NOTES'",
        *("DBH-055", "APP.NOTES", "SQL1477N"),
    ),
    (
        "b",
        "update xsysibmadm.admintabinfo set available = 'N' where tabname = 'ORDERS'",
        *("DBH-055", "APP.ORDERS", "SQL1477N"),
    ),
    (
        "a",
        "update xsysproc.mon_get_tablespace set tbsp_state = 'BACKUP_PENDING' where tbsp_name = 'USERSPACE1'",
        *("DBH-056", "USERSPACE1", "BACKUP_PENDING"),
    ),
    (
        "b",
        "update xsysproc.mon_get_tablespace set tbsp_state = 'RESTORE_PENDING' where tbsp_name like 'U%'",
        *("DBH-056", "USERSPACE1", "RESTORE_PENDING"),
    ),
    (
        "b",
        "update xsysproc.mon_get_container set accessible = 0 where tbsp_name = 'USERSPACE1'",
        *("DBH-056", "USERSPACE1", "without its container"),
    ),
    (
        "a",
        "insert into xsysproc.mon_get_container values ('TS1', '/raw/ts1', 1)",
        *("DBH-005", "TS1 (/raw/ts1)", "container paths"),
    ),
    (
        "a",
        "insert into xsyscat.servers values ('DRDA', 'FAR', 'DB2/UDB')",
        *("DBH-051", "federated server FAR (DB2/UDB through DRDA)", "definition"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set hadr_state = 'REMOTE_CATCHUP', hadr_log_gap = 70",
        *("DBH-081", "hostb.example", "in state REMOTE_CATCHUP"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set hadr_state = 'DISCONNECTED', hadr_connect_status = 'DISCONNECTED'",
        *("DBH-081", "hostb.example", "disconnected"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set hadr_flags = 'STANDBY_RECV_BLOCKED TCP_PROTOCOL'",
        *("DBH-081", "hostb.example", "STANDBY_RECV_BLOCKED"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set hadr_flags = 'STANDBY_TABLESPACE_ERROR'",
        *("DBH-057", "(which, hostb.example knows)", "stopped replaying"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set hadr_syncmode = 'ASYNC'",
        *("DBH-070", "the pair with hostb.example", "ASYNC"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set hadr_syncmode = 'SUPERASYNC', hadr_state = 'REMOTE_CATCHUP'",
        *("DBH-071", "the pair with hostb.example", "SUPERASYNC"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set peer_window = 0",
        *("DBH-074", "NODEA", "commits alone"),
    ),
    (
        "a",
        "update xsysproc.mon_get_hadr set standby_replay_delay = 600000",
        *("DBH-072", "standby hostb.example", "600 s"),
    ),
    (
        "b",
        "update xsysibmadm.dbcfg set value = '60' where name = 'hadr_timeout'",
        *("DBH-075", "NODEB", "120 on the primary and 60 on the standby"),
    ),
    (
        "b",
        "update xsysibmadm.dbcfg set value = '0' where name = 'hadr_peer_window'",
        *("DBH-074", "NODEB", "120 on the primary and 0 on the standby"),
    ),
    (
        "b",
        "update xsysibmadm.dbcfg set value = '2000' where name = 'logfilsiz'",
        *("DBH-040", "NODEB", "1000 on the primary and 2000 on the standby"),
    ),
    (
        "a",
        "update xsysibmadm.dbcfg set value = '9999' where name = 'locklist'",
        *("DBH-037", "LOCKLIST", "9999 on the primary and 4096 on the standby"),
    ),
    (
        "b",
        "update xsysibmadm.dbcfg set value = null where name = 'locklist'",
        *("DBH-037", "LOCKLIST", "4096 on the primary and empty on the standby"),
    ),
    (
        "b",
        "update xsysibmadm.dbmcfg set value = 'CLIENT' where name = 'authentication'",
        *("DBH-038", "AUTHENTICATION", "SERVER on the primary and CLIENT on the standby"),
    ),
    (
        "b",
        "delete from xsysproc.env_get_reg_variables where reg_var_name = 'DB2_STANDBY_ISO'",
        *("DBH-039", "DB2_STANDBY_ISO", "UR on the primary and empty on the standby"),
    ),
    (
        "b",
        "update xsysibmadm.env_inst_info set service_level = 'DB2 v11.5.9.0'",
        *("DBH-082", "the standby", "DB2 v11.5.9.0 and the primary DB2 v11.5.8.0"),
    ),
]


@pytest.mark.parametrize(("node", "plant", "rule", "name", "told"), PLANTED, ids=lambda value: str(value)[:60])
def test_a_planted_defect_is_found_and_nothing_else(
    db2_pair: RecordedPair, node: NodeName, plant: str, rule: str, name: str, told: str
) -> None:
    """One defect gives one finding, on the object that has it, with its message."""
    db2_pair.run(plant, node)
    (found,) = looked(db2_pair).findings
    assert (found.rule.id, found.object) == (rule, name)
    assert told in found.message


def test_the_findings_name_the_node(db2_pair: RecordedPair) -> None:
    """What was seen on the standby is said of the standby, and no address holds a password."""
    db2_pair.run("update xsysproc.mon_get_tablespace set tbsp_state = 'OFFLINE' where tbsp_name = 'USERSPACE1'", "b")
    (found,) = looked(db2_pair).findings
    assert found.where == f"127.0.0.1:{db2_pair.peers['b'].port}/NODEB"


def test_a_finding_says_how_much_and_since_when(db2_pair: RecordedPair) -> None:
    """Log that is behind is counted in bytes, rows as the optimizer counted them, and a lost link has its time."""
    db2_pair.run("update xsysproc.mon_get_hadr set hadr_state = 'REMOTE_CATCHUP', hadr_log_gap = 70")
    db2_pair.run("update xsysproc.mon_get_hadr set standby_recv_replay_gap = 7")
    db2_pair.run("insert into xsyscat.columns values ('APP', 'ORDERS', 'SCAN', 'BLOB', 99, 'N', 0)")
    found = {finding.rule.id: finding for finding in looked(db2_pair).findings}
    assert found["DBH-081"].size == 77
    assert str(found["DBH-081"].since) == "2026-01-02 03:04:05"
    assert found["DBH-029"].rows == 1200


def test_what_must_be_alike_is_told_from_what_may_differ(db2_pair: RecordedPair) -> None:
    """The timeouts of HADR must agree, a choice should, a path may."""
    db2_pair.run("update xsysibmadm.dbcfg set value = '/other/log/' where name = 'logpath'", "b")
    db2_pair.run("update xsysibmadm.dbcfg set value = '60' where name = 'hadr_timeout'", "b")
    db2_pair.run("update xsysibmadm.dbcfg set value = '1' where name = 'locklist'", "b")
    grades = {finding.object: finding.grade for finding in everything(looked(db2_pair))}
    assert grades["NODEB"] is Grade.MUST
    assert grades["LOCKLIST"] is Grade.SHOULD
    assert grades["LOGPATH"] is Grade.MAY


def test_with_a_target_list_the_timeouts_may_disagree_for_a_while(db2_pair: RecordedPair) -> None:
    """Several standbys each have their own; one of them alone is a matter of the primary's."""
    for node in db2_pair.peers:
        db2_pair.run("update xsysibmadm.dbcfg set value = 'x:1|y:1' where name = 'hadr_target_list'", node)
    db2_pair.run("update xsysibmadm.dbcfg set value = '60' where name = 'hadr_timeout'", "b")
    (found,) = looked(db2_pair).findings
    assert found.grade is Grade.SHOULD


def test_a_mending_command_is_for_the_node_that_needs_it(db2_pair: RecordedPair) -> None:
    """The standby is given the primary's value, and a choice that loses data its safe one."""
    db2_pair.run("update xsysibmadm.dbcfg set value = '1' where name = 'locklist'", "b")
    db2_pair.run("update xsysibmadm.dbcfg set value = 'NO' where name = 'blocknonlogged'")
    db2_pair.run("update xsysibmadm.dbcfg set value = 'NO' where name = 'blocknonlogged'", "b")
    commands = {(finding.object, finding.command) for finding in looked(db2_pair).findings}
    assert commands == {
        ("LOCKLIST", "update db cfg for NODEB using LOCKLIST 4096;"),
        ("NODEA", "update db cfg for NODEA using BLOCKNONLOGGED YES;"),
        ("NODEB", "update db cfg for NODEB using BLOCKNONLOGGED YES;"),
    }


def test_what_a_reader_of_the_standby_does_not_get_is_remarked(db2_pair: RecordedPair) -> None:
    """Columns outside the row, columnar and temporary tables reach the standby, and cannot be read there."""
    db2_pair.run("insert into xsyscat.tables values ('APP', 'CUBE', 'T', 10, 'C')")
    db2_pair.run("insert into xsyscat.tables values ('APP', 'SCRATCH', 'G', -1, 'R')")
    db2_pair.run("insert into xsyscat.columns values ('APP', 'NOTES', 'DOC', 'XML', 0, ' ', 0)")
    db2_pair.run("insert into xsyscat.columns values ('APP', 'NOTES', 'PDF', 'BLOB', 5000, 'Y', 400)")
    db2_pair.run("insert into xsyscat.columns values ('APP', 'NOTES', 'EDGE', 'BLOB', 400, 'Y', 403)")
    remarks = {remark.object: remark for remark in looked(db2_pair).remarks}
    columns = {"APP.NOTES.DOC", "APP.NOTES.PDF", "APP.NOTES.EDGE"}
    assert set(remarks) == {"APP.CUBE", "APP.SCRATCH", *columns, "a feed from the standby"}
    assert "XML outside the row" in remarks["APP.NOTES.DOC"].message
    assert "only 400 bytes are in the row" in remarks["APP.NOTES.PDF"].message


def test_a_standby_that_serves_no_reads_has_no_limits_for_readers(db2_pair: RecordedPair) -> None:
    """Without reads on standby nobody meets what cannot be read there."""
    db2_pair.run("update xsysproc.mon_get_hadr set reads_on_standby_enabled = 'N'")
    db2_pair.run("insert into xsyscat.tables values ('APP', 'CUBE', 'T', 10, 'C')")
    assert audit(db2_pair.urls()[0]).remarks == []


def test_the_primary_alone_shows_what_is_its_own(db2_pair: RecordedPair) -> None:
    """Without a standby nothing is compared, and the audit says what it can therefore not tell."""
    db2_pair.run("insert into xsyscat.columns values ('APP', 'ORDERS', 'SCAN', 'BLOB', 99, 'N', 0)")
    db2_pair.run("update xsysibmadm.dbcfg set value = '1' where name = 'locklist'", "b")
    report = audit(db2_pair.urls()[0])
    assert [finding.rule.id for finding in report.findings] == ["DBH-029"]
    (unseen,) = report.unseen
    assert unseen.what == "tables that were changed while they were not logged"
    assert "--standby" in unseen.remedy


def test_a_database_without_hadr_is_told_so(db2_pair: RecordedPair) -> None:
    """Then there is no pair to compare, and what is not logged is still found."""
    db2_pair.run("update xsysibmadm.dbcfg set value = 'STANDARD' where name = 'hadr_db_role'")
    db2_pair.run("delete from xsysproc.mon_get_hadr")
    db2_pair.run("insert into xsyscat.columns values ('APP', 'ORDERS', 'SCAN', 'BLOB', 99, 'N', 0)")
    assert [finding.rule.id for finding in audit(db2_pair.urls()[0]).findings] == ["DBH-080", "DBH-029"]


def test_libraries_cannot_be_compared_and_that_is_said(db2_pair: RecordedPair) -> None:
    """No SQL of Db2's reads a library, so a person must compare the files."""
    db2_pair.run("insert into xsyscat.routines values ('APP', 'F', 'F', 'E', 'C', 'lib!f', null)")
    (unseen,) = looked(db2_pair).unseen
    assert "sha256sum" in unseen.remedy


# What the user may not see


@pytest.mark.parametrize(
    ("part", "what", "grant"),
    [
        ("MON_GET_HADR", "the state of HADR", "grant execute on function sysproc.mon_get_hadr to user APP"),
        ("MON_GET_CONTAINER", "containers of table spaces", "grant execute on function sysproc.mon_get_container"),
        ("ENV_GET_REG_VARIABLES", "registry variables", "grant execute on function sysproc.env_get_reg_variables"),
        ("SYSCAT.ROUTINES", "external routines", "grant select on syscat.routines to user APP"),
        ("ADMINTABINFO", "unavailable tables", "grant select on sysibmadm.admintabinfo to user APP"),
    ],
)
def test_a_missing_privilege_hides_one_thing_only(db2_pair: RecordedPair, part: str, what: str, grant: str) -> None:
    """SQL0551N ends one check, which says what would show it; the others go on."""
    db2_pair.run("update xsysibmadm.dbcfg set value = '1' where name = 'locklist'", "b")
    db2_pair.peers["a"].script.refused[part] = Refusal(-551, "42501", ("APP", "EXECUTE", part))
    report = looked(db2_pair)
    assert "LOCKLIST" in {finding.object for finding in report.findings}
    unseen = {one.what: one for one in report.unseen}
    assert "SQL0551N" in unseen[what].why
    assert unseen[what].remedy.startswith(grant)


def test_a_users_own_lack_of_privilege_is_met(db2_pair: RecordedPair) -> None:
    """The same, with a privilege that the server itself withholds."""
    db2_pair.run(f"revoke select on xsyscat.servers from {READER}")
    try:
        report = audit(db2_pair.peers["a"].url(READER, READERS_PASSWORD))
    finally:
        db2_pair.run(f"grant select on xsyscat.servers to {READER}")
    unseen = {one.what: one for one in report.unseen}
    assert unseen["federated servers"].remedy == "grant select on syscat.servers to user READER"


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(-204, "42704", ("SYSPROC.MON_GET_HADR",)),
        Refusal(-440, "42884", ("MON_GET_HADR", "FUNCTION")),
        Refusal(-911, "40001", ("68",)),
        Refusal(-1773, "51045", ("5",)),
    ],
)
def test_what_a_node_does_not_have_or_refuses_is_not_taken_for_clean(db2_pair: RecordedPair, refusal: Refusal) -> None:
    """An object of a later version, a lock, a standby that refuses the read: each is named as not seen."""
    db2_pair.peers["b"].script.refused["MON_GET_TABLESPACE"] = refusal
    report = looked(db2_pair)
    (unseen,) = report.unseen
    assert (unseen.what, unseen.remedy) == ("states of table spaces", "look by hand on that node")
    assert f"SQL{-refusal.sqlcode:04}N" in unseen.why


# What cannot be audited


def test_exchanged_urls_are_refused(db2_pair: RecordedPair) -> None:
    """A standby given as the primary, or the reverse, is named with the role it has."""
    primary, standby = db2_pair.urls()
    with pytest.raises(BadInput, match="NODEB is a standby, not a primary"):
        audit(standby, primary)
    with pytest.raises(BadInput, match="NODEA is a primary, not a standby"):
        audit(primary, primary)


def test_the_standby_of_another_primary_is_refused(db2_pair: RecordedPair) -> None:
    """Each node names both ends of its pair, and the two must agree."""
    db2_pair.run("update xsysproc.mon_get_hadr set primary_member_host = 'elsewhere'", "b")
    with pytest.raises(BadInput, match="does not follow"):
        looked(db2_pair)


def test_a_standby_that_has_not_met_its_primary_yet_is_compared(db2_pair: RecordedPair) -> None:
    """NULL is what a node says of one that it has not met."""
    db2_pair.run("update xsysproc.mon_get_hadr set primary_member_host = null, primary_instance = null", "b")
    assert looked(db2_pair).findings == []


def test_a_standby_that_is_closed_to_readers_is_named(db2_pair: RecordedPair) -> None:
    """SQL1776N is no answer of the pair's, and its hint says how to open it."""
    db2_pair.peers["b"].script.no_connection = Refusal(-1776, "08004", ("1",))
    with pytest.raises(NodeUnreachable, match="SQL1776N") as refused:
        looked(db2_pair)
    assert "DB2_HADR_ROS" in refused.value.hint


def test_a_role_that_may_not_read_the_configuration_is_refused(db2_pair: RecordedPair) -> None:
    """Without the database's role there is nothing to lay rules on."""
    db2_pair.peers["a"].script.refused["DBCFG"] = Refusal(-551, "42501", ("APP", "SELECT", "SYSIBMADM.DBCFG"))
    with pytest.raises(NotPermitted, match="SQL0551N"):
        looked(db2_pair)


def test_a_mode_of_another_engine_is_refused(db2_pair: RecordedPair) -> None:
    """Db2 replicates by HADR, whatever is asked for."""
    with pytest.raises(BadInput, match="does not replicate as postgres-physical"):
        audit(db2_pair.urls()[0], mode=Mode.POSTGRES_PHYSICAL)


# What the command says


def test_the_command_prints_a_db2_pairs_findings(db2_pair: RecordedPair, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command, and the same form, as for PostgreSQL."""
    primary, standby = db2_pair.urls()
    arguments = ["audit", "--primary", primary, "--standby", standby, "--format", "json"]
    assert main(arguments) == 0
    capsys.readouterr()
    db2_pair.run("insert into xsyscat.columns values ('APP', 'ORDERS', 'SCAN', 'BLOB', 99, 'N', 0)")
    assert main(arguments) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["rule"], finding["object"]) == ("DBH-029", "APP.ORDERS.SCAN")
