from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.models.card.device import Card
from streamer.models.card.emotion import SAMPLES, CardEmotion
from streamer.models.emotion.classifier import EmotionClassifier
from streamer.models.errors import ModelCorruptError, NoRoomError
from tests.speech_models import Clip


def test_windows_of_all_lengths_together(
    card_emotion: CardEmotion, emotion_file: Path, clips: list[Clip]
) -> None:
    lengths = (12_800, 20_480, 48_000, 33_280)
    windows = [clip.samples[4_000 : 4_000 + n] for clip, n in zip(clips, lengths, strict=False)]
    known = EmotionClassifier(emotion_file)
    found = card_emotion.probabilities_together(windows)
    for window, probabilities in zip(windows, found, strict=True):
        assert isinstance(probabilities, np.ndarray)
        (alone,) = card_emotion.probabilities_together([window])
        assert isinstance(alone, np.ndarray)
        np.testing.assert_allclose(probabilities, alone, atol=1e-5)
        # The other one rounds what goes through its layers to 8 bits, each processor otherwise.
        scores = known.predict(window)
        expected = np.array([scores.probs[label] for label in card_emotion.labels])
        np.testing.assert_allclose(probabilities, expected, atol=0.1)
        assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_it_is_shown_as_the_other_one_is(card_emotion: CardEmotion, emotion_file: Path) -> None:
    known = EmotionClassifier(emotion_file)
    assert card_emotion.shown_from == known.shown_from
    assert (card_emotion.name, card_emotion.labels) == (known.name, known.labels)


def test_another_model_is_refused(vad_file: Path, card: Card) -> None:
    with pytest.raises(ModelCorruptError, match="is not an emotion model of this project"):
        CardEmotion(vad_file, card, card.queue())


def test_whom_the_card_has_no_memory_for_fails_alone(
    card_emotion: CardEmotion, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CardEmotion._pass

    def short(self: CardEmotion, words: torch.Tensor, n_rows: int, n_samples: int) -> torch.Tensor:
        if n_rows > 1 or n_samples > SAMPLES[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, words, n_rows, n_samples)

    windows = [clips[0].samples[:n] for n in (12_800, 20_480, 12_800)]
    monkeypatch.setattr(CardEmotion, "_pass", short)
    first, refused, third = card_emotion.probabilities_together(windows)
    assert isinstance(refused, NoRoomError)
    for found in (first, third):
        assert isinstance(found, np.ndarray)
        assert found.sum() == pytest.approx(1, abs=1e-5)
