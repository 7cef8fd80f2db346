from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.client.transcript import Transcript, TranscriptError
from streamer.protocol.messages import (
    SERVER_EVENT,
    ErrorCode,
    ErrorEvent,
    LanguageEvent,
    SegmentEvent,
    WordsEvent,
)
from streamer.protocol.words import WireWord
from streamer.server.native_view import wire_event, wire_word
from streamer.session.report import Report
from streamer.transcript.events import (
    SegmentClosed,
    SessionEvent,
    SpeakersUpdate,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Ledger
from tests.fakes import FakeWord


def wire(word_id: int, text: str, state: str = "committed") -> WireWord:
    return WireWord.model_validate(
        {
            "id": word_id,
            "text": text,
            "start_ms": word_id * 100,
            "end_ms": word_id * 100 + 90,
            "confidence": 0.5,
            "state": state,
        }
    )


def words(*words: WireWord, segment_id: int = 0) -> WordsEvent:
    return WordsEvent(segment_id=segment_id, words=words, lag_ms=0)


def segment(*words: WireWord, segment_id: int = 0) -> SegmentEvent:
    text = " ".join(word.text for word in words)
    return SegmentEvent(
        segment_id=segment_id,
        start_ms=0,
        end_ms=1000,
        text=text,
        words=words,
        emotion=None,
        lag_ms=0,
    )


def test_tentative_words_come_and_go() -> None:
    transcript = Transcript()
    transcript.apply(words(wire(0, "hel", "tentative")))
    transcript.apply(words(wire(0, "hello"), wire(1, "wor", "tentative")))
    assert transcript.text == "hello"
    assert [word.text for word in transcript.words] == ["hello", "wor"]
    transcript.apply(words())
    assert [word.text for word in transcript.words] == ["hello"]
    transcript.apply(segment(wire(0, "hello", "final")))
    assert transcript.segments[0].text == "hello"
    assert [word.state for word in transcript.committed] == ["final"]
    assert transcript.tentative == ()


def test_a_copy_stays_as_it_is() -> None:
    transcript = Transcript()
    transcript.apply(words(wire(0, "hello"), wire(1, "wor", "tentative")))
    before = transcript.copy()
    transcript.apply(words(wire(1, "world")))
    transcript.apply(segment(wire(0, "hello", "final"), wire(1, "world", "final")))
    assert [word.text for word in before.words] == ["hello", "wor"]
    assert (before.text, before.segments) == ("hello", ())
    assert transcript.text == "hello world"


def test_other_events_change_nothing() -> None:
    transcript = Transcript()
    transcript.apply(ErrorEvent(code=ErrorCode.BAD_FRAME, message="m", fatal=True))
    assert transcript.words == ()


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (words(wire(0, "hello")), "word 0 .* should be 1"),
        (words(wire(2, "too far")), "word 2 .* should be 1"),
        (words(wire(1, "a", "tentative"), wire(2, "b")), "after a tentative"),
        (words(wire(1, "b"), segment_id=1), "segment 1 begins before 0"),
        (segment(wire(0, "hallo", "final")), "'hello' was committed"),
        (segment(), "'hello' was committed"),
        (segment(wire(0, "hello", "final"), wire(1, "x", "final")), "was committed"),
    ],
)
def test_a_server_that_changes_its_mind_is_caught(
    event: WordsEvent | SegmentEvent, says: str
) -> None:
    transcript = Transcript()
    transcript.apply(words(wire(0, "hello")))
    with pytest.raises(TranscriptError, match=says):
        transcript.apply(event)
    assert transcript.text == "hello"


hypotheses = st.lists(st.tuples(st.text("abc ", min_size=1, max_size=4), st.integers(0, 9)))


@given(st.lists(st.tuples(st.booleans(), hypotheses, hypotheses)), st.randoms())
def test_the_transcript_equals_the_ledger(
    steps: list[tuple[bool, list[tuple[str, int]], list[tuple[str, int]]]], chance: Random
) -> None:
    ledger, transcript = Ledger(), Transcript()
    clock = 0
    for closes, raw_committed, raw_tentative in steps:
        if ledger.open_segment is None:
            ledger.open(clock)
        committed, clock = _timed(raw_committed, clock)
        tentative, _ = _timed(raw_tentative, clock)
        events: list[SessionEvent] = []
        added = ledger.commit(committed)
        assert ledger.open_segment is not None
        segment_id = ledger.open_segment.id
        events.append(WordsUpdate(segment_id, added, ledger.set_tentative(tentative)))
        said = ledger.open_segment.words
        labels = tuple(chance.choice([None, 0, 1, 2]) for _ in said)
        if ledger.set_speakers(labels):
            events.append(SpeakersUpdate(segment_id, said[0].id, labels))
        if closes and len(said) > 1:
            split = ledger.split(chance.randrange(1, len(said)), None, chance.choice([None, 2]))
            events.append(SegmentClosed(split, "speaker", split.id + 1))
        if closes:
            events.append(SegmentClosed(ledger.close(clock, Emotion("sad", {"sad": 1.0}))))
        for event in events:
            sent = wire_event(Report(event, 1.0, 0))
            assert sent is not None
            transcript.apply(SERVER_EVENT.validate_json(sent.model_dump_json()))
        assert transcript.words == tuple(wire_word(word) for word in ledger.words)
        told = [(s.id, s.text, s.speaker) for s in transcript.segments]
        assert told == [(s.id, s.text, s.speaker) for s in ledger.segments]


def _timed(raw: list[tuple[str, int]], clock: int) -> tuple[list[FakeWord], int]:
    timed = []
    for text, length in raw:
        timed.append(FakeWord(text, clock, clock + length, 0.5))
        clock += length
    return timed, clock


def test_a_language_that_was_found_out_is_known() -> None:
    transcript = Transcript()
    assert transcript.language is None
    transcript.apply(LanguageEvent(language="de", probability=0.9))
    assert transcript.language == "de"
