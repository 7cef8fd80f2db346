"""Encoder and decoder on a card say what ONNX Runtime's say, of the same weights."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from streamer.decoding.beam import BeamRequest, ScoreRequest, beam_search, score_proposals
from streamer.decoding.draft import Prefix
from streamer.models.card import decoder as decoder_module
from streamer.models.card import encoder as encoder_module
from streamer.models.card import encoding as encoding_module
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.loading import CardModels
from streamer.models.card.places import NoSlotError
from streamer.models.errors import NoRoomError
from streamer.models.moonshine.contract import EncodeRequest
from streamer.models.moonshine.decoder import DraftDecoder
from streamer.models.moonshine.encoder import AsrEncoder, EncoderStream
from streamer.models.moonshine.graph import build_graphs
from streamer.models.moonshine.tokenizer import Tokenizer
from streamer.models.moonshine.weights import read_shipped
from streamer.models.onnx.ort_file import GraphFormatError
from tests.models.card.walks import HOP, Exact, Walk, drafts, same
from tests.speech_models import Clip, MoonshineFiles


@pytest.fixture(scope="module")
def exact(moonshine_files: MoonshineFiles, tmp_path_factory: pytest.TempPathFactory) -> Exact:
    folder = tmp_path_factory.mktemp("float")
    build_graphs(moonshine_files.encoder, moonshine_files.decoder, folder, integer=False)
    return Exact(AsrEncoder(folder), DraftDecoder(folder))


@pytest.mark.slow
def test_steps_of_several_sessions_are_those_of_each(
    exact: Exact, on_card: CardModels, clips: list[Clip]
) -> None:
    walks = [Walk.of(clip.samples, exact) for clip in clips[-3:]]
    # They do not begin together, nor do they go on at one speed.
    for step in range(1, 4):
        taken = walks[: min(step, 3)]
        requests = [walk.request(HOP * (step - at)) for at, walk in enumerate(taken)]
        drafts(exact, on_card, taken, requests)


@pytest.mark.slow
def test_a_window_that_is_cut_goes_on_from_what_is_left(
    exact: Exact, on_card: CardModels, clips: list[Clip]
) -> None:
    walk = Walk.of(clips[-1].samples, exact)
    for step in range(1, 13):
        forgotten = 70 if step == 10 else 0
        request = walk.request(HOP * step, forgotten, afresh=step == 6)
        (found,) = on_card.encoder.encode([request])
        same(found, walk.expected(exact, request))


@pytest.mark.slow
def test_a_pause_leaves_out_what_was_heard_behind_it(
    exact: Exact, on_card: CardModels, clips: list[Clip]
) -> None:
    walk = Walk.of(clips[-1].samples, exact)
    for step in (1, 2, 3, 4):
        request = walk.request(HOP * step)
        on_card.encoder.encode([request])
        walk.expected(exact, request)
    shorter = EncodeRequest(walk.theirs, 0, np.zeros(0, np.float32), 3 * HOP, 0, afresh=True)
    (found,) = on_card.encoder.encode([shorter])
    same(found, walk.expected(exact, shorter))


def test_too_little_sound_gives_nothing(on_card: CardModels) -> None:
    few = EncodeRequest(EncoderStream(), 0, np.zeros(500, np.float32), 500, 0, afresh=False)
    assert on_card.encoder.encode([few]) == [None]


@pytest.mark.slow
def test_beams_and_proposals_are_scored_alike(
    exact: Exact, on_card: CardModels, moonshine_files: MoonshineFiles, clips: list[Clip]
) -> None:
    tokenizer = Tokenizer.read(moonshine_files.tokenizer)
    samples = clips[0].samples
    request = EncodeRequest(EncoderStream(), 0, samples, len(samples), 0, afresh=True)
    (found,) = on_card.encoder.encode([request])
    assert isinstance(found, SlotAudio)
    assert isinstance(exact.encoder, AsrEncoder)
    audio = exact.encoder.encode(samples)
    expected = beam_search(exact.decoder, tokenizer, BeamRequest(audio, Prefix(), 4, 6.0, 40))
    beams = beam_search(on_card.decoder, tokenizer, BeamRequest(found, Prefix(), 4, 6.0, 40))
    assert [beam.tokens[-1].id for beam in beams] == [beam.tokens[-1].id for beam in expected]
    likely = [[token.id for token in beam.tokens] for beam in expected]
    assert [[token.id for token in beam.tokens] for beam in beams] == likely
    scored = score_proposals(on_card.decoder, ScoreRequest(found, Prefix(), likely))
    np.testing.assert_allclose(
        [each.logprob for each in scored], [each.logprob for each in expected], atol=2e-3
    )


def test_a_segment_that_ends_gives_its_slot_back(on_card: CardModels) -> None:
    gc.collect()
    pools = on_card.pools
    free = pools.n_free
    streams = [EncoderStream() for _ in range(free)]
    sound = np.zeros(HOP, np.float32)
    requests = [EncodeRequest(stream, 0, sound, HOP, 0, afresh=False) for stream in streams]
    on_card.encoder.encode(requests)
    assert pools.n_free == 0
    more = EncodeRequest(EncoderStream(), 0, sound, HOP, 0, afresh=False)
    # Who has a place goes on beside who finds none.
    found, refused = on_card.encoder.encode([requests[0], more])
    assert isinstance(found, SlotAudio)
    assert isinstance(refused, NoSlotError)
    assert "allow more sessions" in str(refused)
    del found
    requests.pop()
    streams.pop()
    assert pools.n_free == 1
    assert on_card.encoder.encode([more]) != [None]


@pytest.mark.slow
def test_where_memory_is_short_a_batch_is_halved(
    exact: Exact, on_card: CardModels, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card's own exception, from a pass that is larger than its memory."""
    whole = type(on_card.encoder)._pass
    walks = [Walk.of(clip.samples, exact) for clip in clips[-3:]]
    requests = [walk.request(2 * HOP) for walk in walks]
    poor = requests[1].stream

    def short(self: object, words: torch.Tensor, n_rows: int, *sizes: int) -> torch.Tensor:
        slots = words.view(n_rows, -1)[:, 0].tolist()
        if n_rows > 1 or on_card.encoder._kept[poor].slot.index in slots:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(on_card.encoder, words, n_rows, *sizes)

    monkeypatch.setattr(type(on_card.encoder), "_pass", short)
    first, second, third = on_card.encoder.encode(requests)
    assert isinstance(second, NoRoomError)
    for walk, request, found in ((walks[0], requests[0], first), (walks[2], requests[2], third)):
        same(found, walk.expected(exact, request))


def test_a_file_of_another_model_is_refused(moonshine_files: MoonshineFiles) -> None:
    with pytest.raises(GraphFormatError, match=r"encoder_model.ort has no"):
        read_shipped(moonshine_files.encoder, moonshine_files.encoder)


@pytest.mark.slow
def test_getting_warm_disturbs_nobody(
    exact: Exact, on_card: CardModels, clips: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (encoding_module, decoder_module):
        monkeypatch.setattr(module, "ROWS", (1,))
    monkeypatch.setattr(encoder_module, "_USUAL", encoder_module._USUAL[:1])
    monkeypatch.setattr(decoder_module, "_USUAL", decoder_module._USUAL[:2])
    walk = Walk.of(clips[0].samples, exact)
    (found,) = on_card.encoder.encode([walk.request(HOP)])
    assert isinstance(found, SlotAudio)
    before = found.states
    free = on_card.pools.n_free
    on_card.encoder.warm_up()
    on_card.decoder.warm_up()
    assert on_card.pools.n_free == free
    np.testing.assert_array_equal(found.states, before)
