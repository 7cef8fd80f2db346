"""A speech model of the transformers library, from the hub or a folder, as sessions use it: see
`streamer.decoding.speech`.

Sessions are served in turn: such a model fills a GPU alone. Its prompt holds what the session
knows: context and expected words, what was said before the window, the emotion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from streamer.decoding.beam import BeamHypothesis, BeamRequest, ScoreRequest
from streamer.decoding.draft import Draft, DraftRequest, Prefix, Seen, Token
from streamer.decoding.speech import PromptContext
from streamer.models.moonshine.contract import Audio, AudioStream, EncodeRequest
from streamer.models.moonshine.decoder import NO_CACHE
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer
from streamer.models.silero import Vad
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
"""So many words of what was said before the window are in the prompt."""


@dataclass(frozen=True)
class HubSpeech:
    """The model, and what detects where speech is."""

    model: SpeechModel
    vad: Vad
    decides_alone: bool = False

    @property
    def name(self) -> str:
        return self.model.name

    def serve(self, batcher: Batcher, *, max_batch: int) -> HubSpeechSource:
        """See `streamer.decoding.speech.LoadedSpeech`."""
        return HubSpeechSource(self, batcher)


class HubSpeechSource:
    """See `streamer.decoding.speech.SpeechSource`."""

    def __init__(self, speech: HubSpeech, batcher: Batcher) -> None:
        self._speech = speech
        self._lane: Lane[Callable[[], Any], Any] = batcher.lane(call_each, exclusive=True)

    def session(self, prompt_context: Callable[[], PromptContext]) -> HubSession:
        return HubSession(self._speech, self._lane.run, prompt_context)


class HubSession:
    """One session's `streamer.decoding.speech.Speech`."""

    frame_samples = FRAME_SAMPLES

    def __init__(
        self,
        speech: HubSpeech,
        run: Callable[[Callable[[], Any]], Any],
        prompt_context: Callable[[], PromptContext],
    ) -> None:
        """
        Args:
            run: calls a function where the model may be used, and waits.
        """
        self._model = speech.model
        self._vad = speech.vad
        self._run = run
        self._prompt_context = prompt_context

    @property
    def tokenizer(self) -> Tokenizer:
        return self._model.tokenizer

    @property
    def vad(self) -> Vad:
        return self._vad

    def open_stream(self) -> AudioStream:
        """Of sound alone."""
        return AudioStream()

    def encode(self, request: EncodeRequest) -> Audio | None:
        """The whole window each time, whatever is asked to be encoded afresh."""
        stream = request.stream
        kept = stream.waiting[request.n_forgotten * FRAME_SAMPLES :]
        stream.waiting = np.concatenate([kept, request.samples])
        samples = stream.waiting[: request.n_samples]
        if len(samples) < MIN_SAMPLES:
            return None
        sound = np.append(samples, np.zeros(request.n_silent, np.float32))
        audio: Audio = self._run(partial(self._model.encode, sound, len(samples)))
        return audio

    def draft(self, request: DraftRequest) -> Draft:
        found: Continuation = self._run(
            partial(
                self._model.draft,
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
        known = self._prompt_context()
        n_given = len(self.tokenizer.decode(_given(prefix)).split())
        said = known.said[: len(known.said) - n_given][-SAID_WORDS:]
        return Prompt(known.context, " ".join(said), known.emotion)


def _window(audio: Audio) -> WindowAudio:
    assert isinstance(audio, WindowAudio)
    return audio


def _given(prefix: Prefix) -> list[int]:
    """Without the token that begins every prefix: models have openings of their own."""
    return list(prefix.ids[1:])


def _tokens(found: Sequence[FoundToken]) -> tuple[Token, ...]:
    return tuple(Token(token.id, token.frame, token.logprob) for token in found)
