from __future__ import annotations

from streamer.cli.output.received import ledger_segment
from streamer.client.transcript import Transcript
from streamer.server.native_view import wire_event
from streamer.session.report import Report
from streamer.transcript.events import SegmentClosed, WordsUpdate
from streamer.transcript.ledger import Arousal, Decision, Emotion, Ledger, Voice
from tests.fakes import FakeWord


def test_what_was_told_comes_back_as_it_was() -> None:
    ledger = Ledger()
    ledger.open(0)
    words = [
        FakeWord("so", 0, 8_000),
        FakeWord("loud", 8_000, 16_000),
        FakeWord("sh", 16_000, 16_160),
    ]
    words[1] = FakeWord("loud", 8_000, 16_000, decision=Decision("lout", 1.0, 0.5, 0.0))
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
