"""The fate of a change, from observations alone."""

from __future__ import annotations

import pytest

from replicator.effect import Effect, Outcome, Trial
from replicator.postgres.rehearsal.fate import History
from replicator.postgres.rehearsal.observation import Key, Observation, Refused, Stored, Value
from replicator.statement import Statement

ROWS = Key("rows", "16384")
SEQUENCE = Key("sequence", "16385")
SETTING = Key("setting", "work_mem")
QUEUE = Key("queue of", "notifications")
ROLE = Key("pg_authid", "16390")


def stored(content: str, file: str = "1") -> Stored:
    """Return what a relation holds."""
    return Stored(file, content, "public.t")


def trial(text: str) -> Trial:
    """Return a statement that has run."""
    return Trial(Statement(text, 1, 1))


def outcomes(each: Trial) -> list[Outcome]:
    """Return the fates of what a statement changed."""
    return [effect.outcome for effect in each.effects]


def judged(
    key: Key,
    end: Value | None,
    standby: Value | None,
    promoted: Value | None,
    start: Value | None = None,
) -> Effect:
    """Return the one effect of a statement that took a thing from `start` to `end`."""
    statement = trial("x")
    history = History(_seen(key, start))
    history.record(statement, _seen(key, end))
    history.judge(_seen(key, end), _seen(key, standby), _seen(key, promoted))
    (effect,) = statement.effects
    return effect


def _seen(key: Key, value: Value | None) -> Observation:
    return {} if value is None else {key: value}


@pytest.mark.parametrize(
    ("key", "end", "standby", "promoted", "outcome", "detail"),
    [
        (ROWS, stored("2 77"), stored("2 77"), stored("2 77"), Outcome.KEPT, ""),
        (ROWS, stored("2 77"), Refused("no", "t"), stored("0"), Outcome.LOST, "2 before takeover, 0 after"),
        (ROWS, stored("2 77"), stored("2 77"), stored("2 78"), Outcome.LOST, "another content after takeover"),
        (ROWS, stored("2 77"), stored("2 77"), stored("2 77", "9"), Outcome.LOST, "of another age after takeover"),
        (ROWS, stored("2 77"), stored("2 77"), None, Outcome.LOST, "not there after takeover"),
        (ROWS, stored("2 77"), stored("2 77"), Refused("broken", "t"), Outcome.REFUSED, "broken"),
        (ROWS, stored("0"), Refused("in recovery", "t"), stored("0"), Outcome.REFUSED, "on the standby: in recovery"),
        (SEQUENCE, stored("5 t 1"), stored("33 t 1"), stored("33 t 1"), Outcome.KEPT, ""),
        (SEQUENCE, stored("5 t 1"), stored("5 t 1"), stored("4 t 1"), Outcome.LOST, "5 before takeover, 4 after"),
        (SEQUENCE, stored("5 t 1"), stored("5 t 1"), stored("99 t 1"), Outcome.LOST, "5 before takeover, 99 after"),
        (SEQUENCE, stored("90 t -1"), stored("58 t -1"), stored("58 t -1"), Outcome.KEPT, ""),
        (SEQUENCE, stored("9 t -1"), stored("10 t -1"), stored("10 t -1"), Outcome.LOST, "9 before takeover, 10 after"),
        (SETTING, "8MB", None, None, Outcome.LOST, "not there after takeover"),
        (SETTING, "8MB", "4MB", "4MB", Outcome.LOST, "another content after takeover"),
        (ROLE, "digest", "digest", "digest", Outcome.KEPT, ""),
        (
            Key("library", "$libdir/x"), "used", "used", "used",
            Outcome.NOT_REHEARSED, "both nodes have this machine's",
        ),
        (Key("index", "16386"), stored("true"), stored("false"), stored("true"), Outcome.LOST,
         "the standby had nothing of it before the takeover"),
    ],
)  # fmt: skip
def test_a_change_is_judged_by_both_looks_at_the_standby(
    key: Key, end: Value, standby: Value | None, promoted: Value | None, outcome: Outcome, detail: str
) -> None:
    """A change is kept only if the promoted node has it, and a relation's content only if the standby had it before."""
    effect = judged(key, end, standby, promoted)
    assert (effect.outcome, effect.detail) == (outcome, detail)


def test_a_thing_that_is_gone_must_be_gone_after_takeover_too() -> None:
    """A DROP that did not arrive leaves something behind."""
    assert judged(ROLE, None, None, None, start="there").outcome is Outcome.KEPT
    left = judged(ROLE, None, "there", "there", start="there")
    assert (left.outcome, left.detail) == (Outcome.LOST, "still there after takeover")


def test_an_earlier_change_shares_the_fate_of_a_table() -> None:
    """Of two inserts into one table neither is kept without the other."""
    first, second = trial("insert 1"), trial("insert 2")
    history = History({ROWS: stored("0")})
    history.record(first, {ROWS: stored("1 5")})
    history.record(second, {ROWS: stored("2 9")})
    history.judge({ROWS: stored("2 9")}, {}, {ROWS: stored("0")})
    assert outcomes(first) == outcomes(second) == [Outcome.LOST]


def test_a_value_that_the_sequence_goes_on_behind_is_kept() -> None:
    """Where only the last values are handed out again, the statement that took the first has lost nothing."""
    first, last = trial("alter sequence ... set logged"), trial("nextval")
    history = History({})
    history.record(first, {SEQUENCE: stored("1 t 1")})
    history.record(last, {SEQUENCE: stored("2 t 1")})
    history.judge(*({SEQUENCE: stored(content)} for content in ("2 t 1", "1 t 1", "1 t 1")))
    assert outcomes(first) == [Outcome.KEPT]
    assert outcomes(last) == [Outcome.LOST]


def test_a_change_before_a_rewriting_is_not_blamed_for_it() -> None:
    """What SET UNLOGGED loses, it loses, and not the insert before it."""
    insert, unlog = trial("insert"), trial("alter table ... set unlogged")
    history = History({ROWS: stored("0")})
    history.record(insert, {ROWS: stored("1 5", "1")})
    history.record(unlog, {ROWS: stored("1 5", "2")})
    history.judge({ROWS: stored("1 5", "2")}, {}, {ROWS: stored("0", "2")})
    assert outcomes(insert) == [Outcome.UNDONE]
    assert outcomes(unlog) == [Outcome.LOST]


def test_what_is_again_as_it_was_tells_nothing() -> None:
    """A setting that was set and reset is neither kept nor lost."""
    on, off = trial("alter system set"), trial("alter system reset")
    history = History({})
    history.record(on, {SETTING: "8MB"})
    history.record(off, {})
    history.judge({}, {}, {})
    assert outcomes(on) == outcomes(off) == [Outcome.UNDONE]


def test_what_a_rollback_takes_back_is_undone_and_no_change_of_the_rollback() -> None:
    """Rows that never were committed share nobody's fate."""
    kept, taken, rollback = trial("insert"), trial("insert in a block"), trial("rollback")
    history = History({})
    history.record(kept, {ROWS: stored("1 5")})
    history.record(taken, {ROWS: stored("2 9")})
    history.record(rollback, {ROWS: stored("1 5")}, reverts=True)
    history.judge({ROWS: stored("1 5")}, {}, {ROWS: stored("0")})
    assert outcomes(kept) == [Outcome.LOST]
    assert outcomes(taken) == [Outcome.UNDONE]
    assert outcomes(rollback) == []


def test_what_shows_at_the_commit_is_credited_to_who_announced_it() -> None:
    """NOTIFY in a block is sent when the block commits, and yet it is NOTIFY that loses it."""
    notify, commit = trial("notify"), trial("commit")
    history = History({QUEUE: "1"})
    history.record(commit, {QUEUE: "2"}, announced=(notify,))
    history.judge({QUEUE: "2"}, {QUEUE: "0"}, {QUEUE: "0"})
    assert outcomes(notify) == [Outcome.LOST]
    assert outcomes(commit) == []


def test_a_statement_has_the_worst_fate_of_its_changes() -> None:
    """One row lost outweighs ten objects kept, and a failure outweighs what was kept before it."""
    mixed = trial("x")
    mixed.effects = [Effect("a", Outcome.KEPT), Effect("b", Outcome.LOST), Effect("c", Outcome.UNDONE)]
    assert mixed.outcome is Outcome.LOST
    failed = Trial(Statement("x", 1, 1), error="no", effects=[Effect("a", Outcome.KEPT)])
    assert failed.outcome is Outcome.FAILED
    assert trial("select 1").outcome is Outcome.NOTHING
    assert Trial(Statement("\\i x", 1, 1), skipped="why").outcome is Outcome.NOT_REHEARSED
