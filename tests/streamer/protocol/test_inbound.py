from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.protocol.errors import ProtocolError
from streamer.protocol.frame_reader import FrameReader, Hole
from streamer.protocol.frames import AudioFrame, encode_frame
from streamer.protocol.messages import (
    Encoding,
    ErrorCode,
    FinalizeMessage,
    StartMessage,
    StopMessage,
)
from streamer.protocol.parsing import parse_text
from tests.fakes import tone


def frame(seq: int, offset: int, n_samples: int = 160, rate: int = 16_000) -> bytes:
    samples = tone(1.0, rate)[:n_samples]
    return encode_frame(seq, offset, 0.0, samples, Encoding.PCM_S16LE)


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
        ('{"type":"start","sample_rate":NaN}', "bad_config", "sample_rate: .*not nan"),
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


def test_frames_in_order_are_audio() -> None:
    reader = FrameReader(16_000, Encoding.PCM_S16LE)
    for seq in range(3):
        (item,) = reader.read(frame(seq, seq * 160))
        assert isinstance(item, AudioFrame)
        assert len(item.samples) == 160
    assert reader.end_offset == 480
    assert reader.audio_ms(frame(0, 0)) == 10.0
    assert reader.audio_ms(b"") == 0.0


def test_a_frame_that_was_not_dealt_with_is_not_seen() -> None:
    reader = FrameReader(16_000, Encoding.PCM_S16LE)
    items = reader.read(frame(0, 1_600))
    assert isinstance(next(items), ProtocolError)
    items.close()  # the connection broke here
    assert reader.end_offset == 0
    list(reader.read(frame(0, 1_600)))
    assert reader.end_offset == 1_760
    reader.begin_connection()
    (item,) = reader.read(frame(0, 1_760))
    assert isinstance(item, AudioFrame)


def test_sequence_numbers_wrap() -> None:
    reader = FrameReader(16_000, Encoding.PCM_S16LE)
    reader._next_seq = 2**32 - 1
    assert len(list(reader.read(frame(2**32 - 1, 0)))) == 1
    assert len(list(reader.read(frame(0, 160)))) == 1


def test_missing_frames_are_a_gap() -> None:
    reader = FrameReader(16_000, Encoding.PCM_S16LE)
    list(reader.read(frame(0, 0)))
    error, hole, audio = reader.read(frame(3, 480))
    assert isinstance(error, ProtocolError)
    assert error.code is ErrorCode.SEQUENCE_GAP
    assert not error.fatal
    assert "2 frames with 320 samples" in error.message
    assert hole == Hole(480, "gap")
    assert isinstance(audio, AudioFrame)
    assert len(list(reader.read(frame(4, 640)))) == 1


def test_a_gap_in_numbers_only_is_told_and_no_hole() -> None:
    error, audio = FrameReader(16_000, Encoding.PCM_S16LE).read(frame(5, 0))
    assert isinstance(error, ProtocolError)
    assert isinstance(audio, AudioFrame)


def test_samples_may_be_missing_between_consecutive_frames() -> None:
    error, hole, _ = FrameReader(16_000, Encoding.PCM_S16LE).read(frame(0, 16_000))
    assert isinstance(error, ProtocolError)
    assert hole == Hole(16_000, "gap")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (frame(0, 160), "runs backwards or repeats"),
        (frame(2**32 - 1, 160), "runs backwards or repeats"),
        (frame(1, 159), "overlaps audio"),
        (frame(2, 0), "overlaps audio"),
        (frame(1, 160 + 60 * 16_000 + 1), "more than 60 s"),
        (frame(1, 2**63), "more than 60 s"),
        (encode_frame(1, 160, 0, np.zeros(80_001, np.float32), Encoding.PCM_S16LE), "5000 ms"),
        (frame(1, 160) + b"\0", "whole number of 2-byte samples"),
        (b"SA", "shorter than"),
    ],
)
def test_frames_out_of_order_or_shape(data: bytes, says: str) -> None:
    reader = FrameReader(16_000, Encoding.PCM_S16LE)
    list(reader.read(frame(0, 0)))
    with pytest.raises(ProtocolError, match=says) as caught:
        list(reader.read(data))
    assert caught.value.code is ErrorCode.BAD_FRAME


def test_bad_samples_are_a_hole_and_the_clock_goes_on() -> None:
    reader = FrameReader(16_000, Encoding.PCM_F32LE)
    bad = np.array([0.0, np.nan], np.float32)
    error, hole = reader.read(encode_frame(0, 0, 0.0, bad, Encoding.PCM_F32LE))
    assert isinstance(error, ProtocolError)
    assert error.code is ErrorCode.BAD_SAMPLES
    assert not error.fatal
    assert hole == Hole(2, "bad_samples")
    good = encode_frame(1, 2, 0.0, np.zeros(4, np.float32), Encoding.PCM_F32LE)
    assert len(list(reader.read(good))) == 1
