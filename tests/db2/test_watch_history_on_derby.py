"""A watch's history on Db2, its statements through ibm_db against Derby."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta

from replicator.comparison import Compared, Suspect, What, Word
from replicator.position import Lsn
from replicator.rule import Mode
from replicator.verify import Report
from replicator.watch import history
from tests.fixtures.derby import Derby, Peer
from tests.fixtures.derby_store import Node

NOW = datetime.now(UTC).replace(microsecond=0)


def report(*suspects: Suspect) -> Report:
    """Return a comparison of two tables and of all definitions."""
    made = Report(Mode.DB2_HADR)
    for what, name, lsn in (
        (What.ROWS, "APP.T", Lsn(7)),
        (What.ROWS, "APP.U", Lsn("16/B374D848")),
        (What.SCHEMA, "definitions", None),
    ):
        made.take(Compared(what, name, 3, 100, lsn, 0.5))
    for one in suspects:
        made.take(one)
    return made


def test_what_was_found_the_same_comes_back(derby: Derby) -> None:
    """Each object once, as it was last found the same, by standby; what is older than a season is forgotten."""
    with contextlib.closing(Node(Peer(derby.port, "WATCHED"))) as node:
        database = node.database
        first = report()
        old = NOW - timedelta(days=100)
        history.write(database, "b", first, 1.5, history.same(first, NOW - timedelta(days=1)))
        history.write(database, "c", first, 1.5, history.same(first, old))
        second = report(
            Suspect(What.ROWS, "APP.U", Word.DIFFERENT, "row 'x' differs", "key 1"),
            Suspect(What.SCHEMA, "table APP.T", Word.UNSETTLED, "changes"),
        )
        same = history.same(second, NOW)
        assert [one.object for one in same] == ["APP.T"]
        history.write(database, "b", second, 2.5, same)
        assert {one.object: (one.lsn, one.at) for one in history.read(database, "b")} == {
            "APP.T": (Lsn(7), NOW),
            "APP.U": (Lsn("16/B374D848"), NOW - timedelta(days=1)),
            "definitions": (None, NOW - timedelta(days=1)),
        }
        assert history.read(database, "c") == []
        rows = node.run(
            "select different, unsettled, compared, read_bytes, findings from hadrian.verification order by 1"
        )
    assert [row[:4] for row in rows] == [(0, 0, 3, 300), (0, 0, 3, 300), (1, 1, 3, 300)]
    assert [one["object"] for one in json.loads(rows[2][4])] == ["APP.U", "table APP.T"]


def test_findings_are_cut_where_there_is_no_room() -> None:
    """However many differ, what is recorded is JSON of no more bytes than the column has."""
    suspects = [Suspect(What.ROWS, f"app.t{number}", Word.DIFFERENT, "é" * 300) for number in range(200)]
    text = history._findings(suspects)
    assert len(text.encode()) <= 16_000
    assert 0 < len(json.loads(text)) < 200
