from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS
from streamer.models.train.emotion.certainty import (
    CertaintyConfig,
    Evidence,
    fit_certainty,
    gather_evidence,
)
from streamer.models.train.emotion.data import Clip
from streamer.models.train.emotion.net import EmotionNet, EmotionNetConfig

COUNT = 6_000


def evidence(seconds: torch.Tensor, too_sure: torch.Tensor, kind: torch.Tensor) -> Evidence:
    """Logits that are too sure by the factor given; `kind` is the first of what was pooled."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(COUNT, len(LABELS), generator=draw)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=draw)[:, 0]
    pooled = torch.randn(COUNT, 8, generator=draw)
    pooled[:, 0] = 4 * kind
    target = torch.nn.functional.one_hot(labels, len(LABELS)).float()
    return Evidence(logits * too_sure.unsqueeze(1), pooled, seconds, target, torch.ones(COUNT))


def gap(found: Evidence, cooled: torch.Tensor, chosen: torch.Tensor) -> float:
    """Mean confidence less accuracy."""
    sure, best = cooled.softmax(dim=1)[chosen].max(dim=1)
    right = best == found.target[chosen].argmax(dim=1)
    return (sure.mean() - right.float().mean()).item()


def test_short_windows_get_less_sure() -> None:
    seconds = torch.tensor([1.0, 3.0]).repeat(COUNT // 2)
    too_sure = torch.where(seconds == 1, 4.0, 1.0)
    found = evidence(seconds, too_sure, torch.zeros(COUNT))
    certainty = fit_certainty(found, decay=1e-4)
    cooled = certainty(found.logits, found.pooled, found.seconds)
    for length in (1.0, 3.0):
        assert gap(found, cooled, seconds == length) == pytest.approx(0, abs=0.04)
    assert gap(found, found.logits, seconds == 1) > 0.15


def test_kinds_of_sound_that_are_often_mistaken_get_less_sure_and_keep_their_class() -> None:
    kind = torch.tensor([-1.0, 1.0]).repeat(COUNT // 2)
    found = evidence(torch.ones(COUNT), torch.where(kind > 0, 4.0, 1.0), kind)
    certainty = fit_certainty(found, decay=1e-4)
    cooled = certainty(found.logits, found.pooled, found.seconds)
    for side in (-1, 1):
        assert gap(found, cooled, kind == side) == pytest.approx(0, abs=0.04)
    assert torch.equal(cooled.argmax(dim=1), found.logits.argmax(dim=1))


def test_read_speech_should_be_neutral_and_noise_anything() -> None:
    rng = np.random.default_rng(0)

    def clip(label: int) -> Clip:
        return Clip(rng.standard_normal(SAMPLE_RATE).astype(np.float32) * 0.1, label, "a")

    net = EmotionNet(EmotionNetConfig(width=16, n_heads=2, n_layers=1, rotary_dim=4, pool_width=8))
    short = replace(CertaintyConfig().augment, min_s=0.5, max_s=0.6)
    config = CertaintyConfig(
        opening_s=(0.5,), middle_s=0.5, n_noise=2, augment=short, read_weight=0.25
    )
    found = gather_evidence(
        net.eval(), [clip(3), clip(5)], [clip(0)] * 3, config, 0, bfloat16=False
    )
    # Two dev clips in four ways, three read ones in two, two noises.
    assert len(found.logits) == 8 + 6 + 2
    angry_or_disgust, neutral, unsure = torch.split(found.target, [8, 6, 2])
    assert angry_or_disgust[:, [3, 5]].sum() == 8
    assert neutral[:, 0].sum() == 6
    assert unsure.flatten().tolist() == pytest.approx([1 / 6] * 12)
    assert torch.split(found.weight, [8, 6, 2])[1].sum() == pytest.approx(0.25)
