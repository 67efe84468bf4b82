"""One optimizer step, and nothing that is not in the state: same state, same tokens, same bits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from replicator.errors import HadrianError
from trainer.dataset import IGNORED_LABEL
from trainer.recipe import OptimizerSection


class LossNotFinite(HadrianError):
    """The loss or its gradient is not a finite number; the weights were left as they were."""

    hint = "lower optimizer.learning_rate, or look at the rows of this step"


def optimizer(model: torch.nn.Module, section: OptimizerSection) -> torch.optim.AdamW:
    """Return AdamW over what is trained, its state made at once so that a checkpoint can be loaded into it."""
    trained = [p for p in model.parameters() if p.requires_grad]
    # One tensor at a time: sharded and whole parameters cannot share a fused call.
    made = torch.optim.AdamW(
        trained, lr=section.learning_rate, weight_decay=section.weight_decay, foreach=False, fused=False
    )
    for parameter in trained:
        made.state[parameter] = {
            "step": torch.tensor(0.0),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return made


def loss_of(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean next-token cross-entropy of a batch, a scalar in nats.

    Args:
        model: causal language model.
        tokens: B x T, `IGNORED_LABEL` behind each row's end. Attention is causal, so what stands behind the
            end cannot reach a token before it, and no mask is needed.
    """
    ids = tokens.clamp(min=0)
    loss: torch.Tensor = model(input_ids=ids, labels=tokens, use_cache=False).loss
    return loss


def learning_rate(section: OptimizerSection, step: int) -> float:
    """Return the rate of a step, counted from 1: a linear warm-up, then constant."""
    warm = min(1.0, step / section.warmup_steps) if section.warmup_steps else 1.0
    return section.learning_rate * warm


def train(
    model: Any, optim: torch.optim.Optimizer, section: OptimizerSection, step: int, tokens: torch.Tensor
) -> tuple[float, float]:
    """Do one step and return its loss and its gradient norm before clipping.

    Raises:
        LossNotFinite: on every rank alike, before anything was changed.
    """
    model.train()
    optim.zero_grad()
    loss = loss_of(model, tokens)
    loss.backward()
    gradients = [p.grad for group in optim.param_groups for p in group["params"] if p.grad is not None]
    norm = gradient_norm(gradients)
    if not (math.isfinite(loss.item()) and math.isfinite(norm)):
        raise LossNotFinite(f"step {step}: loss {loss.item()}, gradient norm {norm}")
    if norm > section.max_grad_norm:
        for gradient in gradients:
            gradient.mul_(section.max_grad_norm / norm)
    for group in optim.param_groups:
        group["lr"] = learning_rate(section, step)
    optim.step()
    return loss.item(), norm


def gradient_norm(gradients: Iterable[torch.Tensor]) -> float:
    """Return the Euclidean norm over all ranks' shards; a gradient that every rank has whole counts once."""
    whole = torch.zeros(())
    sharded = torch.zeros(())
    for gradient in gradients:
        if isinstance(gradient, DTensor):
            sharded += gradient.to_local().square().sum()
        else:
            whole += gradient.square().sum()
    dist.all_reduce(sharded)
    return (whole + sharded).sqrt().item()


@torch.no_grad()
def evaluate(model: Any, batches: Iterable[torch.Tensor]) -> float:
    """Return the mean next-token loss over all tokens of the batches, in nats."""
    model.eval()
    total, count = 0.0, 0
    for tokens in batches:
        targets = int((tokens[:, 1:] != IGNORED_LABEL).sum())
        total += loss_of(model, tokens).item() * targets
        count += targets
    return total / max(1, count)
