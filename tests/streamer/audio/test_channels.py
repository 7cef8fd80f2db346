from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from streamer.audio.channels import ChannelMixer
from streamer.audio.pcm import SampleFormat, SampleReader
from streamer.audio.samples import mono_samples
from tests.fakes import tone

Floats = npt.NDArray[np.float32]
NOISE = np.random.default_rng(3).normal(0, 0.1, (32_000, 2)).astype(np.float32)


def mixed(frames: Floats, piece: int = 1_600) -> Floats:
    mixer = ChannelMixer(frames.shape[1])
    return np.concatenate(
        [mixer.mix(frames[at : at + piece]) for at in range(0, len(frames), piece)]
    )


def test_one_channel_is_left_alone() -> None:
    np.testing.assert_array_equal(mixed(tone(1.0)[:, None]), tone(1.0))


def test_independent_channels_are_averaged() -> None:
    np.testing.assert_array_equal(mixed(NOISE), NOISE.mean(axis=1))
    np.testing.assert_array_equal(mixed(NOISE[:, [0, 0]]), NOISE[:, 0])


@pytest.mark.parametrize("gain", [-1.0, -0.4])
def test_a_channel_with_the_opposite_sign_is_turned_around(gain: float) -> None:
    frames = np.stack([tone(1.0), np.float32(gain) * tone(1.0)], axis=1)
    np.testing.assert_allclose(mixed(frames), (1 - gain) / 2 * tone(1.0), atol=1e-6)


def test_it_is_seen_through_noise_and_beside_silent_channels() -> None:
    voice = tone(2.0)
    frames = np.stack([np.zeros_like(voice), voice, -voice], axis=1)
    frames[:, 1:] += 0.3 * NOISE
    assert np.corrcoef(mixed(frames), voice)[0, 1] > 0.98


def test_what_changes_is_followed() -> None:
    voice = tone(4.0)
    frames = np.stack([voice, np.concatenate([-voice[:32_000], voice[32_000:]])], axis=1)
    heard = mixed(frames)
    np.testing.assert_allclose(np.abs(heard[:32_000]), np.abs(voice[:32_000]), atol=1e-6)
    np.testing.assert_allclose(np.abs(heard[-8_000:]), np.abs(voice[-8_000:]), atol=1e-6)


def test_wherever_channels_come_in_they_do_not_cancel() -> None:
    both = np.stack([tone(1.0), -tone(1.0)], axis=1)
    data = (both * 32_767).astype("<i2").tobytes()
    for heard in (mono_samples(both), SampleReader(SampleFormat.LINEAR16, 2).read(data)):
        np.testing.assert_allclose(heard, tone(1.0), atol=1e-4)
