"""What the drill claims, each claim compared with something that did not take part in making it.

1. The interrupted run ended in the bits of the undisturbed one: SHA-256 over weights, optimizer state and generators.
2. Both journals agree step by step, and each run's cursors form one unbroken chain from the feed's first row.
3. What each step consumed is what the log holds there: the feed is read once more, through a slot of its own.
4. Every row came exactly once, by the application's own ledger.
5. Nothing past the fork was learnt: every cursor of the old timeline lies at or before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from replicator.change import Change, Op
from replicator.errors import HadrianError, ReplayDiverged, TimelineForked
from replicator.feed.reader import start
from replicator.position import TimelineHistory
from replicator.step_journal import Step
from trainer import dataset
from trainer.drill import ledger
from trainer.drill.ledger import Operation


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is compared.

    Attributes:
        digest, reference_digest: of the interrupted run's final state and of the undisturbed one's.
        steps, reference_steps: their journals, as the surviving database has them.
        read: returns the next change of the feed, from its first, through a slot no run has used.
        rows_per_step: of the recipe.
        operations: the application's ledger in the surviving database.
        in_scope: whether a module's rows are published.
        history: the surviving node's timelines.
    """

    digest: str
    reference_digest: str
    steps: Sequence[Step]
    reference_steps: Sequence[Step]
    read: Callable[[], Change]
    rows_per_step: int
    operations: Sequence[Operation]
    in_scope: Callable[[str], bool]
    history: TimelineHistory


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison found.

    Attributes:
        rows: rows trained on.
        steps: optimizer steps.
        digest: of the final state.
        differences: one line each; none if everything holds.
    """

    rows: int
    steps: int
    digest: str
    differences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return not self.differences


def prove(evidence: Evidence) -> Verdict:
    """Compare everything and say what differs."""
    differences = [
        *_state(evidence),
        *_journals(evidence.steps, evidence.reference_steps),
        *_chain(evidence.steps),
        *_fork(evidence.steps, evidence.history),
    ]
    changes, told = _read_again(evidence)
    proof = ledger.prove(evidence.operations, evidence.in_scope, changes)
    differences += [*told, *proof.differences]
    rows = sum(step.row_count for step in evidence.steps)
    return Verdict(rows, len(evidence.steps), evidence.digest, tuple(differences))


def _state(evidence: Evidence) -> Iterator[str]:
    if evidence.digest != evidence.reference_digest:
        mine, theirs = evidence.digest[:16], evidence.reference_digest[:16]
        yield f"the final states differ: {mine} after the failover, {theirs} undisturbed"


def _journals(steps: Sequence[Step], reference: Sequence[Step]) -> Iterator[str]:
    if len(steps) != len(reference):
        yield f"the journals have {len(steps)} and {len(reference)} steps"
    for mine, theirs in zip(steps, reference, strict=False):
        try:
            mine.check(theirs)
        except ReplayDiverged as error:
            yield f"undisturbed, {error}"
            return  # every later step differs too


def _chain(steps: Sequence[Step]) -> Iterator[str]:
    expected = start()
    for number, step in enumerate(steps, 1):
        if step.number != number:
            yield f"step {number} is missing from the journal"
            return
        if step.before != expected:
            yield f"step {number} begins at {step.before}, the step before ended at {expected}"
        expected = step.after


def _fork(steps: Sequence[Step], history: TimelineHistory) -> Iterator[str]:
    for step in steps:
        try:
            history.check(step.after)
        except TimelineForked as error:
            yield f"step {step.number} learnt what never happened: {error}"


def _read_again(evidence: Evidence) -> tuple[list[Change], list[str]]:
    """Read what the steps say they consumed, and compare each batch."""
    changes: list[Change] = []
    differences: list[str] = []

    def read() -> Change:
        change = evidence.read()
        changes.append(change)
        return change

    cursor = start()
    for step in evidence.steps:
        try:
            batch = dataset.take(read, cursor, evidence.rows_per_step)
        except HadrianError as error:
            return changes, [*differences, f"step {step.number} cannot be read again: {error}"]
        consumed = (batch.after, len(batch.rows), batch.changes_sha256)
        if consumed != (step.after, step.row_count, step.rows_sha256):
            differences.append(f"step {step.number} was trained on other rows than the log holds up to {step.after}")
        cursor = batch.after
    # The ledger knows the snapshot as a whole only: read on to its end if the run stopped inside it.
    while changes and changes[-1].op is Op.SNAPSHOT and changes[-1].after.seq > 0:
        read()
    return changes, differences
