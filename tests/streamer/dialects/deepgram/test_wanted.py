from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.deepgram.recording_settings import read_recording_settings
from streamer.dialects.deepgram.settings import DeepgramSettings, read_settings

BASE = "encoding=linear16&sample_rate=16000"


def settings(more: str) -> DeepgramSettings:
    return read_settings(QueryParams(f"{BASE}&{more}"), Offer("draft", ("de", "en")))


@pytest.mark.parametrize(
    ("query", "hot_words", "warned_of"),
    [
        ("keywords=hardier:2&keywords=Ada", ("hardier", "Ada"), ()),
        ("keywords=hardier:-10", (), ("keywords",)),
        ("keywords=hardier:-0.5&keywords=Ada:1.5", ("Ada",), ("keywords",)),
        ("keywords=hardier:0", (), ("keywords",)),
        ("keywords=10:30", ("10",), ()),  # a weight, as Deepgram reads it
        ("keywords=a:b", ("a:b",), ()),
        ("keyterm=", (), ("keyterm",)),
        ("keyterm=%20&keyterm=Ada", ("Ada",), ("keyterm",)),
        ("keywords=&keyterm=", (), ("keyterm", "keywords")),
        ("language=", (), ("language",)),
        ("language=&detect_language=", (), ("language", "detect_language")),
    ],
)
def test_nothing_is_dropped_without_a_warning(
    query: str, hot_words: tuple[str, ...], warned_of: tuple[str, ...]
) -> None:
    wanted = settings(query).wanted
    assert wanted.session.hot_words == hot_words
    assert tuple(warning.partition(":")[0] for warning in wanted.warnings) == warned_of
    assert wanted.session.language == "en"


@pytest.mark.parametrize(
    ("query", "silence_ms", "speech_final_ms"),
    [
        ("", None, None),
        ("endpointing=700", 700, None),
        ("endpointing=5000", 5000, None),
        ("endpointing=10&utterance_end_ms=1000", 500, None),
        ("endpointing=5000&utterance_end_ms=1000", 800, 5000),
        ("endpointing=2000&utterance_end_ms=3000", 2000, None),
        ("endpointing=false&utterance_end_ms=1000", None, None),
    ],
)
def test_the_shorter_pause_ends_a_segment(
    query: str, silence_ms: float | None, speech_final_ms: float | None
) -> None:
    read = settings(f"interim_results=true&{query}")
    assert read.wanted.session.silence_ms == silence_ms
    assert read.speech_final_ms == speech_final_ms


@pytest.mark.parametrize(
    ("query", "n_sessions"),
    [("", 1), ("channels=2", 1), ("channels=2&multichannel=true", 2), ("multichannel=true", 1)],
)
def test_channels_are_mixed_unless_asked_for(query: str, n_sessions: int) -> None:
    assert settings(query).n_sessions == n_sessions


@pytest.mark.parametrize(
    ("query", "advice"),
    [
        ("summarize=v2", "summarize: nothing is summarized; leave it out"),
        ("callback=http://elsewhere", "callback: results only come over this connection"),
        ("utt_split=long", "utt_split: 'long' is no number of seconds"),
        ("encoding=linear16", "sample_rate: is missing"),
    ],
)
def test_what_recordings_cannot_have_is_refused_with_advice(query: str, advice: str) -> None:
    with pytest.raises(SettingError) as refused:
        read_recording_settings(QueryParams(query), Offer("draft"))
    assert advice in refused.value.message


def test_recordings_split_at_the_pause_that_is_asked_for() -> None:
    read = read_recording_settings(QueryParams("utt_split=1.2&smart_format=true"), Offer("draft"))
    assert read.wanted.session.silence_ms == 1_200
    assert read.paragraphs
    assert read.raw is None
