from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamer.protocol.frames import (
    HEADER,
    FrameError,
    SampleError,
    decode_header,
    encode_frame,
)
from streamer.protocol.messages import Encoding
from tests.frames import decode_frame

samples_strategy = hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(-1, 1, width=32))


@given(
    seq=st.integers(0, 2**32 - 1),
    offset=st.integers(0, 2**64 - 1),
    capture=st.floats(0, 1e15),
    samples=samples_strategy,
    encoding=st.sampled_from([Encoding.PCM_S16LE, Encoding.PCM_F32LE]),
)
def test_round_trip(
    seq: int, offset: int, capture: float, samples: np.ndarray, encoding: Encoding
) -> None:
    data = encode_frame(seq, offset, capture, samples, encoding)
    frame = decode_frame(data, encoding)
    assert (frame.seq, frame.sample_offset, frame.capture_time_ms) == (seq, offset, capture)
    assert frame.samples.dtype == np.float32
    tolerance = 0 if encoding is Encoding.PCM_F32LE else 1e-4
    np.testing.assert_allclose(frame.samples, samples, atol=tolerance)
    assert decode_header(data) == (seq, offset, capture)


def test_sixteen_bit_clips_and_wraps_the_sequence_number() -> None:
    data = encode_frame(2**32, 0, 0.0, np.array([2.0, -2.0], np.float32), Encoding.PCM_S16LE)
    frame = decode_frame(data, Encoding.PCM_S16LE)
    assert frame.seq == 0
    assert frame.samples == pytest.approx([1.0, -1.0], abs=1e-4)


def header(magic: bytes = b"SA", version: int = 1, flags: int = 0, capture: float = 0.0) -> bytes:
    return HEADER.pack(magic, version, flags, 0, 0, capture)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "shorter than its 24-byte header"),
        (header()[:-1], "shorter than its 24-byte header"),
        (header(magic=b"XX") + b"\0\0", "does not begin with 'SA'"),
        (header(version=2) + b"\0\0", "version 2"),
        (header(flags=1) + b"\0\0", "flags 1"),
        (header(capture=float("nan")) + b"\0\0", "capture time"),
        (header(capture=-1.0) + b"\0\0", "capture time"),
        (header(), "0 bytes is not a whole number"),
        (header() + b"\0\0\0", "3 bytes is not a whole number"),
    ],
)
def test_malformed_frames_say_what_to_change(data: bytes, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        decode_frame(data, Encoding.PCM_S16LE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 17.0, -32768.0])
def test_bad_samples(bad: float) -> None:
    samples = np.array([0.0, bad], np.float32)
    with pytest.raises(SampleError):
        decode_frame(encode_frame(0, 0, 0.0, samples, Encoding.PCM_F32LE), Encoding.PCM_F32LE)


@given(st.binary(max_size=64), st.sampled_from([Encoding.PCM_S16LE, Encoding.PCM_F32LE]))
def test_any_bytes_decode_or_raise_a_typed_error(data: bytes, encoding: Encoding) -> None:
    with suppress(FrameError, SampleError):
        decode_frame(data, encoding)
