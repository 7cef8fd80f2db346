"""What goes into a fusion layer and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from torch import Tensor

StrategyName = Literal["weighted", "concat", "attention", "cross_attention", "similarity"]
TEXT: Final = "text"
"""The modality that asks, where the strategy is cross-attention."""


@dataclass(frozen=True)
class Modality:
    """One source of features."""

    name: str
    width: int
    frames_per_token: int = 0
    """So many frames become a soft token. 0: the features are about the whole stretch of audio,
    and become one vector that goes with every token."""


AUDIO: Final = Modality("audio", 288, frames_per_token=8)
"""41.7 frames a second become 5.2 tokens."""
EMOTION: Final = Modality("emotion", 160)


@dataclass(frozen=True)
class FusionLayerConfig:
    modalities: tuple[Modality, ...] = (AUDIO, EMOTION)
    strategy: StrategyName = "weighted"
    stages: tuple[tuple[str, ...], ...] = (("audio", "emotion"),)
    """Names of modalities. Cross-attention asks with `text`, which stands in no stage there."""
    width: int = 160
    """Inside the layer."""
    token_width: int = 640
    """The LLM's; Gemma 3 270M has 640."""
    token_rms: float = 1.0
    """Size of an embedded word as the LLM's first layer sees it; where the tokens' size starts."""
    dropout: float = 0.1
    modality_dropout: float = 0.15
    """Share of training rows in which a modality is masked; never all of a row's."""

    def __post_init__(self) -> None:
        known = {modality.name for modality in self.modalities}
        used = [name for stage in self.stages for name in stage]
        if len(set(used)) != len(used) or not set(used) <= known:
            raise ValueError(f"stages {self.stages} must name each of {sorted(known)} once at most")
        if not self.stages or not all(self.stages):
            raise ValueError("there must be a stage, and each must name a modality")
        if self.strategy == "cross_attention" and (TEXT in used or TEXT not in known):
            raise ValueError("cross-attention asks with the modality 'text', outside the stages")


@dataclass(frozen=True)
class Features:
    """`values [B, T, d]`, and which frames there are: `mask [B, T]`, bool."""

    values: Tensor
    mask: Tensor


@dataclass(frozen=True)
class SoftTokens:
    """`tokens [B, S, D]`, which of them count: `mask [B, S]`, and the share of each modality of
    the stages, in their order, in each token: `weights [B, S, M]`; they sum to 1 where a token
    counts."""

    tokens: Tensor
    mask: Tensor
    weights: Tensor
