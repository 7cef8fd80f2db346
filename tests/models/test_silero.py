from __future__ import annotations

import numpy as np
import pytest

from streamer.decoding.speech import SpeechModels
from streamer.models.silero import FRAME_SAMPLES, VadStream
from tests.speech_models import Clip


def whole_frames(clip: Clip) -> np.ndarray:
    return clip.samples[: len(clip.samples) // FRAME_SAMPLES * FRAME_SAMPLES]


def test_speech_is_told_from_silence_hum_and_noise(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    n = 10 * 16_000 // FRAME_SAMPLES * FRAME_SAMPLES
    hum = 0.2 * np.sin(2 * np.pi * 100 * np.arange(n) / 16_000)
    noise = 0.1 * np.random.default_rng(0).standard_normal(n)
    for sound in (np.zeros(n), hum, noise):
        probs = VadStream(speech_models.vad).probabilities(sound.astype(np.float32))
        assert probs.shape == (n // FRAME_SAMPLES,)
        assert probs.max() < 0.5
    speech = VadStream(speech_models.vad).probabilities(whole_frames(clips[-1]))
    assert (speech >= 0.5).mean() > 0.6


@pytest.mark.parametrize("n_frames", [1, 7])
def test_streaming_gives_what_one_call_gives(
    n_frames: int, speech_models: SpeechModels, clips: list[Clip]
) -> None:
    samples = whole_frames(clips[0])
    at_once = VadStream(speech_models.vad).probabilities(samples)
    stream = VadStream(speech_models.vad)
    step = n_frames * FRAME_SAMPLES
    parts = [stream.probabilities(samples[at : at + step]) for at in range(0, len(samples), step)]
    np.testing.assert_allclose(np.concatenate(parts), at_once, atol=1e-5)


def test_only_whole_frames_are_taken(speech_models: SpeechModels) -> None:
    stream = VadStream(speech_models.vad)
    with pytest.raises(ValueError, match="513 samples are not whole frames of 512"):
        stream.probabilities(np.zeros(513, np.float32))
    assert len(stream.probabilities(np.zeros(0, np.float32))) == 0
