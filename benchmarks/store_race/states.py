"""Real states of a real model: SmolLM2-135M, trained by AdamW on the standard library's documentation.

Two states ten steps apart for each way of training: all weights in float32, the same rounded to bfloat16, and adapters
of rank 8 beside frozen weights (LoRA). Each state is what a run would store: weights, moments, step counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trainer import model
from trainer.drill import corpus

State = dict[str, torch.Tensor]
_FIRST, _SECOND = 20, 30
_RATE = 2e-5
_ROWS, _TOKENS = 2, 96
_RANK = 8


class _Adapted(torch.nn.Module):
    """A frozen linear layer and a trained product of two thin matrices beside it."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.down = torch.nn.Parameter(torch.randn(_RANK, layer.in_features) / layer.in_features**0.5)
        self.up = torch.nn.Parameter(torch.zeros(layer.out_features, _RANK))

    def forward(self, inputs: torch.Tensor) -> Any:
        """Return the layer's output and the adapter's, added."""
        return self.layer(inputs) + inputs @ self.down.T @ self.up.T


def full() -> tuple[State, State]:
    """Train every weight."""
    return _trained(lambda _: None)


def in_bfloat16(state: State) -> State:
    """Return a state as a run in bfloat16 keeps it."""
    return {
        name: one.to(torch.bfloat16) if one.is_floating_point() and one.ndim else one for name, one in state.items()
    }


def adapted() -> tuple[State, State]:
    """Train adapters of the query and value projections."""

    def adapt(loaded: Any) -> None:
        loaded.requires_grad_(False)
        for layer in loaded.base_model.layers:
            for name in ("q_proj", "v_proj"):
                setattr(layer.self_attn, name, _Adapted(getattr(layer.self_attn, name)))

    return _trained(adapt)


def passes() -> Callable[[], None]:
    """Return a step's way forward and backward."""
    loaded, batches = _loaded()

    def both() -> None:
        loaded(**batches[0], labels=batches[0]["input_ids"]).loss.backward()
        loaded.zero_grad()

    return both


def _trained(change: Callable[[Any], None]) -> tuple[State, State]:
    torch.manual_seed(1)
    loaded, batches = _loaded()
    change(loaded)
    optimizer = torch.optim.AdamW([one for one in loaded.parameters() if one.requires_grad], lr=_RATE)
    kept = []
    for step, batch in enumerate(batches, 1):
        loaded(**batch, labels=batch["input_ids"]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step in (_FIRST, _SECOND):
            kept.append(_state(loaded, optimizer))
    return kept[0], kept[1]


def _loaded() -> tuple[Any, list[Any]]:
    """Return the model, and a batch for each step."""
    import transformers

    with tempfile.TemporaryDirectory() as folder:
        path = model.prepare(model.bundled(), Path(folder))
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        tokenizer = model.load_tokenizer(path)
    documents = corpus.stdlib_docs()
    texts = [one.doc for one in documents[:: len(documents) // (_SECOND * _ROWS)]]
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return loaded, [
        tokenizer(
            texts[(step - 1) * _ROWS : step * _ROWS],
            return_tensors="pt", padding="max_length", truncation=True, max_length=_TOKENS,
        )
        for step in range(1, _SECOND + 1)
    ]  # fmt: skip


def _state(loaded: Any, optimizer: torch.optim.Optimizer) -> State:
    state = {f"model.{name}": one.detach().clone() for name, one in loaded.named_parameters()}
    for name, one in loaded.named_parameters():
        for key, value in optimizer.state.get(one, {}).items():
            state[f"optimizer.{name}.{key}"] = value.detach().clone()
    return state
