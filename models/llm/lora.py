"""Low-rank updates of a language model's weights (LoRA: Hu et al., 2021), merged before its
graphs are built, so that they cost nothing at run time.

A file holds two matrices for each weight it changes: `<weight>.lora_a [r, in]` and
`<weight>.lora_b [out, r]`; the weight becomes W + B·A. Whatever scale there was in training is
in B.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamer.models.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

LORA_FILE: Final = "lora.safetensors"
DOWN: Final = ".lora_a"
UP: Final = ".lora_b"


class LoraMismatchError(ModelError):
    """The updates were trained for another model."""


def merge_lora(model: Path, lora: Path) -> None:
    """Add the updates in the file `lora` to `model.safetensors` in the folder `model`.

    Changed weights become float32: bfloat16 would round much of the update away.

    Raises:
        LoraMismatchError: a weight that the model does not have, or of another shape.
    """
    # torch takes seconds to import: only for those who build graphs.
    from safetensors.torch import load_file, save_file

    path = model / "model.safetensors"
    weights = load_file(path)
    weights.update(updated(weights, load_file(lora)))
    save_file(weights, path, metadata={"format": "pt"})


def updated(weights: dict[str, Tensor], updates: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights that the updates change, in float32."""
    found = {}
    for name in sorted({key.removesuffix(DOWN).removesuffix(UP) for key in updates}):
        down, up = updates.get(name + DOWN), updates.get(name + UP)
        weight = weights.get(name)
        if weight is None or down is None or up is None:
            raise LoraMismatchError(f"the update of {name!r} does not fit the model")
        if (up.shape[0], down.shape[1]) != tuple(weight.shape) or up.shape[1] != down.shape[0]:
            raise LoraMismatchError(f"the update of {name!r} has another shape than the weight")
        found[name] = weight.float() + up.float() @ down.float()
    return found
