from __future__ import annotations

import json
from dataclasses import replace

import pytest

from streamer.protocol.messages import SegmentEvent
from streamer.server.native_view import wire_event
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    DecoderChanged,
    EmotionUpdate,
    Finalized,
    LanguageChanged,
    SegmentClosed,
    SessionEvent,
    SoundHeard,
    SpeakersUpdate,
    SpeechBegan,
    StepDone,
    TurnChanged,
    WordsUpdate,
)
from streamer.transcript.ledger import Arousal, Decision, Emotion, Segment, Voice, Word, WordState

SAD = Emotion("sad", {"sad": 0.75})
WHY = Decision("high", audio=-0.5, text=2.25, hot_words=0.0, second=1.5, heard={"audio": 0.75})
HI = Word(3, "hi", 1600, 3200, 0.5, WordState.COMMITTED, 1, WHY, Voice(-2.5, 180.0))
EXCITED = Emotion("happy", {"happy": 1.0}, Arousal(0.75, 0.5))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            SoundHeard("music", 16_000),
            {
                "type": "sound",
                "sound": "music",
                "start_ms": 1000.0,
                "end_ms": None,
                "lag_ms": 7.0,
            },
        ),
        (
            SoundHeard("music", 16_000, 48_000),
            {
                "type": "sound",
                "sound": "music",
                "start_ms": 1000.0,
                "end_ms": 3000.0,
                "lag_ms": 7.0,
            },
        ),
        (
            WordsUpdate(1, (HI,), ()),
            {
                "type": "words",
                "segment_id": 1,
                "words": (
                    {
                        "id": 3,
                        "text": "hi",
                        "start_ms": 100.0,
                        "end_ms": 200.0,
                        "confidence": 0.5,
                        "state": "committed",
                        "decision": {
                            "rival": "high",
                            "audio": -0.5,
                            "text": 2.25,
                            "hot_words": 0.0,
                            "second": 1.5,
                            "heard": {"audio": 0.75},
                        },
                        "loudness": -2.5,
                        "pitch": 180.0,
                    },
                ),
                "lag_ms": 7.0,
            },
        ),
        (SpeechBegan(2, 160), {"type": "speech", "segment_id": 2, "start_ms": 10.0}),
        (Finalized(32), {"type": "finalized", "end_ms": 2.0}),
        (
            SegmentClosed(Segment(1, 0, 16_000, (), SAD, True), "length"),
            {
                "type": "segment",
                "segment_id": 1,
                "start_ms": 0.0,
                "end_ms": 1000.0,
                "text": "",
                "words": (),
                "emotion": {"label": "sad", "probs": {"sad": 0.75}, "arousal": None},
                "cause": "length",
                "lag_ms": 7.0,
            },
        ),
        (
            SegmentClosed(Segment(2, 0, 16_000, (), EXCITED, True)),
            {
                "type": "segment",
                "segment_id": 2,
                "start_ms": 0.0,
                "end_ms": 1000.0,
                "text": "",
                "words": (),
                "emotion": {
                    "label": "happy",
                    "probs": {"happy": 1.0},
                    "arousal": {"value": 0.75, "confidence": 0.5},
                },
                "cause": "silence",
                "lag_ms": 7.0,
            },
        ),
        (
            EmotionUpdate(SAD, 0, 32_000),
            {
                "type": "emotion",
                "emotion": {"label": "sad", "probs": {"sad": 0.75}, "arousal": None},
                "start_ms": 0.0,
                "end_ms": 2000.0,
                "lag_ms": 7.0,
            },
        ),
        (
            AudioLost(16, 32, "gap"),
            {"type": "loss", "start_ms": 1.0, "lost_samples": 32, "reason": "gap"},
        ),
        (
            DecoderChanged("draft", "too slow"),
            {"type": "decoder", "decoder": "draft", "reason": "too slow"},
        ),
        (
            LanguageChanged("de", 0.9),
            {"type": "language", "language": "de", "probability": 0.9},
        ),
        (
            TurnChanged("end", 4, 16_000, 32_000, (HI,), 0.87654, "timeout"),
            {
                "type": "turn",
                "event": "end",
                "turn_id": 4,
                "start_ms": 1000.0,
                "end_ms": 2000.0,
                "text": "hi",
                "confidence": 0.8765,
                "cause": "timeout",
                "lag_ms": 7.0,
            },
        ),
    ],
)
def test_events_on_the_wire(event: SessionEvent, expected: dict[str, object]) -> None:
    wire = wire_event(Report(event, 7.0, 0))
    assert wire is not None
    heard_in = {} if isinstance(event, Finalized) else {"channel": 0}
    assert wire.model_dump() == {"seq": 0, **heard_in, **expected}  # numbers come later


def test_an_event_tells_its_channel() -> None:
    wire = wire_event(Report(SegmentClosed(Segment(1, 0, 16_000, channel=1)), 7.0, 0))
    assert isinstance(wire, SegmentEvent)
    assert wire.channel == 1


def test_steps_are_not_events_of_their_own() -> None:
    assert wire_event(Report(StepDone(1, 0, 0, {}), 0.0, 0)) is None


def test_who_speaks_is_left_out_where_it_is_not_told() -> None:
    said = replace(HI, speaker=2)
    for word, speaker in ((HI, None), (said, 2)):
        segment = Segment(1, 0, 3200, (word.as_final(),), None, final=True, speaker=speaker)
        for event in (WordsUpdate(1, (word,), ()), SegmentClosed(segment, "speaker")):
            sent = wire_event(Report(event, 0.0, 0))
            assert sent is not None
            told = json.loads(sent.model_dump_json())
            assert ("speaker" in told["words"][0]) is (speaker is not None)
            assert told.get("speaker") == (speaker if isinstance(event, SegmentClosed) else None)
    split = wire_event(Report(SegmentClosed(segment, "speaker", 4), 0.0, 0))
    assert split is not None
    assert json.loads(split.model_dump_json())["next_segment_id"] == 4
    labels = wire_event(Report(SpeakersUpdate(1, 3, (0, None), 1), 0.0, 0, seq=4))
    assert labels is not None
    assert json.loads(labels.model_dump_json()) == {
        "type": "speakers",
        "seq": 4,
        "channel": 1,
        "segment_id": 1,
        "first_word_id": 3,
        "speakers": [0, None],
    }
