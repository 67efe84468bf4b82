"""Rows of a HADR pair of Db2 itself compared: `pytest -m docker`, wherever a Docker engine answers."""

from __future__ import annotations

import pytest

from replicator.comparison import Request, What
from replicator.verify import verify
from tests.fixtures.db2_container import HadrContainers

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

REQUEST = Request(frozenset({What.ROWS}), tables=("app.compared*",), settle_s=120, show_values=True)
ROWS = 2500


def test_a_standby_has_its_primarys_rows(hadr_containers: HadrContainers) -> None:
    """Rows of every type are compared on both nodes, the LOB outside its row is left out, and a write is waited for."""
    hadr_containers.sql(
        "create table app.compared (id bigint not null primary key, price decimal(9,2), ratio double, rough decfloat, "
        "name varchar(40), raw varchar(20) for bit data, moment timestamp(12), body clob(1000) inline length 1004, "
        "image blob(1m))",
        "insert into app.compared (id, price, ratio, rough, name, raw, moment, body, image) "
        f"with n (i) as (values 1 union all select i + 1 from n where i < {ROWS}) "
        "select i, i / 7.0, i / 3e0, i, 'name ' || i, bx'00ff', current timestamp, 'body', blob('x') from n",
    )
    report = verify(hadr_containers.url("a"), hadr_containers.url("b"), REQUEST)
    assert (report.different, report.unsettled, report.cut) == ([], [], None)
    (compared,) = report.compared
    assert (compared.items, compared.left_out) == (ROWS, "MOMENT (below microseconds), IMAGE (BLOB)")
    hadr_containers.sql("update app.compared set name = 'new' where mod(id, 100) = 0")
    report = verify(hadr_containers.url("a"), hadr_containers.url("b"), REQUEST)
    assert (report.different, report.unsettled, report.cut) == ([], [], None)


def test_the_row_change_token_is_told_on_both_nodes(hadr_containers: HadrContainers) -> None:
    """What a row's version rests on can be asked of a standby, too."""
    for node in ("a", "b"):
        said = hadr_containers.sql("select row change token for r from app.compared r where id = 1 with ur", node=node)  # type: ignore[arg-type]
        assert "1 record(s) selected" in said
