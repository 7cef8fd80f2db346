"""How sure the emotion network may be of a window: a temperature of that window's own.

One temperature for all (Guo et al., "On Calibration of Modern Neural Networks", 2017) is right for
speech like that which it was fitted on. This one looks at what the network pooled and at how long
it listened. It is fitted to speakers held out of training, to speech that nobody acted, and to
noise in which nobody speaks, so that the network is unsure where it is often wrong. It never
changes which class is likeliest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS
from streamer.models.train.emotion.augment import AugmentConfig, Augmenter
from streamer.models.train.emotion.data import Clip, fixed_windows, opening_windows
from streamer.models.train.emotion.net import EmotionNet

_COLDEST, _HOTTEST = -1.5, 3.0
"""Bounds of the temperature's logarithm."""
_BATCH: Final = 16
_VARIED: Final = AugmentConfig(
    min_s=0.8,
    max_s=4.0,
    mixup=0.0,
)


@dataclass(frozen=True)
class CertaintyConfig:
    """On what the temperature is fitted, and how closely."""

    opening_s: tuple[float, ...] = (1.0, 2.0)
    """Lengths of the openings of the dev clips."""
    middle_s: float = 3.0
    """Length of the windows from the middle of dev clips and of read speech."""
    n_read: int = 600
    """Clips of read speech, drawn from all."""
    n_noise: int = 200
    read_weight: float = 0.25
    """What read speech counts in sum; the dev clips count 1."""
    noise_weight: float = 0.1
    decay: float = 0.3
    """Weight of the squared coefficients, each of a feature with a deviation of 1."""
    augment: AugmentConfig = _VARIED


@dataclass(frozen=True)
class Evidence:
    """Windows as the network sees them, and what it should have said.

    logits [n, C]; pooled [n, D]; seconds [n]; target [n, C], shares; weight [n].
    """

    logits: Tensor
    pooled: Tensor
    seconds: Tensor
    target: Tensor
    weight: Tensor


class Certainty(nn.Module):
    """Divides logits by a temperature. It starts as 1 for every window."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.short = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, logits: Tensor, pooled: Tensor, seconds: Tensor | float) -> Tensor:
        """logits [B, C], pooled [B, D], seconds [B] or of all -> logits [B, C]"""
        # A sum of products, not a matrix product: that would be rounded to 8 bits in the export.
        seen = (_normalized(pooled) * self.weight).sum(dim=-1)
        return _divided(logits, seen + self.short / seconds + self.bias)


def _normalized(pooled: Tensor) -> Tensor:
    """Layer norm, in steps that can be exported without knowing the width."""
    centred = pooled - pooled.mean(dim=-1, keepdim=True)
    return centred * (centred.square().mean(dim=-1, keepdim=True) + 1e-5).rsqrt()


def _divided(logits: Tensor, log_temperature: Tensor) -> Tensor:
    return logits / log_temperature.clamp(_COLDEST, _HOTTEST).exp().unsqueeze(-1)


def fit_certainty(evidence: Evidence, decay: float) -> Certainty:
    """The temperatures that make the targets most likely.

    Args:
        evidence: of windows that the network was not trained on.
        decay: as in `CertaintyConfig`.
    """
    features = _normalized(evidence.pooled)
    features = torch.cat((features, 1 / evidence.seconds.unsqueeze(1)), dim=1)
    mean, deviation = features.mean(dim=0), features.std(dim=0) + 1e-3
    features = (features - mean) / deviation
    slope = torch.zeros(features.shape[1], requires_grad=True)
    level = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([slope, level], max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        cooled = _divided(evidence.logits, features @ slope + level)
        loss = functional.cross_entropy(cooled, evidence.target, reduction="none")
        total = (evidence.weight * loss).sum() / evidence.weight.sum()
        total = total + decay * slope.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    certainty = Certainty(features.shape[1] - 1)
    with torch.no_grad():
        slope /= deviation
        certainty.weight.copy_(slope[:-1])
        certainty.short.copy_(slope[-1])
        certainty.bias.copy_(level - slope @ mean)
    return certainty.requires_grad_(False)


def gather_evidence(
    net: EmotionNet,
    dev: Sequence[Clip],
    read: Sequence[Clip],
    config: CertaintyConfig,
    seed: int,
    *,
    bfloat16: bool,
) -> Evidence:
    """Lets the network hear dev clips, read speech and noise, as they are and augmented.

    Args:
        net: trained, in eval mode.
        dev: acted clips of speakers whom training never heard; they are also heard whole.
        read: speech that nobody acted.
        config: how they are heard.
        seed: of the augmentation.
        bfloat16: mixed precision.
    """
    draw = np.random.default_rng(seed)
    augmenter = Augmenter(config.augment, seed)
    noiser = Augmenter(replace(config.augment, noise_only=1.0), seed)

    def varied(clips: Sequence[Clip], how: Augmenter) -> Iterator[tuple[Tensor, Tensor]]:
        order = draw.permutation(len(clips))
        for start in range(0, len(order), _BATCH):
            yield how.batch([clips[i] for i in order[start : start + _BATCH]])

    acted = [(opening_windows(dev, seconds), _targets(dev)) for seconds in config.opening_s]
    acted += [(fixed_windows(dev, config.middle_s), _targets(dev)), *varied(dev, augmenter)]
    acted += [(torch.from_numpy(clip.samples)[None], _targets([clip])) for clip in dev]
    sober = [(fixed_windows(read, config.middle_s), _targets(read)), *varied(read, augmenter)]
    noise = list(varied(dev[: config.n_noise], noiser))
    shares = (1.0, config.read_weight, config.noise_weight)
    parts = []
    for share, hearings in zip(shares, (acted, sober, noise), strict=True):
        count = sum(len(windows) for windows, _ in hearings)
        for windows, target in hearings:
            for start in range(0, len(windows), _BATCH):
                one = windows[start : start + _BATCH]
                precision = torch.autocast("cpu", torch.bfloat16, enabled=bfloat16)
                with torch.no_grad(), precision:
                    pooled = net.pool(net.frames(one))
                    logits = net.head(pooled)
                seconds = torch.full((len(one),), one.shape[1] / SAMPLE_RATE)
                weight = torch.full((len(one),), share / max(count, 1))
                parts.append(
                    (
                        logits.float(),
                        pooled.float(),
                        seconds,
                        target[start : start + _BATCH],
                        weight,
                    )
                )
    return Evidence(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _targets(clips: Sequence[Clip]) -> Tensor:
    """[n, C]"""
    labels = torch.tensor([clip.label for clip in clips])
    return functional.one_hot(labels, len(LABELS)).float()
