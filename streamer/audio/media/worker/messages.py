"""What the worker writes to its standard output: messages of a kind, a length, and a payload."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from enum import Enum
from typing import IO, Final

HEADER: Final = struct.Struct("<cI")
"""The kind and the length of what follows, little-endian."""
MAX_PAYLOAD: Final = 1 << 16
COUNT_BYTES: Final = 8


class Kind(Enum):
    FORMAT = b"F"
    """JSON, once, before all samples: `rate`, `channels`, `length_s` or null."""
    SAMPLES = b"S"
    """Whole frames of float32 samples, channels interleaved."""
    NEEDS = b"N"
    """More input is needed. Of what came through the pipe so many bytes have been used, and all
    sound that is complete in them has been sent."""
    ERROR = b"E"
    """Why it ends before its end, for people."""


class DecodingError(Exception):
    """Why nothing more can be decoded, for people, without the name of the file."""


class Output:
    """Messages to the parent."""

    def __init__(self, file: IO[bytes], on_progress: Callable[[], None]) -> None:
        """`on_progress`: called after every message with samples."""
        self._file = file
        self._on_progress = on_progress
        self._channels = 1
        self.has_begun = False

    def format(self, rate: int, channels: int, length_s: float | None) -> None:
        self.has_begun = True
        self._channels = channels
        about = {"rate": rate, "channels": channels, "length_s": length_s}
        self._send(Kind.FORMAT, json.dumps(about).encode())

    def samples(self, data: memoryview) -> None:
        frame = 4 * self._channels
        step = MAX_PAYLOAD // frame * frame
        for at in range(0, len(data), step):
            self._send(Kind.SAMPLES, data[at : at + step])
        self._on_progress()

    def silence(self, n_frames: int) -> None:
        frame = 4 * self._channels
        piece = memoryview(bytes(MAX_PAYLOAD // frame * frame))
        left = n_frames * frame
        while left > 0:
            self.samples(piece[: min(left, len(piece))])
            left -= len(piece)

    def needs(self, n_bytes: int) -> None:
        self._send(Kind.NEEDS, n_bytes.to_bytes(COUNT_BYTES, "little"))

    def error(self, message: str) -> None:
        self._send(Kind.ERROR, message.encode()[:MAX_PAYLOAD])

    def _send(self, kind: Kind, payload: bytes | memoryview) -> None:
        self._file.write(HEADER.pack(kind.value, len(payload)))
        self._file.write(payload)
        self._file.flush()
