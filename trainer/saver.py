"""Checkpoints are saved beside the steps that follow: training waits only where its state would change under the copy.

A thread of every rank copies the state while the next step runs forward and backward, which only read it; the
optimizer waits for that copy, and for nothing else. The thread then sends the copy, in collectives of its own, so that
they never meet those of a step. The copy is kept until the next checkpoint has been stored, whose chunks are stored as
differences from it; then its memory takes the copy after that. So a run holds two copies of its state at most, and one
save is under way at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
import torch.distributed as dist

from replicator.store.manifest import Blob
from replicator.store.writer import Earlier, Written
from trainer import checkpoint
from trainer.checkpoint import Target
from trainer.shard import local

_State = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that has been committed.

    Attributes:
        target: where it is, and what it means.
        written: by every rank together.
        took_s: seconds from its beginning to its commit.
    """

    target: Target
    written: Written
    took_s: float


class Saver:
    """Saves one checkpoint at a time; every rank has one, and each of them calls `begin` for the same checkpoints.

    Calls: `start_from` before anything else, if at all; `begin` when none is under way on rank 0; `wait_copied` before
    the state changes; `finished` at any time, on rank 0; `close` last, always, on every rank.

    Args:
        group: ranks as they save, used by nothing else.

    Attributes:
        held_s: seconds that the state's next change had to wait for the newest checkpoint's copy.
    """

    def __init__(self, group: dist.ProcessGroup) -> None:
        self._group = group
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="saver")
        self._under_way: Future[Saved] | None = None
        self._is_copied = threading.Event()
        self._is_copied.set()
        self.held_s = 0.0
        self._stored: dict[str, Earlier] = {}  # as the newest checkpoint has it; its bytes are those of `_copy`
        self._copy: dict[str, torch.Tensor] = {}
        self._spare: dict[str, torch.Tensor] = {}

    def start_from(self, tensors: _State, blobs: Iterable[Blob]) -> None:
        """Let the next checkpoint be stored as differences from one whose blobs were just loaded into these tensors."""
        self._copy = self._copied(tensors)
        self._stored = checkpoint.as_stored(self._copy, blobs)

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is under way, or its end has not been asked for."""
        return self._under_way is not None

    def begin(self, tensors: _State, target: Target) -> None:
        """Begin to copy the state and to save it. Raises: what the one before ended with, if nobody has asked yet."""
        if self._under_way is not None:  # over on rank 0, so here too, but for its last message
            self._under_way.result()
        self._is_copied.clear()
        self.held_s = 0.0
        self._under_way = self._thread.submit(self._save, tensors, target, time.monotonic())

    def wait_copied(self) -> None:
        """Wait until the state may change. Raises: nothing; a copy that failed is told by `finished`."""
        began = time.monotonic()
        self._is_copied.wait()
        self.held_s += time.monotonic() - began

    def _copied(self, tensors: _State) -> dict[str, torch.Tensor]:
        copy, self._spare = self._spare, {}
        for name, tensor in tensors.items():
            if name not in copy:
                copy[name] = tensor.clone()
            else:
                local(copy[name]).copy_(local(tensor))
        return copy

    def _save(self, tensors: _State, target: Target, began: float) -> Saved:
        try:
            copy = self._copied(tensors)
        finally:
            self._is_copied.set()
        sent = checkpoint.save(copy, target, self._stored, group=self._group)
        self._copy, self._spare = copy, self._copy
        sums = torch.tensor([sent.chunks, sent.new_chunks, sent.plain_bytes, sent.stored_bytes])
        dist.all_reduce(sums, group=self._group)
        return Saved(target, Written(*sums.tolist()), time.monotonic() - began)

    def finished(self, *, wait: bool = False) -> Saved | None:
        """Return the checkpoint that has been committed since the last call, None if there is none.

        Raises:
            HadrianError: it does not exist (or its commit is in doubt).
        """
        if self._under_way is None or not (wait or self._under_way.done()):
            return None
        ended, self._under_way = self._under_way, None
        return ended.result()

    def close(self) -> None:
        """Wait until what is under way has ended, well or not: a checkpoint that exists is found by who comes next."""
        self._thread.shutdown()
