"""Everything that must come back for the next step to give the same bits.

Weights, both moments and the step count of every trained parameter, and each rank's random generator; the learning
rate follows from the step number, and the data from the cursor, which the checkpoint's own transaction holds.
"""

from __future__ import annotations

import hashlib

import torch
import torch.distributed as dist

from trainer.shard import local, local_bytes

_DIGEST_BYTES = 32


class State:
    """A run's live state on this rank.

    Args:
        model: sharded.
        optim: over its trained parameters.
        seed: each rank draws from its own generator, seeded with this and its number.
    """

    def __init__(self, model: torch.nn.Module, optim: torch.optim.Optimizer, seed: int) -> None:
        self._model = model
        self._optim = optim
        torch.manual_seed(seed * 1_000_003 + dist.get_rank())

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return every tensor of the state by name, sharded ones as DTensors; they alias the live ones.

        The generator's state is a copy: `restore_generator` puts it back.
        """
        found = {f"model.{name}": parameter.detach() for name, parameter in self._model.named_parameters()}
        for name, parameter in self._model.named_parameters():
            for key, value in self._optim.state.get(parameter, {}).items():
                found[f"optimizer.{name}.{key}"] = value.detach()
        found[self._generator_key] = torch.get_rng_state()
        return found

    def of_every_rank(self) -> dict[str, torch.Tensor]:
        """Return the same with every rank's generator, so that each rank has the same names; each must call it."""
        found = self.tensors()
        own = found[self._generator_key]
        every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own)
        return found | {f"generator.{rank}": state for rank, state in enumerate(every)}

    @property
    def _generator_key(self) -> str:
        return f"generator.{dist.get_rank()}"

    def restore_generator(self, tensors: dict[str, torch.Tensor]) -> None:
        """Continue the random numbers where a loaded checkpoint left them."""
        torch.set_rng_state(tensors[self._generator_key])

    def digest(self) -> str:
        """Return the SHA-256 over all ranks' digests of their shards, in rank order, as hexadecimal text.

        Every rank must call it.
        """
        mine = hashlib.sha256()
        for name, tensor in sorted(self.tensors().items()):
            mine.update(f"{name} {tensor.dtype} {tuple(local(tensor).shape)}\n".encode())
            mine.update(local_bytes(tensor))
        own = torch.frombuffer(bytearray(mine.digest()), dtype=torch.uint8)
        every = [torch.empty(_DIGEST_BYTES, dtype=torch.uint8) for _ in range(dist.get_world_size())]
        dist.all_gather(every, own)
        return hashlib.sha256(b"".join(bytes(one.numpy()) for one in every)).hexdigest()
