from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.protocol.errors import ProtocolError
from streamer.protocol.messages import (
    FinalizeMessage,
    StartMessage,
    StopMessage,
)
from streamer.protocol.parsing import parse_text


def test_messages_are_read() -> None:
    assert parse_text('{"type":"stop"}') == StopMessage()
    assert parse_text('{"type":"finalize"}') == FinalizeMessage()
    start = StartMessage(sample_rate=44_100, hot_words=("Ada",), context="…", live=False)
    assert parse_text(start.model_dump_json()) == start


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "bad_message", "not JSON"),
        ("UklGRiQAAABXQVZF", "bad_message", "audio as binary"),
        ("[" * 100_000, "bad_message", "not JSON"),
        ("9" * 10_000, "bad_message", "not JSON"),
        ("[1, 2]", "bad_message", "not a JSON object"),
        ("{}", "bad_message", "start, finalize, stop"),
        ('{"type":"audio","data":"AAAA"}', "bad_message", "audio as binary"),
        ('{"type":7}', "bad_message", "start, finalize, stop"),
        ('{"type":"stop","now":true}', "bad_message", "now: is not a setting"),
        ('{"type":"start","volume":3}', "bad_config", "volume: is not a setting"),
        ('{"type":"start","sample_rate":0}', "bad_config", "sample_rate: .* 8000, not 0"),
        ('{"type":"start","sample_rate":NaN}', "bad_message", "not finite"),
        ('{"type":"start","silence_ms":1e999}', "bad_message", "not finite"),
        ('{"type":"start","sample_rate":true}', "bad_config", "sample_rate: must be a number"),
        ('{"type":"start","silence_ms":true}', "bad_config", "silence_ms: must be a number"),
        ('{"type":"start","protocol_version":true}', "bad_config", "protocol_version: must be"),
        ('{"type":"start","sample_rate":' + "9" * 4_000 + "}", "bad_message", "64 bits"),
        ('{"type":"start","context":"\\ud800"}', "bad_message", "surrogate"),
        ('{"type":"start","hot_words":["Ada\\udfff"]}', "bad_message", "surrogate"),
        ('{"type":"start","\\ud800":1,"\\ud800":1}', "bad_config", "ud800 is given twice"),
        ('{"type":"start","context":' + "[" * 50 + "]" * 50 + "}", "bad_message", "32 levels"),
        ('{"type":"resume","session_id":{},"resume_token":"t"}', "bad_config", "session_id: "),
        (
            '{"type":"resume","session_id":"s","resume_token":"t","last_seq":true}',
            "bad_config",
            "last_seq: must be a number",
        ),
        ('{"type":"start","sample_rate":1e9}', "bad_config", "sample_rate: .* 48000"),
        ('{"type":"start","encoding":"opus"}', "bad_config", "encoding: .*'opus'"),
        ('{"type":"start","hot_words":["ok",""]}', "bad_config", "hot_words.1: "),
        ('{"type":"start","hot_words":{}}', "bad_config", "hot_words: "),
        ('{"type":"start","protocol_version":2}', "bad_config", "protocol_version 2"),
        (
            '{"type":"start","sample_rate":16000,"sample_rate":48000}',
            "bad_config",
            "sample_rate is given twice",
        ),
    ],
)
def test_bad_messages_name_what_is_wrong(text: str, code: str, says: str) -> None:
    with pytest.raises(ProtocolError, match=says) as caught:
        parse_text(text)
    assert caught.value.code == code
    assert caught.value.fatal
    assert len(caught.value.message) < 300


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists) | st.text())
def test_any_text_is_read_or_refused(value: object) -> None:
    for text in (json.dumps(value), json.dumps({"type": "start", "context": value}), str(value)):
        with suppress(ProtocolError):
            parse_text(text)
