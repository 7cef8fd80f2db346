from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.audio.pitch import pitches_hz

RATE = 16_000


def voice(
    pitch_hz: float, formants: tuple[int, ...] = (600, 1_200, 2_500), lowest_hz: int = 0
) -> Floats:
    """Half a second of a vowel: harmonics, louder near its formants."""
    t = np.arange(RATE // 2) / RATE
    sound = np.zeros(len(t))
    for harmonic in range(1, int(RATE / 2 / pitch_hz)):
        hz = harmonic * pitch_hz
        if hz >= lowest_hz:
            gain = sum(1 / (1 + ((hz - formant) / 90) ** 2) for formant in formants) + 0.02
            sound += gain / harmonic * np.cos(2 * np.pi * hz * t + 0.3 * harmonic**2)
    loud: Floats = (0.3 * sound / np.abs(sound).max()).astype(np.float32)
    return loud


def noise(db: float, seconds: float = 0.5) -> Floats:
    rng = np.random.default_rng(1)
    return (10 ** (db / 20) * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("pitch_hz", [80, 110, 147, 196, 262, 349, 466])
@pytest.mark.parametrize("formants", [(300, 2_200, 3_000), (600, 1_200, 2_500), (750, 1_100)])
def test_a_vowel_has_its_pitch(pitch_hz: float, formants: tuple[int, ...]) -> None:
    found = pitches_hz(voice(pitch_hz, formants))
    assert len(found) == 47  # every frame
    np.testing.assert_allclose(found, pitch_hz, rtol=0.005)


@pytest.mark.parametrize("pitch_hz", [95, 140, 210])
def test_noise_and_a_telephone_leave_the_pitch(pitch_hz: float) -> None:
    heard = voice(pitch_hz, lowest_hz=300) + noise(-35)
    found = pitches_hz(heard)
    assert len(found) > 40
    assert np.median(found) == pytest.approx(pitch_hz, rel=0.01)


def test_a_glide_is_followed() -> None:
    t = np.arange(RATE) / RATE
    sweep = sum(np.sin(2 * np.pi * k * (120 * t + 60 * t**2)) / k for k in (1, 2, 3, 4))
    found = pitches_hz((0.2 * np.asarray(sweep)).astype(np.float32))
    middles = 0.02 + 0.01 * np.arange(len(found))
    np.testing.assert_allclose(found, 120 + 120 * middles, rtol=0.02)


@pytest.mark.parametrize(
    "sound", [noise(-20), np.zeros(RATE, np.float32), np.full(RATE, 0.5, np.float32), noise(-20, 0)]
)
def test_nothing_else_is_voiced(sound: Floats) -> None:
    assert len(pitches_hz(sound)) == 0


def test_the_room_behind_a_word_is_not_its_voice() -> None:
    hum = 0.003 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    found = pitches_hz(np.concatenate([voice(220), hum.astype(np.float32)]))
    assert 40 < len(found) < 55
    assert found.min() > 200
