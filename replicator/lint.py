"""What would become of each statement of a script, before it runs: readings laid against a mode's rules.

A statement may touch many subjects; its verdict is that of the touch that costs most. What only happens in some case (a
branch, a routine that somebody may call) makes it conditional at worst. Where something cannot be judged the
verdict says so, unless what can be judged is lost already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from replicator import engines
from replicator.rule import Mode, Rule, Severity, Verdict
from replicator.statement import Reading, Statement, Touch

# The worst first.
_VERDICTS = (Verdict.NOT_REPLICATED, Verdict.UNKNOWN, Verdict.CONDITIONAL, Verdict.REPLICATED, Verdict.NONE)
_PLACE = {verdict: place for place, verdict in enumerate(_VERDICTS)}
_ALLOW = "allow "


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of one statement.

    Attributes:
        file: the script it stands in.
        statement: the statement, with its place.
        verdict: whether a standby gets what it does.
        rule: the rule that decides, or None where none does.
        message: what happens, or why nothing can be said; empty for a statement that leaves nothing.
        remedy: what to do, or empty.
        severity: what it costs; None where it costs nothing that a rule knows.
        allowed: the reason given beside it for letting it pass, or empty.
        error: the text is no statement of the language.
    """

    file: str
    statement: Statement
    verdict: Verdict
    rule: Rule | None = None
    message: str = ""
    remedy: str = ""
    severity: Severity | None = None
    allowed: str = ""
    error: bool = False


def lint(scripts: Iterable[tuple[str, str]], mode: Mode) -> Iterator[Judgement]:
    """Yield a judgement of every statement.

    Args:
        scripts: file name and text of each, in the order in which they would run.
        mode: whose rules.
    """
    rules = _by_subject(mode)
    reader = engines.script_reader(mode)
    for file, text in scripts:
        for reading in reader.read(text):
            yield _judge(file, reading, rules)


def explain(text: str, mode: Mode) -> Iterator[tuple[Judgement, list[tuple[Rule, str]]]]:
    """Yield each statement's judgement with all the rules that it touches, and what each says of it."""
    rules = _by_subject(mode)
    for reading in engines.script_reader(mode).read(text):
        touched = [(rules[touch.subject], _sentence(rules[touch.subject], touch)) for touch in reading.touches]
        yield _judge("-", reading, rules), touched


def _by_subject(mode: Mode) -> dict[str, Rule]:
    return {rule.subject: rule for rule in engines.rules(mode)}


def _judge(file: str, reading: Reading, rules: dict[str, Rule]) -> Judgement:
    statement = reading.statement
    if reading.error:
        remedy = "correct the statement"
        return Judgement(file, statement, Verdict.UNKNOWN, None, reading.error, remedy, Severity.REFUSED, error=True)
    worst = min((_weight(touch, rules[touch.subject]) for touch in reading.touches), default=None, key=_first)
    verdict = worst[0][0] if worst else len(_VERDICTS) - 1
    if reading.unknown and verdict > _PLACE[Verdict.UNKNOWN]:
        remedy = "read it, and judge it by hand"
        return Judgement(file, statement, Verdict.UNKNOWN, None, reading.unknown, remedy)
    if worst is None:
        return Judgement(file, statement, Verdict.NONE)
    _, touch, rule = worst
    allowed = _allowed(reading.remarks, rule.id)
    sentence = _sentence(rule, touch)
    return Judgement(file, statement, _VERDICTS[verdict], rule, sentence, rule.remedy, rule.severity, allowed)


_Weighed = tuple[tuple[int, int], Touch, Rule]


def _weight(touch: Touch, rule: Rule) -> _Weighed:
    verdict = rule.verdict
    if touch.when and verdict is Verdict.NOT_REPLICATED:
        verdict = Verdict.CONDITIONAL
    return (_PLACE[verdict], rule.severity.rank), touch, rule


def _first(weighed: _Weighed) -> tuple[int, int]:
    return weighed[0]


def _sentence(rule: Rule, touch: Touch) -> str:
    said = rule.message.format(object=touch.object, detail=touch.detail)
    return f"{touch.when}: {said}" if touch.when else said


def _allowed(remarks: Iterable[str], rule: str) -> str:
    """Return the reason that a remark gives for accepting the rule; without a reason it accepts nothing."""
    for remark in remarks:
        if remark.startswith(_ALLOW):
            named, _, reason = remark.removeprefix(_ALLOW).strip().partition(" ")
            if named == rule and reason.strip():
                return reason.strip()
    return ""
