from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.decoding.speech import SpeechModels
from streamer.models.silero import FRAME_SAMPLES, VadStream
from streamer.recognition.speech_detector import SpeechDetector
from tests.speech_fakes import silence
from tests.speech_models import Clip

SECOND = 16_000
FRAME_S = FRAME_SAMPLES / SECOND


class Loudness:
    """In place of a detector: the peak of each frame is the probability of speech."""

    def run(self, frames: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        return np.abs(frames[:, 64:]).max(axis=1), h, c


def loudness_detector(start_sample: int = 0) -> SpeechDetector:
    return SpeechDetector(Loudness(), start_sample)


def level(value: float, frames: int) -> Floats:
    return np.full(frames * FRAME_SAMPLES, value, np.float32)


def test_quiet_sound_is_heard_amplified() -> None:
    assert loudness_detector().probabilities(level(0.03, 2)) == pytest.approx([0.48, 0.48])


def test_loud_sound_is_heard_as_it_is() -> None:
    assert loudness_detector().probabilities(level(0.3, 2)) == pytest.approx([0.3, 0.3])


def test_a_pause_of_loud_speech_is_not_amplified_for_two_seconds() -> None:
    heard = loudness_detector().probabilities(np.append(level(0.3, 5), level(0.03, 100)))
    amplified = np.flatnonzero(heard > 0.4)
    assert amplified[0] - 5 == pytest.approx(2 / FRAME_S, abs=2)
    assert len(amplified) == 105 - amplified[0]


def test_how_sound_is_cut_makes_no_difference() -> None:
    sound = np.concatenate([level(0.03, 10), level(0.3, 5), level(0.02, 90)])
    cut = loudness_detector()
    pieces = [cut.probabilities(piece) for piece in np.split(sound, [512, 5_120, 30_720])]
    assert np.array_equal(np.concatenate(pieces), loudness_detector().probabilities(sound))


def test_it_tells_what_it_said_of_the_newest_sound() -> None:
    detector = loudness_detector(10 * FRAME_SAMPLES)
    said = detector.probabilities(np.linspace(0.2, 0.9, 8 * FRAME_SAMPLES, dtype=np.float32))
    start = 12 * FRAME_SAMPLES
    assert detector.between(start, start + FRAME_SAMPLES) == pytest.approx(said[2:3])
    assert detector.between(start + 1, start + FRAME_SAMPLES + 1) == pytest.approx(said[2:4])
    assert detector.between(0, 100 * FRAME_SAMPLES) == pytest.approx(said)
    assert detector.between(0, FRAME_SAMPLES) == []


def speech_frames(heard: Floats) -> int:
    return int((heard >= 0.5).sum())


def test_very_quiet_speech_is_found(speech_models: SpeechModels, clips: list[Clip]) -> None:
    vad = speech_models.vad
    found, missed, there = 0, 0, 0
    for clip in clips:
        sound = np.append(silence(SECOND), clip.samples[: len(clip.samples) // 512 * 512])
        sound = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES]
        quiet = sound * np.float32(10 ** (-66 / 20) / np.sqrt(np.mean(np.square(clip.samples))))
        there += speech_frames(VadStream(vad).probabilities(sound))
        missed += speech_frames(VadStream(vad).probabilities(quiet))
        found += speech_frames(SpeechDetector(vad, 0).probabilities(quiet))
    assert missed < 0.9 * there
    assert found > 0.95 * there


@pytest.mark.parametrize("level_dbfs", [-50, -66, -80])
def test_quiet_noise_is_no_speech(speech_models: SpeechModels, level_dbfs: float) -> None:
    noise = np.random.default_rng(0).standard_normal(625 * FRAME_SAMPLES).astype(np.float32)
    heard = SpeechDetector(speech_models.vad, 0).probabilities(
        noise * np.float32(10 ** (level_dbfs / 20))
    )
    assert speech_frames(heard) == 0
