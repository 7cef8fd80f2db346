"""How words are written, in a recognizer: numbers that are held back, and its ledger's promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from streamer.decoding.speech import SpeechModels
from streamer.recognition.contract import SessionChange, SessionOptions
from streamer.recognition.languages import UnknownLanguageError
from streamer.recognition.options import RecognizerOptions
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.stage_times import StageTimes
from streamer.recognition.turns.options import TurnOptions
from streamer.recognition.words.contract import Sound, Told
from streamer.recognition.words.expectation import Expectation
from streamer.recognition.writing import session_writer
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import LanguageChanged, SegmentClosed, TurnChanged, WordsUpdate
from streamer.transcript.ledger import NewWord
from streamer.transcript.written.casing import SentenceCase
from streamer.transcript.written.options import WritingOptions
from streamer.transcript.written.writer import Writer
from tests.fakes import FakeWord
from tests.speech_fakes import PreferringFusion, ToneTokenizer, silence, spoken, tone_models
from tests.streamer.recognition.feeding import SECOND, feed, make, of, replay

NUMBERS = WritingOptions(numbers=True)
IT, COST, TWENTY, FIVE, DOLLARS, TODAY, HUNDRED = range(10, 17)
NAMES = dict(
    zip(range(10, 17), ["It", "cost", "twenty", "five", "dollars", "today", "hundred"], strict=True)
)


class NamingTokenizer(ToneTokenizer):
    """Tones that stand for words with numbers among them."""

    def decode(self, tokens: list[int]) -> str:
        return " ".join(NAMES.get(token, f"w{token}") for token in tokens if token >= 3)

    def encode(self, text: str) -> list[int]:
        numbers = {name: token for token, name in NAMES.items()}
        return [numbers[word] for word in text.split()]


def models() -> SpeechModels:
    return replace(tone_models(), tokenizer=NamingTokenizer())


def test_a_number_is_committed_as_one_word_when_it_is_over() -> None:
    recognizer = make(models(), writer=Writer(NUMBERS))
    audio = np.concatenate(
        [spoken([IT, COST, TWENTY, FIVE, DOLLARS, TODAY, IT, COST]), silence(2 * SECOND)]
    )
    events = feed(recognizer, audio)
    (segment,) = replay(events)
    assert segment.text == "It cost $25 today It cost"
    shown = [word.text for update in of(WordsUpdate, events) for word in update.tentative]
    assert {"20", "25"} <= set(shown)
    spoken_alone = make(models())
    (as_said,) = replay(feed(spoken_alone, audio))
    said, amount = as_said.words, segment.words[2]
    assert [word.text for word in said[2:5]] == ["twenty", "five", "dollars"]
    assert (amount.start_sample, amount.end_sample) == (said[2].start_sample, said[4].end_sample)
    assert [word.id for word in segment.words] == list(range(6))


def test_the_end_of_a_segment_ends_a_number() -> None:
    recognizer = make(models(), writer=Writer(NUMBERS))
    audio = np.concatenate(
        [spoken([IT, COST, TWENTY, FIVE]), silence(2 * SECOND), spoken([FIVE, HUNDRED])]
    )
    events = [*feed(recognizer, audio), *recognizer.finalize()]
    assert [segment.text for segment in replay(events)] == ["It cost 25", "500"]


def test_a_number_goes_on_where_a_long_segment_is_cut() -> None:
    said = [IT, COST, *[TODAY] * 7, TWENTY, FIVE, HUNDRED, *[TODAY] * 9]
    recognizer = make(models(), RecognizerOptions(max_segment_ms=3_200), writer=Writer(NUMBERS))
    events = [*feed(recognizer, spoken(said)), *recognizer.finalize()]
    closed = of(SegmentClosed, events)
    assert next(event.cause for event in closed) == "length"
    replay(events)
    texts = [event.segment.text for event in closed]
    assert " ".join(texts).split().count("2,500") == 1
    assert "2,500" not in texts[0], "the cut should be in the number, or this shows nothing"


def test_what_waited_is_told_before_audio_that_was_lost() -> None:
    recognizer = make(models(), RecognizerOptions(buffer_ms=4_000), writer=Writer(NUMBERS))
    events = feed(recognizer, np.concatenate([spoken([IT, COST, TWENTY, FIVE]), silence(6_000)]))
    assert [word.text for word in recognizer.ledger.tentative] == ["25"]
    recognizer.accept(silence(9 * SECOND))
    events += [*recognizer.step(), *recognizer.finalize()]
    (segment,) = replay(events)
    assert segment.text == "It cost 20"


@pytest.mark.parametrize(
    ("writing", "told"),
    [(NUMBERS, "It cost 25"), (WritingOptions(redact=frozenset({"numbers"})), "It cost ****")],
)
def test_a_turn_tells_numbers_as_they_are_written(writing: WritingOptions, told: str) -> None:
    """Early, while the number might go on, too."""
    turns = TurnOptions(threshold=0.99, eager_threshold=0.3, timeout_ms=2_500)
    fusion = PreferringFusion("")
    fusion.over = 2.0
    writer = Writer(writing, SentenceCase(lambda word: False))
    recognizer = make(models(), fusion=fusion, writer=writer, turns=turns)
    audio = np.concatenate([spoken([IT, COST, TWENTY, FIVE]), silence(3 * SECOND)])
    events = feed(recognizer, audio)
    changes = of(TurnChanged, events)
    assert [change.edge for change in changes] == ["start", "eager_end", "end"]
    for change in changes[1:]:
        assert " ".join(word.text for word in change.words) == told
    committed = [word for update in of(WordsUpdate, events) for word in update.committed]
    assert changes[-1].words == tuple(committed)


def test_names_that_are_expected_later_keep_their_capitals_from_then_on() -> None:
    writer = Writer(casing=SentenceCase(lambda word: True))
    recognizer = make(models(), writer=writer)
    audio = np.concatenate([spoken([IT, COST]), silence(2 * SECOND)])
    events = feed(recognizer, np.concatenate([audio, audio]))
    recognizer.change(SessionChange(hot_words=("It",)))
    events += feed(recognizer, audio)
    assert [segment.text for segment in replay(events)] == ["It cost", "it cost", "It cost"]


class FoundEnglish:
    """Makes words in a language that is found out to be English with the first of them."""

    committed_end = 0
    tentative: tuple[NewWord, ...] = ()

    def expect(self, expectation: Expectation) -> None:
        pass

    def begin(self, sound: Sound, start_sample: int, audio_from: int) -> FoundEnglish:
        self.start = start_sample
        return self

    def step(self, end: int, backlog: int) -> Iterator[Told]:
        return iter(())

    def pause(self, end: int, backlog: int) -> Iterator[Told]:
        return iter(())

    def sentence_over(self) -> float | None:
        return None

    def settle(self) -> Iterator[Told]:
        return iter(())

    def close(self, end: int, silence_ms: float) -> Iterator[Told]:
        yield LanguageChanged("en", 0.9)
        yield (FakeWord("twenty", self.start, end), FakeWord("cats", end, end))


def test_numbers_are_written_as_soon_as_the_language_is_known_to_be_english() -> None:
    stages = StageTimes(NullSpans())
    recognizer = Recognizer(
        tone_models().vad,
        RecognizerOptions(),
        FoundEnglish(),
        emotion=None,
        stages=stages,
        writer=Writer(NUMBERS, language="auto"),
    )
    feed(recognizer, np.concatenate([spoken([IT, COST]), silence(2 * SECOND)]))
    assert [segment.text for segment in recognizer.ledger.segments] == ["20 cats"]


def test_numbers_are_not_redacted_where_they_are_not_understood() -> None:
    redact = SessionOptions(writing=WritingOptions(redact=frozenset({"numbers"})))
    tokenizer = ToneTokenizer()
    for language in ("de", "auto"):
        with pytest.raises(UnknownLanguageError, match="English alone"):
            session_writer(redact, language, tokenizer)
    session_writer(replace(redact, task="translate"), "de", tokenizer)
    session_writer(redact, "en", tokenizer)
