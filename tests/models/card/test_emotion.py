from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.models.card.device import Card
from streamer.models.card.emotion import CardEmotion
from streamer.models.emotion.classifier import EmotionClassifier
from streamer.models.errors import ModelCorruptError
from tests.speech_models import Clip


def test_windows_of_all_lengths_together(
    card_emotion: CardEmotion, emotion_file: Path, clips: list[Clip]
) -> None:
    lengths = (12_800, 20_480, 48_000, 33_280)
    windows = [clip.samples[4_000 : 4_000 + n] for clip, n in zip(clips, lengths, strict=False)]
    known = EmotionClassifier(emotion_file)
    found = card_emotion.probabilities_together(windows)
    for window, probabilities in zip(windows, found, strict=True):
        alone = card_emotion.probabilities_together([window])[0]
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
