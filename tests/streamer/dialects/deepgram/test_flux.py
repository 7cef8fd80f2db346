"""Deepgram Flux: settings, messages and view, without a network."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from starlette.datastructures import QueryParams

from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.deepgram.flux_codec import FluxDialect
from streamer.dialects.deepgram.flux_settings import FluxSettings, read_flux_settings
from streamer.dialects.deepgram.flux_view import FluxView
from streamer.transcript.events import AudioLost, LanguageChanged, TurnCause, TurnChanged, TurnEdge
from streamer.transcript.written.options import WritingOptions
from tests.conversations import talk
from tests.fakes import FakeEngine, tone
from tests.streamer.dialects.views import PromptContext, report

BASE = "model=flux-general-en&encoding=linear16&sample_rate=16000"


def settings(more: str = "", offer: Offer | None = None) -> FluxSettings:
    return read_flux_settings(QueryParams(f"{BASE}&{more}"), offer or Offer("draft"))


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    engine = FakeEngine()
    yield engine
    engine.close()


def test_thresholds_have_deepgrams_names_and_defaults() -> None:
    assert settings().thresholds == {
        "eot_threshold": 0.7,
        "eager_eot_threshold": None,
        "eot_timeout_ms": 5_000,
    }
    asked = settings("eot_threshold=0.8&eager_eot_threshold=0.4&eot_timeout_ms=900")
    assert list(asked.thresholds.values()) == [0.8, 0.4, 900]
    assert asked.session.turns == asked.turns
    assert settings("keyterm=Ada&keyterm=Kyiv").session.hot_words == ("Ada", "Kyiv")
    written = settings("numerals=true&profanity_filter=true&redact=numbers").session.writing
    assert written == WritingOptions(
        numbers=True, profanity_filter=True, redact=frozenset({"numbers"})
    )


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("eot_threshold=0.4", "eot_threshold: 0.4 is out of range; use 0.5 to 1"),
        ("eager_eot_threshold=0.95", "use 0.3 to 0.9"),
        ("eager_eot_threshold=0.8", "must not be more than eot_threshold"),
        ("eot_timeout_ms=soon", "'soon' is not a number"),
        ("eot_timeout_ms=nan", "out of range"),
        ("redact=pii", "'pii' cannot be told; use one of"),
        ("language_hint=tlh", "hears English alone"),
    ],
)
def test_what_is_not_to_be_had_is_refused(query: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        settings(query)


def test_the_multilingual_model_takes_hints() -> None:
    offer = Offer("draft", ("de", "en"), "en")
    assert settings("", offer).session.language == "en"
    base = "model=flux-general-multi&encoding=linear16&sample_rate=16000"
    found = [
        read_flux_settings(QueryParams(base + more), offer).session.language
        for more in ("", "&language_hint=de", "&language_hint=de&language_hint=en")
    ]
    assert found == ["auto", "de", "auto"]


class Turns(PromptContext):
    """And says where its turns begin and end."""

    def turn(
        self, edge: TurnEdge, sure: float = 0.5, cause: TurnCause | None = None, first: int = 0
    ) -> Any:
        words = tuple(word for word in self.ledger.words if word.id >= first)
        start = words[0].start_sample
        return report(TurnChanged(edge, 3, start, self.clock, words, sure, cause))


def told(by: FluxView, *reports: Any) -> list[tuple[str, str, float]]:
    return [
        (m["event"], m["transcript"], m["end_of_turn_confidence"])
        for one in reports
        for m in by.on_event(one)
    ]


def test_a_turn_as_flux_tells_it() -> None:
    by, speaker = FluxView(), Turns()
    speaker.begin()
    first = speaker.words("", "Hello")
    assert told(by, speaker.turn("start", 0.9), first) == [("StartOfTurn", "Hello", 0.0)]
    assert told(by, speaker.words("Hello,", "word")) == [("Update", "Hello, word", 0.0)]
    assert told(by, speaker.turn("eager_end", 0.45)) == [("EagerEndOfTurn", "Hello, word", 0.45)]
    assert told(by, speaker.turn("resumed", 0.8)) == [("TurnResumed", "Hello, word", 0.0)]
    assert told(by, speaker.words("world.")) == [("Update", "Hello, world.", 0.0)]
    by_end = list(by.on_event(speaker.turn("end", 0.75, "confidence")))
    (message,) = by_end
    assert message["event"] == "EndOfTurn"
    assert (message["trigger"], message["turn_index"]) == ("model", 3)
    assert message["words"][1] == {
        "word": "world.",
        "confidence": 0.9,
        "start": 0.5,
        "end": 1.0,
        "state": "committed",
    }
    assert (message["audio_window_start"], message["audio_window_end"]) == (0.0, 1.0)
    assert told(by, speaker.words("", "More")) == []  # until a turn begins


@pytest.mark.parametrize(
    ("cause", "trigger"), [("timeout", "timeout"), ("finalize", "manual"), ("length", "length")]
)
def test_why_a_turn_ended(cause: TurnCause, trigger: str) -> None:
    by, speaker = FluxView(), Turns()
    speaker.begin()
    speaker.words("Hello.")
    assert next(iter(by.on_event(speaker.turn("end", 0.1, cause))))["trigger"] == trigger


def test_what_rides_along() -> None:
    by, speaker = FluxView(detects_language=True, tells_emotion=True), Turns()
    speaker.begin()
    list(by.on_event(speaker.feel()))
    list(by.on_event(report(AudioLost(0, 1_600, "overrun"))))
    list(by.on_event(report(LanguageChanged("de", 0.9))))
    speaker.words("", "Hallo")
    (message,) = by.on_event(speaker.turn("start"))
    assert message["emotion"]["label"] == "sad"
    assert (message["lag_ms"], message["lost_ms"]) == (5.0, 100.0)
    assert message["languages"] == ["de"]


async def test_a_conversation_is_configured_while_it_runs(engine: FakeEngine) -> None:
    audio = (tone(0.5) * 32767).astype("<i2").tobytes()
    configure = {
        "type": "Configure",
        "keyterms": ["Ada"],
        "thresholds": {"eot_threshold": 0.9, "eager_eot_threshold": 0.5},
    }
    too_eager = {"type": "Configure", "thresholds": {"eager_eot_threshold": 0.95}}
    hinted = {"type": "Configure", "language_hints": ["de"]}
    messages = [json.dumps(one) for one in (configure, too_eager, hinted)]
    dialect = FluxDialect(settings(), "request")
    socket = await talk(engine, dialect, [audio, *messages, "{}", "no JSON", audio])
    options = engine.recognizers[0].options
    assert options.hot_words == ("Ada",)
    assert options.turns is not None
    assert (options.turns.threshold, options.turns.eager_threshold) == (0.9, 0.5)
    assert socket.types()[:1] == ["Connected"]
    assert socket.of("ConfigureSuccess")[0]["keyterms"] == ["Ada"]
    assert socket.of("ConfigureSuccess")[0]["thresholds"]["eot_threshold"] == 0.9
    assert "use 0.3 to 0.9" in socket.of("ConfigureFailure")[0]["description"]
    assert "language_hints" in socket.of("ConfigureFailure")[1]["description"]
    assert len(socket.of("Warning")) == 2
    numbers = [message["sequence_id"] for message in socket.sent]
    assert numbers == list(range(len(numbers)))
    assert {message["request_id"] for message in socket.sent} == {"request"}


async def test_what_is_configured_before_the_audio_counts_too(engine: FakeEngine) -> None:
    audio = (np.ones(1_600, np.int16) * 9_000).tobytes()
    configure = json.dumps({"type": "Configure", "keyterms": "Ada"})
    await talk(engine, FluxDialect(settings(), "request"), [configure, audio])
    assert engine.recognizers[0].options.hot_words == ("Ada",)
