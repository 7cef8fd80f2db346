"""What a hush is learned through, and how it stands behind a step."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

import torch

from benchmarks.research.hush import HushedEncoder, encoded, shipped_encoder
from streamer.audio.arrays import Floats
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.decoding.loading import speech_graphs
from streamer.models.moonshine.encoder import AsrEncoder
from streamer.models.store.zoo import Zoo

SILENCE = 2_560


@pytest.fixture(scope="module")
def hushed() -> HushedEncoder:
    return HushedEncoder(speech_graphs(Zoo(), "cpu", None))


@pytest.fixture
def samples() -> Floats:
    return read_samples(bundled_speech()[0].path)[:48_000]


def test_states_are_the_encoder_s_and_lead_back_to_the_sound(
    hushed: HushedEncoder, samples: Floats
) -> None:
    sound = torch.from_numpy(samples).requires_grad_()
    states = encoded(shipped_encoder(Zoo()), sound)
    whole = hushed.encode(samples).states
    assert states.shape == (1, *whole.shape)
    # The graph multiplies 8-bit numbers.
    apart = np.linalg.norm(states[0].detach().numpy() - whole) / np.linalg.norm(whole)
    assert apart < 0.06
    torch.autograd.backward(states.square().sum())
    assert sound.grad is not None
    assert sound.grad[-2_000:].abs().max() > 0


def test_zeros_are_the_silence_of_a_step_and_nothing_stays_of_a_hush(
    hushed: HushedEncoder, samples: Floats
) -> None:
    plain = AsrEncoder(speech_graphs(Zoo(), "cpu", None))
    expected, stream = plain.open_stream(), hushed.open_stream()
    rustle = 0.1 * np.random.default_rng(0).standard_normal(SILENCE).astype(np.float32)
    for part in np.split(samples, 3):
        plain.listen(expected, part)
        hushed.listen(stream, part)
        silent = plain.audio(expected, n_silent=SILENCE, afresh=True)
        hushed.hush = rustle
        other = hushed.audio(stream, n_silent=SILENCE, afresh=True)
        hushed.hush = np.zeros_like(rustle)
        same = hushed.audio(stream, n_silent=SILENCE, afresh=True)
        assert silent is not None
        assert other is not None
        assert same is not None
        np.testing.assert_allclose(same.states, silent.states, atol=1e-4)
        assert other.n_frames == silent.n_frames
        assert np.abs(other.states - silent.states).max() > 0.1
