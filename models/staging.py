"""What a pass is told, on its way to a graphics card: in one piece, copied once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def sent(
    words: npt.NDArray[np.int32], device: torch.device, *, into: Tensor | None = None
) -> Tensor:
    """The words `[N]` on the device, behind what its stream has to do. Nobody waits for the copy:
    it is made from pinned memory, which PyTorch keeps until it is done, and hands out again then.

    Args:
        into: where they are to lie; None: in new memory. On a CPU, without it, they stay where
            they are.
    """
    here = torch.from_numpy(words)
    if device.type == "cpu":
        return here if into is None else into.copy_(here)
    pinned = torch.empty(len(words), dtype=torch.int32, pin_memory=device.type == "cuda")
    pinned.copy_(here)
    if into is None:
        return pinned.to(device, non_blocking=True)
    return into.copy_(pinned, non_blocking=True)
