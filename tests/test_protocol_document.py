"""PROTOCOL.md tells what the types say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from streamer.protocol.errors import CLOSE_CODES
from streamer.protocol.frames import decode_header
from streamer.protocol.messages import (
    ByeEvent,
    DecoderEvent,
    EmotionEvent,
    ErrorCode,
    ErrorEvent,
    FinalizedEvent,
    FinalizeMessage,
    FollowingEvent,
    LanguageEvent,
    LatencyEvent,
    LossEvent,
    ReadyEvent,
    ResumeMessage,
    SegmentEvent,
    SpeechEvent,
    StartMessage,
    StopMessage,
    WordsEvent,
)
from streamer.protocol.moves import MoveEvent
from streamer.protocol.words import SoundEvent, WireDecision, WireEmotion, WireWord

DOCUMENT = (Path(__file__).parents[1] / "PROTOCOL.md").read_text(encoding="utf-8")


def row(first: str) -> str:
    """The table row that begins with `first`."""
    found = re.search(rf"^\| `{first}` \|.*$", DOCUMENT, re.MULTILINE)
    assert found, f"PROTOCOL.md has no row for {first}"
    return found[0]


@pytest.mark.parametrize(
    "model",
    [
        StartMessage,
        ResumeMessage,
        FinalizeMessage,
        StopMessage,
        ReadyEvent,
        FollowingEvent,
        SpeechEvent,
        WordsEvent,
        SegmentEvent,
        FinalizedEvent,
        EmotionEvent,
        SoundEvent,
        LatencyEvent,
        DecoderEvent,
        LanguageEvent,
        LossEvent,
        MoveEvent,
        ErrorEvent,
        ByeEvent,
    ],
)
def test_every_message_and_field_is_told(model: type[BaseModel]) -> None:
    text = row(model.model_fields["type"].default)
    for field in model.model_fields:
        assert field == "type" or f"`{field}`" in text, field


def test_words_and_emotions_are_told() -> None:
    assert all(f"`{field}`" in row("words") for field in WireWord.model_fields)
    assert all(f"`{field}`" in row("segment") for field in WireEmotion.model_fields)
    told = re.search(r"^`decision` \{.*\} or", DOCUMENT, re.MULTILINE)
    assert told
    assert re.findall(r"`(\w+)`", told[0])[1:] == list(WireDecision.model_fields)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_has_its_close_code(code: ErrorCode) -> None:
    assert f"| {CLOSE_CODES.get(code, '–')} |" in row(code.value)


def test_the_example_frames_are_frames() -> None:
    headers = re.findall(r"→ ((?:[0-9a-f]{2} +){24})", DOCUMENT)
    decoded = [decode_header(bytes.fromhex(header.replace(" ", ""))) for header in headers]
    assert decoded == [(0, 0, 0.0), (1, 4_800, 0.0)]
