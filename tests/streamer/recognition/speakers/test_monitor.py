"""Real speech of several people through the real recognizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.client.transcript import Transcript
from streamer.recognition.contract import SessionOptions, StartPoint
from streamer.recognition.engine import Engine
from streamer.recognition.speakers.monitor import SpeakerMonitor
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.voices import Voices
from streamer.recognition.words.contract import Sound
from streamer.runtime.tracing import NullSpans
from streamer.server.native_view import wire_event
from streamer.session.report import Report
from streamer.transcript.events import SegmentClosed, SessionEvent, SpeakersUpdate, StepDone
from streamer.transcript.ledger import Segment
from tests.streamer.recognition.speakers.two_readers import CHANGES, two_readers

pytestmark = pytest.mark.slow

SECOND = 16_000


@pytest.fixture(scope="module")
def talk() -> Floats:
    return two_readers()


def heard(
    engine: Engine, talk: Floats, speakers: int, block: int = 4_096, start: StartPoint | None = None
) -> Iterator[SessionEvent]:
    options = SessionOptions(decoder="draft", emotion=False, speakers=speakers)
    recognizer = engine.recognizer(options, NullSpans(), start or StartPoint())
    for at in range(0, len(talk), block):
        recognizer.accept(talk[at : at + block])
        while recognizer.due():
            yield from recognizer.step(thorough=True)
    yield from recognizer.finalize()
    recognizer.close()


def segments(events: list[SessionEvent]) -> list[Segment]:
    return [e.segment for e in events if isinstance(e, SegmentClosed) and e.segment.words]


def runs(told: list[Segment]) -> list[Segment]:
    """The first of each row of segments of one voice."""
    return [s for at, s in enumerate(told) if at == 0 or told[at - 1].speaker != s.speaker]


def test_a_segment_of_several_is_split_where_they_change(engine: Engine, talk: Floats) -> None:
    events = list(heard(engine, talk, 4))
    told = segments(events)
    assert list(dict.fromkeys(s.speaker for s in told)) == [0, 1]
    turns = runs(told)
    assert [s.speaker for s in turns] == [0, 1, 0]
    changes = [s.start_sample for s in turns[1:]]
    assert all(abs(a - b) < SECOND for a, b in zip(changes, CHANGES, strict=True))
    causes = {e.cause for e in events if isinstance(e, SegmentClosed)}
    assert "speaker" in causes
    assert [s.id for s in told] == list(range(len(told)))
    assert any(isinstance(event, SpeakersUpdate) for event in events)
    # A client that follows the events word by word has the same.
    transcript = Transcript()
    for event in events:
        sent = wire_event(Report(event, 0.0, 0))
        if sent is not None:
            transcript.apply(sent)
    assert [(s.text, s.speaker) for s in transcript.segments] == [(s.text, s.speaker) for s in told]


def test_words_are_those_of_a_session_that_does_not_ask(engine: Engine, talk: Floats) -> None:
    asked, plain = (segments(list(heard(engine, talk, most))) for most in (4, 0))
    words = [
        [(w.id, w.text, w.start_sample, w.end_sample) for s in told for w in s.words]
        for told in (asked, plain)
    ]
    assert words[0] == words[1]
    assert {w.speaker for s in plain for w in s.words} == {None}


def test_labels_depend_on_the_sound_alone(engine: Engine, talk: Floats) -> None:
    fine, coarse = (segments(list(heard(engine, talk, 4, block))) for block in (800, 16_000))
    assert [(s.text, s.speaker) for s in fine] == [(s.text, s.speaker) for s in coarse]


def test_only_who_asks_runs_the_encoder(engine: Engine, talk: Floats) -> None:
    for most, expected in ((2, True), (0, False)):
        events = heard(engine, talk[: 3 * SECOND], most)
        stages = {s for e in events if isinstance(e, StepDone) for s in e.stages_ms}
        assert ("speakers" in stages) is expected


def test_who_was_known_to_a_server_that_died_gets_a_new_label(engine: Engine, talk: Floats) -> None:
    told = segments(list(heard(engine, talk[:70_000], 4, start=StartPoint(speakers=3))))
    assert {s.speaker for s in told} == {3}


def test_who_is_known_is_told_from_the_first_segment_on(engine: Engine, talk: Floats) -> None:
    first, other = (engine.voice_print(talk[at : at + 60_000]) for at in (8_000, 80_000))
    options = SessionOptions(decoder="draft", emotion=False, speakers=4)
    both, one = (other, first), (first,)
    for known, expected in ((both, [1, 0, 1]), ((other,), [1, 0, 1]), (one, [0, 1, 0])):
        recognizer = engine.recognizer(replace(options, known_voices=known), NullSpans())
        recognizer.accept(talk)
        told = segments(list(recognizer.finalize()))
        recognizer.close()
        assert [s.speaker for s in runs(told)] == expected


class Lane:
    """Runs at once, and counts."""

    n_windows = 0

    def submit(self, call: Callable[[], Floats], /) -> Future[Floats]:
        done: Future[Floats] = Future()
        done.set_result(call())
        self.n_windows += len(done.result())
        return done


class Alike:
    def embed(self, windows: Sequence[Floats]) -> Floats:
        return np.ones((len(windows), 1), np.float32)


def test_an_hour_without_a_word_is_not_kept() -> None:
    lane = Lane()
    monitor = SpeakerMonitor(Alike(), lane, SpeakerOptions(), NullSpans(), Voices(4, 60))
    sound = Sound(
        lambda start, end: np.ones(end - start, np.float32),
        lambda start, end: [1.0] * (min(end - start, 40 * SECOND) // 512),
    )
    monitor.begin(0)
    for end in range(0, 3_600 * SECOND, 8 * SECOND):
        monitor.start(sound, end)
        monitor.collect(sound, 0, end)
        assert len(monitor._windows) <= 48
    assert lane.n_windows > 2_900
