"""Clips as a browser hands them over: its noise suppression and its automatic gain.

Both are WebRTC's, which Chromium switches on where a page does not say otherwise. Echo cancelling
is left out: it needs what the loudspeaker plays. `pip install webrtc-noise-gain` first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import Samples
from streamer.models.train.emotion.data import Clip

Process = Callable[[bytes], bytes]
"""10 ms of 16-bit samples in and out."""

LEVELS_DBFS: Final = (-45.0, -20.0)
"""Of the speech that a browser gets, from a far microphone to a near one."""
NOISE_SNR_DB: Final = (5.0, 25.0)
_CHUNK: Final = SAMPLE_RATE // 100
_WARM_UP: Final = SAMPLE_RATE
"""The processing adapts in its first second, which is heard twice."""
_FULL_SCALE: Final = 32_768


@dataclass(frozen=True)
class Processing:
    """What is switched on; 0 is off."""

    gain_dbfs: int = 0
    """Gain of the automatic gain control, at most 31."""
    suppression: int = 0
    """Of noise, 4 is strongest; Chromium has 3."""

    def start(self) -> Process:
        """For one clip.

        Raises:
            ModuleNotFoundError: `webrtc-noise-gain` is not installed.
        """
        from webrtc_noise_gain import AudioProcessor

        processor = AudioProcessor(self.gain_dbfs, self.suppression)
        return lambda chunk: bytes(processor.Process10ms(chunk).audio)


def at_level(samples: Samples, level_dbfs: float) -> Samples:
    """Samples [N], as loud as that."""
    rms = float(np.sqrt(np.mean(samples**2))) + 1e-9
    return np.asarray(samples * (10 ** (level_dbfs / 20) / rms), np.float32)


def pink(n_samples: int, draw: np.random.Generator) -> Samples:
    """Pink noise of loudness 1. [N]"""
    hertz = np.maximum(np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE), 20)
    white = draw.standard_normal(n_samples)
    noise = np.fft.irfft(np.fft.rfft(white) / np.sqrt(hertz), n=n_samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float32)


def processed(samples: Samples, process: Process) -> Samples:
    """Samples [N] as `process` leaves them once it has adapted. [N]"""
    tail = np.zeros(-(_WARM_UP + len(samples)) % _CHUNK, np.float32)
    heard = np.concatenate((np.resize(samples, _WARM_UP), samples, tail))
    whole = np.clip(heard * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")
    chunks = [process(part.tobytes()) for part in whole.reshape(-1, _CHUNK)]
    left = np.frombuffer(b"".join(chunks), "<i2")[_WARM_UP : _WARM_UP + len(samples)]
    return np.asarray(left / _FULL_SCALE, np.float32)


def browsed(samples: Samples, how: Processing) -> Samples:
    return processed(samples, how.start())


def cleaned(clips: Iterable[Clip], seed: int) -> list[Clip]:
    """The clips, each with what some browser makes of it in `cleaned`.

    How strongly noise is suppressed is drawn for each clip, so are its loudness, whether there is
    gain, whether there is noise to suppress, and whether it happens twice, as to what comes from a
    call in another tab.
    """
    draw = np.random.default_rng(seed)
    found = []
    for clip in clips:
        level_dbfs = draw.uniform(*LEVELS_DBFS)
        samples = at_level(clip.samples, level_dbfs)
        if draw.random() < 0.5:
            below = 10 ** ((level_dbfs - draw.uniform(*NOISE_SNR_DB)) / 20)
            samples = samples + np.float32(below) * pink(len(samples), draw)
        how = Processing(15 * int(draw.integers(2)), int(draw.integers(1, 5)))
        for _ in range(1 + int(draw.random() < 1 / 3)):
            samples = browsed(samples, how)
        found.append(replace(clip, cleaned=samples))
    return found
