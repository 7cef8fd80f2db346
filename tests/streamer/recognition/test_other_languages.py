"""Languages through the whole engine, with real weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.audio.files import read_samples
from streamer.models.whisper.contract import Task
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine, EngineOptions
from streamer.recognition.languages import UnknownLanguageError
from streamer.recognition.recognizer import Recognizer
from streamer.recognition.words.drafted import DraftedWords
from streamer.runtime.tracing import NullSpans
from streamer.transcript.events import (
    EmotionUpdate,
    LanguageChanged,
    SegmentClosed,
    SessionEvent,
    WordsUpdate,
)
from streamer.transcript.wer import normalize, word_errors
from tests.speech_models import Clip
from tests.streamer.recognition.feeding import feed, final_text, of, replay

SECOND = 16_000


@pytest.fixture(scope="module")
def engine_of_languages() -> Iterator[Engine]:
    loaded = Engine.load(EngineOptions(threads=1, llm=False, languages=True))
    yield loaded
    loaded.close()


def recognizer(
    engine: Engine, language: str, task: Task = "transcribe", *, emotion: bool = False
) -> Recognizer:
    options = SessionOptions(language=language, task=task, emotion=emotion)
    return engine.recognizer(options, NullSpans())


def heard(recognizer: Recognizer, samples: Floats) -> list[SessionEvent]:
    events = [*feed(recognizer, samples), *recognizer.finalize()]
    assert replay(events) == list(recognizer.ledger.segments)
    return events


def foreign(shared_data: Path, language: str) -> tuple[Floats, str]:
    manifest = shared_data / "asr" / "fleurs_7lang" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    row = next(row for row in rows if row["language"] == language)
    return read_samples(manifest.parent / row["path"]), row["text"]


def test_what_may_be_asked_for(engine_of_languages: Engine) -> None:
    assert {"de", "en", "ja", "zh"} <= engine_of_languages.languages
    assert engine_of_languages.models["listener"] == "whisper-base"
    assert engine_of_languages.default_language == "en"
    with pytest.raises(UnknownLanguageError, match="'tlh' is not known; use auto, or one of af"):
        recognizer(engine_of_languages, "tlh")


def test_english_goes_its_own_way_whatever_the_task(engine_of_languages: Engine) -> None:
    for task in ("transcribe", "translate"):
        words = recognizer(engine_of_languages, "en", task)._words
        assert type(words) is DraftedWords
        assert words._listener is None


def test_an_engine_without_the_listener_hears_english_alone() -> None:
    engine = Engine.load(EngineOptions(threads=1, llm=False))
    assert engine.languages == {"en"}
    for language in ("de", "auto"):
        with pytest.raises(UnknownLanguageError, match="hears English alone"):
            recognizer(engine, language)
    engine.close()
    with pytest.raises(UnknownLanguageError, match="hears English alone"):
        Engine.load(EngineOptions(threads=1, llm=False, language="de"))


def test_a_session_that_asks_for_none_gets_the_engine_s(engine_of_languages: Engine) -> None:
    german = engine_of_languages.with_options(
        EngineOptions(threads=1, llm=False, languages=True, language="auto")
    )
    session = german.recognizer(SessionOptions(), NullSpans())
    assert type(session._words) is not DraftedWords
    german.close()


@pytest.mark.slow
def test_the_second_listener_hears_a_session_alone(
    engine_of_languages: Engine, clips: list[Clip]
) -> None:
    """On English speech, taken for German: what is heard is like it, live, with times."""
    clip = clips[-1]
    session = recognizer(engine_of_languages, "de", emotion=True)
    events = heard(session, np.concatenate([clip.samples, np.zeros(SECOND, np.float32)]))
    updates = of(WordsUpdate, events)
    assert sum(1 for update in updates if update.committed) >= 3
    assert any(update.tentative for update in updates)
    assert len(normalize(final_text(session))) >= 0.5 * len(normalize(clip.text))
    assert of(EmotionUpdate, events)
    assert of(SegmentClosed, events)[0].segment.emotion is not None
    words = [word for segment in session.ledger.segments for word in segment.words]
    assert words[-1].end_sample <= len(clip.samples) + SECOND // 2
    assert any(word.confidence > 0.8 for word in words)


@pytest.mark.slow
def test_english_is_found_out_and_heard_as_english_is(
    engine_of_languages: Engine, clips: list[Clip]
) -> None:
    clip = clips[-1]
    session = recognizer(engine_of_languages, "auto")
    events = heard(session, clip.samples)
    assert [event.language for event in of(LanguageChanged, events)] == ["en"]
    assert word_errors(clip.text, final_text(session)).rate <= 0.15
    plain = recognizer(engine_of_languages, "en")
    heard(plain, clip.samples)
    assert final_text(session) == final_text(plain)


@pytest.mark.slow
def test_noise_gives_no_words(engine_of_languages: Engine) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 6 * SECOND).astype(np.float32)
    session = recognizer(engine_of_languages, "de")
    heard(session, noise)
    assert session.ledger.words == ()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["de", "es"])
def test_other_languages_are_found_out_and_heard(
    language: str, engine_of_languages: Engine, shared_data: Path
) -> None:
    samples, text = foreign(shared_data, language)
    session = recognizer(engine_of_languages, "auto")
    events = heard(session, samples)
    assert [event.language for event in of(LanguageChanged, events)] == [language]
    assert word_errors(text, final_text(session)).rate <= 0.4


@pytest.mark.slow
def test_japanese_is_written_without_spaces(engine_of_languages: Engine, shared_data: Path) -> None:
    samples, text = foreign(shared_data, "ja")
    session = recognizer(engine_of_languages, "ja")
    heard(session, samples)
    said = final_text(session)
    assert len(session.ledger.words) > 15
    assert " " not in said
    assert len(set(said) & set(text)) > 0.6 * len(set(text))


@pytest.mark.slow
def test_german_is_translated_live(engine_of_languages: Engine, shared_data: Path) -> None:
    samples, _ = foreign(shared_data, "de")
    session = recognizer(engine_of_languages, "de", "translate")
    events = heard(session, samples)
    assert sum(1 for update in of(WordsUpdate, events) if update.committed) >= 2
    assert {"the", "hong", "kong"} <= set(normalize(final_text(session)))
