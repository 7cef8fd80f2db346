"""Binary audio frames of the native protocol: a 24-byte header and PCM samples, or
bytes of a container.

Header, little-endian: magic `SA`, version (u8), flags (u8, 0), sequence number (u32), offset of
the first sample at the client's rate, of a container in bytes (u64), capture time of the first
sample in milliseconds since the Unix epoch by the client's clock (f64, 0 when unknown).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.protocol.messages import Encoding

MAGIC: Final = b"SA"
FRAME_VERSION: Final = 1
HEADER: Final = struct.Struct("<2sBBIQd")


class FrameError(ValueError):
    """The frame cannot be read; the message says what the client should change."""


class SampleError(ValueError):
    """The frame's header is sound, its samples are not."""


@dataclass(frozen=True, slots=True)
class ContainerFrame:
    """The next bytes of a container."""

    seq: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A chunk of audio; `samples` float32 in -1 … 1 at the client's rate: `[frames]`, or
    `[frames, channels]` where there are several."""

    seq: int
    sample_offset: int
    capture_time_ms: float
    samples: Floats


def encode_frame(
    seq: int,
    sample_offset: int,
    capture_time_ms: float,
    samples: Floats,
    encoding: Encoding,
) -> bytes:
    """Pack samples in -1 … 1 (clipped for 16-bit) with their header: `[frames]`, or
    `[frames, channels]`, which are interleaved."""
    if encoding is Encoding.PCM_S16LE:
        payload = (np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()
    else:
        payload = samples.astype("<f4").tobytes()
    return _header(seq, sample_offset, capture_time_ms) + payload


def encode_container_frame(seq: int, offset: int, data: bytes) -> bytes:
    """Pack the bytes of a container that begin at `offset` with their header."""
    return _header(seq, offset, 0.0) + data


def _header(seq: int, offset: int, capture_time_ms: float) -> bytes:
    return HEADER.pack(MAGIC, FRAME_VERSION, 0, seq % 2**32, offset, capture_time_ms)


def decode_header(data: bytes) -> tuple[int, int, float]:
    """Sequence number, sample offset and capture time of a frame.

    Raises:
        FrameError: too short, not a frame, or of another version.
    """
    if len(data) < HEADER.size:
        raise FrameError(
            f"audio frame of {len(data)} bytes is shorter than its {HEADER.size}-byte header; "
            "send header and samples in one binary message"
        )
    magic, version, flags, seq, offset, capture_time_ms = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise FrameError("audio frame does not begin with 'SA'; see PROTOCOL.md for the header")
    if version != FRAME_VERSION or flags != 0:
        raise FrameError(
            f"audio frame has version {version}, flags {flags}; send version 1, flags 0"
        )
    if not math.isfinite(capture_time_ms) or capture_time_ms < 0:
        raise FrameError("capture time must be milliseconds since the Unix epoch, or 0 if unknown")
    return seq, offset, capture_time_ms


def decode_samples(data: bytes, encoding: Encoding, channels: int = 1) -> Floats:
    """The samples behind a frame's header, float32 in -1 … 1: `[frames]`, or `[frames, channels]`
    where there are several.

    Raises:
        FrameError: the byte count does not fit whole samples.
        SampleError: a float sample is NaN, infinite or far outside -1 … 1.
    """
    width = 2 if encoding is Encoding.PCM_S16LE else 4
    n_bytes = len(data) - HEADER.size
    if n_bytes == 0 or n_bytes % (width * channels):
        each = "" if channels == 1 else f", {channels} of them at a time"
        raise FrameError(
            f"audio payload of {n_bytes} bytes is not a whole number of {width}-byte samples"
            f"{each}; send {encoding.value}"
        )
    if encoding is Encoding.PCM_S16LE:
        raw = np.frombuffer(data, dtype="<i2", offset=HEADER.size)
        samples = raw.astype(np.float32) / np.float32(32768.0)
    else:
        samples = np.frombuffer(data, dtype="<f4", offset=HEADER.size).astype(np.float32)
        peak = np.abs(samples).max()
        if not np.isfinite(peak):
            raise SampleError("samples are NaN or infinite; send finite float32 values in -1 … 1")
        if peak > 16.0:
            raise SampleError(
                f"a sample of {peak:g} is far outside -1 … 1; scale to full scale 1.0"
            )
    return samples if channels == 1 else samples.reshape(-1, channels)
