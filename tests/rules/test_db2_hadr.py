"""Db2's rules on a pair of Db2 in containers, wherever a Docker engine answers; and what can be checked without one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from replicator.db2.rules import hadr_logged, hadr_not_logged, hadr_standby
from replicator.db2.subject import Subject
from replicator.lint import lint
from replicator.postgres import topology
from replicator.rule import Mode, Rule, Verdict
from tests.fixtures.db2_container import DATABASE, HadrContainers, NodeName, fresh_containers
from tests.rules.db2_hadr import TRIALS, UNTRIED, Trial
from tests.rules.experiment import Answer, meets

RULES: dict[str, Rule] = {
    rule.subject: rule for rule in (*hadr_logged.RULES, *hadr_not_logged.RULES, *hadr_standby.RULES)
}
_MARK = "what is at stake:"
_REPLAY_TIMEOUT_S = 300
_POSITION = re.compile(r"^\s*(PRIMARY_LOG|STANDBY_REPLAY_LOG)_FILE,PAGE,POS = (.+)$", re.MULTILINE)


@dataclass(slots=True)
class Answers:
    """What the nodes answered in one trial."""

    primary: Answer = ""
    standby: Answer = ""
    promoted: Answer = ""


def answer(text: str) -> Answer:
    """Return what the command line processor printed behind the mark: rows, or the refusal."""
    _, _, said = text.rpartition(_MARK)
    refusal = re.search(r"\bSQL\d{4,5}N\b.*", said)
    if refusal:
        return refusal.group()
    return [tuple(line.split()) for line in said.splitlines() if line.strip()]


def replayed(text: str) -> bool:
    """Return whether db2pd says that the standby has replayed all that the primary has written."""
    positions = dict(_POSITION.findall(text))
    return len(positions) == 2 and len(set(positions.values())) == 1


def ask(pair: HadrContainers, node: NodeName, trial: Trial, do: str = "") -> Answer:
    """Run a trial's question on a node in a new session, after `do`."""
    script = (
        f"connect to {DATABASE};\nset schema {trial.name};\nset current isolation = ur;\n"
        f"{do}echo {_MARK};\n{trial.look};\nconnect reset;\n"
    )
    file = f"/tmp/{trial.name}.sql"  # noqa: S108 - on a node of the trial's own
    return answer(pair.db2(f"cat > {file} <<'THE_END'\n{script}THE_END\ndb2 -xtf {file}", node))


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, Answers]]:
    """Make every trial once: do, ask, wait for replay, ask, take over, ask."""
    with fresh_containers() as pair:
        found = {trial.name: Answers() for trial in TRIALS}
        for trial in TRIALS:
            found[trial.name].primary = ask(pair, "a", trial, trial.script())
        state = f"db2pd -db {DATABASE} -hadr"
        topology.wait_until(lambda: replayed(pair.db2(state, "b")), "replay", timeout_s=_REPLAY_TIMEOUT_S)
        for trial in TRIALS:
            found[trial.name].standby = ask(pair, "b", trial)
        pair.fail_over()
        for trial in TRIALS:
            found[trial.name].promoted = ask(pair, "b", trial)
        yield found


def names(trial: Trial) -> str:
    """Name a case by its trial."""
    return trial.name


@pytest.mark.docker
@pytest.mark.timeout(3600)  # two images are started and made a pair
@pytest.mark.parametrize("trial", TRIALS, ids=names)
def test_every_node_answers_as_the_rule_claims(answers: dict[str, Answers], trial: Trial) -> None:
    """The standby and the node that took over say what the trial expects of them."""
    seen = answers[trial.name]
    assert not isinstance(seen.primary, str), f"the primary answered {seen.primary}"
    assert meets(seen.standby, trial.standby, seen.primary), f"the standby answered {seen.standby}"
    assert meets(seen.promoted, trial.promoted, seen.primary), f"the promoted node answered {seen.promoted}"


@pytest.mark.docker
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("subject", sorted({trial.subject for trial in TRIALS}))
def test_the_verdict_is_what_was_seen(answers: dict[str, Answers], subject: Subject) -> None:
    """A rule's verdict follows from whether the promoted node answers as the primary did."""
    kept = {answers[trial.name].promoted == answers[trial.name].primary for trial in TRIALS if trial.subject == subject}
    assert follows(kept) is RULES[subject].verdict


def follows(kept: set[bool]) -> Verdict:
    """Return the verdict that follows from what was kept in the trials of a rule."""
    if len(kept) == 2:
        return Verdict.CONDITIONAL
    return Verdict.REPLICATED if kept == {True} else Verdict.NOT_REPLICATED


# What needs no server


def test_every_rule_is_tried_or_says_why_not() -> None:
    """No rule is left out by accident, and none is called untried that has a trial."""
    tried = {trial.subject for trial in TRIALS}
    assert tried | set(UNTRIED) == set(RULES)
    assert not tried & set(UNTRIED)
    assert all(UNTRIED.values())


def test_no_two_trials_share_a_name() -> None:
    """They share a database, and each has the schema of its name."""
    assert len({trial.name for trial in TRIALS}) == len(TRIALS)


@pytest.mark.parametrize("trial", TRIALS, ids=names)
def test_the_linter_says_of_a_trial_what_its_rule_says(trial: Trial) -> None:
    """A statement of the trial is decided by its rule, and every statement is one that the reader knows."""
    judgements = list(lint([(trial.name, f"set schema {trial.name};\n{trial.script()}")], Mode.DB2_HADR))
    unknown = [each for each in judgements if each.verdict is Verdict.UNKNOWN]
    assert [each.statement.text for each in unknown if not each.statement.text.startswith("!mkdir")] == []
    decided = {each.rule.subject: each.verdict for each in judgements if each.rule}
    if trial.subject in _SHOWN_BESIDE:
        assert decided[Subject.DDL] is Verdict.REPLICATED
    else:
        assert decided[trial.subject] is RULES[trial.subject].verdict


# Columns of a table that is logged: the rule that decides is that of the table, which costs as little.
_SHOWN_BESIDE = {Subject.LOGGED_LOB, Subject.INLINE_LOB, Subject.XML}


@pytest.mark.parametrize("trial", TRIALS, ids=names)
def test_what_a_trial_expects_is_what_its_rule_claims(trial: Trial) -> None:
    """A trial of what is replicated expects the primary's answer, one of what is not expects another."""
    kept = {meets([("x",)], each.promoted, [("x",)]) for each in TRIALS if each.subject == trial.subject}
    assert follows(kept) is RULES[trial.subject].verdict


def test_the_answer_is_what_stands_behind_the_mark() -> None:
    """Rows are told from a refusal, and what was printed before is no part of the answer."""
    assert answer(f"DB20000I done\n{_MARK}\n  30000 0000\n\n") == [("30000", "0000")]
    assert answer(f"SQL0100W\n{_MARK}\nSQL1477N  For table 1 an object 2 cannot be accessed.  SQLSTATE=55019\n") == (
        "SQL1477N  For table 1 an object 2 cannot be accessed.  SQLSTATE=55019"
    )


def test_replay_is_done_when_both_positions_are_the_same() -> None:
    """A standby that is behind, or that says nothing yet, has not replayed."""
    line = "{0}_FILE,PAGE,POS = S0000012.LOG, {1}, 3003"
    same = "\n".join(
        (line.format("PRIMARY_LOG", 7), line.format("STANDBY_LOG", 7), line.format("STANDBY_REPLAY_LOG", 7))
    )
    assert replayed(same)
    assert not replayed(
        same.replace("REPLAY_LOG_FILE,PAGE,POS = S0000012.LOG, 7", "REPLAY_LOG_FILE,PAGE,POS = S0000012.LOG, 6")
    )
    assert not replayed("Database SAMPLE not activated")
