"""The second listener: Whisper on CTranslate2.

Whisper was trained on windows of 30 s; it hears as well in windows of 10 s, at half the cost or
less (`benchmarks.research.listener_windows`). A request is heard in a beam search; texts are then
scored on the same encoded sound by a graph of the project's own (`judge_graph`): CTranslate2's
`align`, which scores all tokens at once, leaves the end out of every probability, and its decoding
goes token by token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.whisper.contract import (
    MAX_SAMPLES,
    Hearing,
    Hypothesis,
    ListenerOptions,
    ListenRequest,
    ScoreQuestion,
    TimedWord,
    TimesQuestion,
)
from streamer.models.whisper.features import HOP_SAMPLES, LogMel
from streamer.models.whisper.judge import Judge
from streamer.models.whisper.requests import (
    check_length,
    check_requests,
    token_budget,
    window_samples,
)
from streamer.models.whisper.tokens import WhisperTokens

_STATE_S: Final = 2 * HOP_SAMPLES / SAMPLE_RATE
_LEAST_TOKENS: Final = 4
"""CTranslate2 takes no limit that is less than the prompt."""
_RULED_OUT: Final = -1e9
"""Less than this has what the search keeps besides when it is forced through given words."""


class WhisperListener:
    """A `streamer.models.whisper.contract.SecondListener`."""

    together = 4
    asked_together = 1

    def __init__(
        self,
        model: Any,
        judge: Judge,
        tokens: WhisperTokens,
        options: ListenerOptions | None = None,
    ) -> None:
        """
        Args:
            model: a `ctranslate2.models.Whisper`.
            judge: of the same weights.
        """
        self._model = model
        self._judge = judge
        self._tokens = tokens
        self._options = options or ListenerOptions()
        self._log_mel = LogMel(model.n_mels)

    @property
    def languages(self) -> frozenset[str]:
        return self._tokens.languages if self._model.is_multilingual else frozenset({"en"})

    def hear(self, requests: Sequence[ListenRequest]) -> list[Hearing]:
        """Hear stretches of several sessions in one batch, all in a window for the longest.

        The beam is as wide as the widest that is asked for.

        Raises:
            ValueError: samples are longer than 30 s, more hypotheses are asked for than the beam
                is wide, or what was said before is longer than a window can hold.
            ModelLanguageError: a language is not known, or the model does not translate.
        """
        if not requests:
            return []
        check_requests(requests)
        prompts = [self._prompt(request) for request in requests]
        said = [self._tokens.spell(request.said, request.text_language) for request in requests]
        budgets = [
            token_budget(request, len(given), self._options)
            for request, given in zip(requests, said, strict=True)
        ]
        longest = max(len(given) + budget for given, budget in zip(said, budgets, strict=True))
        states = self._encode([request.samples for request in requests])
        results = self._model.generate(
            states,
            [[*prompt, *given] for prompt, given in zip(prompts, said, strict=True)],
            beam_size=max(request.beam_width for request in requests),
            num_hypotheses=max(request.n_best for request in requests),
            return_scores=True,
            return_no_speech_prob=True,
            **_search(longest),
        )
        arrays = np.asarray(states)
        return [
            Hearing(
                request,
                self._hypotheses(result, len(given), budget)[: request.n_best],
                result.no_speech_prob,
                arrays[i : i + 1].copy(),
            )
            for i, (request, given, budget, result) in enumerate(
                zip(requests, said, budgets, results, strict=True)
            )
        ]

    def score(self, questions: Sequence[ScoreQuestion]) -> list[list[float]]:
        """See `SecondListener`; the texts of a question in one pass. A text with symbols that no
        hypothesis may have (brackets, quotation marks) has minus infinity.

        Raises:
            ValueError: a text is longer than a window can hold.
        """
        return [self._scores(question.hearing, question.texts) for question in questions]

    def times(self, questions: Sequence[TimesQuestion]) -> list[list[TimedWord]]:
        """See `SecondListener`; by where cross-attention looks. Where a language has no spaces, a
        word is a few characters.

        Raises:
            ValueError: the text is longer than a window can hold.
        """
        return [self._timed(question.hearing, question.text) for question in questions]

    def language(self, sounds: Sequence[Floats]) -> list[list[tuple[str, float]]]:
        """See `SecondListener`; what is spoken in the first 30 s decides. A model of one language
        knows no other."""
        if not self._model.is_multilingual:
            return [[("en", 1.0)] for _ in sounds]
        return [self._spoken(samples) for samples in sounds]

    def _scores(self, hearing: Hearing, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        request = hearing.request
        given = self._tokens.spell(request.said, request.text_language)
        spelled = [self._tokens.spell(text, request.text_language) for text in texts]
        check_length(len(given) + max(map(len, spelled)))
        ended = [[*tokens, self._tokens.end] for tokens in spelled]
        return self._judge.logprobs(hearing.states, [*self._prompt(request), *given], ended)

    def _timed(self, hearing: Hearing, text: str) -> list[TimedWord]:
        request = hearing.request
        said = self._tokens.spell(request.said, request.text_language)
        spelled = self._tokens.spell(text, request.text_language)
        if not spelled:
            return []
        check_length(len(said) + len(spelled))
        n_frames = max(2, len(request.samples) // HOP_SAMPLES)
        # What `align` puts behind the prompt itself is the token for text without times.
        (found,) = self._model.align(
            _view(hearing.states), self._prompt(request)[:-1], [[*said, *spelled]], n_frames
        )
        begins: dict[int, int] = {}
        for token, state in found.alignments:
            begins.setdefault(token, state)
        length_s = len(request.samples) / SAMPLE_RATE
        starts = self._tokens.word_starts(spelled, request.text_language)
        ends = [*starts[1:], len(spelled)]
        return [
            TimedWord(
                self._tokens.read(spelled[start:end]),
                min(begins[len(said) + start] * _STATE_S, length_s),
                min(begins[len(said) + end] * _STATE_S, length_s),
                _mean(found.text_token_probs[len(said) + start : len(said) + end]),
            )
            for start, end in zip(starts, ends, strict=True)
        ]

    def _spoken(self, samples: Floats) -> list[tuple[str, float]]:
        (found,) = self._model.detect_language(self._encode([samples[:MAX_SAMPLES]]))
        return [(name.strip("<|>"), probability) for name, probability in found]

    def _prompt(self, request: ListenRequest) -> list[int]:
        multilingual = self._model.is_multilingual
        return self._tokens.prompt(request.language, request.task, multilingual=multilingual)

    def _encode(self, sounds: Sequence[Floats]) -> Any:
        """States `[B, P, D]`, where CTranslate2 keeps them in the main memory."""
        length = window_samples(sounds, self._options)
        padded = [np.pad(samples, (0, length - len(samples))) for samples in sounds]
        features = np.stack([self._log_mel(samples) for samples in padded])
        return self._model.encode(_view(features), to_cpu=True)

    def _hypotheses(self, result: Any, n_given: int, budget: int) -> tuple[Hypothesis, ...]:
        """Those that came to an end within the budget, each text once."""
        found: dict[str, Hypothesis] = {}
        for ids, logprob in zip(result.sequences_ids, result.scores, strict=True):
            tokens = tuple(ids[n_given:])
            if len(tokens) < budget and logprob > _RULED_OUT:
                text = self._tokens.read(tokens)
                found.setdefault(text, Hypothesis(text, logprob, tokens))
        return tuple(found.values())


def _search(max_tokens: int) -> dict[str, Any]:
    """What every decoding has in common, so that scores can be compared."""
    return {
        # CTranslate2 takes half of it for text, the given words among it.
        "max_length": 2 * max(max_tokens, _LEAST_TOKENS),
        # Sums, not means.
        "length_penalty": 0,
        # Nothing may be what was said.
        "suppress_blank": False,
        # Symbols of no sound, and control tokens, as the model's makers list them.
        "suppress_tokens": [-1],
    }


def _mean(probabilities: Sequence[float]) -> float:
    """The geometric one; CTranslate2 may give a hair more than 1."""
    logs = [math.log(max(probability, 1e-9)) for probability in probabilities]
    return min(1.0, math.exp(sum(logs) / len(logs)))


def _view(array: Floats) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))
