"""Sound and emotion as soft tokens for the LLM: the trained fusion layer at run time.

`models/train/fusion/export` writes the graph; `models/train/fusion/layer` is what it was made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from streamer.audio.arrays import Floats
from streamer.models.errors import ModelCorruptError
from streamer.models.llm.contract import SoftPrompt
from streamer.models.onnx.runtime import open_session

LAYER_FILE: Final = "fusion.onnx"


@dataclass(frozen=True, eq=False)
class SoftTokens:
    """What stands before the LLM's text, and the share of each modality in it; shares sum to 1."""

    prompt: SoftPrompt
    shares: dict[str, float]


class SoftTokenLayer:
    """Stateless, safe to share between threads."""

    def __init__(
        self,
        path: Path,
        *,
        modalities: Sequence[str],
        attention_bias: float,
        device: str = "cpu",
    ) -> None:
        """Open the graph at `path`.

        Args:
            modalities: those that have a share, in the graph's order.
            attention_bias: see `streamer.models.llm.contract.SoftPrompt`.

        Raises:
            ModelCorruptError: the graph asks for something else.
        """
        self._session = open_session(path, threads=1, device=device)
        self._widths = {
            node.name: int(node.shape[1])
            for node in self._session.get_inputs()
            if len(node.shape) == 2
        }
        self.modalities = tuple(modalities)
        if set(self._widths) != set(self.modalities):
            raise ModelCorruptError(
                f"{path} asks for {sorted(self._widths)}, which cannot be served"
            )
        self._attention_bias = attention_bias

    def fuse(self, features: Mapping[str, Floats]) -> SoftTokens | None:
        """Soft tokens of `features` by name, `[T, d]` each; None if there are none at all. What
        is missing or empty has no share."""
        feed: dict[str, npt.NDArray[np.generic]] = {}
        for name, width in self._widths.items():
            there = len(features.get(name, ())) > 0
            # The graph wants a frame in any case; the mask tells that it is none.
            feed[name] = features[name] if there else np.zeros((1, width), np.float32)
            feed[f"{name}.mask"] = np.full(len(feed[name]), there)
        if not any(feed[f"{name}.mask"].any() for name in self._widths):
            return None
        tokens, mask, weights = self._session.run(["tokens", "mask", "weights"], feed)
        shares = weights[mask].mean(axis=0)
        return SoftTokens(
            SoftPrompt(tokens[mask], self._attention_bias),
            dict(zip(self.modalities, shares.tolist(), strict=True)),
        )
