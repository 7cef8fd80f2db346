from __future__ import annotations

import numpy as np
import pytest
import soxr

from streamer.audio.resample import StreamResampler

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


def noise(rate: int, seconds: float = 1.3) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, round(rate * seconds) + 7).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("chunk", [1, 128, 1_023, 10**6])
def test_chunks_make_no_difference(rate: int, chunk: int) -> None:
    audio = noise(rate, 0.1 if chunk == 1 else 1.3)
    resampler = StreamResampler(rate)
    parts = [resampler.push(audio[at : at + chunk]) for at in range(0, len(audio), chunk)]
    chunked = np.concatenate([*parts, resampler.flush()])
    whole = soxr.resample(audio, rate, 16_000)
    assert abs(len(chunked) - len(audio) * 16_000 / rate) <= 1
    assert len(chunked) == len(whole)
    np.testing.assert_allclose(chunked, whole, atol=1e-5)


def test_sixteen_kilohertz_passes_through() -> None:
    audio = noise(16_000)
    resampler = StreamResampler(16_000)
    assert resampler.push(audio) is audio
    assert len(resampler.flush()) == 0


def test_after_a_flush_a_new_stretch_begins() -> None:
    audio = noise(48_000)
    resampler = StreamResampler(48_000)
    first = np.concatenate([resampler.push(audio), resampler.flush()])
    second = np.concatenate([resampler.push(audio), resampler.flush()])
    np.testing.assert_array_equal(first, second)


def test_a_strided_view_is_taken() -> None:
    stereo = np.stack([noise(48_000), noise(48_000)], axis=1)
    assert len(StreamResampler(48_000).push(stereo[:, 0])) > 0
