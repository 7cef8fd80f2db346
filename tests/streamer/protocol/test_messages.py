from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamer.protocol.errors import CLOSE_CODES
from streamer.protocol.messages import (
    CLIENT_MESSAGE,
    SERVER_EVENT,
    ByeEvent,
    ErrorCode,
    ErrorEvent,
    StartMessage,
    WordsEvent,
)
from streamer.protocol.words import WireWord


def test_start_has_defaults_for_everything() -> None:
    message = CLIENT_MESSAGE.validate_json('{"type":"start"}')
    assert message == StartMessage()
    assert (message.sample_rate, message.encoding.value) == (16_000, "pcm_s16le")


@pytest.mark.parametrize(
    "settings",
    [
        {"sample_rate": 7_999},
        {"sample_rate": 48_001},
        {"encoding": "mp3"},
        {"language": "x" * 41},
        {"decoder": "magic"},
        {"context": "x" * 4_001},
        {"hot_words": ["x" * 65]},
        {"hot_words": [""]},
        {"redact": ["names"]},
        {"redact": "pci"},
        {"volume": 11},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CLIENT_MESSAGE.validate_python({"type": "start", **settings})


def test_events_survive_the_wire() -> None:
    word = WireWord(id=0, text="hi", start_ms=0, end_ms=5, confidence=1, state="tentative")
    for event in (
        WordsEvent(segment_id=0, words=(word,), lag_ms=1.5),
        ErrorEvent(code=ErrorCode.BAD_FRAME, message="m", fatal=True),
        ByeEvent(reason="stop", received_ms=1, processed_ms=1, lost_samples=0, segments=0, words=0),
    ):
        assert SERVER_EVENT.validate_json(event.model_dump_json()) == event


def test_close_codes_are_ones_a_server_may_send() -> None:
    assert set(CLOSE_CODES.values()) <= {1001, 1009, 1011, *range(4000, 5000)}
    survivable = set(ErrorCode) - set(CLOSE_CODES)
    assert survivable == {
        ErrorCode.ALREADY_STARTED,
        ErrorCode.BAD_SAMPLES,
        ErrorCode.SEQUENCE_GAP,
    }
