"""A card that nothing is computed on: PyTorch's device for shapes alone. What a pass is told goes
there as to a graphics card, and what goes there can be counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from streamer.models.card.device import Card, Pass, Queue, Words

_COPIES = {"_to_copy", "to", "copy_"}
_FROM_NUMBERS = "detach_"
"""How a tensor that is made there of a list shows itself; nothing else here calls it."""


class FarCard(Card):
    def __init__(self) -> None:
        super().__init__("cpu")
        self.device = torch.device("meta")

    def queue(self, name: str = "") -> FarQueue:
        return FarQueue(self, name)


class FarQueue(Queue):
    """Counts its passes. What comes back is nothing: zeros."""

    def __init__(self, card: Card, name: str = "") -> None:
        super().__init__(card, name)
        self.n_passes = 0

    def run(self, function: Pass, words: Words, *sizes: int) -> torch.Tensor:
        self.n_passes += 1
        return super().run(function, words, *sizes)

    def read(self, function: Pass, words: Words, *sizes: int) -> npt.NDArray[Any]:
        found = self.run(function, words, *sizes)
        return np.zeros(found.shape, torch.empty(0, dtype=found.dtype).numpy().dtype)


class Sent(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch has no types there
    """What goes to the far card in inference mode: how much of it (of a list, 0: it is not told),
    and which copies somebody waited for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor there
        self.sizes: list[int] = []
        self.waited: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        here = [each for each in given if each.device.type == "cpu"]
        there = [each for each in tree_leaves((given, found)) if _is_far(each)]
        if not there:
            return found
        name = func.overloadpacket.__name__
        # An index that lies here goes there with the call that uses it.
        if name == _FROM_NUMBERS or any(each.dim() or name in _COPIES for each in here):
            self.sizes.append(sum(each.numel() for each in here))
            names = (argument.name for argument in func._schema.arguments)
            named = {**dict(zip(names, args, strict=False)), **kwargs}
            if not named.get("non_blocking"):
                self.waited.append(str(func))
        return found


def _is_far(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.device.type == "meta"
