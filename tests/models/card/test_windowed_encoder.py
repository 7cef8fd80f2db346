"""An encoder with a window on a card: what is old stays, as far as it is looked back to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch

from streamer.models.card import encoding as encoding_module
from streamer.models.card import windowed_encoder as windowed_module
from streamer.models.card.device import Card
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.layers import attend
from streamer.models.card.loading import load_card_models
from streamer.models.errors import ModelCorruptError, NoRoomError
from streamer.models.moonshine.config import WINDOWED_FRAME_SAMPLES
from streamer.models.moonshine.contract import AudioStream, EncodeRequest
from streamer.models.moonshine.encoder_weights import WindowedEncoderWeights
from streamer.models.moonshine.weights import read_folder
from tests.models.card.random_moonshine import Three, open_three
from tests.models.card.walks import HOP, Walk, drafts, same
from tests.models.tiny_speech import write_moonshine_streaming
from tests.speech_models import Clip


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, vad_file: Path, card: Card) -> Three:
    folder, cache = (tmp_path_factory.mktemp(part) for part in ("model", "cache"))
    return open_three("streaming of many windows", folder, cache, vad_file, card)


@pytest.mark.parametrize("sizes", [[HOP] * 20, [100, 3, 9_000, 77, 20_000, 320, 319, 1, 6_400]])
def test_a_state_that_has_heard_enough_is_that_of_the_whole_utterance(
    streaming: Three, clips: list[Clip], sizes: list[int]
) -> None:
    samples = clips[-1].samples[: 80 * 800]
    expected = streaming.states(samples)
    config, stream = streaming.models.pools.config, AudioStream()
    heard = 0
    for size in sizes:
        part = samples[heard : heard + size]
        heard = min(heard + size, len(samples))
        request = EncodeRequest(stream, 0, part, heard, 1_600, afresh=False)
        (audio,) = streaming.models.encoder.encode([request])
        settled = heard // WINDOWED_FRAME_SAMPLES - config.look_ahead
        if settled > 0:
            assert isinstance(audio, SlotAudio)
            np.testing.assert_allclose(audio.states[:settled], expected[:settled], atol=2e-4)
    assert settled > 90


def test_what_a_window_goes_on_from_is_bounded(streaming: Three) -> None:
    """Keys and values of more frames than a layer looks back to are not kept."""
    pools = streaming.models.pools
    assert pools.own.shape[2] == 15
    assert pools.own.shape[0] == 2 * len(pools.config.windows)


def test_more_may_be_forgotten_than_has_settled(streaming: Three, clips: list[Clip]) -> None:
    exact, walk = streaming.exact, Walk.of(clips[-1].samples, streaming.exact)
    for step, forgotten in enumerate((0, 0, 24, 3, 0), 1):
        drafts(exact, streaming.models, [walk], [walk.request(HOP * step, forgotten)])


def test_a_pass_that_fails_midway_is_run_again_in_parts(
    streaming: Three, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it goes on from is as if it had not been tried: the card's own exception, in a layer."""
    exact = streaming.exact
    walks = [Walk.of(clip.samples, exact) for clip in clips[-3:]]
    for step in (1, 2):
        drafts(exact, streaming.models, walks, [walk.request(HOP * step) for walk in walks])
    failed: list[int] = []

    def short(query: torch.Tensor, *rest: Any) -> object:
        failed.append(len(query))
        # Not the first layer: others are behind it.
        if len(query) > 1 and len(failed) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return attend(query, *rest)

    monkeypatch.setattr(windowed_module, "attend", short)
    drafts(exact, streaming.models, walks, [walk.request(HOP * 3) for walk in walks])
    assert max(failed) > 1
    monkeypatch.undo()
    drafts(exact, streaming.models, walks, [walk.request(HOP * 4) for walk in walks])


def test_whom_memory_is_short_for_when_its_window_is_cut_fails_alone(
    streaming: Three, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = streaming.exact
    walks = [Walk.of(clip.samples, exact) for clip in clips[-2:]]
    for step in (1, 2, 3):
        drafts(exact, streaming.models, walks, [walk.request(HOP * step) for walk in walks])

    def short(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(streaming.models.encoder), "_forget", short)
    poor, rich = walks[0].request(HOP * 4, 20), walks[1].request(HOP * 4)
    failed, found = streaming.models.encoder.encode([poor, rich])
    assert isinstance(failed, NoRoomError)
    same(found, walks[1].expected(exact, rich))


def test_a_window_that_is_too_long_is_refused(streaming: Three) -> None:
    stream, sound = AudioStream(), np.zeros(20 * 16_000, np.float32)
    for part in (1, 2):
        request = EncodeRequest(stream, 0, sound, part * len(sound), 0, afresh=False)
        if part == 1:
            (audio,) = streaming.models.encoder.encode([request])
            assert isinstance(audio, SlotAudio)
            assert audio.n_frames == 1_000
        else:
            with pytest.raises(ValueError, match="more than a pass can hold"):
                streaming.models.encoder.encode([request])


def test_getting_warm_disturbs_nobody(
    streaming: Three, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding_module, "ROWS", (1, 4))
    exact, walk = streaming.exact, Walk.of(clips[0].samples, streaming.exact)
    drafts(exact, streaming.models, [walk], [walk.request(HOP)])
    free = streaming.models.pools.n_free
    streaming.models.encoder.warm_up()
    assert streaming.models.pools.n_free == free
    request = walk.request(2 * HOP)
    (found,) = streaming.models.encoder.encode([request])
    same(found, walk.expected(exact, request))


def test_a_model_that_knows_too_few_places_is_refused(
    tmp_path: Path, vad_file: Path, card: Card
) -> None:
    write_moonshine_streaming(tmp_path)
    weights = read_folder(tmp_path, "the model", integer=False)
    assert isinstance(weights.encoder, WindowedEncoderWeights)
    few = replace(weights.encoder, positions=weights.encoder.positions[:1_000])
    with pytest.raises(ModelCorruptError, match="knows 1000 places"):
        load_card_models(replace(weights, encoder=few), vad_file, card, n_sessions=1)
