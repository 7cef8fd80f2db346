"""Recordings by libsndfile: wav, flac, mp3, ogg (Vorbis and Opus) and more, without PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import soundfile

from streamer.audio.arrays import Floats
from streamer.audio.media.contract import EXTRA, AudioFileError

_READ_FRAMES: Final = 16_384
_READ_SAMPLES: Final = 8 * _READ_FRAMES
"""Of all channels together; a file may say that it has a thousand."""
_UNKNOWN_FRAMES: Final = 2**63 - 1
"""What libsndfile says of a stream whose length it cannot know."""


class SoundFileFrames:
    """See `Frames`."""

    def __init__(self, name: str, file: Path | IO[bytes]) -> None:
        """
        Args:
            name: for messages.

        Raises:
            AudioFileError: libsndfile cannot read it; why, without more.
        """
        self._name = name
        self._stopped = False
        try:
            self._file = soundfile.SoundFile(file)
        except (soundfile.SoundFileRuntimeError, TypeError) as error:
            # A file named .raw makes soundfile ask for a format, as a TypeError.
            raise AudioFileError(_reason(error)) from error
        self.is_opus: bool = self._file.subtype == "OPUS"
        self.rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.length_s: float | None = None
        if self._file.frames < _UNKNOWN_FRAMES:
            self.length_s = self._file.frames / self.rate

    def __iter__(self) -> Iterator[Floats]:
        n_frames = min(_READ_FRAMES, max(1, _READ_SAMPLES // self.channels))
        while not self._stopped:
            try:
                frames: Floats = self._file.read(n_frames, dtype="float32", always_2d=True)
            except soundfile.SoundFileRuntimeError as error:
                advice = f"; if it plays elsewhere, {EXTRA}" if self.is_opus else ""
                raise AudioFileError(
                    f"{self._name}: the audio is damaged ({_reason(error)}){advice}"
                ) from error
            if len(frames) == 0:
                return
            yield frames

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        self._file.close()


def _reason(error: Exception) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(text.split()).rstrip(".")
