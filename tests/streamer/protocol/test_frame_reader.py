"""Audio frames against their order and clock."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest

from streamer.protocol.errors import ProtocolError
from streamer.protocol.frame_reader import FrameReader, Hole
from streamer.protocol.frames import AudioFrame, encode_frame
from streamer.protocol.messages import (
    Encoding,
    ErrorCode,
)
from tests.fakes import tone


def frame(seq: int, offset: int, n_samples: int = 160, rate: int = 16_000) -> bytes:
    samples = tone(1.0, rate)[:n_samples]
    return encode_frame(seq, offset, 0.0, samples, Encoding.PCM_S16LE)


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
    assert isinstance(items, Generator)
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
