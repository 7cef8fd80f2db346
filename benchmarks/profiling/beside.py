"""A speech model that goes beside another through the same passes: what it costs, whatever it would
say."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.common import blocks
from streamer.audio.arrays import Floats
from streamer.decoding.speech import SpeechModels
from streamer.models.moonshine.contract import (
    Audio,
    AudioEncoder,
    AudioRows,
    AudioStream,
    RowOutput,
    TokenCache,
    TokenDecoder,
)
from streamer.models.moonshine.encoder import EncodedAudio
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.transcribe import transcribe
from streamer.runtime.tracing import NullSpans


@dataclass
class Spent:
    """CPU seconds of one shape."""

    encoder: float = 0.0
    decoder: float = 0.0
    n_passes: int = 0
    """Of the decoder."""

    @contextmanager
    def count(self, part: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        setattr(self, part, getattr(self, part) + time.thread_time() - began)


@dataclass(frozen=True)
class BothAudio:
    """An `Audio`: that of the model that speaks, and of the one that goes beside it."""

    said: EncodedAudio
    beside: EncodedAudio

    @property
    def n_frames(self) -> int:
        return self.said.n_frames

    @property
    def states(self) -> Floats:
        return self.said.states


@dataclass(frozen=True)
class BothCaches:
    """A `TokenCache`."""

    said: TokenCache
    beside: TokenCache

    @property
    def n_tokens(self) -> int:
        return self.said.n_tokens

    def first(self, n_tokens: int) -> BothCaches:
        return BothCaches(self.said.first(n_tokens), self.beside.first(n_tokens))


@dataclass(frozen=True)
class BothRows:
    """See `AudioRows`."""

    said: AudioRows
    beside: AudioRows

    def rows(self, indices: Sequence[int]) -> BothRows:
        return BothRows(self.said.rows(indices), self.beside.rows(indices))


class BothStreams(AudioStream):
    def __init__(self, said: AudioStream, beside: AudioStream) -> None:
        super().__init__()
        self.said, self.beside = said, beside
        self.left_samples = 0
        """That one has forgotten and the other has not, for want of a whole frame."""


@dataclass
class BothEncoders:
    """An `AudioEncoder`."""

    said: AudioEncoder[Any]
    beside: AudioEncoder[Any]
    spent: Spent

    @property
    def frame_samples(self) -> int:
        return self.said.frame_samples

    def open_stream(self) -> BothStreams:
        return BothStreams(self.said.open_stream(), self.beside.open_stream())

    def listen(self, stream: BothStreams, samples: Floats) -> None:
        self.said.listen(stream.said, samples)
        with self.spent.count("encoder"):
            self.beside.listen(stream.beside, samples)

    def audio(
        self,
        stream: BothStreams,
        n_samples: int | None = None,
        *,
        n_silent: int = 0,
        afresh: bool = False,
    ) -> BothAudio | None:
        said = self.said.audio(stream.said, n_samples, n_silent=n_silent, afresh=afresh)
        if n_samples is not None:
            n_samples += stream.left_samples
        with self.spent.count("encoder"):
            beside = self.beside.audio(stream.beside, n_samples, n_silent=n_silent, afresh=afresh)
        if not isinstance(said, EncodedAudio) or not isinstance(beside, EncodedAudio):
            return None
        return BothAudio(said, beside)

    def forget(self, stream: BothStreams, n_frames: int) -> None:
        self.said.forget(stream.said, n_frames)
        n_samples = stream.left_samples + n_frames * self.said.frame_samples
        n_theirs, stream.left_samples = divmod(n_samples, self.beside.frame_samples)
        with self.spent.count("encoder"):
            self.beside.forget(stream.beside, n_theirs)


@dataclass
class BothDecoders:
    """A `TokenDecoder`."""

    said: TokenDecoder
    beside: TokenDecoder
    spent: Spent

    def together(self, audios: Sequence[Audio]) -> BothRows:
        both = [audio for audio in audios if isinstance(audio, BothAudio)]
        said = self.said.together([audio.said for audio in both])
        with self.spent.count("decoder"):
            return BothRows(said, self.beside.together([audio.beside for audio in both]))

    def alone(self, audio: Audio) -> BothRows:
        return self.together([audio])

    def run(
        self,
        audio: AudioRows,
        tokens: Sequence[Sequence[int]],
        caches: Sequence[TokenCache],
        *,
        n_scored: int = 1,
        n_best: int = 1,
        targets: Sequence[Sequence[int]] | None = None,
    ) -> list[RowOutput]:
        assert isinstance(audio, BothRows)
        known = [c if isinstance(c, BothCaches) else BothCaches(c, c) for c in caches]

        def run(
            decoder: TokenDecoder, rows: AudioRows, caches: Sequence[TokenCache]
        ) -> list[RowOutput]:
            return decoder.run(
                rows, tokens, caches, n_scored=n_scored, n_best=n_best, targets=targets
            )

        said = run(self.said, audio.said, [each.said for each in known])
        self.spent.n_passes += 1
        with self.spent.count("decoder"):
            beside = run(self.beside, audio.beside, [each.beside for each in known])
        return [
            RowOutput(one.tokens, one.logprobs, one.frames, BothCaches(one.cache, other.cache))
            for one, other in zip(said, beside, strict=True)
        ]


def measure(
    said: SpeechModels, beside: SpeechModels, recordings: Sequence[Floats]
) -> tuple[Spent, list[str]]:
    """What the passes cost that the recordings take, and what the model said that speaks."""
    spent = Spent()
    models = SpeechModels(
        BothEncoders(said.encoder, beside.encoder, spent),
        BothDecoders(said.decoder, beside.decoder, spent),
        said.tokenizer,
        said.vad,
    )
    texts = []
    engine = Engine(EngineOptions(threads=1, llm=False), models, None, None)
    try:
        for samples in recordings:
            recognizer = engine.recognizer(SessionOptions(decoder="draft"), NullSpans())
            texts.append(transcribe(blocks(samples), recognizer).text)
    finally:
        engine.close()
    return spent, texts
