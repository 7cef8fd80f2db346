"""Recordings as blocks of 16 kHz mono, in constant memory however long they are.

Reads what libsndfile reads: wav, flac, mp3, ogg (Vorbis and Opus) and more, at any rate and
with any number of channels, which are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.resample import StreamResampler

DEFAULT_BLOCK_SAMPLES: Final = SAMPLE_RATE // 10
MIN_RATE: Final = 1_000
MAX_RATE: Final = 768_000
MAX_PEAK: Final = 16.0
"""Full scale is 1; floating-point files may overshoot it, but not by this much."""
_READ_FRAMES: Final = 16_384
_READ_SAMPLES: Final = 8 * _READ_FRAMES
"""Of all channels together; a file may say that it has a thousand."""
_UNKNOWN_FRAMES: Final = 2**63 - 1
"""What libsndfile says of a stream whose length it cannot know."""


class AudioFileError(ValueError):
    """The file cannot be used; the message names it and says why, in one line."""


def read_blocks(
    path: Path, block_samples: int = DEFAULT_BLOCK_SAMPLES, channel: int | None = None
) -> Iterator[Floats]:
    """Blocks of exactly `block_samples` float32 samples at 16 kHz; the last may be shorter.

    Args:
        channel: that one alone; None averages them.

    Raises:
        AudioFileError: missing, unreadable, empty, not audio, or with broken samples. What
            lies before a broken place has been given out by then.
    """
    pending = np.zeros(0, np.float32)
    for chunk in _resampled(path, channel):
        pending = np.concatenate([pending, chunk])
        n_whole = len(pending) // block_samples * block_samples
        for at in range(0, n_whole, block_samples):
            yield pending[at : at + block_samples]
        pending = pending[n_whole:]
    if len(pending):
        yield pending


def length_s(path: Path) -> float | None:
    """Seconds of audio, as the file's header says; None if it does not, or there is none."""
    try:
        with _open(path) as file:
            frames, rate = file.frames, file.samplerate
    except AudioFileError:
        return None
    return frames / rate if 0 < frames < _UNKNOWN_FRAMES else None


def read_samples(path: Path) -> Floats:
    """The whole recording at 16 kHz; for short clips.

    Raises:
        AudioFileError: as `read_blocks`.
    """
    return np.concatenate(list(read_blocks(path)))


def count_channels(path: Path) -> int:
    """Raises AudioFileError: as `read_blocks`."""
    with _open(path) as file:
        return int(file.channels)


def _resampled(path: Path, channel: int | None) -> Iterator[Floats]:
    with _open(path) as file:
        resampler = StreamResampler(file.samplerate)
        n_frames = 0
        for frames in _frames(path, file):
            n_frames += len(frames)
            yield resampler.push(
                frames.mean(axis=1, dtype=np.float32) if channel is None else frames[:, channel]
            )
        if n_frames == 0:
            raise AudioFileError(f"{path}: holds no audio")
        yield resampler.flush()


def _frames(path: Path, file: soundfile.SoundFile) -> Iterator[Floats]:
    """Checked frames `[N, channels]`."""
    n_frames = min(_READ_FRAMES, max(1, _READ_SAMPLES // file.channels))
    while True:
        try:
            frames: Floats = file.read(n_frames, dtype="float32", always_2d=True)
        except soundfile.SoundFileRuntimeError as error:
            raise AudioFileError(f"{path}: the audio is damaged ({_reason(error)})") from error
        if len(frames) == 0:
            return
        peak = float(np.abs(frames).max())
        if not np.isfinite(peak):
            raise AudioFileError(f"{path}: holds samples that are NaN or infinite")
        if peak > MAX_PEAK:
            raise AudioFileError(
                f"{path}: a sample of {peak:g} is far outside -1 … 1; scale it to full scale 1.0"
            )
        yield frames


def _open(path: Path) -> soundfile.SoundFile:
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder; name the audio files in it")
    try:
        with path.open("rb") as raw:
            if not raw.read(1):
                raise AudioFileError(f"{path}: is empty")
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.SoundFileRuntimeError, TypeError) as error:
        # A file named .raw makes soundfile ask for a format, as a TypeError.
        raise AudioFileError(
            f"{path}: is not audio that can be read ({_reason(error)}); use wav, flac, mp3 or ogg"
        ) from error
    if not MIN_RATE <= file.samplerate <= MAX_RATE:
        rate = file.samplerate
        file.close()
        raise AudioFileError(f"{path}: has an absurd sample rate of {rate} Hz")
    return file


def _reason(error: Exception) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(text.split()).rstrip(".")
