"""A small deterministic recognizer behind the real contract, and an engine that makes them.

Every half second of sound becomes a word: tentative at first, committed a step later. Half a
second of silence, or `finalize`, closes the segment. With `auto` whatever is spoken is German. Who
asks for sounds is told of music where it is very loud.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile

from streamer.audio.clock import SAMPLE_RATE
from streamer.protocol.voice_prints import VOICE_NUMBERS
from streamer.recognition.contract import (
    BEGINNING,
    Decoder,
    SessionChange,
    SessionOptions,
    StartPoint,
)
from streamer.recognition.languages import AUTO, check_language
from streamer.recognition.speakers.enrolment import NoVoiceError
from streamer.runtime.deadline_executor import DeadlineExecutor
from streamer.runtime.tracing import SpanSink, span
from streamer.transcript.events import (
    AudioLost,
    EmotionUpdate,
    LanguageChanged,
    SegmentClosed,
    SessionEvent,
    SoundHeard,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Decision, Emotion, Ledger

BLOCK = SAMPLE_RATE // 2
ENGINE_THREADS = 2
HAPPY = Emotion("happy", {"happy": 0.9, "unknown": 0.1})


def tone(seconds: float, rate: int = SAMPLE_RATE) -> npt.NDArray[np.float32]:
    t = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def silence(seconds: float, rate: int = SAMPLE_RATE) -> npt.NDArray[np.float32]:
    return np.zeros(round(seconds * rate), np.float32)


def wav_bytes(samples: npt.NDArray[np.float32], rate: int = SAMPLE_RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


@dataclass(frozen=True)
class FakeWord:
    """What a ledger takes."""

    text: str
    start_sample: int
    end_sample: int
    confidence: float = 0.9
    decision: Decision | None = None


class FakeRecognizer:
    def __init__(
        self,
        options: SessionOptions,
        trace: SpanSink,
        engine: FakeEngine | None = None,
        start: StartPoint = BEGINNING,
    ) -> None:
        self.ledger = Ledger(
            max_final_segments=100,  # as the real one
            start_sample=start.sample,
            next_word_id=start.word_id,
            next_segment_id=start.segment_id,
        )
        self.options = options
        self.received_samples = start.sample
        self.processed_samples = start.sample
        self.lost_samples = start.lost_samples
        self.closed = 0
        self.steps = 0
        self.hushed: list[int] = []
        self.threads: set[str] = set()
        self._trace = trace
        self._engine = engine if engine is not None else FakeEngine(start=False)
        self._audio = np.zeros(0, np.float32)  # from processed_samples on
        self._tentative: FakeWord | None = None
        self._named = False
        self._inside = threading.Lock()
        self._audio_lock = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a step or a finalize is running."""
        return self._inside.locked()

    def accept(self, samples: npt.NDArray[np.float32]) -> list[AudioLost]:
        assert not self.closed
        if self._engine.accept_fails:
            raise ValueError("accept is broken")
        with self._audio_lock:
            self._audio = np.concatenate([self._audio, samples])
            self.received_samples += len(samples)
            excess = len(self._audio) - round(self._engine.buffer_s * SAMPLE_RATE)
            if excess <= 0 or self._inside.locked():
                return []
            lost = AudioLost(self.processed_samples, excess, "overrun")
            self._audio = self._audio[excess:]
            self.processed_samples += excess
            self.lost_samples += excess
            return [lost]

    def skip(self, n_samples: int, reason: str) -> list[AudioLost]:
        assert not self.closed
        assert not self._inside.locked(), "skip beside a step"
        lost = AudioLost(self.received_samples, n_samples, reason)
        self._audio = np.concatenate([self._audio, np.zeros(n_samples, np.float32)])
        self.received_samples += n_samples
        self.lost_samples += n_samples
        return [lost]

    def hush(self, start: int) -> None:
        self.hushed.append(start)

    def due(self) -> bool:
        assert not self.closed
        return len(self._audio) >= BLOCK

    def step(self, *, thorough: bool = False) -> Iterator[SessionEvent]:
        with self._entered(), span(self._trace, "encode", "asr"):
            self._engine.hold.wait(10)
            self.steps += 1
            if self._engine.fail_at_step == self.steps:
                raise ValueError("the fake was told to break")
            yield from self._hear(BLOCK)
            yield StepDone(
                self.steps,
                self.processed_samples,
                self.received_samples - self.processed_samples,
                {"encode": 1.0, "decode": 2.0},
            )

    def finalize(self, cause: str = "finalize") -> Iterator[SessionEvent]:
        with self._entered():
            self._engine.hold.wait(10)
            while len(self._audio):
                yield from self._hear(min(BLOCK, len(self._audio)))
            yield from self._close_segment(cause)

    def change(self, change: SessionChange) -> None:
        assert not self._inside.locked(), "changed during a step"
        self.options = self.options.changed(change)

    def close(self) -> None:
        assert not self._inside.locked(), "closed during a step"
        self.closed += 1

    def _hear(self, n_samples: int) -> Iterator[SessionEvent]:
        with self._audio_lock:
            block, self._audio = self._audio[:n_samples], self._audio[n_samples:]
            start = self.processed_samples
            self.processed_samples += n_samples
        if np.abs(block).max() < 0.01:
            yield from self._close_segment("silence")
            return
        if self.options.language == AUTO and not self._named:
            self._named = True
            yield LanguageChanged("de", 0.9)
        if self.ledger.open_segment is None:
            yield SpeechBegan(self.ledger.open(start).id, start)
        committed = self.ledger.commit([self._tentative] if self._tentative else [])
        text = f"{self._engine.prefix}{start}"
        self._tentative = FakeWord(text, start, self.processed_samples)
        tentative = self.ledger.set_tentative([self._tentative])
        yield WordsUpdate(tentative[0].segment_id, committed, tentative)
        if self.options.emotion:
            yield EmotionUpdate(HAPPY, start, self.processed_samples)
        if self.options.sounds and np.abs(block).max() > 0.8:
            yield SoundHeard("music", start)

    def _close_segment(self, cause: str) -> Iterator[SessionEvent]:
        segment = self.ledger.open_segment
        if segment is None:
            return
        if self._tentative is not None:
            committed = self.ledger.commit([self._tentative])
            self._tentative = None
            yield WordsUpdate(segment.id, committed, ())
        emotion = HAPPY if self.options.emotion else None
        yield SegmentClosed(self.ledger.close(self.processed_samples, emotion), cause)

    def _entered(self) -> threading.Lock:
        assert not self.closed
        assert not self._inside.locked(), "two threads in one recognizer"
        self.threads.add(threading.current_thread().name)
        return self._inside


class FakeEngine:
    """A `RecognizerFactory`. `hold` cleared makes every step wait."""

    def __init__(self, *, start: bool = True, buffer_s: float = 20.0) -> None:
        self.models = {"asr": "fake"}
        self.default_decoder: Decoder = "draft"
        self.languages = ("de", "en")
        self.default_language = "en"
        self.executor = DeadlineExecutor(ENGINE_THREADS if start else 0, "fake-engine")
        self.recognizers: list[FakeRecognizer] = []
        self.hold = threading.Event()
        self.hold.set()
        self.buffer_s = buffer_s
        self.prefix = "w"
        """Of every word; where it begins, in samples, follows."""
        self.fail_at_step = 0
        self.accept_fails = False
        self.broken = False
        self.closed = False

    def recognizer(
        self, options: SessionOptions, trace: SpanSink, start: StartPoint = BEGINNING
    ) -> FakeRecognizer:
        check_language(options.language or self.default_language, self.languages)
        if self.broken:
            raise RuntimeError("out of memory")
        recognizer = FakeRecognizer(options, trace, self, start)
        self.recognizers.append(recognizer)
        return recognizer

    def voice_print(self, samples: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """The louder, the longer."""
        if not samples.any():
            raise NoVoiceError("too little is said")
        return np.full(VOICE_NUMBERS, np.abs(samples).mean() / VOICE_NUMBERS, np.float32)

    @contextmanager
    def occupied(self) -> Iterator[None]:
        """Other sessions' work on every thread: no step runs inside, the next ones wait."""
        working = threading.Barrier(ENGINE_THREADS + 1)
        done = threading.Event()

        def work() -> None:
            working.wait(10)
            done.wait(30)

        for _ in range(ENGINE_THREADS):
            self.executor.submit(0, work)
        try:
            working.wait(10)
            yield
        finally:
            done.set()

    def trace(self, open_sink: Callable[[str], SpanSink], /) -> None:
        """It has no models."""

    def close(self) -> None:
        self.closed = True
        self.hold.set()
        self.executor.close()


def eventually(condition: object, timeout_s: float = 20.0) -> None:
    """Wait (blocking) until `condition()` holds."""
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.005)
