"""WAV that comes live. FFmpeg reads 64 KB of it before the first sample, seconds of speech, and
believes its length, which nobody knows while it is being made.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_HEADER_BYTES: Final = 1 << 16
_EXTENSIBLE: Final = 0xFFFE
_NAMES: Final = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}
"""FFmpeg's, by WAV's tag and bits of a sample."""


@dataclass(frozen=True)
class RawSamples:
    """What follows the header."""

    header_bytes: int
    format_name: str
    rate: int
    channels: int


def read_wav_header(peek: Callable[[int], bytes]) -> RawSamples | None:
    """None if it is no WAV, or one with more in it than samples.

    Args:
        peek: gives that many bytes of the beginning.
    """
    if peek(4) != b"RIFF" or peek(12)[8:] != b"WAVE":
        return None
    at = 12
    found: tuple[str, int, int] | None = None
    while at < _HEADER_BYTES and len(head := peek(at + _CHUNK.size)) == at + _CHUNK.size:
        kind, size = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        if kind == b"data":
            return None if found is None else RawSamples(at, *found)
        if kind == b"fmt " and _FORMAT.size <= size < _HEADER_BYTES:
            found = _format(peek(at + size)[at:])
        at += size + size % 2
    return None


def _format(chunk: bytes) -> tuple[str, int, int] | None:
    """FFmpeg's name, the rate, and the number of channels."""
    if len(chunk) < _FORMAT.size:
        return None
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    name = _NAMES.get((tag, bits))
    return None if name is None or not channels or not rate else (name, rate, channels)
