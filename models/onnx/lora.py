"""Low-rank updates of a model's weights (LoRA: Hu et al., 2021), merged before its
graphs are built, so that they cost nothing at run time.

A file holds two matrices for each weight it changes: `<weight>.lora_a [r, in]` and
`<weight>.lora_b [out, r]`; the weight becomes W + B·A. Whatever scale there was in training is
in B.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.models.errors import ModelError

LORA_FILE: Final = "lora.safetensors"
DOWN: Final = ".lora_a"
UP: Final = ".lora_b"
Matrix = npt.NDArray[np.floating[Any]]
"""As it was saved: in half precision, mostly."""


class LoraMismatchError(ModelError):
    """The updates were trained for another model, or are none."""


def read_lora(lora: Path) -> dict[str, Matrix]:
    """The matrices in the file.

    Raises:
        LoraMismatchError: it holds none.
    """
    # Only for those who have such updates.
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(lora)
    except (OSError, SafetensorError) as error:
        raise LoraMismatchError(f"{lora} holds no updates: {error}") from error


def merge_lora(weights: Mapping[str, Floats], lora: Path) -> dict[str, Floats]:
    """The weights with the updates in the file `lora` added.

    Raises:
        LoraMismatchError: a weight that the model does not have, or of another shape; or no update.
    """
    return {**weights, **updated(weights, read_lora(lora))}


def updated(weights: Mapping[str, Floats], updates: Mapping[str, Matrix]) -> dict[str, Floats]:
    """The weights that the updates change."""
    found = {}
    for name in sorted({key.removesuffix(DOWN).removesuffix(UP) for key in updates}):
        down, up = updates.get(name + DOWN), updates.get(name + UP)
        weight = weights.get(name)
        if weight is None or down is None or up is None:
            raise LoraMismatchError(f"the update of {name!r} does not fit the model")
        if (up.shape[0], down.shape[1]) != weight.shape or up.shape[1] != down.shape[0]:
            raise LoraMismatchError(f"the update of {name!r} has another shape than the weight")
        found[name] = weight + up.astype(np.float32) @ down.astype(np.float32)
    return found
