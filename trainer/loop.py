"""The loop: rows to step to journal to checkpoint to confirmation, and from a lost node back to the start.

A session lasts as long as its nodes do. It finds the primary and the newest checkpoint there, reads on from that
checkpoint's cursor, and replays the steps that the journal still has, each of which must give the recorded bits.
When a node goes away the session ends on every rank, and the next one begins on whichever node took over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from replicator import handover, step_journal
from replicator.change import Change
from replicator.errors import BadInput, NodeLost, NodeUnreachable, TakeoverTimedOut
from replicator.feed import definition as definitions
from replicator.feed.definition import Definition
from replicator.feed.reader import Feed, start
from replicator.position import Cursor, Lsn
from replicator.postgres import slot as slots
from replicator.postgres import topology
from replicator.postgres.adapter import PostgresDatabase
from replicator.postgres.snapshot import read_published
from replicator.step_journal import Step
from replicator.store import checkpoints
from replicator.store.durability import Durability
from replicator.topology import Role
from trainer import checkpoint, dataset, model, step
from trainer.chorus import agree, broadcast
from trainer.events import emit
from trainer.recipe import Recipe
from trainer.state import State

TAKEOVER_TIMEOUT_S = 300.0
_DURABLE_TIMEOUT_S = 120.0
_READ_TIMEOUT_S = 1.0
_RETRY_S = 0.2


def run(recipe: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh) -> str:
    """Train to the recipe's last step and return the state's digest. Every rank must call it.

    Args:
        recipe: what to train.
        nodes: every node that may be or become the primary.
        mesh: the ranks, one axis `tp`.

    Raises:
        HadrianError: on every rank alike. A lost node is not one: the next session waits for a takeover.
    """
    while True:
        try:
            return _Session(recipe, nodes, mesh).run()
        except (NodeLost, NodeUnreachable) as lost:
            emit("node-lost", message=str(lost))
            for node in nodes:
                node.close()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a session works: numbers of nodes, and the checkpoint it goes on from."""

    primary: int
    source: int
    standbys: tuple[int, ...]
    step: int
    artifact_id: int | None
    cursor: Cursor


class _Session:
    """From one takeover to the next."""

    def __init__(self, recipe: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh) -> None:
        self._recipe = recipe
        self._nodes = nodes
        self._mesh = mesh

    def run(self) -> str:
        found = agree(lambda: _find_place(self._recipe, self._nodes))
        place = _place(found)
        self._primary = self._nodes[place.primary]
        self._model = model.build(self._recipe.model, self._mesh)
        self._optim = step.optimizer(self._model, self._recipe.optimizer)
        self._state = State(self._model, self._optim, self._recipe.seed)
        if place.artifact_id is not None:
            tensors = self._state.tensors()
            checkpoint.load(tensors, self._primary, place.artifact_id)
            self._state.restore_generator(tensors)
        self._encoder = dataset.Encoder(model.load_tokenizer(self._recipe.model.path), self._recipe.data)
        emit("resumed", step=place.step, cursor=str(place.cursor), where=self._primary.where)
        with ExitStack() as stack:
            reader = None
            if dist.get_rank() == 0:
                reader = stack.enter_context(_Rank0(self._recipe, self._nodes, place))
            self._evaluate("before", place.step == 0)
            self._train(place, reader)
            self._evaluate("after", True)
        digest = self._state.digest()
        emit("finished", step=self._recipe.steps, digest=digest)
        return digest

    def _train(self, place: _Place, rank0: _Rank0 | None) -> None:
        for number in range(place.step + 1, self._recipe.steps + 1):
            tokens = torch.tensor(agree(lambda: rank0.next_tokens(self._encoder)))  # type: ignore[union-attr]
            loss, norm = step.train(self._model, self._optim, self._recipe.optimizer, number, tokens)
            agree(lambda: rank0.stepped(number, loss, norm))  # type: ignore[union-attr]
            if number % self._recipe.checkpoint_every == 0 or number == self._recipe.steps:
                self._checkpoint(number, rank0)
        agree(lambda: rank0.wait_durable())  # type: ignore[union-attr]

    def _checkpoint(self, number: int, rank0: _Rank0 | None) -> None:
        before = agree(lambda: rank0.begin_checkpoint(number))  # type: ignore[union-attr]
        target = checkpoint.Target(self._primary, self._recipe.run, number, _cursor(before))
        began = time.monotonic()
        written = checkpoint.save(self._state.tensors(), target)
        sums = torch.tensor([written.chunks, written.new_chunks, written.plain_bytes, written.stored_bytes])
        dist.all_reduce(sums)
        agree(lambda: rank0.end_checkpoint(number, sums.tolist(), time.monotonic() - began))  # type: ignore[union-attr]

    def _evaluate(self, when: str, wanted: bool) -> None:
        section = self._recipe.held_out
        if section is None or not wanted:
            return
        rows = agree(lambda: list(read_published(self._primary, section.publication, section.rows)))
        size = self._recipe.data.rows_per_step
        batches = [self._encoder.encode(rows[at : at + size]) for at in range(0, len(rows), size)]
        emit("held-out", when=when, rows=len(rows), loss=step.evaluate(self._model, batches))


class _Rank0:
    """Rank 0's part: the feed, the journal, durability."""

    def __init__(self, recipe: Recipe, nodes: Sequence[PostgresDatabase], place: _Place) -> None:
        self._recipe = recipe
        self._primary = nodes[place.primary]
        self._source = nodes[place.source]
        definition = definition_of(self._primary, recipe)
        self._recorded = step_journal.steps(self._primary, recipe.run, after=place.step)
        self._feed = handover.open_feed(definition, source=self._source, after=place.cursor, slot=recipe.feed.slot)
        self._durability = Durability([nodes[number] for number in place.standbys])
        self._cursor = place.cursor
        self._batch: dataset.Batch | None = None

    def __enter__(self) -> _Rank0:
        return self

    def __exit__(self, *exc: object) -> None:
        self._feed.close()

    def next_tokens(self, encoder: dataset.Encoder) -> list[list[int]]:
        self._batch = dataset.take(self._read, self._cursor, self._recipe.data.rows_per_step)
        tokens: list[list[int]] = encoder.encode(row.values for row in self._batch.rows).tolist()
        return tokens

    def _read(self) -> Change:
        while (change := self._feed.read(_READ_TIMEOUT_S)) is None:
            self._report_durable(self._durability.poll())
        return change

    def stepped(self, number: int, loss: float, norm: float) -> None:
        """Write the step to the journal, or compare it with what the journal has."""
        batch = self._batch
        assert batch is not None  # noqa: S101 - a step follows its batch
        done = Step(number, batch.before, batch.after, len(batch.rows), batch.changes_sha256, loss, norm)
        recorded = self._recorded.get(number)
        if recorded is None:
            step_journal.append(self._primary, self._recipe.run, done)
        else:
            done.check(recorded)
        self._cursor = batch.after
        emit("step", step=number, loss=loss, grad_norm=norm, rows=len(batch.rows), cursor=str(batch.after),
             replayed=recorded is not None)  # fmt: skip
        self._report_durable(self._durability.poll())

    def begin_checkpoint(self, number: int) -> list[Any]:
        """Return the cursor for the checkpoint, having checked that rows and writes are of one timeline."""
        emit("checkpoint-begin", step=number)
        written, read = topology.look(self._primary), topology.look(self._source)
        if written.role is not Role.PRIMARY or written.timeline != read.timeline:
            raise NodeLost(f"{self._source.where} is on timeline {read.timeline}, {self._primary.where} is not")
        return [str(self._cursor.lsn), self._cursor.seq, written.timeline]

    def end_checkpoint(self, number: int, sums: list[int], took_s: float) -> None:
        chunks, new_chunks, plain_bytes, stored_bytes = sums
        self._durability.follow(number, self._cursor, self._primary.committed())
        emit("checkpoint", step=number, chunks=chunks, new_chunks=new_chunks, plain_bytes=plain_bytes,
             stored_bytes=stored_bytes, took_s=took_s)  # fmt: skip
        self._report_durable(self._durability.poll())

    def wait_durable(self) -> None:
        self._report_durable(self._durability.wait(_DURABLE_TIMEOUT_S))

    def _report_durable(self, done: Any) -> None:
        for durable in done:
            self._feed.confirm(durable.cursor)
            emit("durable", step=durable.step, lsn=str(durable.commit_lsn), waited_s=durable.waited_s)


def definition_of(primary: PostgresDatabase, recipe: Recipe) -> Definition:
    """Return the feed that a recipe names. Raises: BadInput, SchemaMissing."""
    definition = definitions.find(primary, recipe.feed.name)
    if definition is None:
        raise BadInput(
            f"{primary.where} has no feed {recipe.feed.name}",
            hint=f"run: hadrian feed create {recipe.feed.name} --publication ...",
        )
    return definition


def _find_place(recipe: Recipe, nodes: Sequence[PostgresDatabase]) -> list[Any]:
    """Find where to work, waiting for a takeover if there is no primary, or the slot's node is away."""
    deadline = time.monotonic() + TAKEOVER_TIMEOUT_S
    while True:
        try:
            return _look_for_place(recipe, nodes)
        except (NodeLost, NodeUnreachable) as lost:
            if time.monotonic() > deadline:
                raise TakeoverTimedOut(f"{lost}, for {TAKEOVER_TIMEOUT_S:.0f} s") from lost
            time.sleep(_RETRY_S)


def _look_for_place(recipe: Recipe, nodes: Sequence[PostgresDatabase]) -> list[Any]:
    seen = topology.reachable(nodes)
    primaries = [(look.timeline, nodes.index(server)) for server, look in seen if look.role is Role.PRIMARY]
    if not primaries:
        raise NodeLost(f"no primary among {', '.join(node.where for node in nodes)}")
    timeline, primary = max(primaries)
    standbys = [nodes.index(server) for server, look in seen if (look.role, look.timeline) == (Role.STANDBY, timeline)]
    definition = definition_of(nodes[primary], recipe)
    slot = recipe.feed.slot or definition.slot
    # The standby first: that is where training reads.
    source = next((number for number in (*standbys, primary) if slots.exists(nodes[number], slot)), None)
    if source is None:
        raise NodeLost(f"no reachable node of timeline {timeline} has slot {slot}")
    step_journal.open_run(nodes[primary], recipe.run, recipe.feed.name, recipe.canonical())
    newest = checkpoints.newest(nodes[primary], recipe.run)
    cursor = newest.cursor if newest else start()
    return [
        primary, source, standbys,
        newest.step if newest else 0, newest.artifact_id if newest else None,
        [str(cursor.lsn), cursor.seq, cursor.timeline],
    ]  # fmt: skip


def _place(found: list[Any]) -> _Place:
    primary, source, standbys, number, artifact_id, cursor = found
    return _Place(primary, source, tuple(standbys), number, artifact_id, _cursor(cursor))


def _cursor(parts: Sequence[Any]) -> Cursor:
    lsn, seq, timeline = parts
    return Cursor(Lsn(lsn), seq, timeline)
