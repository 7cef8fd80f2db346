"""What a server sees of a binary frame."""

from __future__ import annotations

from streamer.protocol.frames import AudioFrame, decode_header, decode_samples
from streamer.protocol.messages import Encoding


def decode_frame(data: bytes, encoding: Encoding, channels: int = 1) -> AudioFrame:
    """Raises FrameError, SampleError."""
    return AudioFrame(*decode_header(data), decode_samples(data, encoding, channels))
