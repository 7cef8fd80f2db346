"""The recipe of `streamer.models.train.emotion.train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamer.models.train.emotion.augment import AugmentConfig
from streamer.models.train.emotion.certainty import CertaintyConfig
from streamer.models.train.emotion.net import EmotionNetConfig


@dataclass(frozen=True)
class TrainConfig:
    """The whole recipe; the defaults gave the shipped weights."""

    net: EmotionNetConfig = field(default_factory=EmotionNetConfig)
    epochs: int = 14
    batch_size: int = 48
    head_lr: float = 1e-3
    layer_lr: float = 2e-4
    """For the transformer layers, which start from ASR."""
    stem_lr: float = 5e-5
    """For the second and third convolution; the first is kept as the filter bank that it is."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    dev_window_s: tuple[float, ...] = (1.5, 3.0)
    """Window lengths whose mean UAR on the dev speakers picks the epoch."""
    warmup_share: float = 0.08
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    ema_decay: float = 0.995
    """The weights judged and shipped are a running mean of the trained ones."""
    patience: int = 5
    """Epochs without a better dev UAR before training stops."""
    certainty: CertaintyConfig = field(default_factory=CertaintyConfig)
    shown_from: Mapping[str, float] = field(
        default_factory=lambda: {
            "happy": 0.85,
            "sad": 0.6,
            "angry": 0.8,
            "fearful": 0.65,
            "disgust": 0.7,
        }
    )
    """From what probability on an emotion is shown: `benchmarks.emotion.thresholds` chose it."""
    seed: int = 1
    threads: int = 1
    bfloat16: bool = True
    """Mixed precision on the CPU; several times faster where the CPU has it."""
    max_minutes: float = 150.0
    """Training stops after the epoch that passes this; `resume` goes on from there."""
