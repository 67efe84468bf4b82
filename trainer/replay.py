"""Steps done again, each held against the journal: from a stored state to the state after a step, bit by bit.

The ranks are laid out as they were when the run was trained, since sums depend on it. Rows are read aside: no slot
moves, and nothing is confirmed.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from replicator import recovery, step_journal
from replicator.change import Change
from replicator.errors import ArtifactMissing, NodeLost, ReplayDiverged, StoreCorrupt
from replicator.feed.reader import Reader
from replicator.position import Cursor
from replicator.postgres.adapter import PostgresDatabase
from replicator.recovery import Leg, Plan, Start
from replicator.step_journal import Step
from replicator.store.manifest import Blob
from replicator.store.writer import Earlier
from trainer import checkpoint, dataset, export, model, step
from trainer.chorus import agree
from trainer.events import emit
from trainer.place import feed_of, one_timeline
from trainer.recipe import Recipe
from trainer.shard import local_bytes
from trainer.state import State

_READ_TIMEOUT_S = 1.0
_STALLED_S = 60.0


def recover(
    recipe: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh, plan: Plan, folder: Path | None = None
) -> None:
    """Build the state after a step again, and store it as a checkpoint, or write it into a folder. Every rank calls it.

    Raises:
        StoreCorrupt: no checkpoint that it could begin with is whole.
        ReplayDiverged: a step did not give its bits; names it.
        HadrianError: on every rank alike. Nothing was stored.
    """
    with contextlib.closing(_Replay(recipe, nodes, mesh, plan)) as replay:
        leg = _begin(replay, plan.legs)
        earlier = replay.as_stored() if folder is None else {}
        replay.go(leg)
        digest = replay.state.digest()
        if folder is None:
            _store(recipe, nodes, plan, leg, replay.state.tensors(), earlier)
        else:
            files = export.write_state(replay.state.of_every_rank(), folder)
            emit("written", files=[str(file) for file in files])
    emit("finished", step=leg.end, begin=leg.start.step, cursor=str(leg.cursor), digest=digest)


def _begin(replay: _Replay, legs: Sequence[Leg]) -> Leg:
    """Put the state where the shortest way begins whose checkpoint is whole, and return that."""
    for leg in legs:
        try:
            replay.begin(leg.start)
        except (StoreCorrupt, ArtifactMissing) as error:
            if leg is legs[-1]:
                raise
            emit("damaged", step=leg.start.step, message=str(error))
        else:
            return leg
    raise ArtifactMissing("no state to begin with")


def _store(
    recipe: Recipe,
    nodes: Sequence[PostgresDatabase],
    plan: Plan,
    leg: Leg,
    tensors: Mapping[str, torch.Tensor],
    earlier: dict[str, Earlier],
) -> None:
    """Store the state as the run's checkpoint, if rows and writes are of one timeline still."""
    agree(lambda: one_timeline(nodes[plan.store], nodes[plan.source]))
    target = checkpoint.Target(nodes[plan.store], recipe.run, leg.end, leg.cursor)
    sent = checkpoint.save(tensors, target, earlier)
    sums = torch.tensor([sent.plain_bytes, sent.stored_bytes])
    dist.all_reduce(sums)
    plain_bytes, stored_bytes = sums.tolist()
    emit("checkpoint", step=leg.end, plain_bytes=plain_bytes, stored_bytes=stored_bytes)


def compare(recipe: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh, plan: Plan) -> None:
    """Go each leg and compare the state at its end with the checkpoint there; tell each. Every rank calls it.

    A checkpoint that is damaged, and a step that does not give its bits, end a leg and not the comparison.
    """
    with contextlib.closing(_Replay(recipe, nodes, mesh, plan)) as replay:
        for leg in plan.legs:
            differ: list[str] = []
            problem = None
            try:
                replay.begin(leg.start)
                replay.go(leg)
                differ = replay.differ(leg)
            except (ReplayDiverged, StoreCorrupt, ArtifactMissing) as error:
                problem = str(error)
            emit("compared", begin=leg.start.step, step=leg.end, differ=differ, problem=problem)
    emit("finished", step=plan.legs[-1].end)


class _Replay:
    """A state that is put where a leg begins, and led to its end. Every rank has one, and calls the same of it."""

    def __init__(self, recipe: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh, plan: Plan) -> None:
        self._recipe = recipe
        self._mesh = mesh
        self._store = nodes[plan.store]
        encoder = dataset.Encoder(model.load_tokenizer(recipe.model.path), recipe.data)
        self._rows = _Rows(recipe, self._store, nodes[plan.source], encoder)
        self._build()

    def _build(self) -> None:
        self._model = model.build(self._recipe.model, self._mesh)
        self._optim = step.optimizer(self._model, self._recipe.optimizer)
        self.state = State(self._model, self._optim, self._recipe.seed)
        self._blobs: tuple[Blob, ...] = ()
        self._at: int | None = 0  # the step of the stored state that this one is, if it is one

    def begin(self, start: Start) -> None:
        """Put the state where a leg begins, if it is not there. Raises: StoreCorrupt, ArtifactMissing."""
        if self._at == start.step:
            return
        if start.artifact_id is None:
            self._build()
            return
        self._at = None
        tensors = self.state.tensors()
        self._blobs = checkpoint.load(tensors, self._store, start.artifact_id)
        self.state.restore_generator(tensors)
        self._at = start.step

    def as_stored(self) -> dict[str, Earlier]:
        """Return what a checkpoint may be stored as a difference from: a copy of the state that was loaded."""
        return checkpoint.as_stored({name: one.clone() for name, one in self.state.tensors().items()}, self._blobs)

    def go(self, leg: Leg) -> None:
        """Do the steps of a leg. Raises: ReplayDiverged: one did not give its bits."""
        agree(lambda: self._rows.begin(leg))
        for number in range(leg.start.step + 1, leg.end + 1):
            self._at = None
            tokens = torch.tensor(agree(self._rows.next_tokens))
            loss, norm = step.train(self._model, self._optim, self._recipe.optimizer, number, tokens)
            agree(functools.partial(self._rows.check, number, loss, norm))

    def differ(self, leg: Leg) -> list[str]:
        """Return the names of the tensors that have other bits than the checkpoint at the end of a leg."""
        assert leg.artifact_id is not None  # noqa: S101 - it leads to a checkpoint
        live = self.state.tensors()
        stored = {name: tensor.clone() for name, tensor in live.items()}
        checkpoint.load(stored, self._store, leg.artifact_id)
        names = sorted(self.state.of_every_rank())
        found = torch.tensor(
            [int(name in live and local_bytes(live[name]) != local_bytes(stored[name])) for name in names]
        )
        dist.all_reduce(found)
        differing = [name for name, count in zip(names, found.tolist(), strict=True) if count]
        self._at = None if differing else leg.end
        return differing

    def close(self) -> None:
        """End the reading."""
        self._rows.close()


class _Rows:
    """Rank 0's part: reads the rows, and holds each step against the journal."""

    def __init__(
        self, recipe: Recipe, store: PostgresDatabase, source: PostgresDatabase, encoder: dataset.Encoder
    ) -> None:
        self._recipe = recipe
        self._store = store
        self._source = source
        self._encoder = encoder
        self._reader: Reader | None = None
        self._changes: Iterator[Change] = iter(())
        self._cursor: Cursor | None = None  # behind the last step
        self._end: Cursor | None = None
        self._recorded: dict[int, Step] = {}
        self._batch: dataset.Batch | None = None

    def begin(self, leg: Leg) -> None:
        """Read on where a leg begins."""
        self._recorded = step_journal.steps(self._store, self._recipe.run, leg.start.step, leg.end)
        if self._cursor != leg.start.cursor:
            self.close()
            definition = feed_of(self._store, self._recipe)
            self._changes = iter(())
            self._reader = recovery.rows(definition, self._source, leg.start.read_from, self._recipe.feed.slot)
        self._cursor = leg.start.cursor
        self._end = leg.cursor

    def next_tokens(self) -> list[list[int]]:
        """Return the next step's tokens. Raises: NodeLost: the node does not give its rows."""
        assert self._cursor is not None  # noqa: S101 - begin() comes first
        self._batch = dataset.take(self._read, self._cursor, self._recipe.data.rows_per_step)
        tokens: list[list[int]] = self._encoder.encode(row.values for row in self._batch.rows).tolist()
        return tokens

    def _read(self) -> Change:
        assert self._reader is not None  # noqa: S101 - begin() comes first
        reached, since = self._reader.known_cursor(), time.monotonic()
        while (change := next(self._changes, None)) is None:
            batch = self._reader.read(_READ_TIMEOUT_S)
            if batch is not None:
                self._changes = self._reader.changes(batch)
            elif self._reader.known_cursor() > reached:
                reached, since = self._reader.known_cursor(), time.monotonic()
            elif time.monotonic() > since + _STALLED_S:
                raise NodeLost(f"{self._source.where} is at {reached} and gives no row before {self._end}")
        return change

    def check(self, number: int, loss: float, norm: float) -> None:
        """Hold a step against the journal. Raises: ReplayDiverged, ArtifactMissing: the journal does not have it."""
        batch = self._batch
        assert batch is not None  # noqa: S101 - a step follows its batch
        recorded = self._recorded.get(number)
        if recorded is None:
            raise ArtifactMissing(f"{self._store.where}: the journal of run {self._recipe.run} has no step {number}")
        batch.step(number, loss, norm).check(recorded)
        self._cursor = batch.after
        emit("step", step=number, loss=loss, grad_norm=norm, rows=len(batch.rows), cursor=str(batch.after))

    def close(self) -> None:
        """Close the feed, if it is open."""
        if self._reader is not None:
            self._reader.close()
