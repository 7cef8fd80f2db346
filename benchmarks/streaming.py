"""A recording through the streaming path in-process, as `streamer transcribe --speed 0` does."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.common import Floats, blocks
from streamer.clock import ms_from_samples
from streamer.engine import Engine
from streamer.events import SessionEvent, WordsUpdate
from streamer.latency import NullSpans
from streamer.recognizer_api import SessionOptions
from streamer.transcribe import Transcription, transcribe


@dataclass(frozen=True, slots=True)
class Streamed:
    transcription: Transcription
    commit_delays_ms: tuple[float, ...]
    """For each word: the audio that had arrived when it was committed, behind its end. The end
    is the recognizer's own timing; the time that computing takes is not in it."""


def stream(engine: Engine, samples: Floats, options: SessionOptions) -> Streamed:
    """Hop by hop, through a fresh recognizer."""
    recognizer = engine.recognizer(options, NullSpans())
    delays: list[float] = []

    def note(event: SessionEvent) -> None:
        if isinstance(event, WordsUpdate):
            heard = recognizer.received_samples
            delays.extend(ms_from_samples(heard - word.end_sample) for word in event.committed)

    try:
        result = transcribe(blocks(samples), recognizer, on_event=note)
    finally:
        recognizer.close()
    return Streamed(result, tuple(delays))
