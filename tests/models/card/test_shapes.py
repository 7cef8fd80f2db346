"""Any Moonshine on a card says what the transformers library says of it, and what the graphs of a
CPU say, token for token; on tiny random weights."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch

from benchmarks.profiling.random_moonshine import shapes
from streamer.decoding.beam import BeamRequest, ScoreRequest, beam_search, score_proposals
from streamer.decoding.draft import DraftRequest, Prefix, draft_together
from streamer.models.card.device import Card
from streamer.models.card.encoding import SlotAudio
from streamer.models.card.loading import CardModels
from streamer.models.card.slots import WholePools, WindowedPools, slot_bytes
from streamer.models.moonshine.config import WINDOW_SAMPLES, read_config
from streamer.models.moonshine.contract import AudioStream, EncodeRequest
from streamer.models.moonshine.encoder import MIN_SAMPLES, EncodedAudio
from tests.models.card.random_moonshine import (
    MAX_TOKENS,
    WRITERS,
    Three,
    by_name,
    open_three,
    whole,
)
from tests.models.card.walks import HOP, Walk, drafts
from tests.models.real_moonshine import write_real_moonshine
from tests.speech_models import Clip


@pytest.fixture(scope="module", params=sorted(WRITERS))
def three(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    vad_file: Path,
    card: Card,
) -> Three:
    folder, cache = (tmp_path_factory.mktemp(part) for part in ("model", "cache"))
    return open_three(request.param, folder, cache, vad_file, card)


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
    half = by_name(three.folder, vad_file, Card("cpu", torch.float16))
    walk, stream = Walk.of(clips[-1].samples, three.exact), AudioStream()
    for step, forgotten in enumerate((0, 0, 20, 0), 1):
        request = walk.request(HOP * step, forgotten)
        expected = walk.expected(three.exact, request)
        (found,) = half.encoder.encode([replace(request, stream=stream)])
        assert isinstance(found, SlotAudio)
        np.testing.assert_allclose(found.states, expected.states, atol=0.05)
    assert isinstance(found, SlotAudio)
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


def test_places_of_the_published_shapes_take_what_the_document_says(tmp_path: Path) -> None:
    """In megabytes, as `docs/gpu.md` has them."""
    found = {}
    for name, config in shapes().items():
        config.save_pretrained(tmp_path)
        read = read_config(tmp_path / "config.json", name)
        found[name] = round(slot_bytes(read, torch.float16) / 1e6)
    streaming = {"streaming tiny": 18, "streaming small": 47, "streaming medium": 81}
    assert found == {"tiny": 26, "base": 49, **streaming}


@pytest.mark.slow
def test_the_shipped_model_as_a_folder_says_what_it_says(
    on_card: CardModels, vad_file: Path, card: Card, clips: list[Clip], tmp_path: Path
) -> None:
    write_real_moonshine(tmp_path)
    said = []
    for models in (on_card, by_name(tmp_path, vad_file, card)):
        audios = whole(models, [clip.samples[:100_000] for clip in clips[:3]])
        asked = [DraftRequest(audio, Prefix(), (), 80) for audio in audios]
        said.append(
            [[token.id for token in d.tokens] for d in draft_together(models.decoder, asked)]
        )
    assert said[0] == said[1]
    assert min(map(len, said[0])) > 5
