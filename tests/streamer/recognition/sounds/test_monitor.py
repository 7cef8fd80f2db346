"""One session listens for music: the same events however steps come, none across what was lost."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.models.sounds.classifier import AHEAD_FRAMES, KINDS
from streamer.models.sounds.features import HOP_SAMPLES
from streamer.recognition.sounds.monitor import SoundMonitor
from streamer.recognition.sounds.music import SoundOptions
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import SoundHeard

LOUD = np.ones(16_000, np.float32)
QUIET = np.zeros(16_000, np.float32)


class LoudIsMusic:
    """Judges each frame by its first sample, as late as the real one."""

    def __init__(self) -> None:
        self._late = np.zeros(AHEAD_FRAMES, np.float32)

    def probabilities(self, samples: Floats) -> Floats:
        frames = np.concatenate([self._late, samples[::HOP_SAMPLES]])
        n_new = len(frames) - AHEAD_FRAMES
        self._late = frames[n_new:]
        told = np.zeros((n_new, len(KINDS)), np.float32)
        told[:, KINDS.index("music")] = frames[:n_new]
        return told


def listen(samples: Floats, step: int, lane: Executor, start: int = 0) -> list[SoundHeard]:
    monitor = SoundMonitor(LoudIsMusic, lane, SoundOptions(), NullSpans(), start)
    told: list[SoundHeard] = []
    for at in range(0, len(samples), step):
        monitor.start(samples[at : at + step], start + at)
        told.extend(monitor.collect())
    return told


def test_steps_of_any_length_tell_the_same() -> None:
    samples = np.concatenate([*[QUIET] * 3, *[LOUD] * 6, *[QUIET] * 7])
    with ThreadPoolExecutor(1) as lane:
        told = [listen(samples, step, lane) for step in (4_096, 12_288, len(samples))]
        later = listen(samples, 4_096, lane, start=512_000)
    assert told[0] == told[1] == told[2]
    began, ended = told[0]
    assert (began.start_sample, began.end_sample) == (ended.start_sample, None)
    assert began.start_sample / 16_000 == pytest.approx(3, abs=0.3)
    assert (ended.end_sample or 0) / 16_000 == pytest.approx(9, abs=0.3)
    assert [one.start_sample - 512_000 for one in later] == [began.start_sample] * 2


def test_music_ends_where_sound_was_lost() -> None:
    with ThreadPoolExecutor(1) as lane:
        monitor = SoundMonitor(LoudIsMusic, lane, SoundOptions(), NullSpans())
        monitor.start(np.concatenate([LOUD] * 6), 0)
        assert list(monitor.collect()) == [SoundHeard("music", 0)]
        monitor.start(np.concatenate([LOUD] * 6), 320_000)
        ended, again = monitor.collect()
    assert ended.start_sample == 0
    assert ended.end_sample is not None
    assert ended.end_sample <= 6 * 16_000
    assert again == SoundHeard("music", 320_000)
