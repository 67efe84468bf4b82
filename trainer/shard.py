"""What of a tensor is on this rank."""

from __future__ import annotations

import torch
from torch.distributed.tensor import DTensor


def local(tensor: torch.Tensor) -> torch.Tensor:
    """Return this rank's shard of a sharded tensor, and any other as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def local_bytes(tensor: torch.Tensor) -> memoryview:
    """Return the bytes of this rank's shard; they are the tensor's own where it lies in one piece in host memory."""
    return memoryview(local(tensor).detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
