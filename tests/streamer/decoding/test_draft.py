from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.decoding.draft import Draft, DraftRequest, Prefix, Token, draft_together
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.contract import Audio
from streamer.models.moonshine.tokenizer import BOS
from streamer.transcript.wer import WordErrors, word_errors
from tests.speech_fakes import FIRST_GUESS, FIRST_WORD, ToneDecoder, silence, spoken, tone_models
from tests.speech_models import Clip, attend, greedy

HARD = ("1064", "1995", "4446")
"""On these the decoder is torn between two words or marks, and quantizing activations anew in each
pass tips the balance."""
WORDS = st.lists(st.integers(FIRST_WORD, FIRST_GUESS - 1), max_size=8)


def ids(draft: Draft) -> list[int]:
    return [token.id for token in draft.tokens]


def decode(
    models: SpeechModels, audio: Audio, prefix: list[int], guess: list[int], budget: int = 80
) -> Draft:
    return models.draft(
        DraftRequest(audio, Prefix((BOS, *prefix)), tuple(guess), max_tokens=budget)
    )


@given(WORDS, st.integers(0, 8), WORDS, st.integers(0, 12))
def test_any_draft_gives_what_decoding_from_nothing_gives(
    said: list[int], n_committed: int, guess: list[int], budget: int
) -> None:
    models = tone_models()
    audio = attend(models, np.append(spoken(said), silence(2_000)))
    found = decode(models, audio, said[:n_committed], guess, budget)
    rest = said[n_committed:]
    assert ids(found) == rest[:budget]
    assert found.ended == (len(rest) <= budget)


@given(WORDS, WORDS, WORDS)
def test_held_tokens_are_not_questioned_and_keep_what_was_thought_of_them(
    said: list[int], chosen: list[int], guess: list[int]
) -> None:
    models = tone_models()
    audio = attend(models, np.append(spoken(said), silence(2_000)))
    held = tuple(Token(word, -1, -0.5) for word in chosen)
    found = models.draft(DraftRequest(audio, Prefix(), tuple(guess), 80, held=held))
    assert ids(found) == [*chosen, *said[len(chosen) :]]
    assert [token.logprob for token in found.tokens[: len(held)]] == [-0.5] * len(held)
    assert all(token.frame >= 0 for token in found.tokens)


@given(st.lists(st.tuples(WORDS, st.integers(0, 8), WORDS, st.integers(0, 12)), min_size=1))
def test_drafts_of_several_sessions_do_not_touch_each_other(
    asked: list[tuple[list[int], int, list[int], int]],
) -> None:
    models = tone_models()
    requests = [
        DraftRequest(
            attend(models, np.append(spoken(said), silence(2_000))),
            Prefix((BOS, *said[:n_committed])),
            tuple(guess),
            budget,
        )
        for said, n_committed, guess, budget in asked
    ]
    found = draft_together(models.decoder, requests)
    alone = [models.draft(request) for request in requests]
    assert [(ids(draft), draft.ended) for draft in found] == [
        (ids(draft), draft.ended) for draft in alone
    ]


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
            found = decode(speech_models, audio, [], draft)
            assert found.ended
            errors += word_errors(expected, speech_models.tokenizer.decode(ids(found)))
    assert errors.rate <= 0.01


def test_a_real_prefix_is_neither_questioned_nor_returned(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    right = greedy(speech_models, audio)
    found = decode(speech_models, audio, right[:3], right[3:5])
    assert ids(found) == right[3:]
    assert all(token.logprob <= 0 for token in found.tokens)


def test_running_out_of_budget_is_not_an_end(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    right = greedy(speech_models, audio)
    for draft in ([], right):
        short = decode(speech_models, audio, [], draft, len(right) - 1)
        assert (ids(short), short.ended) == (right[:-1], False)
        enough = decode(speech_models, audio, [], draft, len(right))
        assert (ids(enough), enough.ended) == (right, True)


def test_committed_tokens_are_not_decoded_again(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    audio = attend(speech_models, clips[0].samples)
    first = decode(speech_models, audio, [], [])
    right = ids(first)
    prefix = Prefix().followed_by(right[:4], first.seen)
    assert prefix.ids == (BOS, *right[:4])
    assert prefix.waiting == (right[3],)
    rest = speech_models.draft(DraftRequest(audio, prefix, (), 80))
    assert ids(rest) == right[4:]
    # What was decoded but not committed does not get in.
    other = Prefix().followed_by([right[0], 4_321], first.seen)
    assert other.waiting == (4_321,)


def test_nobody_asks_what_follows_a_mark_at_the_end_of_the_sound() -> None:
    said = [10, 20, 30, 40]

    class Counting(ToneDecoder):
        n_passes = 0

        def words_in(self, sound: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
            self.n_passes += 1
            return super().words_in(sound)

    for mark, n_passes in ((40, 4), (20, 5)):  # 20 is far from the end: more follows
        decoder = Counting()
        models = tone_models(decoder)
        request = DraftRequest(
            attend(models, spoken(said)), Prefix(), (), 20, closing_marks=frozenset({mark})
        )
        draft = models.draft(request)
        assert (ids(draft), draft.ended) == (said, True)
        assert decoder.n_passes == n_passes


@pytest.mark.slow
def test_real_sessions_together_say_what_each_says_alone(
    speech_models: SpeechModels, clips: list[Clip]
) -> None:
    requests = [
        DraftRequest(attend(speech_models, clip.samples), Prefix(), (), 80) for clip in clips
    ]
    found = draft_together(speech_models.decoder, requests)
    errors = WordErrors()
    for draft, request in zip(found, requests, strict=True):
        alone, beside = (
            speech_models.tokenizer.decode(ids(d)) for d in (speech_models.draft(request), draft)
        )
        errors += word_errors(alone, beside)
    assert errors.rate <= 0.02
