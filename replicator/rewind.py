"""What a run has unlearnt, and a run put back to an older checkpoint.

After a takeover that lost log, a restore or a recovery to a point in time, the newest checkpoint in the database is by
construction one of that timeline, and training goes on from it without being told. What it no longer knows has to come
from elsewhere: an old primary that can still be reached has the steps in its journal, or whoever asks knows at which
step the run was.

To put a run back further is a decision of its own: every checkpoint and step of the journal behind the one that is
named is removed, in one transaction, while nobody trains. What lies before stays, and stays true. The rows since are
then trained on again, so a node must still keep them: a slot forgets what lies before the newest durable checkpoint,
and a run that is put back behind that cannot go on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from replicator import reading, step_journal
from replicator.errors import ArtifactMissing, BadInput, FeedBroken, NodeLost, NodeUnreachable
from replicator.feed import definition as definitions
from replicator.feed.reader import start
from replicator.position import Cursor, Lsn
from replicator.postgres import run_lock, topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.journal import PostgresJournal
from replicator.step_journal import Step
from replicator.store import checkpoints, retention
from replicator.store.checkpoints import Checkpoint
from replicator.store.reference import Reference, find
from replicator.store.retention import Removal
from replicator.topology import Role

_LAST_STEP = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Stand:
    """How far the run is on a node.

    Attributes:
        where: the node.
        role: its.
        timeline: that it writes or replays.
        checkpoint: step of the newest one there, or None.
        step: the last in the journal there, or None.
        cursor: behind that step, or the checkpoint's.
    """

    where: str
    role: Role
    timeline: int
    checkpoint: int | None
    step: int | None
    cursor: Cursor | None


@dataclass(frozen=True, slots=True)
class Unlearnt:
    """Steps that the run has done once, and that are not so in the database any more.

    Attributes:
        first, last: the steps.
        rows: that they were trained on; None if nobody knows.
        checkpoints: of these steps.
        told_by: the node that still has them; None for a step that was named.
    """

    first: int
    last: int
    rows: int | None
    checkpoints: tuple[int, ...]
    told_by: str | None


@dataclass(frozen=True, slots=True)
class Survey:
    """Where a run goes on, and what it has unlearnt.

    Attributes:
        run: which.
        where: the node that it goes on at.
        timeline: its.
        forks: where its timeline's ancestors were left: (timeline, position).
        goes_on_from: the newest checkpoint, or None for the beginning.
        replayed: steps of the journal behind that, which are held against it when they are done again.
        stands: how far the run is on each node that answers.
        unlearnt: by node.
        read_from: node that keeps the rows to go on with, None where none does or the run reads no feed.
        unreadable: why none does.
    """

    run: str
    where: str
    timeline: int
    forks: tuple[tuple[int, Lsn], ...]
    goes_on_from: Checkpoint | None
    replayed: int
    stands: tuple[Stand, ...]
    unlearnt: tuple[Unlearnt, ...]
    read_from: str | None
    unreadable: str | None


@dataclass(frozen=True, slots=True)
class Rewind:
    """A run put back, or what that would mean.

    Attributes:
        to: the checkpoint that it goes on from.
        removal: the checkpoints behind it.
        steps: of the journal behind it.
        rows: that these were trained on, and that will be trained on again.
        read_from: node that keeps these rows, None where none does or the run reads no feed.
        unreadable: why none does.
    """

    to: Checkpoint
    removal: Removal
    steps: int
    rows: int
    read_from: str | None
    unreadable: str | None

    @property
    def names(self) -> list[str]:
        """Tags of what is removed, and names that would be rolled back to it."""
        return [name for one in self.removal.removed for name in (*one.tags, *one.rolls_back)]


class Run:
    """A run on its nodes.

    Args:
        nodes: all that may have it.
        name: the run's.

    Raises:
        NodeUnreachable: none of them answers.
        ArtifactMissing: none of the newest timeline has such a run.
    """

    def __init__(self, nodes: Sequence[PostgresDatabase], name: str) -> None:
        self._name = name
        self._seen = topology.reachable(nodes)
        if not self._seen:
            raise NodeUnreachable(f"none of {', '.join(node.where for node in nodes)} answers")
        self._all_answer = len(self._seen) == len(nodes)
        newest = reading.newest(self._seen)
        self._primary = next((node for node, look in newest if look.role is Role.PRIMARY), None)
        self._here = self._primary or newest[0][0]
        self._recipe = step_journal.recipe(self._here, name)

    def survey(self, was_at: int | None = None) -> Survey:
        """Return where the run goes on and what it has unlearnt; `was_at` is a step that it is known to have done."""
        history = self._here.timeline_history()
        found = checkpoints.found(self._here, self._name)
        steps = step_journal.steps(self._here, self._name)
        newest = found[0] if found else None
        replayed = sum(number > (newest.step if newest else 0) for number in steps)
        unlearnt = [
            one
            for node, look in self._seen
            if look.timeline != history.timeline and (one := self._unlearnt(node, found, steps)) is not None
        ]
        last = max([0, *steps, *(one.step for one in found), *(one.last for one in unlearnt)])
        if was_at is not None and was_at > last:
            rows = self._rows_per_step()
            unlearnt.append(Unlearnt(last + 1, was_at, None if rows is None else rows * (was_at - last), (), None))
        return Survey(
            self._name,
            self._here.where,
            history.timeline,
            history.forks,
            newest,
            replayed,
            tuple(self._stand(number) for number in range(len(self._seen))),
            tuple(unlearnt),
            *self._source(start() if newest is None else newest.read_from),
        )

    def _stand(self, number: int) -> Stand:
        node, look = self._seen[number]
        found = checkpoints.found(node, self._name)
        newest = found[0] if found else None
        steps = step_journal.steps(node, self._name, after=newest.step - 1 if newest else 0)
        last = max(steps, default=None)
        cursor = steps[last].after if last is not None else newest.cursor if newest else None
        return Stand(node.where, look.role, look.timeline, newest.step if newest else None, last, cursor)

    def _unlearnt(self, node: PostgresDatabase, here: Sequence[Checkpoint], steps: dict[int, Step]) -> Unlearnt | None:
        """Return what another timeline's journal has and this one's has not, or has otherwise."""
        known = {(one.artifact_id, one.created_at) for one in here}
        there = checkpoints.found(node, self._name)
        shared = max((one.step for one in there if (one.artifact_id, one.created_at) in known), default=0)
        recorded = step_journal.steps(node, self._name, after=shared)
        gone = [step for number, step in recorded.items() if steps.get(number) != step]
        lost = sorted(one.step for one in there if one.step > shared)
        if not gone and not lost:
            return None
        numbers = [step.number for step in gone] + lost
        rows = sum(step.row_count for step in gone)
        return Unlearnt(min(numbers), max(numbers), rows, tuple(lost), node.where)

    def _rows_per_step(self) -> int | None:
        rows = json.loads(self._recipe).get("data", {}).get("rows_per_step")
        return rows if isinstance(rows, int) else None

    def target(self, *, to: str | None, at: Lsn | None) -> Checkpoint:
        """Return the checkpoint of a step or tag, or the newest that has seen nothing behind a log position.

        Raises:
            ArtifactMissing: there is none.
        """
        if to is not None:
            named = Reference(self._name, int(to)) if to.isdecimal() else Reference(self._name, tag=to)
            return find(self._here, named)
        found = checkpoints.found(self._here, self._name)
        before = (one for one in found if at is None or one.cursor <= Cursor(at, 0))
        checkpoint = next(before, None)
        if checkpoint is None:
            raise ArtifactMissing(f"{self._here.where}: run {self._name} has no checkpoint at or before {at}")
        return checkpoint

    def plan(self, to: Checkpoint) -> Rewind:
        """Return what it would mean to put the run back."""
        with self._writable().connect() as connection:
            return self._put_back(connection, to, force=True, dry_run=True)

    def put_back(self, to: Checkpoint, *, force: bool) -> Rewind:
        """Remove every checkpoint and step behind one, and return what was.

        Raises:
            RunInUse: somebody trains the run.
            BadInput: without `force`, what is removed has a name, or the rows since are no longer kept.
            ArtifactMissing: the checkpoint was removed meanwhile.
            NodeLost, NodeUnreachable: nothing was removed (or the commit is in doubt, and `survey` tells).
        """
        with self._writable().begin() as transaction:
            run_lock.exclude(self._writable(), transaction, self._name)
            done = self._put_back(transaction, to, force=force, dry_run=False)
            if done.unreadable is not None and not force:
                raise BadInput(
                    f"run {self._name} could not go on from {to.step}: {done.unreadable}",
                    hint="name every node that may keep the rows with --node, or add --force and give up going on",
                )
            values = {"run": self._name, "step": to.step}
            transaction.execute(self._writable().statement("run/delete_steps_behind"), values)
        return done

    def _writable(self) -> PostgresDatabase:
        if self._primary is None:
            raise NodeLost(f"no primary among {', '.join(node.where for node, _ in self._seen)}")
        return self._primary

    def _put_back(self, connection: Connection, to: Checkpoint, *, force: bool, dry_run: bool) -> Rewind:
        primary = self._writable()
        removal = retention.remove_behind(primary, connection, self._name, to.step, force=force, dry_run=dry_run)
        if to.artifact_id not in {one.artifact_id for one in checkpoints.found(primary, self._name)}:
            raise ArtifactMissing(f"{primary.where}: checkpoint {self._name}/{to.step} was removed meanwhile")
        behind = {"run": self._name, "after": to.step, "up_to": _LAST_STEP}
        row = connection.execute(primary.statement("store/steps_between"), behind).one()
        return Rewind(to, removal, row.steps, row.row_count, *self._source(to.read_from))

    def _source(self, after: Cursor) -> tuple[str | None, str | None]:
        """Return the node that keeps the rows behind a cursor, or why none does; neither without a feed."""
        feed = json.loads(self._recipe).get("feed") or {}
        definition = definitions.find(self._here, feed["name"]) if "name" in feed else None
        if definition is None:
            return None, None
        begin = max(Cursor(definition.start, 0, definition.timeline), after)
        try:
            node = reading.source(definition, self._seen, begin, slot=feed.get("slot"), all_answer=self._all_answer)
        except (FeedBroken, NodeLost) as error:
            return None, str(error)
        consumed = PostgresJournal(node, definition.name).confirmed() if definition.is_journal else 0
        if consumed > begin.lsn:
            return None, f"{node.where}: the journal keeps the batches behind {consumed}, wanted from {begin}"
        return node.where, None
