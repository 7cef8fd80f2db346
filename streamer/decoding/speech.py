"""The speech models that all sessions share, and how sessions reach them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streamer.decoding.beam import (
    BeamHypothesis,
    BeamRequest,
    ScoreRequest,
    beam_search,
    score_proposals,
)
from streamer.decoding.draft import Draft, DraftRequest, draft_together
from streamer.decoding.transduced import TransducedSpeech
from streamer.models.moonshine.contract import (
    Audio,
    AudioEncoder,
    AudioStream,
    EncodeRequest,
    TokenDecoder,
)
from streamer.models.moonshine.encoder import EncoderStream
from streamer.models.moonshine.tokenizer import FRAME_SAMPLES, Tokenizer
from streamer.models.silero import Vad
from streamer.models.store.catalog import MOONSHINE
from streamer.runtime.batcher import Batcher, Lane


class SpeechDecoder(Protocol):
    """What a segment asks of the models."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def frame_samples(self) -> int:
        """Samples that one encoder state stands for."""

    def draft(self, request: DraftRequest) -> Draft: ...

    def beam_search(self, request: BeamRequest) -> list[BeamHypothesis]: ...

    def score(self, request: ScoreRequest) -> list[BeamHypothesis]: ...


class Speech(SpeechDecoder, Protocol):
    """What a session asks of the models."""

    @property
    def vad(self) -> Vad: ...

    def open_stream(self) -> AudioStream:
        """For a segment of which nothing has been encoded."""

    def encode(self, request: EncodeRequest) -> Audio | None: ...


@dataclass(frozen=True, slots=True)
class PromptContext:
    """What a session knows beside the sound, for models that take a prompt."""

    context: str
    """Expected words and the user's context."""
    said: Sequence[str]
    """The committed words, as far as the ledger keeps them."""
    emotion: str
    """In the voice; empty if unknown."""


class SpeechSource(Protocol):
    """Models on the engine's threads."""

    def session(self, prompt_context: Callable[[], PromptContext]) -> Speech | TransducedSpeech:
        """What one session asks; `prompt_context` gives what it knows by then.

        Raises:
            NoRoomError: a graphics card has no memory for one more.
        """


class LoadedSpeech(Protocol):
    """Models in memory."""

    @property
    def name(self) -> str: ...

    @property
    def decides_alone(self) -> bool:
        """Whether it knows no hypotheses, so that there is nothing for an LLM to decide."""

    def serve(self, batcher: Batcher, *, max_batch: int) -> SpeechSource:
        """Let the batcher's threads run them, for up to `max_batch` sessions at once."""


@dataclass(frozen=True)
class SpeechModels:
    """The models themselves, on the caller's thread."""

    encoder: AudioEncoder[Any]
    decoder: TokenDecoder
    tokenizer: Tokenizer
    vad: Vad
    name: str = MOONSHINE.name
    decides_alone: bool = False

    def serve(self, batcher: Batcher, *, max_batch: int) -> SharedSpeech:
        """Drafts of several sessions are decoded together.

        Encodings are not: each fills the CPU's units alone, and eight at once take as long as one
        after the other. Nor are beams, which are batches already.
        """
        return SharedSpeech(
            self.tokenizer,
            self.vad,
            encodings=batcher.lane(lambda requests: [self.encode(request) for request in requests]),
            drafts=batcher.lane(
                lambda requests: draft_together(self.decoder, requests), max_batch=max_batch
            ),
            beams=batcher.lane(
                lambda requests: [self.beam_search(request) for request in requests]
            ),
            scores=batcher.lane(lambda requests: [self.score(request) for request in requests]),
            frame_samples=self.frame_samples,
            open_stream=self.open_stream,
        )

    @property
    def frame_samples(self) -> int:
        """See `SpeechDecoder`."""
        return self.encoder.frame_samples

    def open_stream(self) -> AudioStream:
        """See `Speech`."""
        stream: AudioStream = self.encoder.open_stream()
        return stream

    def encode(self, request: EncodeRequest) -> Audio | None:
        if request.n_forgotten:
            self.encoder.forget(request.stream, request.n_forgotten)
        self.encoder.listen(request.stream, request.samples)
        return self.encoder.audio(
            request.stream, request.n_samples, n_silent=request.n_silent, afresh=request.afresh
        )

    def draft(self, request: DraftRequest) -> Draft:
        return draft_together(self.decoder, [request])[0]

    def beam_search(self, request: BeamRequest) -> list[BeamHypothesis]:
        return beam_search(self.decoder, self.tokenizer, request)

    def score(self, request: ScoreRequest) -> list[BeamHypothesis]:
        return score_proposals(self.decoder, request)


class SharedSpeech:
    """Models behind lanes, the same for all sessions, for they take no prompt."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        vad: Vad,
        *,
        encodings: Lane[EncodeRequest, Audio | None],
        drafts: Lane[DraftRequest, Draft],
        beams: Lane[BeamRequest, list[BeamHypothesis]],
        scores: Lane[ScoreRequest, list[BeamHypothesis]],
        frame_samples: int = FRAME_SAMPLES,
        open_stream: Callable[[], AudioStream] = EncoderStream,
        check_room: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            check_room: raises NoRoomError where nobody more can be served.
        """
        self._check_room = check_room
        self.tokenizer = tokenizer
        self.vad = vad
        self.frame_samples = frame_samples
        self.open_stream = open_stream
        self._encodings, self._drafts = encodings, drafts
        self._beams, self._scores = beams, scores

    def session(self, prompt_context: Callable[[], PromptContext]) -> Speech:
        """See `SpeechSource`."""
        self._check_room()
        return self

    def encode(self, request: EncodeRequest) -> Audio | None:
        return self._encodings.run(request)

    def draft(self, request: DraftRequest) -> Draft:
        return self._drafts.run(request)

    def beam_search(self, request: BeamRequest) -> list[BeamHypothesis]:
        return self._beams.run(request)

    def score(self, request: ScoreRequest) -> list[BeamHypothesis]:
        return self._scores.run(request)
