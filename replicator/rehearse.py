"""A migration played on a throwaway pair that is then failed over, beside what the rules had said of it.

`lint` judges a statement by its text, a rehearsal by what became of its effects. Neither knows of the other, so where
they disagree one of them is wrong. A rehearsal can only contradict what it has seen: a statement without effects, or
with effects that the script itself took back, agrees with any verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from replicator.effect import Outcome, Trial
from replicator.engine import Stage
from replicator.lint import Judgement, lint
from replicator.rule import Mode, Verdict

MODE = Mode.POSTGRES_PHYSICAL

_GONE = frozenset({Outcome.LOST, Outcome.REFUSED})
_MISSING_EXTENSION = re.compile(r'extension "(.+?)" is not available')


@dataclass(frozen=True, slots=True)
class Line:
    """One statement: what was said of it, and what was seen.

    Attributes:
        file: the script it stands in.
        trial: how it went; its effects are there once the pair has failed over.
        judgement: what lint had said, or None if it never saw the statement.
    """

    file: str
    trial: Trial
    judgement: Judgement | None

    @property
    def verdict(self) -> Verdict:
        """What lint had said."""
        return self.judgement.verdict if self.judgement else Verdict.UNKNOWN

    @property
    def agrees(self) -> bool:
        """Whether what was seen bears out what was said."""
        return self.judgement is not None and self.agrees_with(self.judgement.verdict)

    def agrees_with(self, verdict: Verdict) -> bool:
        """Return whether what was seen bears out a verdict."""
        outcomes = {effect.outcome for effect in self.trial.effects}
        match verdict:
            case Verdict.REPLICATED:
                return not outcomes & _GONE
            case Verdict.NOT_REPLICATED:
                return outcomes != {Outcome.KEPT}
            case Verdict.NONE:
                return outcomes <= {Outcome.UNDONE} or self.trial.ends_transaction
            case _:
                return True

    @property
    def is_fine(self) -> bool:
        """Whether the statement ran and nothing of it was lost."""
        return self.trial.outcome not in _GONE | {Outcome.FAILED}


@dataclass(slots=True)
class Rehearsal:
    """What a rehearsal came to.

    Attributes:
        lines: every statement, in the order in which they ran.
        refused: statements of the structure that the pair would not take, with the reason in `error`.
    """

    lines: list[Line] = field(default_factory=list)
    refused: list[Trial] = field(default_factory=list)

    @property
    def missing_extensions(self) -> list[str]:
        """Extensions that the structure asks for and the pair lacks."""
        found = (_MISSING_EXTENSION.search(trial.error) for trial in self.refused)
        return sorted({match[1] for match in found if match})

    @property
    def disagreements(self) -> list[Line]:
        """Where what was seen contradicts what was said."""
        return [line for line in self.lines if not line.agrees]


@dataclass(frozen=True, slots=True)
class Plan:
    """Scripts, judged and ready to be played.

    Attributes:
        scripts: file name and text of each.
        structure: a script that makes what the others build upon, or empty.
        judgements: one dictionary a script, by line and column.
    """

    scripts: Sequence[tuple[str, str]]
    structure: str
    judgements: Sequence[dict[tuple[int, int], Judgement]]

    @classmethod
    def make(cls, scripts: Iterable[tuple[str, str]], structure: str = "") -> Plan:
        """Lint the scripts, in the knowledge of what the structure defines."""
        played = list(scripts)
        judgements: list[dict[tuple[int, int], Judgement]] = [{} for _ in range(len(played) + 1)]
        numbered = [("0", structure), *((str(number), text) for number, (_, text) in enumerate(played, 1))]
        for judgement in lint(numbered, MODE):
            place = (judgement.statement.line, judgement.statement.column)
            judgements[int(judgement.file)][place] = judgement
        return cls(played, structure, judgements[1:])

    @property
    def size(self) -> int:
        """The number of statements."""
        return sum(map(len, self.judgements))

    def play(self, stage: Stage, done: Callable[[], object] = lambda: None) -> Rehearsal:
        """Play the scripts in order; `done` is called after each statement. The pair is still to be failed over."""
        rehearsal = Rehearsal()
        if self.structure:
            rehearsal.refused.extend(stage.load(self.structure))
        for (file, text), judgements in zip(self.scripts, self.judgements, strict=True):
            for trial in stage.play(text):
                place = (trial.statement.line, trial.statement.column)
                rehearsal.lines.append(Line(file, trial, judgements.get(place)))
                done()
        return rehearsal
