from __future__ import annotations

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.contract import TokenCache
from streamer.models.moonshine.decoder import NO_CACHE, ArrayCache, together
from streamer.models.moonshine.tokenizer import BOS, FRAME_SAMPLES, HEAD_DIM, N_HEADS, N_LAYERS
from tests.speech_models import Clip, attend, greedy


def values(cache: TokenCache) -> Floats:
    assert isinstance(cache, ArrayCache)
    return cache.values


def test_alignment_follows_the_speech(speech_models: SpeechModels, clips: list[Clip]) -> None:
    clip = clips[-1]
    audio = attend(speech_models, clip.samples)
    tokens = greedy(speech_models, audio)
    fed = [BOS, *tokens]
    (out,) = speech_models.decoder.run(together([audio]), [fed], [NO_CACHE], n_scored=len(fed))
    # The attention with which a token was predicted stands at the position before it.
    frames = out.frames[:-1]
    ranks = np.argsort(np.argsort(frames, kind="stable"))
    assert np.corrcoef(np.arange(len(frames)), ranks)[0, 1] > 0.99
    assert audio.n_frames == pytest.approx(len(clip.samples) / FRAME_SAMPLES, abs=3)
    assert frames[-1] > 0.8 * audio.n_frames


def test_the_best_tokens_come_first_and_only_for_the_last_tokens(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    right = greedy(speech_models, audio)
    fed = [BOS, *right]
    (out,) = speech_models.decoder.run(together([audio]), [fed], [NO_CACHE], n_scored=4, n_best=5)
    assert out.tokens.shape == out.logprobs.shape == (4, 5)
    assert out.tokens[:3, 0].tolist() == right[-3:]
    assert (np.diff(out.logprobs, axis=1) <= 0).all()
    assert (np.exp(out.logprobs).sum(axis=1) <= 1.0 + 1e-5).all()
    assert values(out.cache).shape == (2 * N_LAYERS, N_HEADS, len(fed), HEAD_DIM)


def test_rows_of_all_lengths_do_not_touch_each_other(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    decoder = speech_models.decoder
    audios = [attend(speech_models, clip.samples) for clip in clips[:3]]
    rights = [greedy(speech_models, audio) for audio in audios]
    (begun,) = decoder.run(together(audios[:1]), [[BOS, *rights[0][:3]]], [NO_CACHE])
    tokens = [rights[0][3:5], [BOS], [BOS, *rights[2]]]
    caches = [begun.cache, NO_CACHE, NO_CACHE]
    found = decoder.run(together(audios), tokens, caches)
    for out, audio, fed, cache in zip(found, audios, tokens, caches, strict=True):
        (alone,) = decoder.run(together([audio]), [fed], [cache])
        assert out.tokens[-1, 0] == alone.tokens[-1, 0]
        assert out.cache.n_tokens == alone.cache.n_tokens
        assert out.frames[-1] < audio.n_frames
        # Sums over padding end on other last bits, and what is rounded to 8 bits feels that.
        assert out.logprobs[-1, 0] == pytest.approx(alone.logprobs[-1, 0], abs=0.1)
        assert (
            np.abs(values(out.cache) - values(alone.cache)).mean()
            < 0.02 * np.abs(values(alone.cache)).mean()
        )
