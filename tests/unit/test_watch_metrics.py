"""What a watch tells Prometheus: what is known, what is not, and what its page and its alert rules name."""

from __future__ import annotations

import dataclasses
import re
import time
from datetime import UTC, datetime
from typing import cast

import yaml
from prometheus_client import CollectorRegistry, generate_latest

from replicator.comparison import Compared, Suspect, What, Word
from replicator.database import Database
from replicator.errors import NodeLost
from replicator.position import Lsn
from replicator.rule import Grade, Mode
from replicator.verify import Report
from replicator.watch.board import Board, Passed
from replicator.watch.history import same
from replicator.watch.lag import Lag
from replicator.watch.metrics import Metrics
from replicator.watch.observer import Placed, Standing
from tests.fixtures.command import ROOT

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class _Node:
    def __init__(self, where: str) -> None:
        self.where = where


_A, _B = (cast("Database", _Node(where)) for where in ("a:1/x", "b:1/x"))
PLACED = Standing({"a:1/x": True, "b:1/x": True}, Placed(_A, _B, ("url", "url")), Lag(7, 1.5), "")


def passed(*seen: Compared | Suspect, cut: NodeLost | None = None) -> Passed:
    """Return a comparison."""
    report = Report(Mode.POSTGRES_PHYSICAL)
    for one in seen:
        report.take(one)
    report.cut = cut
    return Passed(1, "a:1/x", "b:1/x", report, "", 2.0, NOW)


def told(board: Board, standing: Standing) -> str:
    """Return what is told over HTTP."""
    registry = CollectorRegistry()
    registry.register(Metrics(board, lambda: standing))
    return generate_latest(registry).decode()


_SEEN = (
    Compared(What.ROWS, "public.t", 3, 100, Lsn(9), 1.0),
    Compared(What.ROWS, "public.u", 3, 100, Lsn(9), 1.0),
    Compared(What.SCHEMA, "definitions", 3, 0, Lsn(9), 1.0),
    Compared(What.SETTINGS, "settings", 3, 0, None, 1.0),
    Suspect(What.ROWS, "public.u", Word.DIFFERENT, "differs"),
    Suspect(What.SCHEMA, "table public.t", Word.UNSETTLED, "is on its way"),
    Suspect(What.SETTINGS, "port", Word.DIFFERENT, "is another", grade=Grade.MAY),
)


def now() -> Standing:
    """Return two nodes that were looked at just now."""
    return dataclasses.replace(PLACED, at=time.monotonic())


def full() -> Board:
    """Return a board with one comparison on it."""
    board = Board()
    one = passed(*_SEEN)
    assert one.report is not None
    board.take(one, same(one.report, NOW))
    return board


def test_what_differs_is_not_the_same_and_the_rest_is() -> None:
    """A table that differs, and a kind of which anything is open, keep the time at which they were last the same."""
    lines = told(full(), now()).splitlines()
    name = 'hadrian_verified_timestamp_seconds{object="public.t",what="rows"} '
    (at,) = (float(line.removeprefix(name)) for line in lines if line.startswith(name))
    assert at == NOW.timestamp()
    assert 'hadrian_verified_lsn{object="public.t",what="rows"} 9.0' in lines
    assert not any("public.u" in line or 'object="definitions"' in line for line in lines)
    assert not any('verified_lsn{object="settings"' in line for line in lines)  # no log brings them
    assert 'hadrian_findings{what="rows",word="different"} 1.0' in lines
    assert 'hadrian_findings{what="schema",word="unsettled"} 1.0' in lines
    assert 'hadrian_findings{what="settings",word="different"} 0.0' in lines
    assert 'hadrian_comparisons_total{result="different"} 1.0' in lines
    assert "hadrian_read_bytes_total 200.0" in lines


def test_what_is_not_known_is_not_told() -> None:
    """While a node is away there is no lag and no role, and before the first comparison no time of one."""
    text = told(Board(), Standing({"a:1/x": True, "b:1/x": False}, problem="b:1/x does not answer"))
    assert 'hadrian_node_up{node="b:1/x"} 0.0' in text
    assert "hadrian_pair_up 0.0" in text
    assert "hadrian_lag" not in text.replace("# ", "")
    assert not re.search(r"^hadrian_(node_is_primary|comparison_end|verified_\w+)", text, re.MULTILINE)


def test_what_was_seen_long_ago_is_not_told() -> None:
    """Where a node neither answers nor goes away, nothing of before counts: the two are no pair."""
    text = told(Board(), dataclasses.replace(PLACED, at=time.monotonic() - 61))
    assert "hadrian_pair_up 0.0" in text
    assert not re.search(r"^hadrian_(node|lag)", text, re.MULTILINE)
    assert re.search(r"^hadrian_look_age_seconds 61", text, re.MULTILINE)


def test_one_that_was_cut_off_is_open() -> None:
    """A comparison that a lost node ended is not the same, whatever it had seen before."""
    assert passed(_SEEN[0]).result == "same"
    assert passed(_SEEN[0], cut=NodeLost("b is gone")).result == "open"
    assert passed(*_SEEN).result == "different"


def test_another_standby_begins_with_nothing() -> None:
    """What was found the same of one standby is not told of another."""
    board = full()
    board.recall([])
    assert "hadrian_verified_lsn{" not in told(board, now())


def test_the_page_and_the_alert_rules_name_what_there_is() -> None:
    """Every metric is on the page, the page names no other, and no alert waits for one that never comes."""
    names = set(re.findall(r"^(hadrian_\w+?)[{ ]", told(full(), now()), re.MULTILINE))
    page = (ROOT / "docs/watch.md").read_text(encoding="utf-8")
    table = page.partition("## What Prometheus gets")[2].partition("What is not known")[0]
    named = set(re.findall(r"`(hadrian_\w+)", table))
    assert named == names
    rules = yaml.safe_load((ROOT / "examples/alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    asked = {name for rule in rules for name in re.findall(r"hadrian_\w+", rule["expr"])}
    assert asked <= names
