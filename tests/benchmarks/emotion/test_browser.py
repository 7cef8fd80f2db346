from __future__ import annotations

import numpy as np
import pytest

from benchmarks.emotion.browser import LEVEL_DBFS, SNR_DB, desk, in_noise
from streamer.audio.clock import SAMPLE_RATE


def test_clips_come_as_loud_as_from_a_desk_and_noise_as_is_said() -> None:
    clip = np.asarray(0.3 * np.sin(np.arange(SAMPLE_RATE) / 5), np.float32)
    near = desk(clip)
    assert 10 * np.log10(np.mean(near**2)) == pytest.approx(LEVEL_DBFS, abs=0.01)
    noise = in_noise(clip) - near
    assert 10 * np.log10(np.mean(near**2) / np.mean(noise**2)) == pytest.approx(SNR_DB, abs=0.05)
