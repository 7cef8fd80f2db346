"""The recipe of `streamer.models.train.emotion.train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streamer.models.train.emotion.augment import AugmentConfig
from streamer.models.train.emotion.certainty import CertaintyConfig
from streamer.models.train.emotion.net import EmotionNetConfig


@dataclass(frozen=True)
class Stage:
    """One stage of training, with a schedule of its own."""

    name: str
    epochs: int
    batch_size: int
    head_lr: float
    layer_lr: float
    """For the transformer layers, which start from ASR."""
    stem_lr: float
    """For the second and third convolution; the first is kept as the filter bank that it is."""
    augment: AugmentConfig
    dev_window_s: tuple[float, ...]
    """Window lengths whose mean UAR on the dev speakers picks the epoch."""
    read_share: float = 0.0
    """Share of each batch that was read, not acted."""


ACTED: Final = Stage(
    name="acted",
    epochs=14,
    batch_size=48,
    head_lr=1e-3,
    layer_lr=2e-4,
    stem_lr=5e-5,
    augment=AugmentConfig(codec=0.0, noise_only=0.0),
    dev_window_s=(1.5, 3.0),
)
SOBERED: Final = Stage(
    name="sobered",
    epochs=3,
    batch_size=32,
    head_lr=3e-4,
    layer_lr=1e-4,
    stem_lr=2e-5,
    augment=AugmentConfig(max_s=2.8),
    dev_window_s=(2.0,),
    read_share=0.125,
)


@dataclass(frozen=True)
class TrainConfig:
    """The whole recipe; the defaults gave the shipped weights."""

    net: EmotionNetConfig = field(default_factory=EmotionNetConfig)
    stages: tuple[Stage, ...] = (ACTED,)
    warmup_share: float = 0.08
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    ema_decay: float = 0.995
    """The weights judged and shipped are a running mean of the trained ones."""
    patience: int = 5
    """Epochs without a better dev UAR before a stage stops."""
    certainty: CertaintyConfig = field(default_factory=CertaintyConfig)
    shown_from: Mapping[str, float] = field(default_factory=lambda: {"sad": 0.55, "disgust": 0.75})
    """Classes that calm speech is seldom taken for, and from what probability on they are shown:
    chosen on reading, dictation, meetings and noisy, whispered or creaky speech, so that as good
    as none of it is, and on dev speakers, so that three of four that are called so are."""
    seed: int = 1
    threads: int = 1
    bfloat16: bool = True
    """Mixed precision on the CPU; several times faster where the CPU has it."""
    max_minutes: float = 150.0
    """Training stops after the epoch that passes this; `resume` goes on from there."""
