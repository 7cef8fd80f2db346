from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamer.models.card.vad import CardVad, VadRequest
from streamer.models.errors import NoRoomError
from streamer.models.silero import FRAME_SAMPLES, STATE_SIZE, VadModel, VadStream
from tests.speech_models import Clip


def test_the_same_probabilities_however_the_sound_is_cut(
    card_vad: CardVad, vad_file: Path, clips: list[Clip]
) -> None:
    samples = clips[-1].samples
    samples = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES]
    expected = VadStream(VadModel(vad_file)).probabilities(samples)
    stream = VadStream(card_vad)
    cuts = np.array_split(samples.reshape(-1, FRAME_SAMPLES), 11)
    found = np.concatenate([stream.probabilities(cut.reshape(-1)) for cut in cuts])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.max() > 0.9


def test_sessions_do_not_touch_each_other(card_vad: CardVad) -> None:
    draw = np.random.default_rng(0)
    requests = [
        VadRequest(
            draw.normal(0, 0.1, (n, 576)).astype(np.float32),
            *draw.normal(0, 0.5, (2, 1, 1, STATE_SIZE)).astype(np.float32),
        )
        for n in (1, 8, 3)
    ]
    for request, found in zip(requests, card_vad.run_together(requests), strict=True):
        assert isinstance(found, tuple)
        alone = card_vad.run(request.frames, request.h, request.c)
        for values, others in zip(found, alone, strict=True):
            np.testing.assert_allclose(values, others, atol=1e-6)


def test_whom_the_card_has_no_memory_for_fails_alone(
    card_vad: CardVad, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CardVad._pass

    def short(self: CardVad, words: torch.Tensor, n_rows: int, n_frames: int) -> torch.Tensor:
        if n_rows > 1 or n_frames > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, words, n_rows, n_frames)

    state = np.zeros((2, 1, 1, STATE_SIZE), np.float32)
    few, many = (VadRequest(np.zeros((n, 576), np.float32), *state) for n in (1, 8))
    (expected, _, _) = card_vad.run(few.frames, few.h, few.c)
    monkeypatch.setattr(CardVad, "_pass", short)
    first, refused, third = card_vad.run_together([few, many, few])
    assert isinstance(refused, NoRoomError)
    for found in (first, third):
        assert isinstance(found, tuple)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
    with pytest.raises(NoRoomError):
        card_vad.run(many.frames, many.h, many.c)
