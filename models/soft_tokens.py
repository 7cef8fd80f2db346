"""What was heard, as soft tokens for the LLM: the trained fusion layer at run time.

`models.train.fusion_export` writes the graph and `fusion.json`; `models.fusion_layer` is what
they were made from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import ModelCorruptError
from models.llm import Heard
from models.runtime import open_session

Floats = npt.NDArray[np.float32]

LAYER_FILE: Final = "fusion.onnx"
SETTINGS_FILE: Final = "fusion.json"


@dataclass(frozen=True, eq=False)
class SoftTokens:
    """What the LLM hears, and the share of each modality in it; shares sum to 1."""

    heard: Heard
    shares: dict[str, float]


class SoftTokenLayer:
    """Stateless, safe to share between threads."""

    def __init__(self, folder: Path, *, threads: int = 1, device: str = "cpu") -> None:
        """Open the layer in `folder`.

        Raises:
            ModelCorruptError: the settings do not describe a layer that can be served.
        """
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        layer = settings.get("layer")
        if layer is None:
            raise ModelCorruptError(f"{folder / SETTINGS_FILE} describes no fusion layer")
        self._session = open_session(folder / LAYER_FILE, threads=threads, device=device)
        self._widths = {
            node.name: int(node.shape[1])
            for node in self._session.get_inputs()
            if len(node.shape) == 2
        }
        self.modalities: tuple[str, ...] = tuple(layer["weights_of"])
        """Those that have a share, in their order."""
        if set(self._widths) != set(self.modalities):
            raise ModelCorruptError(f"{folder / LAYER_FILE} wants {sorted(self._widths)}")
        self._sight_nats = float(layer["sight_nats"])

    def fuse(self, features: Mapping[str, Floats]) -> SoftTokens | None:
        """Soft tokens of `features` by name, `[T, d]` each; None if there are none at all. What
        is missing or empty has no share."""
        feed: dict[str, npt.NDArray[np.generic]] = {}
        for name, width in self._widths.items():
            values = features.get(name)
            there = values is not None and len(values) > 0
            feed[name] = (
                values if values is not None and there else np.zeros((1, width), np.float32)
            )
            feed[f"{name}.mask"] = np.full(len(feed[name]), there)
        if not any(feed[f"{name}.mask"].any() for name in self._widths):
            return None
        tokens, mask, weights = self._session.run(["tokens", "mask", "weights"], feed)
        shares = weights[mask].mean(axis=0)
        return SoftTokens(
            Heard(tokens[mask], self._sight_nats),
            dict(zip(self.modalities, shares.tolist(), strict=True)),
        )
