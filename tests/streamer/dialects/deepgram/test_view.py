from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import QueryParams

from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.deepgram.settings import read_settings
from streamer.dialects.deepgram.view import DeepgramView
from streamer.recognition.contract import SessionOptions
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    LanguageChanged,
    SegmentClosed,
    SpeakersUpdate,
)
from tests.streamer.dialects.views import PromptContext, report

BASE = "encoding=linear16&sample_rate=16000&model=nova-3"


def view(more: str = "interim_results=true") -> DeepgramView:
    settings = read_settings(QueryParams(f"{BASE}&{more}"), Offer("draft"))
    return DeepgramView(settings, "request", {"asr": "moonshine"})


def told(by: DeepgramView, *reports: Report) -> list[dict[str, Any]]:
    return [message for one in reports for message in by.on_event(one)]


def gist(message: dict[str, Any]) -> tuple[Any, ...]:
    """Kind, text, and the flags that are set."""
    if message["type"] != "Results":
        return (message["type"],)
    flags = [f for f in ("is_final", "speech_final", "from_finalize") if message[f]]
    return ("Results", message["channel"]["alternatives"][0]["transcript"], *flags)


def test_an_utterance() -> None:
    speaker = PromptContext()
    messages = told(
        view("interim_results=true&vad_events=true&emotion=true"),
        speaker.begin(),
        speaker.words("", "Hello"),
        speaker.words("", "Hello"),  # nothing new to show
        speaker.words("Hello,", "word"),
        speaker.words("world."),
        speaker.close(),
    )
    assert [gist(message) for message in messages] == [
        ("SpeechStarted",),
        ("Results", "Hello"),
        ("Results", "Hello, word"),
        ("Results", "Hello, world."),
        ("Results", "Hello, world.", "is_final", "speech_final"),
    ]
    final = messages[-1]
    assert (final["start"], final["duration"]) == (0.0, 1.5)
    assert final["emotion"] == {"label": "sad", "probs": {"sad": 0.75, "neutral": 0.25}}
    assert final["channel"]["alternatives"][0]["words"] == [
        {
            "word": "hello",
            "punctuated_word": "Hello,",
            "start": 0.0,
            "end": 0.5,
            "confidence": 0.9,
            "state": "committed",
        },
        {
            "word": "world",
            "punctuated_word": "world.",
            "start": 0.5,
            "end": 1.0,
            "confidence": 0.9,
            "state": "committed",
        },
    ]


def test_interim_results_and_vad_events_are_for_those_who_ask() -> None:
    speaker = PromptContext()
    messages = told(view(""), speaker.begin(), speaker.words("Yes.", "no"), speaker.close())
    assert [gist(m) for m in messages] == [("Results", "Yes.", "is_final", "speech_final")]


def test_long_speech_comes_in_finals_that_follow_each_other() -> None:
    by, speaker = view(""), PromptContext()
    messages = told(
        by,
        speaker.begin(),
        speaker.words("one two three", "four"),
        speaker.words("four five six", "seven"),
        speaker.words("seven", "eight"),
        speaker.words("eight"),
        speaker.close("length", silence=0),
        speaker.words("nine"),
        speaker.close(),
    )
    assert [gist(message) for message in messages] == [
        ("Results", "one two three four five six", "is_final"),
        ("Results", "seven eight", "is_final"),
        ("Results", "nine", "is_final", "speech_final"),
    ]
    assert [(m["start"], m["duration"]) for m in messages] == [(0, 3), (3, 1), (4, 1)]


def test_finalize_marks_the_words_it_flushed() -> None:
    by, speaker = view(""), PromptContext()
    messages = told(
        by,
        speaker.begin(),
        speaker.words("and so"),
        speaker.close("finalize"),
        speaker.step(),
        speaker.finalized(),
        speaker.finalized(),
    )
    flags = ("is_final", "speech_final", "from_finalize")
    assert [gist(message) for message in messages] == [
        ("Results", "and so", *flags),
        ("Results", "", *flags),
    ]
    assert list(by.on_end()) == []


def test_the_end_of_the_audio_is_no_finalize() -> None:
    by, speaker = view(""), PromptContext()
    assert not told(by, speaker.begin(), speaker.words("the end"), speaker.close("finalize"))
    assert [gist(message) for message in by.on_end()] == [("Results", "the end", "is_final")]


@pytest.mark.parametrize(("given", "speech_final"), [("false", False), ("300", True)])
def test_endpointing_can_be_switched_off(given: str, speech_final: bool) -> None:
    speaker = PromptContext()
    by = view(f"endpointing={given}")
    (final,) = told(by, speaker.begin(), speaker.words("so"), speaker.close())
    assert final["speech_final"] is speech_final


def test_utterance_end_comes_once_behind_the_gap() -> None:
    by, speaker = view("interim_results=true&utterance_end_ms=1000"), PromptContext()
    told(by, speaker.begin(), speaker.words("bye"), speaker.close())
    assert not told(by, speaker.step())
    speaker.clock += 8_000
    (end,) = told(by, speaker.step(), speaker.step())
    assert end == {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 0.5}


def test_utterance_end_does_not_wait_for_noise_to_end() -> None:
    by, speaker = view("interim_results=true&utterance_end_ms=1000"), PromptContext()
    told(by, speaker.begin(), speaker.words("bye"))
    speaker.clock += 16_000  # the detector takes what follows for speech
    messages = told(by, speaker.step())
    assert [gist(message) for message in messages] == [
        ("Results", "bye", "is_final"),
        ("UtteranceEnd",),
    ]


def test_words_are_final_before_utterance_end_and_speech_final_keeps_its_own_pause() -> None:
    by = view("interim_results=true&utterance_end_ms=1000&endpointing=3000")
    assert by.settings.wanted.session.silence_ms == 800
    speaker = PromptContext()
    messages = told(by, speaker.begin(), speaker.words("bye"), speaker.close(silence=12_800))
    for _ in range(5):
        speaker.clock += 8_000
        messages += told(by, speaker.step())
    assert [gist(message) for message in messages] == [
        ("Results", "bye"),
        ("Results", "bye", "is_final"),
        ("UtteranceEnd",),
        ("Results", "", "is_final", "speech_final"),
    ]
    assert messages[-1]["start"] + messages[-1]["duration"] == pytest.approx(3.8)


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_pause_that_ends_is_no_speech_final(goes_on: bool) -> None:
    by = view("interim_results=true&utterance_end_ms=1000&endpointing=3000")
    speaker = PromptContext()
    told(by, speaker.begin(), speaker.words("well"), speaker.close(silence=32_000))
    between = [speaker.begin()] if goes_on else []
    speaker.clock += 32_000
    messages = told(by, *between, speaker.step())
    assert any(message.get("speech_final") for message in messages) is not goes_on


def test_every_channel_says_which_it_is() -> None:
    query = f"{BASE}&channels=2&multichannel=true&vad_events=true"
    more = "interim_results=true&utterance_end_ms=1000"
    settings = read_settings(QueryParams(f"{query}&{more}"), Offer("draft"))
    by, speaker = DeepgramView(settings, "request", {}, channel=1), PromptContext()
    messages = told(by, speaker.begin(), speaker.words("yes"), speaker.close())
    speaker.clock += 8_000
    started, *results, end = messages + told(by, speaker.step())
    assert started["channel"] == end["channel"] == [1, 2]
    assert [result["channel_index"] for result in results] == [[1, 2]] * 2


def test_lost_audio_shows() -> None:
    by, speaker = view(""), PromptContext()
    lost = report(AudioLost(0, 1_600, "overrun"))
    (final,) = told(by, lost, speaker.begin(), speaker.words("so"), speaker.close())
    assert final["lost_ms"] == 100.0
    assert by.lost_samples == 1_600


def test_the_live_emotion_rides_along() -> None:
    by, speaker = view("interim_results=true&emotion=true"), PromptContext()
    messages = told(by, speaker.begin(), speaker.feel(), speaker.words("", "well"))
    assert messages[-1]["emotion"]["label"] == "sad"


def test_who_does_not_ask_is_told_no_emotion() -> None:
    by, speaker = view(), PromptContext()
    messages = told(by, speaker.begin(), speaker.feel(), speaker.words("", "well"), speaker.close())
    assert not any("emotion" in message for message in messages)
    assert not by.settings.wanted.session.emotion


def test_a_server_without_emotions_says_so() -> None:
    with pytest.raises(SettingError, match="emotion: this server tells no emotions"):
        read_settings(QueryParams(f"{BASE}&emotion=true"), Offer("draft", emotion=False))


def offered(more: str) -> SessionOptions:
    offer = Offer("draft", ("de", "en", "fr"))
    return read_settings(QueryParams(f"{BASE}&{more}"), offer).wanted.session


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("", "en"),
        ("language=de-AT", "de"),
        ("language=multi", "auto"),
        ("language=auto", "auto"),
        ("detect_language=true", "auto"),
        ("detect_language=de&detect_language=fr", "auto"),
        ("detect_language=false", "en"),
    ],
)
def test_languages_by_deepgram_s_names(query: str, language: str) -> None:
    assert offered(query).language == language


@pytest.mark.parametrize("query", ["language=tlh", "detect_language=tlh"])
def test_an_unknown_language_is_refused_with_those_there_are(query: str) -> None:
    with pytest.raises(SettingError, match="language: 'tlh' is not known; use auto, or one of de"):
        offered(query)
    alone = Offer("draft")
    for choice in ("language=multi", "detect_language=true", "language=de"):
        with pytest.raises(SettingError, match="this server hears English alone"):
            read_settings(QueryParams(f"{BASE}&{choice}"), alone)


def test_a_language_that_was_found_out_is_told() -> None:
    by, speaker = view(""), PromptContext()
    messages = told(
        by,
        speaker.begin(),
        speaker.words("yes"),
        speaker.close(),
        report(LanguageChanged("de", 0.9)),
        speaker.begin(),
        speaker.words("ja"),
        speaker.close(),
    )
    first, second = (m["channel"]["alternatives"][0] for m in messages)
    assert "languages" not in first
    assert second["languages"] == ["de"]


def test_written_numbers_and_masks_are_words() -> None:
    speaker = PromptContext()
    (final,) = told(
        view(""), speaker.begin(), speaker.words("Pay $25.50, **** 5%."), speaker.close()
    )
    words = final["channel"]["alternatives"][0]["words"]
    assert [word["word"] for word in words] == ["pay", "$25.50", "****", "5%"]
    assert [word["punctuated_word"] for word in words] == ["Pay", "$25.50,", "****", "5%."]


def test_who_speaks_is_told_of_each_word() -> None:
    speaker, by = PromptContext(), view("interim_results=true&diarize=true")
    told(by, speaker.begin(), speaker.words("Hello. Who is there?"))
    assert speaker.ledger.set_speakers([0, 1, 1, 1])
    (interim,) = told(by, report(SpeakersUpdate(0, 0, (0, 1, 1, 1))))
    assert [word["speaker"] for word in said(interim)] == [0, 1, 1, 1]
    first, other = told(
        by,
        report(SegmentClosed(speaker.ledger.split(1, None, 0), "speaker")),
        report(SegmentClosed(speaker.ledger.close(speaker.clock, None, 1))),
    )
    assert gist(first) == ("Results", "Hello.", "is_final")
    assert gist(other) == ("Results", "Who is there?", "is_final", "speech_final")
    assert [word["speaker"] for word in (*said(first), *said(other))] == [0, 1, 1, 1]


def said(result: dict[str, Any]) -> list[dict[str, Any]]:
    words: list[dict[str, Any]] = result["channel"]["alternatives"][0]["words"]
    return words


@pytest.mark.parametrize(
    ("query", "most"),
    [("", 0), ("diarize=false", 0), ("diarize=true", 6), ("diarize_model=latest", 6)],
)
def test_who_asks_is_told_who_speaks(query: str, most: int) -> None:
    assert offered(query).speakers == most
