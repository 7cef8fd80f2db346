from __future__ import annotations

from itertools import pairwise

import pytest

from streamer.audio.clock import samples_from_ms
from streamer.recognition.turns.confidence import Evidence, confidence
from streamer.recognition.turns.detector import TurnDetector
from streamer.recognition.turns.options import TurnOptions
from streamer.transcript.events import TurnChanged, WordsUpdate
from streamer.transcript.ledger import Ledger, Word
from tests.fakes import FakeWord

SAID = Evidence("word.", 0.0)
OPTIONS = TurnOptions(threshold=0.7, eager_threshold=0.4, timeout_ms=5_000)


class Speaker:
    """Words of half a second, through a real ledger."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.ledger.open(0)
        self.clock = 0

    def says(self, committed: str = "", tentative: str = "") -> WordsUpdate:
        new = self.ledger.commit(self._words(committed))
        self.clock += 8_000 * len(new)
        return WordsUpdate(0, new, self.ledger.set_tentative(self._words(tentative)))

    def _words(self, text: str) -> list[FakeWord]:
        return [
            FakeWord(word, self.clock + i * 8_000, self.clock + (i + 1) * 8_000, 0.75)
            for i, word in enumerate(text.split())
        ]


def text(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def lengths_ms(evidence: Evidence, threshold: float) -> tuple[float, float]:
    """Pauses a step apart: the first not enough for the threshold, the second enough."""
    steps = range(64, 10_000, 64)
    return next(
        (before, after)
        for before, after in pairwise(steps)
        if confidence(evidence, before) < threshold <= confidence(evidence, after)
    )


def test_a_turn_begins_with_its_first_word() -> None:
    turns, speaker = TurnDetector(OPTIONS), Speaker()
    assert list(turns.heard(speaker.says())) == []
    assert not turns.is_open
    (start,) = turns.heard(speaker.says("", "hello"))
    assert (start.edge, start.turn_id, start.start_sample, start.end_sample) == (
        "start",
        0,
        0,
        8_000,
    )
    assert text(start.words) == "hello"
    assert start.confidence == 0.75
    assert list(turns.heard(speaker.says("Hello,", "you"))) == []


def test_an_end_is_told_early_taken_back_and_told_again() -> None:
    turns, speaker = TurnDetector(OPTIONS), Speaker()
    list(turns.heard(speaker.says("One", "word")))
    since = speaker.clock + 8_000

    def after(ms: float) -> int:
        return since + samples_from_ms(ms)

    turns.paused(since, SAID, [FakeWord("word.", since - 8_000, since)])
    early, enough = lengths_ms(SAID, 0.4)
    assert list(turns.waited(after(early))) == []
    (eager,) = turns.waited(after(enough))
    assert eager.edge == "eager_end"
    assert text(eager.words) == "One word."  # with the mark that it would have
    assert 0.4 <= eager.confidence < 0.7
    assert eager.end_sample == since
    assert list(turns.waited(after(enough + 64))) == []  # once a pause
    assert turns.end_due(after(enough + 64)) is None

    (resumed,) = turns.resumed(after(enough + 128))
    assert (resumed.edge, resumed.turn_id) == ("resumed", 0)
    assert resumed.confidence < 0.6
    assert list(turns.resumed(after(enough + 128))) == []
    assert turns.end_due(after(60_000)) is None  # nobody pauses

    list(turns.heard(speaker.says("word goes on.")))
    since = speaker.clock
    turns.paused(since, SAID)
    _, enough = lengths_ms(SAID, 0.7)
    assert turns.end_due(after(enough - 64)) is None
    assert turns.end_due(after(enough)) == "confidence"
    (end,) = turns.end(after(enough), "confidence")
    assert (end.edge, end.cause, end.end_sample) == ("end", "confidence", since)
    assert text(end.words) == "One word goes on."
    assert end.confidence >= 0.7
    assert not turns.is_open


def test_who_does_not_ask_is_told_no_early_end() -> None:
    turns, speaker = TurnDetector(TurnOptions()), Speaker()
    list(turns.heard(speaker.says("Done.")))
    turns.paused(speaker.clock, SAID)
    assert list(turns.waited(speaker.clock + 8_000)) == []
    assert list(turns.resumed(speaker.clock + 8_000)) == []


def test_a_long_pause_ends_any_turn() -> None:
    turns, speaker = TurnDetector(TurnOptions(threshold=1.0, timeout_ms=1_500)), Speaker()
    list(turns.heard(speaker.says("and")))
    turns.paused(speaker.clock, Evidence("and", -6.0))
    assert turns.end_due(speaker.clock + samples_from_ms(1_499)) is None
    assert turns.end_due(speaker.clock + samples_from_ms(1_500)) == "timeout"


def test_no_turn_is_endless() -> None:
    turns, speaker = TurnDetector(TurnOptions(max_turn_ms=1_000)), Speaker()
    list(turns.heard(speaker.says("on and", "on")))
    assert turns.end_due(15_999) is None
    assert turns.end_due(16_000) == "length"
    (end,) = turns.end(16_000, "length")
    assert text(end.words) == "on and"  # what is open belongs to the next
    (start,) = turns.heard(speaker.says("", "on and"))
    assert (start.turn_id, text(start.words)) == (1, "on and")


def test_words_of_an_ended_turn_are_not_told_again() -> None:
    turns, speaker = TurnDetector(OPTIONS, first_id=7), Speaker()
    (first,) = turns.heard(speaker.says("Hello."))
    turns.paused(speaker.clock, SAID)
    list(turns.end(speaker.clock + 8_000, "finalize"))
    assert list(turns.heard(speaker.says())) == []
    (second,) = turns.heard(speaker.says("", "And"))
    assert (first.turn_id, second.turn_id) == (7, 8)
    assert text(second.words) == "And"


@pytest.mark.parametrize("edge", ["end", "resumed", "waited"])
def test_without_a_turn_nothing_is_told(edge: str) -> None:
    turns = TurnDetector(OPTIONS)
    turns.paused(0, SAID)
    told: list[TurnChanged] = {
        "end": lambda: list(turns.end(99_999, "finalize")),
        "resumed": lambda: list(turns.resumed(99_999)),
        "waited": lambda: list(turns.waited(99_999)),
    }[edge]()
    assert told == []
    assert turns.end_due(99_999) is None
    assert turns.last_word == ("", 0)
