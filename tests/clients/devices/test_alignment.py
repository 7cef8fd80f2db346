"""Samples whose values are the moments at which they were captured: so each pair tells how far
its two halves are apart."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from streamer.client.devices.alignment import Alignment
from streamer.client.microphone import MicrophoneChunk

RATE = 16_000
N = 1_600


def device(
    seconds: float, ppm: float = 0.0, start_ms: float = 0.0, jitter_ms: float = 0.0
) -> Iterator[tuple[float, MicrophoneChunk]]:
    """Chunks, with the moment at which each is there."""
    noise = random.Random(1)
    ms_per_sample = 1000 / (RATE * (1 + ppm / 1e6))
    for at in range(0, round(seconds * RATE), N):
        times = start_ms + (at + np.arange(N)) * ms_per_sample
        stamp = 1e9 + times[0] + noise.uniform(-jitter_ms, jitter_ms)
        yield times[-1] + jitter_ms, MicrophoneChunk(times.astype(np.float32), stamp, 0)


def apart_ms(
    first: Iterator[tuple[float, MicrophoneChunk]], second: Iterator[tuple[float, MicrophoneChunk]]
) -> np.ndarray:
    """Of every sample with one of the second beside it, as they come."""
    alignment = Alignment(RATE)
    coming = [(*one, alignment.first) for one in first]
    coming += [(*one, alignment.second) for one in second]
    given = [
        paired.samples
        for _, chunk, take in sorted(coming, key=lambda one: one[0])
        for paired in take(chunk)
    ]
    sides = np.concatenate(given)
    assert np.array_equal(
        sides[:, 0], np.concatenate([c.samples for _, c in device(60)])[: len(sides)]
    )
    heard = sides[sides[:, 1] != 0]
    return np.asarray(heard[:, 1] - heard[:, 0])


@pytest.mark.parametrize("ppm", [-300.0, 300.0])
@pytest.mark.parametrize("start_ms", [37.0, 420.0])
def test_clocks_that_drift_stay_within_the_bound(ppm: float, start_ms: float) -> None:
    apart = apart_ms(device(60), device(60, ppm, start_ms, jitter_ms=8.0))
    assert len(apart) > 55 * RATE
    late = np.abs(apart[5 * RATE :])
    assert late.max() < 20.0
    # Nobody hears it: neighbours are never further apart than a stretch makes them.
    steps = np.diff(apart[5 * RATE :])
    assert np.abs(steps).max() < 0.1


def test_who_says_nothing_keeps_nobody_waiting() -> None:
    alignment = Alignment(RATE)
    chunks = [chunk for _, chunk in device(2)]
    given = [paired for chunk in chunks for paired in alignment.first(chunk)]
    assert len(given) == len(chunks)
    assert not any(paired.samples[:, 1].any() for paired in given)


def test_a_break_of_the_second_is_silence_and_it_is_in_step_again() -> None:
    second = [one for one in device(20) if not 5_000 < one[0] < 8_000]
    apart = apart_ms(device(20), iter(second))
    assert np.abs(apart).max() < 10.0
    assert 16.5 * RATE < len(apart) < 17.1 * RATE
