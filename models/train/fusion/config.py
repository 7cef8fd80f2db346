"""The recipe of `streamer.models.train.fusion.train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from streamer.models.fusion.score import FusionWeights
from streamer.models.train.fusion.llm import LoraConfig
from streamer.models.train.fusion.modalities import (
    AUDIO,
    EMOTION,
    TEXT,
    FusionLayerConfig,
    Modality,
    StrategyName,
)
from streamer.models.train.fusion.score import Inputs

_WORDS: Final = Modality(TEXT, 640)


@dataclass(frozen=True)
class FusionTrainConfig:
    """The whole recipe."""

    inputs: Inputs = field(default_factory=Inputs)
    layer: FusionLayerConfig | None = None
    """None: text alone."""
    lora: LoraConfig = field(default_factory=LoraConfig)
    w_llm: float = FusionWeights.llm
    """Where the weight of the LLM starts."""
    attention_bias: float = -2.0
    """Where the attention's bias on soft tokens starts, nats."""
    batch_size: int = 8
    max_options: int = 4
    lora_lr: float = 2e-4
    layer_lr: float = 1e-3
    weights_lr: float = 3e-3
    weight_decay: float = 0.01
    lm_loss: float = 0.05
    """Share of a right candidate's negative log-likelihood, nats a word."""
    warmup_share: float = 0.1
    max_clip_frames: int = 416
    """Whole recordings are trained on up to this length."""
    epochs: int = 1
    """Of fresh decisions one pass teaches more than several over fewer."""
    evaluations: int = 3
    """Looks at the dev speakers, in an epoch."""
    patience: int = 3
    """Looks without a better dev loss before training stops."""
    max_train: int = 0
    """Decisions to learn from; 0 takes all."""
    max_dev: int = 200
    """Decisions of the dev speakers that are looked at."""
    seed: int = 1
    threads: int = 1
    max_minutes: float = 60.0
    """Training stops at the step that passes this; `resume` goes on with the next epoch."""


def layer_config(
    strategy: StrategyName, arrangement: str, names: Sequence[str]
) -> FusionLayerConfig:
    """A fusion layer of the modalities `names` in the arrangement `parallel` or `serial`, or
    `hybrid`: audio and emotion together, then the text."""
    stages: tuple[tuple[str, ...], ...] = (tuple(names),)
    if arrangement == "serial":
        stages = tuple((name,) for name in names)
    if arrangement == "hybrid":
        stages = (tuple(names), (TEXT,))
    return FusionLayerConfig((AUDIO, EMOTION, _WORDS), strategy, stages)
