from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.dialects.common.dialect import StartSession
from streamer.dialects.common.settings import Offer, SettingError
from streamer.dialects.wyoming.codec import WyomingDialect
from tests.streamer.dialects.views import PromptContext

START = {"type": "audio-start", "data": {"rate": 16_000, "width": 2, "channels": 1}}


def transcript(dialect: WyomingDialect, **wanted: object) -> dict[str, Any]:
    list(dialect.on_message(json.dumps({"type": "transcribe", "data": wanted})))
    (start,) = dialect.on_message(json.dumps(START))
    assert isinstance(start, StartSession)
    assert start.options.emotion is bool(wanted.get("emotion"))
    speaker = PromptContext()
    for one in (speaker.begin(), speaker.words("Hello."), speaker.close()):
        list(dialect.on_event(one, 0))
    told = [json.loads(message) for message in dialect.on_end(16_000)]
    found: dict[str, Any] = next(one["data"] for one in told if one["type"] == "transcript")
    return found


def test_emotion_is_for_those_who_ask() -> None:
    dialect = WyomingDialect(Offer("draft"), {}, "1")
    assert "emotion" not in transcript(dialect)
    assert transcript(dialect, emotion=True)["emotion"]["label"] == "sad"
    assert "emotion" not in transcript(dialect, emotion=False)


def test_a_server_without_emotions_says_so() -> None:
    dialect = WyomingDialect(Offer("draft", emotion=False), {}, "1")
    with pytest.raises(SettingError, match="emotion: this server tells no emotions"):
        transcript(dialect, emotion=True)
