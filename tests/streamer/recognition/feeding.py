"""A recognizer on tones in place of speech, fed in chunks; what its events tell is checked."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

from streamer.audio.arrays import Floats
from streamer.decoding.decision.second_listener import SessionListener
from streamer.decoding.speech import SpeechModels
from streamer.models.emotion.classifier import LABELS, EmotionScores
from streamer.recognition.emotion_monitor import Classifier, EmotionMonitor, EmotionOptions
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.turns.detector import TurnDetector
from streamer.recognition.turns.options import TurnOptions
from streamer.recognition.voice.meter import VoiceMeter, VoiceOptions
from streamer.recognition.words.drafted import DraftedWords
from streamer.runtime.tracing import NullSpans, SpanSink
from streamer.transcript.events import SegmentClosed, SessionEvent, StepDone, WordsUpdate
from streamer.transcript.ledger import Segment, Word, WordState
from streamer.transcript.written.writer import Writer
from tests.speech_fakes import PreferringFusion, tone_models

Kind = TypeVar("Kind")
HOP = 4_096
SECOND = 16_000


class Happy:
    """A classifier without doubts."""

    def predict(self, samples: Floats) -> EmotionScores:
        assert len(samples) >= 0.4 * SECOND
        return EmotionScores({name: 0.9 if name == "happy" else 0.02 for name in LABELS})


def make(
    models: SpeechModels | None = None,
    options: RecognizerOptions | None = None,
    *,
    fusion: PreferringFusion | None = None,
    lane: Executor | None = None,
    classifier: Classifier | None = None,
    spans: SpanSink | None = None,
    listener: SessionListener | None = None,
    writer: Writer | None = None,
    turns: TurnOptions | None = None,
) -> Recognizer:
    stages = StageTimes(spans or NullSpans())
    emotion = None
    if classifier is not None:
        assert lane is not None
        emotion = EmotionMonitor(classifier, lane, EmotionOptions(), stages)
    models, options = models or tone_models(), options or RecognizerOptions()
    words = DraftedWords(models, options, fusion=fusion, stages=stages, listener=listener)
    detector = None if turns is None else TurnDetector(turns)
    voice = None if emotion is None else VoiceMeter(VoiceOptions())
    return Recognizer(
        models.vad,
        options,
        words,
        emotion=emotion,
        voice=voice,
        stages=stages,
        writer=writer,
        turns=detector,
    )


def cut(samples: Floats, sizes: Iterable[int]) -> Iterator[Floats]:
    at = 0
    for size in sizes:
        if at >= len(samples):
            return
        yield samples[at : at + size]
        at += size


def feed(recognizer: Recognizer, samples: Floats, sizes: Iterable[int] = ()) -> list[SessionEvent]:
    """Feed in chunks, stepping whenever a step is due."""
    events: list[SessionEvent] = []
    for chunk in cut(samples, sizes or itertools.repeat(1_600)):
        events.extend(recognizer.accept(chunk))
        while recognizer.due():
            events.extend(recognizer.step())
    return events


def caption(recognizer: Recognizer, samples: Floats, sizes: Iterable[int] = ()) -> str:
    """The final text, after checking that the events tell what the ledger holds."""
    events = [*feed(recognizer, samples, sizes), *recognizer.finalize()]
    assert replay(events) == list(recognizer.ledger.segments)
    return final_text(recognizer)


def final_text(recognizer: Recognizer) -> str:
    return " ".join(segment.text for segment in recognizer.ledger.segments)


def replay(events: list[SessionEvent]) -> list[Segment]:
    """The final segments as a client would build them; checks the order of the events."""
    segments: list[Segment] = []
    committed: list[Word] = []
    next_id = processed = steps = 0
    for event in events:
        if isinstance(event, WordsUpdate):
            assert event.segment_id == len(segments)
            committed.extend(event.committed)
            next_id += len(event.committed)
            ids = [word.id for word in (*event.committed, *event.tentative)]
            first = next_id - len(event.committed)
            assert ids == list(range(first, first + len(ids)))
            assert all(word.state is WordState.COMMITTED for word in event.committed)
            assert all(word.state is WordState.TENTATIVE for word in event.tentative)
        elif isinstance(event, SegmentClosed):
            assert event.segment.final
            assert [(w.id, w.text, w.start_sample, w.end_sample) for w in committed] == [
                (w.id, w.text, w.start_sample, w.end_sample) for w in event.segment.words
            ]
            if committed:
                segments.append(event.segment)
            committed = []
        elif isinstance(event, StepDone):
            steps += 1
            assert event.step == steps
            assert event.processed_sample >= processed
            assert event.backlog_samples >= 0
            processed = event.processed_sample
    assert committed == []
    ends = [0]
    for segment in segments:
        assert ends[-1] <= segment.start_sample <= segment.end_sample
        times = [time for w in segment.words for time in (w.start_sample, w.end_sample)]
        assert times == sorted(times)
        assert segment.start_sample <= times[0]
        ends.append(segment.end_sample)
    return segments


def of(kind: type[Kind], events: Iterable[SessionEvent]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]
