"""What can be heard, and what it is once it is open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from streamer.audio.arrays import Floats

EXTRA: Final = "install the extra `media`, which is PyAV (pip install av)"
"""What to do where the libraries of FFmpeg are needed."""


MAX_PEAK: Final = 16.0
"""Full scale is 1; floating-point files may overshoot it, but not by this much."""


class AudioFileError(ValueError):
    """The file cannot be used; the message names it and says why, in one line."""


class RawFormat(StrEnum):
    """Samples without a container, by FFmpeg's names."""

    S16LE = "s16le"
    S32LE = "s32le"
    F32LE = "f32le"
    U8 = "u8"

    @property
    def numpy_type(self) -> str:
        return {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4", "u8": "u1"}[self.value]


@dataclass(frozen=True)
class Pipe:
    """Standard input, with a container in it, to its end."""

    def __str__(self) -> str:
        return "standard input"


@dataclass(frozen=True)
class RawPipe(Pipe):
    """Standard input, with samples in it."""

    raw_format: RawFormat
    rate: int
    channels: int = 1


@dataclass(frozen=True)
class Url:
    """A file, a radio or an HLS stream on the network, to its end."""

    url: str

    def __str__(self) -> str:
        return self.url


Source = Path | Pipe | Url


class Frames(Protocol):
    """An open recording or stream."""

    rate: int
    channels: int
    length_s: float | None
    """None if nobody knows."""

    def __iter__(self) -> Iterator[Floats]:
        """`[N, channels]`, as soon as they are there.

        Raises:
            AudioFileError: it is damaged from here on, or was said to be longer.
        """

    def stop(self) -> None:
        """From another thread or a signal's handler: let the iteration end here."""

    def close(self) -> None:
        """Give back what it holds; afterwards nothing can be read."""
