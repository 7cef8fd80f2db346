"""The augmentation of the emotion recipe: clips as other microphones, lines and rooms give them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor

from streamer.audio.clock import SAMPLE_RATE
from streamer.models.emotion.classifier import LABELS
from streamer.models.train.emotion.data import Clip


@dataclass(frozen=True)
class AugmentConfig:
    """How clips are varied; a probability of 0 switches a step off."""

    min_s: float = 1.0
    max_s: float = 3.5
    """Each batch is cut to one length drawn from here, so that short live windows work."""
    cleaned: float = 0.4
    """Share of clips as a browser hands them over, where that is known of a clip."""
    speed: float = 0.1
    """Speed and pitch change by up to this share."""
    eq_db: float = 6.0
    """A random smooth microphone curve stays within this many decibels."""
    band_limit: float = 0.35
    """Share of clips low-passed somewhere in 2.5-5 kHz."""
    telephone: float = 0.15
    """Share of clips also high-passed at 300 Hz."""
    notch: float = 0.4
    """Share of clips with one band of up to 600 Hz removed (frequency masking)."""
    reverb: float = 0.2
    codec: float = 0.1
    """Share of clips sent through MP3 at 16 to 40 kbit/s."""
    noise: float = 0.5
    snr_db: tuple[float, float] = (5.0, 35.0)
    noise_only: float = 0.0
    """Share of clips replaced by noise or hum, which is taught as no emotion at all."""
    mixup: float = 0.3
    """Share of batches mixed pairwise (mixup: Zhang et al., 2018)."""
    mixup_alpha: float = 0.4
    time_mask: float = 0.15
    """Two spans of up to this share of the frames are blanked (SpecAugment)."""


class Augmenter:
    """Turns clips into a batch [B, N] of one random length. Seeded, no global state."""

    def __init__(self, config: AugmentConfig, seed: int) -> None:
        self._config = config
        self._rng = np.random.default_rng(seed)

    def batch(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor]:
        """Samples [B, N] and target shares [B, C]."""
        c, rng = self._config, self._rng
        length = int(rng.uniform(c.min_s, c.max_s) * SAMPLE_RATE)
        samples = np.stack([self._coded(self._cut(self._heard(clip), length)) for clip in clips])
        nothing = rng.random(len(clips)) < c.noise_only
        samples[nothing] = self._noise(int(nothing.sum()), length)
        samples /= np.sqrt(np.mean(samples**2, axis=1, keepdims=True)) + 1e-5
        samples = self._filter(samples)
        samples = self._add_noise(samples)
        target = np.eye(len(LABELS))[[clip.label for clip in clips]]
        target[nothing] = 1 / len(LABELS)
        if rng.random() < c.mixup:
            share = rng.beta(c.mixup_alpha, c.mixup_alpha)
            other = rng.permutation(len(clips))
            samples = share * samples + (1 - share) * samples[other]
            target = share * target + (1 - share) * target[other]
        return torch.from_numpy(samples.astype(np.float32)), torch.from_numpy(
            target.astype(np.float32)
        )

    def keep_mask(self, batch: int, n_frames: int) -> Tensor:
        """0 in blanked frames, else 1. [B, T]"""
        keep = np.ones((batch, n_frames), np.float32)
        longest = int(self._config.time_mask * n_frames)
        for row in keep:
            for _ in range(2):
                span = int(self._rng.integers(0, longest + 1))
                start = int(self._rng.integers(0, n_frames - span + 1))
                row[start : start + span] = 0
        return torch.from_numpy(keep)

    def _heard(self, clip: Clip) -> npt.NDArray[np.float32]:
        """Now and then as a browser hands it over."""
        if clip.cleaned is not None and self._rng.random() < self._config.cleaned:
            return clip.cleaned
        return clip.samples

    def _cut(self, samples: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
        """A random stretch at a random speed, set at a random place in `length` samples."""
        rng = self._rng
        speed = 1 + rng.uniform(-self._config.speed, self._config.speed)
        wanted = min(int(length * speed), len(samples))
        start = int(rng.integers(0, len(samples) - wanted + 1))
        n_out = min(int(wanted / speed), length)
        at = start + np.arange(n_out) * (max(wanted - 1, 0) / max(n_out - 1, 1))
        cut = np.zeros(length, np.float32)
        offset = int(rng.integers(0, length - n_out + 1))
        cut[offset : offset + n_out] = np.interp(at, np.arange(len(samples)), samples)
        return cut

    def _coded(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Now and then what MP3 leaves of the samples."""
        if self._rng.random() >= self._config.codec:
            return samples
        stream = io.BytesIO()
        loud = samples * (0.5 / (np.abs(samples).max() + 1e-6))
        level = self._rng.uniform(0.6, 0.95)
        soundfile.write(
            stream, loud, SAMPLE_RATE, format="MP3", compression_level=level, bitrate_mode="AVERAGE"
        )
        stream.seek(0)
        coded, _ = soundfile.read(stream, dtype="float32")
        return np.resize(coded, len(samples)).astype(np.float32)

    def _filter(self, samples: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Microphone curve, band limits, notch and room, all as one product per clip."""
        c, rng = self._config, self._rng
        count, length = samples.shape
        spectrum = np.fft.rfft(samples, axis=1)
        hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
        knots = np.array([0, 150, 400, 800, 1_500, 2_500, 4_000, 8_000])
        for i in range(count):
            level = rng.uniform(-c.eq_db, c.eq_db, len(knots))
            gain = 10 ** (np.interp(hertz, knots, level) / 20)
            if rng.random() < c.band_limit:
                gain *= 1 / (1 + (hertz / rng.uniform(2_500, 5_000)) ** 16)
            if rng.random() < c.telephone:
                gain *= 1 - 1 / (1 + (hertz / 300) ** 8)
            if rng.random() < c.notch:
                low = rng.uniform(0, 4_000)
                gain[(hertz >= low) & (hertz < low + rng.uniform(100, 600))] *= 0.03
            spectrum[i] *= gain
            if rng.random() < c.reverb:
                spectrum[i] *= self._room(length)
        return np.asarray(np.fft.irfft(spectrum, n=length, axis=1))

    def _room(self, length: int) -> npt.NDArray[np.complexfloating[Any, Any]]:
        """Transfer function of a made-up room: one direct path and a decaying noise tail."""
        rng = self._rng
        tail = int(0.3 * SAMPLE_RATE)
        decay = np.exp(-6.9 * np.arange(tail) / (rng.uniform(0.1, 0.5) * SAMPLE_RATE))
        response = rng.standard_normal(tail) * decay
        response *= rng.uniform(0.1, 0.6) / np.sqrt(np.sum(response**2))
        response[0] = 1.0
        return np.asarray(np.fft.rfft(response, n=length))

    def _add_noise(self, samples: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        c, rng = self._config, self._rng
        chosen = np.flatnonzero(rng.random(len(samples)) < c.noise)
        noise = self._noise(len(chosen), samples.shape[1])
        ratio = 10 ** (-rng.uniform(*c.snr_db, (len(chosen), 1)) / 20)
        power = np.sqrt(np.mean(samples[chosen] ** 2, axis=1, keepdims=True))
        mixed = samples.copy()
        mixed[chosen] += noise * ratio * power
        return mixed

    def _noise(self, count: int, length: int) -> npt.NDArray[np.floating[Any]]:
        """White to brown noise, at times with a hum in it, of loudness 1. [count, length]"""
        rng = self._rng
        hertz = np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE), 20)
        colour = hertz[None, :] ** -rng.uniform(0, 1, (count, 1))
        spectrum = np.fft.rfft(rng.standard_normal((count, length)), axis=1) * colour
        for index in np.flatnonzero(rng.random(count) < 0.3):
            step = int(rng.uniform(50, 500) * length / SAMPLE_RATE)
            harmonics = spectrum[index, step::step]
            level = np.sqrt(length) * np.abs(spectrum[index]).mean()
            harmonics += level / np.arange(1, len(harmonics) + 1)
        noise = np.fft.irfft(spectrum, n=length, axis=1)
        return np.asarray(noise / np.sqrt(np.mean(noise**2, axis=1, keepdims=True)))
