from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import Samples
from streamer.models.train.emotion.browser import cleaned, processed
from streamer.models.train.emotion.data import Clip


def tone(n_samples: int) -> Samples:
    return np.asarray(0.3 * np.sin(np.arange(n_samples) / 5), np.float32)


@pytest.mark.parametrize("n_samples", [100, SAMPLE_RATE, SAMPLE_RATE + 77])
def test_what_is_processed_keeps_its_length_and_place(n_samples: int) -> None:
    clip = tone(n_samples)
    sizes = []

    def pass_on(chunk: bytes) -> bytes:
        sizes.append(len(chunk))
        return chunk

    assert processed(clip, pass_on) == pytest.approx(clip, abs=1e-4)
    assert set(sizes) == {2 * SAMPLE_RATE // 100}


def test_what_comes_while_it_adapts_is_left_out() -> None:
    asked = []

    def deaf_at_first(chunk: bytes) -> bytes:
        asked.append(chunk)
        return bytes(len(chunk)) if len(asked) <= 100 else chunk

    clip = tone(2 * SAMPLE_RATE)
    assert processed(clip, deaf_at_first) == pytest.approx(clip, abs=1e-4)


def humming(seed: int) -> Clip:
    """Two seconds in a noisy room, of which somebody hums the second one."""
    samples = 0.01 * np.random.default_rng(seed).standard_normal(2 * SAMPLE_RATE)
    at = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    samples[SAMPLE_RATE:] += 0.3 * np.sin(2 * np.pi * 200 * at) * (1 + np.sin(40 * at))
    return Clip(samples.astype(np.float32), 3, "a")


def height_db(samples: Samples) -> float:
    """Of the voice above the room."""
    room, voice = samples[: SAMPLE_RATE - SAMPLE_RATE // 10], samples[SAMPLE_RATE:]
    return float(20 * np.log10(np.std(voice) / (np.std(room) + 1e-5)))


def test_a_browser_takes_the_room_away_and_leaves_the_rest() -> None:
    pytest.importorskip("webrtc_noise_gain", reason="the tests install it on Linux alone")
    clips = [humming(seed) for seed in range(12)]
    found = cleaned(clips, seed=0)
    assert [(clip.label, clip.speaker) for clip in found] == [(3, "a")] * 12
    gained = []
    for clip, other in zip(clips, found, strict=True):
        assert other.samples is clip.samples
        assert other.cleaned is not None
        assert len(other.cleaned) == len(clip.samples)
        gained.append(height_db(other.cleaned) - height_db(clip.samples))
    # Half of them get noise to begin with; suppression is of several strengths.
    assert max(gained) > 12
    assert np.ptp(gained) > 6


def test_the_seed_decides_what_browser_it_is() -> None:
    pytest.importorskip("webrtc_noise_gain", reason="the tests install it on Linux alone")

    def heard(seed: int) -> Samples:
        (clip,) = cleaned([humming(0)], seed)
        assert clip.cleaned is not None
        return clip.cleaned

    assert np.array_equal(heard(5), heard(5))
    assert not np.array_equal(heard(5), heard(6))
