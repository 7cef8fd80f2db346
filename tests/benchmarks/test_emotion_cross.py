from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.emotion_cross import Corpus, carry_over, extract, folds
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.train.emotion.data import Clip
from streamer.models.train.emotion.net import EmotionNetConfig, FrontEnd, SpeechEncoder


def corpus(seed: int, classes: int = 6, shift: float = 0.0) -> Corpus:
    """Six speakers; each class has its own direction, blurred."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(120) % classes
    features = torch.eye(8)[labels] + 0.2 * torch.randn(120, 8, generator=generator) + shift
    return Corpus(features, labels, np.array([f"s{i // 20}" for i in range(120)]))


def test_what_holds_in_both_corpora_is_carried_over() -> None:
    assert carry_over(corpus(0), corpus(1)) > 0.9


def test_classes_that_training_never_saw_do_not_count() -> None:
    assert carry_over(corpus(0, classes=3), corpus(1)) > 0.9


def test_folds_part_the_speakers() -> None:
    # Labels that depend on the speaker alone cannot be told of a speaker never met.
    whole = corpus(0)
    speaker = torch.tensor([int(name[1:]) for name in whole.speakers])
    generator = torch.Generator().manual_seed(0)
    marks = torch.eye(8)[speaker] + 0.05 * torch.randn(120, 8, generator=generator)
    habits = Corpus(marks, (speaker + torch.arange(120) // 10) % 6, whole.speakers)
    assert np.mean(folds(habits, 3)) < 0.5
    assert np.mean(folds(whole, 3)) > 0.9


def test_features_keep_the_order_of_the_clips() -> None:
    torch.manual_seed(0)
    config = EmotionNetConfig(width=16, n_heads=2, rotary_dim=4)
    encoder = SpeechEncoder(config).eval()
    rng = np.random.default_rng(0)
    clips = [
        Clip(rng.standard_normal(int(s * SAMPLE_RATE)).astype(np.float32), i, f"s{i}")
        for i, s in enumerate((1.5, 0.5, 1.0))
    ]
    together = extract(clips[:1] * 3 + clips[1:2], FrontEnd(config), encoder)
    assert together.labels.tolist() == [0, 0, 0, 1]
    assert torch.allclose(together.features[0], together.features[2])
    alone = extract(clips[1:2], FrontEnd(config), encoder)
    assert alone.features[0].numpy() == pytest.approx(together.features[3].numpy(), abs=0.02)
