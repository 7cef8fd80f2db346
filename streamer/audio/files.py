"""Recordings as blocks of 16 kHz mono, in constant memory however long they are."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.blocks import in_blocks
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.media.contract import AudioFileError, Source
from streamer.audio.media.recording import Recording, open_recording
from streamer.audio.resample import StreamResampler

__all__ = [
    "DEFAULT_BLOCK_SAMPLES",
    "AudioFileError",
    "apart_blocks_of",
    "blocks_of",
    "count_channels",
    "read_blocks",
    "read_samples",
]

DEFAULT_BLOCK_SAMPLES: Final = SAMPLE_RATE // 10


def read_blocks(
    source: Source, block_samples: int = DEFAULT_BLOCK_SAMPLES, channel: int | None = None
) -> Generator[Floats, None, None]:
    """Blocks of exactly `block_samples` float32 samples at 16 kHz; the last may be shorter. Closing
    it before its end gives back what it holds.

    Args:
        channel: that one alone; None mixes them.

    Raises:
        AudioFileError: missing, unreadable, empty, not audio, or with broken samples. What
            lies before a broken place has been given out by then.
    """
    with open_recording(source) as recording:
        yield from blocks_of(recording, block_samples, channel)


def blocks_of(
    recording: Recording, block_samples: int = DEFAULT_BLOCK_SAMPLES, channel: int | None = None
) -> Iterator[Floats]:
    """As `read_blocks`, of what is open already."""
    return in_blocks(_resampled(recording, channel), block_samples)


def apart_blocks_of(
    recording: Recording, block_samples: int = DEFAULT_BLOCK_SAMPLES
) -> Iterator[Floats]:
    """As `blocks_of`, `[frames, channels]`: all its channels, apart."""
    return in_blocks(_resampled_apart(recording), block_samples)


def read_samples(source: Source) -> Floats:
    """The whole recording at 16 kHz; for short clips.

    Raises:
        AudioFileError: as `read_blocks`.
    """
    return np.concatenate(list(read_blocks(source)))


def count_channels(source: Source) -> int:
    """Raises AudioFileError: as `read_blocks`."""
    with open_recording(source) as recording:
        return recording.channels


def _resampled_apart(recording: Recording) -> Iterator[Floats]:
    resampler = StreamResampler(recording.rate, recording.channels)
    for frames in recording.frames():
        yield resampler.push(frames)
    yield resampler.flush()


def _resampled(recording: Recording, channel: int | None) -> Iterator[Floats]:
    resampler = StreamResampler(recording.rate)
    if channel is None:
        heard = recording.mono()
    else:
        heard = (frames[:, channel] for frames in recording.frames())
    for samples in heard:
        yield resampler.push(samples)
    yield resampler.flush()
