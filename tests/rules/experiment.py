"""Experiments: an operation on a real pair, what is at stake asked three times, and the verdict that follows.

The ordinary experiments of a module share one pair, as far as they want it prepared alike. Each runs its
statements on the primary, in a schema and a session of its own, and asks its question there. Once the standby has
replayed all of it the question is asked again; then the primary is killed (sessions still open), the standby
promoted, and the question asked once more.

What a rule claims of the standby and of the promoted node stands in the experiment. Its verdict does not: an
experiment whose promoted node answers as the primary did has *kept* what was at stake, and the verdict of a rule
follows from all of its experiments. A conditional rule therefore needs one where the condition holds and one
where it does not.

What needs a pair of its own (a restart, a file, a standby that dies) is a `Special`: a function that makes it,
asserts what it sees, and returns whether what was at stake was kept.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import LiteralString, cast

import psycopg
import psycopg.conninfo
import pytest

from replicator.position import Lsn
from replicator.postgres import topology
from replicator.postgres.embedded import NodeName
from replicator.rule import Rule, Verdict
from tests.fixtures.pair import Pair, fresh_pair

Answer = list[tuple[object, ...]] | str
"""Rows, or a refusal as `SQLSTATE: message`, with what the server adds as detail and hint."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is expected to be a refusal: a pattern found in `SQLSTATE: message, detail, hint`."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Same:
    """The answer that the primary gave."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that no one can know beforehand: any that are not a refusal."""


SAME = Same()
ROWS = Rows()
VERDICTS = frozenset({Verdict.REPLICATED, Verdict.NOT_REPLICATED, Verdict.CONDITIONAL})
"""Those that a rule may have."""

Expected = list[tuple[object, ...]] | Refusal | Same | Rows


def as_made(pair: Pair) -> None:
    """Leave a fresh pair as it is."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is done on the primary, what is asked of it, and what a rule claims the answers to be.

    Attributes:
        rule: id of the rule.
        name: of the experiment, unique in its module; its schema has this name too and leads the search path.
        do: statements for the primary, all in one session, each its own transaction.
        look: the question whose answer is at stake; the primary answers it in the session of `do`.
        primary: what the primary answers.
        standby: what the standby answers once it has replayed `do`.
        promoted: what it answers once it has been promoted.
        on: database in which `look` is asked; `do` always runs in the one that the pair began with.
        refused: further statements that the standby must refuse, each with the pattern of its refusal.
        also: further questions to the standby, each with its answer.
        later: further questions to the promoted node, each with its answer.
        prepare: what is done to the fresh pair before; experiments of a module that name the same one share a pair.
    """

    rule: str
    name: str
    do: tuple[str, ...]
    look: str
    primary: Expected
    standby: Expected = SAME
    promoted: Expected = SAME
    on: str = ""
    refused: tuple[tuple[str, str], ...] = ()
    also: tuple[tuple[str, Expected], ...] = ()
    later: tuple[tuple[str, Expected], ...] = ()
    prepare: Callable[[Pair], None] = as_made


@dataclass(frozen=True, slots=True)
class Special:
    """An experiment with a pair and hands of its own.

    Attributes:
        rule: id of the rule.
        name: unique in its module.
        run: makes the experiment, asserts what the rule claims, and returns whether what was at stake was kept.
    """

    rule: str
    name: str
    run: Callable[[], bool]


@dataclass(slots=True)
class Outcome:
    """What the nodes answered in one experiment."""

    experiment: Experiment
    primary: Answer = ""
    standby: Answer = ""
    promoted: Answer = ""
    asides: list[tuple[str, Answer, Expected]] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promoted node answers as the primary did."""
        return self.promoted == self.primary

    def check(self) -> None:
        """Fail unless every node answered as the experiment claims."""
        claim = self.experiment
        assert meets(self.primary, claim.primary, self.primary), f"the primary answered {self.primary}"
        assert meets(self.standby, claim.standby, self.primary), f"the standby answered {self.standby}"
        assert meets(self.promoted, claim.promoted, self.primary), f"the promoted node answered {self.promoted}"
        for statement, given, expected in self.asides:
            assert meets(given, expected, self.primary), f"node b answered {given} to {statement}"


def meets(answer: Answer, expected: Expected, primary: Answer) -> bool:
    """Return whether an answer is the expected one."""
    match expected:
        case Same():
            return answer == primary
        case Rows():
            return not isinstance(answer, str)
        case Refusal(pattern):
            return isinstance(answer, str) and re.search(pattern, answer) is not None
        case _:
            return answer == expected


class Bench:
    """The experiments of one module, each made when its result is first asked for and then remembered."""

    def __init__(self, experiments: Sequence[Experiment], specials: Sequence[Special] = ()) -> None:
        self._experiments = experiments
        self._specials = specials
        self._outcomes: dict[str, Outcome] = {}
        self._kept: dict[str, bool] = {}
        self._broken: dict[Callable[[Pair], None], Exception] = {}

    def outcome(self, experiment: Experiment) -> Outcome:
        """Return what the nodes answered; the first call makes every experiment on a pair prepared alike."""
        if experiment.name not in self._outcomes:
            alike = [each for each in self._experiments if each.prepare is experiment.prepare]
            if broken := self._broken.get(experiment.prepare):
                raise RuntimeError(f"its pair broke: {broken}")  # a second one would only come to the same end
            try:
                with fresh_pair() as pair:
                    experiment.prepare(pair)
                    self._outcomes |= {outcome.experiment.name: outcome for outcome in perform(pair, alike)}
            except Exception as error:
                self._broken[experiment.prepare] = error
                raise
        return self._outcomes[experiment.name]

    def kept(self, special: Special) -> bool:
        """Make a special experiment, and return whether what was at stake was kept."""
        if special.name not in self._kept:
            self._kept[special.name] = special.run()
        return self._kept[special.name]

    def verdict(self, rule: Rule) -> Verdict:
        """Return the verdict that follows from all experiments of a rule."""
        kept = {self.outcome(each).kept for each in self._experiments if each.rule == rule.id}
        kept |= {self.kept(each) for each in self._specials if each.rule == rule.id}
        if not kept:
            raise LookupError(f"no experiment for {rule.id}")
        if len(kept) == 2:
            return Verdict.CONDITIONAL
        return Verdict.REPLICATED if kept == {True} else Verdict.NOT_REPLICATED

    def check_verdict(self, rule: Rule) -> None:
        """Fail unless the rule's verdict is the one that was seen, and every other would fail."""
        self._compare(rule)
        for other in VERDICTS - {rule.verdict}:
            with pytest.raises(AssertionError):
                self._compare(replace(rule, verdict=other))

    def _compare(self, rule: Rule) -> None:
        seen = self.verdict(rule)
        assert seen == rule.verdict, f"{rule.id} says {rule.verdict}, seen was {seen}"


def perform(pair: Pair, experiments: Iterable[Experiment]) -> list[Outcome]:
    """Make the experiments, catch up, ask, fail over and ask again; the pair is spent afterwards."""
    outcomes = [Outcome(experiment) for experiment in experiments]
    with contextlib.ExitStack() as sessions:
        for outcome in outcomes:
            experiment = outcome.experiment
            session = sessions.enter_context(connect(pair, "a", experiment))
            try:
                for statement in (f"create schema {experiment.name}", *experiment.do):
                    rows(session, statement)
            except psycopg.Error as error:
                error.add_note(f"in experiment {experiment.name}")
                raise
            outcome.primary = ask(pair, "a", experiment) if experiment.on else answer(session, experiment.look)
        # Flushed, because nothing else would flush at once what no commit follows: a pruned page, a hint bit.
        ((end,),) = pair.run("select pg_logical_emit_message(false, '', '', true)::text")
        topology.wait_replayed(pair.standby, Lsn(str(end)))
        for outcome in outcomes:
            outcome.standby = ask(pair, "b", outcome.experiment)
            refused = [(statement, Refusal(pattern)) for statement, pattern in outcome.experiment.refused]
            outcome.asides += aside(pair, outcome.experiment, (*outcome.experiment.also, *refused))
        pair.fail_over()
    for outcome in outcomes:
        outcome.promoted = ask(pair, "b", outcome.experiment)
        outcome.asides += aside(pair, outcome.experiment, outcome.experiment.later)
    return outcomes


def aside(
    pair: Pair, experiment: Experiment, questions: Iterable[tuple[str, Expected]]
) -> Iterator[tuple[str, Answer, Expected]]:
    """Ask node b further questions, each in a session of its own."""
    for statement, expected in questions:
        with connect(pair, "b", experiment) as session:
            yield statement, answer(session, statement), expected


@contextlib.contextmanager
def connect(pair: Pair, node: NodeName, experiment: Experiment, database: str = "") -> Iterator[psycopg.Connection]:
    """Open a session on a node in which every statement is its own transaction and finds the experiment's schema."""
    conninfo = pair.server(node).conninfo
    if database:
        conninfo = psycopg.conninfo.make_conninfo(conninfo, dbname=database)
    with contextlib.closing(psycopg.connect(conninfo, autocommit=True, prepare_threshold=None)) as session:
        rows(session, f"set search_path = {experiment.name}, public")
        yield session


def ask(pair: Pair, node: NodeName, experiment: Experiment) -> Answer:
    """Ask an experiment's question in a new session."""
    try:
        with connect(pair, node, experiment, experiment.on) as session:
            return answer(session, experiment.look)
    except psycopg.OperationalError as error:  # the connection itself was refused
        return f"{error.sqlstate}: {error}"


def answer(session: psycopg.Connection, statement: str) -> Answer:
    """Return the rows of a statement, or how the server refuses it."""
    try:
        return rows(session, statement)
    except psycopg.Error as error:
        said = (error.diag.message_primary, error.diag.message_detail, error.diag.message_hint)
        return f"{error.sqlstate}: {', '.join(part for part in said if part)}"


def rows(session: psycopg.Connection, statement: str) -> list[tuple[object, ...]]:
    """Run a statement and return the rows of its last result, none where it has no rows."""
    cursor = session.execute(cast("LiteralString", statement))
    while cursor.nextset():
        pass
    return cursor.fetchall() if cursor.description is not None else []
