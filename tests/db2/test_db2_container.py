"""The audit of a Db2 pair on Db2 itself: `pytest -m docker`, wherever a Docker engine answers."""

from __future__ import annotations

import pytest

from replicator import sql
from replicator.audit import audit
from replicator.db2.audit.catalog import Catalog
from replicator.topology import Role
from tests.fixtures.db2_container import NODES, HadrContainers

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

QUESTIONS = sorted(path.stem for path in (sql.root() / "db2" / "catalog").glob("*.sql"))


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("node", NODES)
def test_every_question_is_answered(hadr_containers: HadrContainers, node: str, question: str) -> None:
    """Each view, function and column that the audit names is there, on the standby as well."""
    catalog = Catalog(hadr_containers.url("a" if node == "a" else "b"), 60)
    try:
        catalog.rows(f"catalog/{question}")
    finally:
        catalog.close()


def test_the_nodes_know_their_roles(hadr_containers: HadrContainers) -> None:
    """The primary is one, and the standby is one."""
    for node, role in (("a", Role.PRIMARY), ("b", Role.STANDBY)):
        catalog = Catalog(hadr_containers.url("a" if node == "a" else "b"), 60)
        assert catalog.role is role
        catalog.close()


def test_planted_defects_are_found(hadr_containers: HadrContainers) -> None:
    """What the audit finds among recorded rows, it finds among Db2's own."""
    hadr_containers.sql(
        "create table app.scan (id integer not null primary key, image blob(1m) not logged)",
        "create function app.f() returns integer external name 'lib!f' language c parameter style sql no sql",
        "create table app.note (id integer not null primary key, body clob(1m))",
    )
    report = audit(hadr_containers.url("a"), hadr_containers.url("b"))
    found = {(finding.rule.id, finding.object) for finding in report.findings}
    assert {("DBH-029", "APP.SCAN.IMAGE"), ("DBH-044", "APP.F"), ("DBH-041", "SAMPLE")} <= found
    assert ("DBH-062", "APP.NOTE.BODY") in {(remark.rule.id, remark.object) for remark in report.remarks}
    assert "files of external routines" in {one.what for one in report.unseen}
    assert not any(finding.rule.id == "DBH-081" for finding in report.findings)
