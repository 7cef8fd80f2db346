from __future__ import annotations

import numpy as np
import pytest

from benchmarks.emotion.browser import LEVEL_DBFS, SNR_DB, desk, in_noise, processed
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import Samples


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


def test_clips_come_as_loud_as_from_a_desk_and_noise_as_is_said() -> None:
    clip = tone(SAMPLE_RATE)
    near = desk(clip)
    assert 10 * np.log10(np.mean(near**2)) == pytest.approx(LEVEL_DBFS, abs=0.01)
    noise = in_noise(clip) - near
    assert 10 * np.log10(np.mean(near**2) / np.mean(noise**2)) == pytest.approx(SNR_DB, abs=0.05)
