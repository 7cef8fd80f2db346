"""Turns through the whole recognizer, on tones in place of speech."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.recognition.contract import SessionChange
from streamer.recognition.turns.options import TurnOptions
from streamer.transcript.events import SegmentClosed, SessionEvent, TurnChanged, WordsUpdate
from streamer.transcript.ledger import WordState
from tests.speech_fakes import PreferringFusion, silence, spoken, text
from tests.streamer.recognition.feeding import HOP, SECOND, feed, make, of, replay

FIRST, SECOND_HALF = [10, 11, 12, 13, 14], [20, 21, 22, 23]
LATE = TurnOptions(threshold=1.0, timeout_ms=2_500)


def fusion(over: float) -> PreferringFusion:
    asked = PreferringFusion("")
    asked.over = over
    return asked


def edges(events: list[SessionEvent]) -> list[tuple[str, str | None]]:
    return [(event.edge, event.cause) for event in of(TurnChanged, events)]


def said(event: TurnChanged) -> str:
    return " ".join(word.text for word in event.words)


def test_a_turn_goes_on_over_segments_until_its_pause_is_long() -> None:
    pause = silence(round(1.5 * SECOND))
    audio = np.concatenate([spoken(FIRST), pause, spoken(SECOND_HALF), silence(3 * SECOND)])
    recognizer = make(turns=LATE)
    events = feed(recognizer, audio)
    assert len(of(SegmentClosed, events)) == 2
    assert edges(events) == [("start", None), ("end", "timeout")]
    start, end = of(TurnChanged, events)
    assert said(end) == f"{text(FIRST)} {text(SECOND_HALF)}"
    assert {word.state for word in end.words} == {WordState.COMMITTED}
    assert start.turn_id == end.turn_id
    assert replay(events) == list(recognizer.ledger.segments)


def test_a_sure_end_comes_before_the_segment_closes_with_all_words_committed() -> None:
    audio = np.concatenate([spoken(FIRST), silence(2 * SECOND)])
    sure = make(turns=TurnOptions(threshold=0.3), fusion=fusion(6.0))
    events = feed(sure, audio)
    kinds = [type(event) for event in events]
    assert edges(events) == [("start", None), ("end", "confidence")]
    ended = events.index(of(TurnChanged, events)[1])
    assert ended < kinds.index(SegmentClosed)
    committed = [w for e in of(WordsUpdate, events[:ended]) for w in e.committed]
    assert tuple(committed) == of(TurnChanged, events)[1].words
    assert " ".join(word.text for word in committed) == text(FIRST)
    # Captions are those of a session that asks for no turns.
    plain = make(fusion=fusion(6.0))
    feed(plain, audio)
    assert sure.ledger.segments == plain.ledger.segments


def test_the_llm_is_asked_once_a_pause_and_decides_how_long_it_lasts() -> None:
    audio = np.concatenate([spoken(FIRST), silence(4 * SECOND)])
    delays = []
    for nats in (-3.0, 3.0):
        asked = fusion(nats)
        recognizer = make(turns=TurnOptions(threshold=0.7), fusion=asked)
        at = {}
        for hop in range(0, len(audio), HOP):
            for event in feed(recognizer, audio[hop : hop + HOP]):
                if isinstance(event, TurnChanged):
                    at[event.edge] = recognizer.processed_samples
        delays.append(at["end"])
        assert asked.open_texts == [text(FIRST[-1:])]
    assert delays[0] > delays[1]


def test_an_early_end_is_taken_back_when_speech_goes_on() -> None:
    audio = np.concatenate(
        [spoken(FIRST), silence(round(0.7 * SECOND)), spoken(SECOND_HALF), silence(4 * SECOND)]
    )
    options = TurnOptions(threshold=0.99, eager_threshold=0.3, timeout_ms=3_000)
    events = feed(make(turns=options, fusion=fusion(2.0)), audio)
    assert edges(events) == [
        ("start", None),
        ("eager_end", None),
        ("resumed", None),
        ("eager_end", None),
        ("end", "timeout"),
    ]
    assert said(of(TurnChanged, events)[1]) == text(FIRST)
    assert said(of(TurnChanged, events)[-1]) == f"{text(FIRST)} {text(SECOND_HALF)}"


@pytest.mark.parametrize(("cause", "told"), [("finalize", "finalize"), ("silence", "timeout")])
def test_what_ends_the_audio_ends_the_turn(cause: str, told: str) -> None:
    recognizer = make(turns=LATE)
    events = feed(recognizer, spoken(FIRST))
    events += recognizer.finalize(cause)
    assert edges(events)[-1] == ("end", told)
    assert said(of(TurnChanged, events)[-1]) == text(FIRST)


def test_nobody_who_does_not_ask_is_told() -> None:
    audio = np.concatenate([spoken(FIRST), silence(3 * SECOND)])
    asked = fusion(6.0)
    assert edges(feed(make(fusion=asked), audio)) == []
    assert asked.open_texts == []


def test_turns_may_be_asked_for_later_and_otherwise() -> None:
    audio = np.concatenate([spoken(FIRST), silence(3 * SECOND)])
    recognizer = make()
    events = feed(recognizer, audio)
    recognizer.change(SessionChange(turns=LATE))
    events += feed(recognizer, audio)
    recognizer.change(SessionChange(turns=TurnOptions(threshold=1.0, timeout_ms=1_000)))
    events += feed(recognizer, spoken(FIRST))
    before = len(events)
    events += feed(recognizer, silence(round(1.5 * SECOND)))
    assert edges(events[:before]) == [("start", None), ("end", "timeout"), ("start", None)]
    assert edges(events[before:]) == [("end", "timeout")]


def test_what_is_expected_may_change_between_steps() -> None:
    asked = fusion(0.0)
    recognizer = make(fusion=asked)
    events = feed(recognizer, spoken(FIRST))
    committed = [word for event in of(WordsUpdate, events) for word in event.committed]
    recognizer.change(SessionChange(hot_words=("Ada",)))
    recognizer.change(SessionChange(context="A talk."))
    recognizer.change(SessionChange(context="A talk."))  # which is no change
    assert asked.prompts == [
        "Names and terms: Ada.\n",
        "Names and terms: Ada.\nA talk.\n",
    ]
    list(recognizer.finalize())
    kept = recognizer.ledger.words[: len(committed)]
    assert [word.text for word in kept] == [word.text for word in committed]
