"""Fifty migrations, played on one pair that is failed over once: lint and rehearsal agree, and both are right.

In a migration, a comment `-- rehearsal: lost` directly above a statement says what must be seen of it. Without one
nothing may be lost, and the statement must succeed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from replicator.effect import Outcome
from replicator.rehearse import Line, Rehearsal
from replicator.rule import Verdict
from tests.fixtures.stage import rehearsed

MIGRATIONS = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
FINE = {Outcome.KEPT, Outcome.UNDONE, Outcome.NOTHING}

_MARK = re.compile(r"-- rehearsal: ([a-z-]+)")

# Statements that lint says are lost, and of which nothing could be seen: the script took it back, or it is the
# node's own file.
UNSEEN = {
    "09_unlogged_sequence.sql": 1,  # made anew later on
    "11_alter_system.sql": 2,  # set and reset again
    "17_temporary_tables.sql": 2,  # dropped at commit
    "19_set_logged.sql": 2,  # logged later on
    "20_notify.sql": 1,  # rolled back
    "34_slot_dropped.sql": 1,
    "35_advisory_locks.sql": 2,  # released
    "51_sequences_logged_late.sql": 4,  # logged later on
}


@pytest.fixture(scope="module")
def rehearsal() -> Rehearsal:
    """Play every migration, one after the other, and fail over."""
    return rehearsed((file.name, file.read_text(encoding="utf-8")) for file in MIGRATIONS)


def lines_of(rehearsal: Rehearsal, file: Path) -> list[Line]:
    """Return the lines of one migration."""
    return [line for line in rehearsal.lines if line.file == file.name]


def marked(file: Path) -> dict[int, set[Outcome]]:
    """Return what must be seen of the statements that begin in the lines below the marks."""
    texts = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    return {number + 1: {Outcome(match[1])} for number, text in texts if (match := _MARK.fullmatch(text))}


def test_there_are_fifty_migrations() -> None:
    """Nobody has dropped one."""
    assert len(MIGRATIONS) >= 50


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: file.stem)
def test_lint_and_rehearsal_agree(rehearsal: Rehearsal, file: Path) -> None:
    """What was seen of each statement bears out what its text had told."""
    assert [
        (line.trial.statement, line.verdict, line.trial) for line in lines_of(rehearsal, file) if not line.agrees
    ] == []


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: file.stem)
def test_what_is_seen_is_what_happens(rehearsal: Rehearsal, file: Path) -> None:
    """The rehearsal finds lost what is lost, and nothing else: agreeing with lint would not show both wrong."""
    expected = marked(file)
    lines = lines_of(rehearsal, file)
    assert lines
    assert expected.keys() <= {line.trial.statement.line for line in lines}
    for line in lines:
        wanted = expected.get(line.trial.statement.line, FINE)
        assert line.trial.outcome in wanted, (line.trial, line.judgement)


def test_every_statement_is_judged(rehearsal: Rehearsal) -> None:
    """Each piece that was played is one that lint has read, at the same place."""
    assert [line.trial.statement for line in rehearsal.lines if line.judgement is None] == []
    assert len(rehearsal.lines) > 400


def test_what_lint_calls_lost_is_seen_to_be_lost(rehearsal: Rehearsal) -> None:
    """Only where the script itself takes it back may a verdict go unproven."""
    unseen: dict[str, int] = {}
    for line in rehearsal.lines:
        gone = line.trial.outcome in (Outcome.LOST, Outcome.REFUSED, Outcome.FAILED)
        if line.verdict is Verdict.NOT_REPLICATED and not gone:
            unseen[line.file] = unseen.get(line.file, 0) + 1
    assert unseen == UNSEEN


def test_a_rule_turned_round_is_noticed(rehearsal: Rehearsal) -> None:
    """Most statements would contradict the opposite of their verdict, so a wrong rule cannot hide."""
    turned = {Verdict.REPLICATED: Verdict.NOT_REPLICATED, Verdict.NOT_REPLICATED: Verdict.REPLICATED}
    judged = [line for line in rehearsal.lines if line.verdict in turned]
    noticed = [line for line in judged if not line.agrees_with(turned[line.verdict])]
    assert len(noticed) > 0.6 * len(judged)
