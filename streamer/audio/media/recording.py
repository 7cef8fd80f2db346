"""The one way to read sound: a file, a pipe or an address, of any format that is known here.

libsndfile reads what it can by itself; FFmpeg's libraries, if PyAV is installed, read all else in
a process of their own.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.channels import ChannelMixer
from streamer.audio.media.contract import (
    EXTRA,
    MAX_PEAK,
    AudioFileError,
    Frames,
    Pipe,
    RawPipe,
    Source,
    Url,
)
from streamer.audio.media.decoder import DecodedFrames
from streamer.audio.media.process import can_decode
from streamer.audio.media.raw import RawFrames
from streamer.audio.media.rescue import RescuedFrames

if TYPE_CHECKING:  # soundfile may be missing
    from streamer.audio.media.libsndfile import SoundFileFrames

MIN_RATE: Final = 1_000
MAX_RATE: Final = 768_000


class Recording:
    """Sound that is open, see `open_recording`. Read it once."""

    def __init__(self, source: Source, frames: Frames) -> None:
        self._source = source
        self._frames = frames
        self.rate = frames.rate
        self.channels = frames.channels
        self.length_s = frames.length_s
        """As its header says; None if it does not."""

    def frames(self) -> Iterator[Floats]:
        """`[N, channels]`, as soon as they are there, in constant memory.

        Raises:
            AudioFileError: it is damaged or ends too soon; what lies before has been given. Or it
                holds no sound.
        """
        has_begun = False
        for frames in self._frames:
            peak = float(np.abs(frames).max(initial=0.0))
            if not np.isfinite(peak):
                raise AudioFileError(f"{self._source}: holds samples that are NaN or infinite")
            if peak > MAX_PEAK:
                raise AudioFileError(
                    f"{self._source}: a sample of {peak:g} is far outside -1 … 1; scale it to full "
                    "scale 1.0"
                )
            has_begun = True
            yield frames
        if not has_begun:
            raise AudioFileError(f"{self._source}: holds no audio")

    def mono(self) -> Iterator[Floats]:
        """`[N]` at its own rate, channels mixed. Raises AudioFileError as `frames`."""
        mixer = ChannelMixer(self.channels)
        for frames in self.frames():
            yield mixer.mix(frames)

    def stop(self) -> None:
        """From elsewhere: let it end here, as if there were no more."""
        self._frames.stop()


@contextmanager
def open_recording(source: Source) -> Iterator[Recording]:
    """
    Raises:
        AudioFileError: missing, unreadable, empty, not audio, or of a kind that wants PyAV.
    """
    frames = _opened(source)
    try:
        if not MIN_RATE <= frames.rate <= MAX_RATE:
            raise AudioFileError(f"{source}: has an absurd sample rate of {frames.rate} Hz")
        yield Recording(source, frames)
    finally:
        frames.close()


def has_libsndfile() -> bool:
    """Whether the library soundfile is installed."""
    return importlib.util.find_spec("soundfile") is not None


def _opened(source: Source) -> Frames:
    match source:
        case RawPipe():
            return RawFrames(source, sys.stdin.fileno())
        case Pipe() if can_decode():
            return DecodedFrames(str(source), None, "--spool")
        case Pipe():
            spooled = tempfile.TemporaryFile()  # noqa: SIM115 - libsndfile closes it
            shutil.copyfileobj(sys.stdin.buffer, spooled)
            spooled.seek(0)
            return _of_libsndfile(str(source), spooled)
        case Url() if can_decode():
            return DecodedFrames(str(source), None, "--url", source.url)
        case Url():
            raise AudioFileError(f"{source}: to read from addresses {EXTRA}")
        case Path():
            return _of_file(source)


def _of_file(path: Path) -> Frames:
    if path.is_dir():
        raise AudioFileError(f"{path}: is a folder; name the audio files in it")
    try:
        with path.open("rb") as file:
            if not file.peek(1):
                raise AudioFileError(f"{path}: is empty")
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read ({error.strerror})") from error
    if not can_decode():
        return _of_libsndfile(str(path), path)
    try:
        frames = _of_libsndfile(str(path), path)
    except AudioFileError:
        pass
    else:
        if frames.length_s != 0:
            return RescuedFrames(path, frames) if frames.is_opus else frames
        frames.close()  # a pipe was written to it, by who could not know its length
    with path.open("rb") as file:
        return DecodedFrames(str(path), file)


def _of_libsndfile(name: str, file: Path | IO[bytes]) -> SoundFileFrames:
    if not has_libsndfile():
        raise AudioFileError(
            f"{name}: recordings are read by soundfile or PyAV, and neither is installed"
        )
    from streamer.audio.media.libsndfile import SoundFileFrames

    try:
        return SoundFileFrames(name, file)
    except AudioFileError as error:
        raise AudioFileError(
            f"{name}: is not audio that can be read ({error}); use wav, flac, mp3 or ogg; for m4a, "
            f"mp4, aac, webm and films {EXTRA}"
        ) from error
