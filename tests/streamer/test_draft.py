from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.draft import Draft, crop_cache, log_probability, verify_and_extend
from streamer.recognizer import SpeechModels
from streamer.wer import WordErrors, word_errors
from tests.speech_fakes import FIRST_GUESS, FIRST_WORD, ToneDecoder, spoken
from tests.speech_models import Clip, attend, greedy

HARD = ("1064", "1995", "4446")
"""On these the decoder is torn between two words or marks, and quantizing activations anew in each
pass tips the balance."""
WORDS = st.lists(st.integers(FIRST_WORD, FIRST_GUESS - 1), max_size=8)


def ids(draft: Draft) -> list[int]:
    return [token.id for token in draft.tokens]


@given(WORDS, st.integers(0, 8), WORDS, st.integers(0, 12))
def test_any_draft_gives_what_decoding_from_nothing_gives(
    said: list[int], n_committed: int, draft: list[int], budget: int
) -> None:
    decoder = ToneDecoder()
    audio = decoder.attend_to(spoken(said))
    prefix = said[:n_committed]
    found = verify_and_extend(decoder, audio, prefix, draft, budget)  # type: ignore[arg-type]
    rest = said[n_committed:]
    assert ids(found) == rest[:budget]
    assert found.ended == (len(rest) <= budget)
    frames = [frame for _, frame in audio][n_committed:]
    assert [token.frame for token in found.tokens] == frames[:budget]


def drafts_for(right: list[int]) -> dict[str, list[int]]:
    wrong = [*right[:5], 4_321, *right[5:]]
    return {
        "nothing": [],
        "right": right,
        "cut short": right[: len(right) // 2],
        "too long": [*right, 1_000, 2_000, 3_000],
        "wrong in the middle": wrong,
        "wrong at once": [77, *right],
    }


@pytest.mark.slow
def test_real_speech_is_decoded_alike_whatever_the_draft(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    errors = WordErrors()
    for clip in clips:
        if clip.name.startswith(HARD):
            continue
        audio = attend(speech_models, clip.samples)
        right = greedy(speech_models, audio)
        expected = speech_models.tokenizer.decode(right)
        for draft in drafts_for(right).values():
            found = verify_and_extend(speech_models.decoder, audio, [], draft, 80)
            assert found.ended
            errors += word_errors(expected, speech_models.tokenizer.decode(ids(found)))
    assert errors.rate <= 0.01


def test_a_real_prefix_is_neither_questioned_nor_returned(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    right = greedy(speech_models, audio)
    found = verify_and_extend(speech_models.decoder, audio, right[:3], right[3:5], 80)
    assert ids(found) == right[3:]
    assert all(token.logprob <= 0 for token in found.tokens)


def test_running_out_of_budget_is_not_an_end(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    right = greedy(speech_models, audio)
    for draft in ([], right):
        short = verify_and_extend(speech_models.decoder, audio, [], draft, len(right) - 1)
        assert (ids(short), short.ended) == (right[:-1], False)
        enough = verify_and_extend(speech_models.decoder, audio, [], draft, len(right))
        assert (ids(enough), enough.ended) == (right, True)


def test_log_probabilities_are_normalized_and_safe_from_overflow() -> None:
    logits = np.array([1_000.0, 1_000.0, -1_000.0], np.float32)
    assert log_probability(logits, 0) == pytest.approx(np.log(0.5))
    assert log_probability(logits, 2) == pytest.approx(-2_000, abs=1)


@settings(max_examples=20)
@given(st.integers(0, 6))
def test_a_cropped_cache_is_contiguous(n_tokens: int) -> None:
    cache = [np.arange(48, dtype=np.float32).reshape(1, 2, 6, 4)]
    (cropped,) = crop_cache(cache, n_tokens)
    assert cropped.flags.c_contiguous
    np.testing.assert_array_equal(cropped, cache[0][:, :, :n_tokens])
