"""The loop: rows to step to journal, checkpoints beside it, and from a lost node back to the start.

A session lasts as long as its nodes do. It finds the primary and the newest checkpoint there, reads on from that
checkpoint's cursor, and replays the steps that the journal still has, each of which must give the recorded bits.
When a node goes away the session ends on every rank, and the next one begins on whichever node took over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from replicator.errors import NodeLost, NodeUnreachable, StoreCorrupt
from replicator.position import Cursor, Lsn
from replicator.postgres.adapter import PostgresDatabase
from replicator.store.manifest import Blob
from trainer import checkpoint, dataset, model, place, step
from trainer.chorus import agree
from trainer.coordinator import Coordinator
from trainer.events import emit
from trainer.place import Place
from trainer.recipe import Recipe
from trainer.saver import Saver
from trainer.state import State


def run(recipe: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh) -> str:
    """Train to the recipe's last step and return the state's digest. Every rank must call it.

    Args:
        recipe: what to train.
        nodes: every node that may be or become the primary.
        mesh: the ranks, one axis `tp`.

    Raises:
        HadrianError: on every rank alike. A lost node is not one: the next session waits for a takeover.
    """
    group = dist.new_group(backend="gloo")
    while True:
        try:
            found = Place.from_json(agree(lambda: place.find(recipe, nodes).to_json()))
            return _Session(recipe, nodes, mesh, found, Saver(group)).run()
        except (NodeLost, NodeUnreachable) as lost:
            emit("node-lost", message=str(lost))
            for node in nodes:
                node.close()


class _Session:
    """From one takeover to the next."""

    def __init__(
        self, recipe: Recipe, nodes: Sequence[PostgresDatabase], mesh: DeviceMesh, found: Place, saver: Saver
    ) -> None:
        self._recipe = recipe
        self._place = found
        self._primary = nodes[found.primary]
        self._holders = [self._primary, *(nodes[number] for number in found.standbys)]
        self._model = model.build(recipe.model, mesh)
        self._optim = step.optimizer(self._model, recipe.optimizer)
        self._state = State(self._model, self._optim, recipe.seed)
        self._saver = saver
        self._optim.register_step_pre_hook(lambda *_: saver.wait_copied())
        encoder = dataset.Encoder(model.load_tokenizer(recipe.model.path), recipe.data)
        self._coordinator = Coordinator(recipe, nodes, found, encoder, saver)

    def run(self) -> str:
        with contextlib.closing(self._coordinator), contextlib.closing(self._saver):
            if self._place.artifact_id is not None:
                self._load(self._place.artifact_id)
            agree(self._coordinator.open)
            emit("resumed", step=self._place.step, cursor=str(self._place.cursor), where=self._primary.where)
            if self._place.step == 0:
                self._evaluate("before")
            for number in range(self._place.step + 1, self._recipe.steps + 1):
                self._step(number)
            agree(self._coordinator.wait_durable)
            self._evaluate("after")
        digest = self._state.digest()
        emit("finished", step=self._recipe.steps, digest=digest)
        return digest

    def _step(self, number: int) -> None:
        tokens = torch.tensor(agree(self._coordinator.next_tokens))
        loss, norm = step.train(self._model, self._optim, self._recipe.optimizer, number, tokens)
        agree(lambda: self._coordinator.stepped(number, loss, norm))
        if number % self._recipe.checkpoint_every == 0 or number == self._recipe.steps:
            self._checkpoint(number)

    def _load(self, artifact_id: int) -> None:
        tensors = self._state.tensors()
        blobs = _loaded(tensors, self._holders, artifact_id)
        self._state.restore_generator(tensors)
        self._saver.start_from(tensors, blobs)

    def _checkpoint(self, number: int) -> None:
        begun = agree(lambda: self._coordinator.begin_checkpoint(number))
        if begun is not None:
            lsn, seq, timeline = begun
            cursor = Cursor(Lsn(lsn), seq, timeline)
            self._saver.begin(self._state.tensors(), checkpoint.Target(self._primary, self._recipe.run, number, cursor))

    def _evaluate(self, when: str) -> None:
        if self._recipe.held_out is None:
            return
        batches = [torch.tensor(tokens) for tokens in agree(self._coordinator.held_out)]
        rows = sum(len(batch) for batch in batches)
        emit("held-out", when=when, rows=rows, loss=step.evaluate(self._model, batches))


def _loaded(
    tensors: Mapping[str, torch.Tensor], nodes: Sequence[PostgresDatabase], artifact_id: int
) -> tuple[Blob, ...]:
    """Load from the first of these nodes whose disk has kept the checkpoint. Raises: StoreCorrupt: none has."""
    node, *others = nodes
    try:
        return checkpoint.load(tensors, node, artifact_id)
    except StoreCorrupt as error:
        emit("damaged", where=node.where, message=str(error))
        if not others:
            raise
    return _loaded(tensors, others, artifact_id)
