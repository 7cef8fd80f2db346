"""Any Moonshine on a card says what the transformers library says of it, and what the graphs of a
CPU say, token for token; on tiny random weights."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers

from streamer.audio.arrays import Floats
from streamer.decoding.beam import BeamRequest, ScoreRequest, beam_search, score_proposals
from streamer.decoding.draft import DraftRequest, Prefix, draft_together
from streamer.decoding.loading import load_moonshine
from streamer.decoding.speech import SpeechModels
from streamer.models.card import encoding as encoding_module
from streamer.models.card import windowed_encoder as windowed_module
from streamer.models.card.device import Card
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.loading import CardModels, load_card_models
from streamer.models.card.slots import WholePools, WindowedPools, slot_bytes
from streamer.models.errors import ModelCorruptError
from streamer.models.moonshine.config import WINDOW_SAMPLES, WINDOWED_FRAME_SAMPLES
from streamer.models.moonshine.contract import AudioStream, EncodeRequest
from streamer.models.moonshine.decoder import DraftDecoder
from streamer.models.moonshine.encoder import MIN_SAMPLES, EncodedAudio
from streamer.models.moonshine.encoder_weights import WindowedEncoderWeights
from streamer.models.moonshine.tokenizer import EOS
from streamer.models.moonshine.weights import read_folder
from streamer.models.silero import VadModel
from streamer.models.store.zoo import Zoo
from tests.models.card.walks import HOP, Exact, Walk, drafts, same
from tests.models.tiny_speech import write_moonshine, write_moonshine_streaming
from tests.speech_models import Clip

MAX_TOKENS: Final = 24
WRITERS: Final[dict[str, Callable[[Path], None]]] = {
    "moonshine": write_moonshine,
    # An odd number of dimensions to be turned, and several layers.
    "another moonshine": partial(
        write_moonshine,
        hidden_size=48,
        intermediate_size=64,
        encoder_num_hidden_layers=3,
        decoder_num_hidden_layers=4,
        encoder_num_attention_heads=3,
        decoder_num_attention_heads=3,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "partial_rotary_factor": 0.6,
        },
    ),
    "streaming": write_moonshine_streaming,
    "streaming of two widths": partial(write_moonshine_streaming, hidden_size=40, head_dim=20),
    "streaming of many windows": partial(
        write_moonshine_streaming,
        num_hidden_layers=4,
        sliding_windows=[[16, 4], [9, 0], [16, 2], [5, 3]],
    ),
}


@dataclass(frozen=True)
class Three:
    """A random model on a card, as graphs, and the library's."""

    folder: Path
    models: CardModels
    graphs: SpeechModels
    library: Any

    @property
    def exact(self) -> Exact:
        assert isinstance(self.graphs.decoder, DraftDecoder)
        return Exact(self.graphs.encoder, self.graphs.decoder)

    @property
    def streams(self) -> bool:
        return self.graphs.frame_samples == WINDOWED_FRAME_SAMPLES

    def states(self, samples: Floats) -> Floats:
        """The library's `[S, D]`, of the whole."""
        inputs = torch.from_numpy(samples)[None]
        # Without a mask the library forgets about windows.
        mask = torch.ones_like(inputs, dtype=torch.int64)
        with torch.inference_mode():
            found: Floats = self.library.get_encoder()(inputs, attention_mask=mask)[0][0].numpy()
        return found

    def generate(self, samples: Floats) -> list[int]:
        inputs = torch.from_numpy(samples)[None]
        mask = torch.ones_like(inputs, dtype=torch.int64)
        with torch.inference_mode():
            made = self.library.generate(
                inputs, attention_mask=mask, do_sample=False, max_new_tokens=MAX_TOKENS
            )
        return [int(token) for token in made[0][1:] if token != EOS]


def on_card(folder: Path, vad_file: Path, card: Card, n_sessions: int = 4) -> CardModels:
    weights = read_folder(folder, "the model", integer=False)
    return load_card_models(weights, vad_file, card, n_sessions=n_sessions)


def open_three(name: str, folder: Path, cache: Path, vad_file: Path, card: Card) -> Three:
    WRITERS[name](folder)
    graphs = load_moonshine(folder, "the model", Zoo(cache), VadModel(vad_file), integer=False)
    kind = "MoonshineStreaming" if "streaming" in name else "Moonshine"
    library = getattr(transformers, f"{kind}ForConditionalGeneration").from_pretrained(folder)
    return Three(folder, on_card(folder, vad_file, card), graphs, library.eval())


@pytest.fixture(scope="module", params=sorted(WRITERS))
def three(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    vad_file: Path,
    card: Card,
) -> Three:
    folders = [tmp_path_factory.mktemp(part) for part in ("model", "cache")]
    return open_three(request.param, *folders, vad_file, card)


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, vad_file: Path, card: Card) -> Three:
    folders = [tmp_path_factory.mktemp(part) for part in ("model", "cache")]
    return open_three("streaming of many windows", *folders, vad_file, card)


def whole(models: CardModels, recordings: Sequence[Floats]) -> list[SlotAudio]:
    """All encoded in one pass, each at once."""
    requests = [
        EncodeRequest(AudioStream(), 0, samples, len(samples), 0, afresh=True)
        for samples in recordings
    ]
    found = models.encoder.encode(requests)
    audios = [audio for audio in found if isinstance(audio, SlotAudio)]
    assert len(audios) == len(recordings)
    return audios


def test_recordings_in_one_pass_give_what_the_library_gives(
    three: Three, clips: list[Clip]
) -> None:
    recordings = []
    for start, n_frames in [(0, 50), (16_000, 90), (40_000, 95)]:
        # Whole frames of either kind: what is left over counts in the library's group norm.
        samples = clips[-1].samples[start : start + MIN_SAMPLES + 1_920 * (n_frames // 5)]
        if three.streams:
            samples = samples[: len(samples) // WINDOW_SAMPLES * WINDOW_SAMPLES]
        recordings.append(samples)
    audios = whole(three.models, recordings)
    found = draft_together(
        three.models.decoder,
        [DraftRequest(audio, Prefix(), (), MAX_TOKENS) for audio in audios],
    )
    expected = [three.generate(samples) for samples in recordings]
    for samples, audio in zip(recordings, audios, strict=True):
        np.testing.assert_allclose(audio.states, three.states(samples), atol=2e-4)
    assert [[token.id for token in draft.tokens] for draft in found] == expected
    assert sum(map(len, expected)) > 5


def test_steps_of_sessions_that_come_and_go_are_those_of_each(
    three: Three, clips: list[Clip]
) -> None:
    """Tokens, when they are said, how likely they are. Windows are cut, encoded afresh; a pause
    ends one before what was heard last."""
    gc.collect()
    exact, models = three.exact, three.models
    free = models.pools.n_free
    walks: list[Walk] = []
    n_tokens = 0
    for step in range(1, 14):
        if step in (1, 2, 5, 9):
            walks.append(Walk.of(clips[-1 - len(walks) % 3].samples, exact))
        if step in (4, 8):
            walks.pop(0)
        requests: list[EncodeRequest] = []
        for at, walk in enumerate(walks):
            end = walk.end + HOP
            cut = 20 if end % (5 * HOP) == 0 else 0
            requests.append(walk.request(end, cut, afresh=(step + at) % 4 == 0))
        n_tokens += drafts(exact, models, walks, requests, max_tokens=10)
    assert n_tokens > 40
    walk = walks[-1]
    shorter = EncodeRequest(walk.theirs, 0, np.zeros(0, np.float32), HOP, 0, afresh=True)
    drafts(exact, models, [walk], [shorter])
    walks.clear()
    del walk, requests, shorter
    gc.collect()
    assert models.pools.n_free == free


def test_beams_and_proposals_are_scored_alike(three: Three, clips: list[Clip]) -> None:
    samples = clips[-1].samples[20_000:40_000]
    (found,) = whole(three.models, [samples])
    stream = three.exact.encoder.open_stream()
    three.exact.encoder.listen(stream, samples)
    audio = three.exact.encoder.audio(stream)
    assert isinstance(audio, EncodedAudio)
    tokenizer = three.graphs.tokenizer
    expected = beam_search(three.exact.decoder, tokenizer, BeamRequest(audio, Prefix(), 4, 50, 12))
    beams = beam_search(three.models.decoder, tokenizer, BeamRequest(found, Prefix(), 4, 50, 12))
    likely = [[(token.id, token.frame) for token in beam.tokens] for beam in expected]
    assert [[(token.id, token.frame) for token in beam.tokens] for beam in beams] == likely
    texts = [[token.id for token in beam.tokens] for beam in expected]
    if texts:
        scored = score_proposals(three.models.decoder, ScoreRequest(found, Prefix(), texts))
        np.testing.assert_allclose(
            [each.logprob for each in scored], [each.logprob for each in expected], atol=2e-3
        )


def test_in_half_precision_it_hears_about_the_same(
    three: Three, vad_file: Path, clips: list[Clip]
) -> None:
    """As on a graphics card: nothing is left in another number format."""
    half = on_card(three.folder, vad_file, Card("cpu", torch.float16))
    walk, stream = Walk.of(clips[-1].samples, three.exact), AudioStream()
    for step, forgotten in enumerate((0, 0, 20, 0), 1):
        request = walk.request(HOP * step, forgotten)
        expected = walk.expected(three.exact, request)
        (found,) = half.encoder.encode([replace(request, stream=stream)])
        assert isinstance(found, SlotAudio)
        np.testing.assert_allclose(found.states, expected.states, atol=0.05)
    (draft,) = draft_together(half.decoder, [DraftRequest(found, Prefix(), (), 3)])
    said = [token.id for token in draft.tokens]
    (judged,) = three.graphs.score(ScoreRequest(expected, Prefix(), [said]))
    np.testing.assert_allclose(
        [token.logprob for token in draft.tokens],
        [token.logprob for token in judged.tokens[: len(said)]],
        atol=0.1,
    )


def test_a_slot_takes_what_is_said(three: Three, card: Card) -> None:
    config = three.models.pools.config
    pools = WindowedPools if config.windows else WholePools
    taken = pools(card, 2, config).nbytes - pools(card, 1, config).nbytes
    assert taken == slot_bytes(config, card.dtype)


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
    plain, failed = windowed_module.attend, []

    def short(query: torch.Tensor, *rest: Any) -> object:
        failed.append(len(query))
        # Not the first layer: others are behind it.
        if len(query) > 1 and len(failed) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(query, *rest)

    monkeypatch.setattr(windowed_module, "attend", short)
    drafts(exact, streaming.models, walks, [walk.request(HOP * 3) for walk in walks])
    assert max(failed) > 1
    monkeypatch.undo()
    drafts(exact, streaming.models, walks, [walk.request(HOP * 4) for walk in walks])


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
