from __future__ import annotations

import pytest

from streamer.cli.output.received import ledger_segment, session_event
from streamer.client.transcript import Transcript
from streamer.protocol.messages import (
    ByeEvent,
    LatencyEvent,
    LossEvent,
    SegmentEvent,
    ServerEvent,
    SpeechEvent,
    WordsEvent,
)
from streamer.protocol.words import WireEmotion, WireWord
from streamer.server.native_view import wire_event
from streamer.session.report import Report
from streamer.transcript.events import SegmentClosed, SpeechBegan, StepDone, WordsUpdate
from streamer.transcript.ledger import (
    Arousal,
    Decision,
    Emotion,
    Ledger,
    Segment,
    Voice,
    Word,
    WordState,
)
from tests.fakes import FakeWord


def wire(number: int, state: str) -> WireWord:
    return WireWord(id=number, text="hi", start_ms=100, end_ms=200, confidence=0.5, state=state)


def word(number: int, state: WordState) -> Word:
    return Word(number, "hi", 1_600, 3_200, 0.5, state, 7)


def test_words_come_back_on_the_session_clock() -> None:
    event = WordsEvent(segment_id=7, words=(wire(3, "committed"), wire(4, "tentative")), lag_ms=1)
    committed = (word(3, WordState.COMMITTED),)
    assert session_event(event) == WordsUpdate(7, committed, (word(4, WordState.TENTATIVE),))


def test_a_segment_comes_back_with_its_emotion_and_cause() -> None:
    event = SegmentEvent(
        segment_id=7,
        start_ms=0,
        end_ms=1_000,
        text="hi",
        words=(wire(3, "final"),),
        emotion=WireEmotion(label="happy", probs={"happy": 1.0}),
        cause="length",
        lag_ms=0,
    )
    happy = Emotion("happy", {"happy": 1.0})
    segment = Segment(7, 0, 16_000, (word(3, WordState.FINAL),), happy, final=True)
    assert session_event(event) == SegmentClosed(segment, "length")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (SpeechEvent(segment_id=7, start_ms=500), SpeechBegan(7, 8_000)),
        (
            LatencyEvent(lag_ms=0, received_ms=2_000, processed_ms=1_000, step_ms={}, stages_ms={}),
            StepDone(0, 16_000, 0, {}),
        ),
        (LossEvent(start_ms=0, lost_samples=5, reason="gap"), None),
        (
            ByeEvent(
                reason="stop", received_ms=1, processed_ms=1, lost_samples=0, segments=0, words=0
            ),
            None,
        ),
    ],
)
def test_other_events(event: ServerEvent, expected: object) -> None:
    assert session_event(event) == expected


def test_what_was_told_comes_back_as_it_was() -> None:
    ledger = Ledger()
    ledger.open(0)
    words = [
        FakeWord("so", 0, 8_000),
        FakeWord("loud", 8_000, 16_000, decision=Decision("lout", 1.0, 0.5, 0.0)),
        FakeWord("sh", 16_000, 16_160),
    ]
    committed = ledger.commit(words, [Voice(None, 120.0), Voice(6.5, 240.0), Voice(None, None)])
    happy = Emotion("happy", {"happy": 0.9, "sad": 0.1}, Arousal(0.5, 0.25))
    said = ledger.close(24_000, happy)
    transcript = Transcript()
    for event in (WordsUpdate(0, committed, ()), SegmentClosed(said)):
        told = wire_event(Report(event, 0.0, 0))
        assert told is not None
        transcript.apply(told)
    back = ledger_segment(transcript.segments[0])
    assert back.emotion == happy
    assert [word.voice for word in back.words] == [Voice(None, 120.0), Voice(6.5, 240.0), None]
    assert back.words[:2] == said.words[:2]
