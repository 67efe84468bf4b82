"""Ranks that act as one: what rank 0 finds, or fails with, every rank gets.

Only rank 0 reads the feed and writes the journal. If its node goes away, the other ranks must not be left waiting
in a collective, so each piece of its work ends in a broadcast of the result or of the error. What travels is
JSON, never a pickle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist

from replicator.errors import HadrianError


def broadcast(value: Any) -> Any:
    """Return rank 0's value (anything JSON can hold) on every rank."""
    size = torch.zeros(1, dtype=torch.int64)
    content = torch.empty(0, dtype=torch.uint8)
    if dist.get_rank() == 0:
        content = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        size[0] = len(content)
    dist.broadcast(size, src=0)
    if dist.get_rank() != 0:
        content = torch.empty(int(size), dtype=torch.uint8)
    dist.broadcast(content, src=0)
    return json.loads(bytes(content.numpy()))


def agree(work: Callable[[], Any]) -> Any:
    """Run `work` on rank 0 and return its result (anything JSON can hold) on every rank.

    Raises:
        HadrianError: the one `work` raised, on every rank alike, of the same class.
    """
    if dist.get_rank() == 0:
        try:
            outcome = {"value": work()}
        except HadrianError as error:
            broadcast({"error": type(error).__name__, "message": str(error), "hint": error.hint})
            raise
        return broadcast(outcome)["value"]
    outcome = broadcast(None)
    if "error" in outcome:
        kinds = {kind.__name__: kind for kind in _kinds(HadrianError)}
        raise kinds[outcome["error"]](outcome["message"], hint=outcome["hint"])
    return outcome["value"]


def _kinds(root: type[HadrianError]) -> Iterator[type[HadrianError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)
