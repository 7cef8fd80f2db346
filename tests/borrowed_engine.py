"""An engine that outlives the server that borrows it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from streamer.audio.arrays import Floats
from streamer.recognition.contract import (
    BEGINNING,
    Decoder,
    SessionOptions,
    SpeechRecognizer,
    StartPoint,
)
from streamer.recognition.engine import Engine
from streamer.runtime.deadline_executor import DeadlineExecutor
from streamer.runtime.tracing import SpanSink


class BorrowedEngine:
    """A server closes its engine when it ends; this one it must not close."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def models(self) -> dict[str, str]:
        return self._engine.models

    @property
    def default_decoder(self) -> Decoder:
        return self._engine.default_decoder

    @property
    def languages(self) -> Collection[str]:
        return self._engine.languages

    @property
    def default_language(self) -> str:
        return self._engine.default_language

    @property
    def executor(self) -> DeadlineExecutor:
        return self._engine.executor

    def recognizer(
        self, options: SessionOptions, trace: SpanSink, start: StartPoint = BEGINNING, /
    ) -> SpeechRecognizer:
        return self._engine.recognizer(options, trace, start)

    def voice_print(self, samples: Floats, /) -> Floats:
        return self._engine.voice_print(samples)

    def trace(self, open_sink: Callable[[str], SpanSink], /) -> None:
        self._engine.trace(open_sink)

    def close(self) -> None:
        """Left to the owner."""
