"""A speech model of the transformers library as what sessions ask: see `streamer.decoding.speech`.

Sessions are served in turn: such a model fills a GPU alone. Before it listens it is told what the
session knows: context and expected words, what was said before the window, the emotion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from streamer.decoding.beam import BeamHypothesis, BeamRequest, ScoreRequest
from streamer.decoding.draft import Draft, DraftRequest, Prefix, Seen, Token
from streamer.decoding.speech import EncodeRequest, PromptContext
from streamer.models.moonshine.decoder import NO_CACHE
from streamer.models.moonshine.encoder import Audio
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer
from streamer.models.silero import VadModel
from streamer.models.transformers_speech.contract import (
    MIN_SAMPLES,
    Continuation,
    FoundToken,
    Prompt,
    SpeechModel,
    WindowAudio,
)
from streamer.runtime.batcher import Batcher, Lane, call_each

SAID_WORDS: Final = 40
"""Of what was said before the window, a model is told so many words."""


@dataclass(frozen=True)
class NamedSpeech:
    """A model chosen by name, and what tells where speech is."""

    model: SpeechModel
    vad: VadModel

    @property
    def name(self) -> str:
        return self.model.name

    def serve(self, batcher: Batcher, *, max_batch: int) -> NamedSpeechSource:
        """See `streamer.decoding.speech.LoadedSpeech`."""
        return NamedSpeechSource(self, batcher)


class NamedSpeechSource:
    """See `streamer.decoding.speech.SpeechSource`."""

    def __init__(self, speech: NamedSpeech, batcher: Batcher) -> None:
        self._speech = speech
        self._lane: Lane[Callable[[], Any], Any] = batcher.lane(call_each, exclusive=True)

    def session(self, told: Callable[[], PromptContext]) -> NamedSession:
        return NamedSession(self._speech, self._lane.run, told)


class NamedSession:
    """One session's `streamer.decoding.speech.Speech`."""

    def __init__(
        self,
        speech: NamedSpeech,
        run: Callable[[Callable[[], Any]], Any],
        told: Callable[[], PromptContext],
    ) -> None:
        """
        Args:
            run: calls a function where the model may be used, and waits.
        """
        self._model = speech.model
        self._vad = speech.vad
        self._run = run
        self._told = told

    @property
    def tokenizer(self) -> Tokenizer:
        return self._model.tokenizer

    @property
    def vad(self) -> VadModel:
        return self._vad

    def encode(self, request: EncodeRequest) -> Audio | None:
        """The whole window each time, whatever is asked to be encoded afresh."""
        stream = request.stream
        kept = stream.waiting[request.n_forgotten * FRAME_SAMPLES :]
        stream.waiting = np.concatenate([kept, request.samples])
        heard = stream.waiting[: request.n_samples]
        if len(heard) < MIN_SAMPLES:
            return None
        sound = np.append(heard, np.zeros(request.n_silent, np.float32))
        audio: Audio = self._run(partial(self._model.encode, sound, len(heard)))
        return audio

    def draft(self, request: DraftRequest) -> Draft:
        found: Continuation = self._run(
            partial(
                self._model.follow,
                _window(request.audio),
                self._prompt(request.prefix),
                [*_given(request.prefix), *(token.id for token in request.held)],
                request.guess,
                request.max_tokens,
            )
        )
        # The model's memory does not outlast the step.
        tokens = (*request.held, *_tokens(found.tokens))
        return Draft(tokens, found.ended, Seen((), NO_CACHE))

    def beam_search(self, request: BeamRequest) -> list[BeamHypothesis]:
        found: list[Continuation] = self._run(
            partial(
                self._model.beam_search,
                _window(request.audio),
                self._prompt(request.prefix),
                _given(request.prefix),
                request.width,
                request.max_tokens,
            )
        )
        return [BeamHypothesis(_tokens(each.tokens), each.logprob) for each in found]

    def score(self, request: ScoreRequest) -> list[BeamHypothesis]:
        found: list[Continuation] = self._run(
            partial(
                self._model.score,
                _window(request.audio),
                self._prompt(request.prefix),
                _given(request.prefix),
                request.proposals,
            )
        )
        return [BeamHypothesis(_tokens(each.tokens), each.logprob) for each in found]

    def _prompt(self, prefix: Prefix) -> Prompt:
        """What the session knows, without the words that are given as the answer's beginning."""
        told = self._told()
        n_given = len(self.tokenizer.decode(_given(prefix)).split())
        said = told.said[: len(told.said) - n_given][-SAID_WORDS:]
        return Prompt(told.context, " ".join(said), told.emotion)


def _window(audio: Audio) -> WindowAudio:
    assert isinstance(audio, WindowAudio)
    return audio


def _given(prefix: Prefix) -> list[int]:
    """Without the token that begins every prefix: models have openings of their own."""
    return list(prefix.ids[1:])


def _tokens(found: Sequence[FoundToken]) -> tuple[Token, ...]:
    return tuple(Token(token.id, token.frame, token.logprob) for token in found)
