"""Opus on which libsndfile gives up, though it is whole.

libsndfile 1.2.2 takes a file for damaged from where a page of it says that it lasts less than its
packets; FFmpeg writes such pages where the times that it is given overlap a little.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.audio.arrays import Floats
from streamer.audio.media.contract import AudioFileError, Frames
from streamer.audio.media.decoder import DecodedFrames

if TYPE_CHECKING:  # soundfile may be missing
    from streamer.audio.media.libsndfile import SoundFileFrames


class RescuedFrames:
    """See `Frames`: read by libsndfile; from where it gives up, by FFmpeg's libraries."""

    def __init__(self, path: Path, frames: SoundFileFrames) -> None:
        self._path = path
        self._frames: Frames = frames
        self._stopped = False
        self.rate, self.channels, self.length_s = frames.rate, frames.channels, frames.length_s

    def __iter__(self) -> Iterator[Floats]:
        n_given = 0
        try:
            for frames in self._frames:
                n_given += len(frames)
                yield frames
        except AudioFileError as error:
            gave_up = error
        else:
            return
        self._frames.close()
        yield from self._rest(n_given, gave_up)

    def stop(self) -> None:
        self._stopped = True
        self._frames.stop()

    def close(self) -> None:
        self._frames.close()

    def _rest(self, n_given: int, gave_up: AudioFileError) -> Iterator[Floats]:
        """What FFmpeg's libraries hear behind so many frames.

        Raises:
            AudioFileError: as `Frames`; `gave_up`, if the file is no longer there.
        """
        try:
            file = self._path.open("rb")
        except OSError:
            raise gave_up from None
        with file:
            rate = "--rate", str(self.rate)
            self._frames = decoded = DecodedFrames(str(self._path), file, *rate)
        if self._stopped:
            decoded.stop()
        if decoded.channels != self.channels:
            raise AudioFileError(f"{self._path}: the number of its channels changes")
        for frames in decoded:
            rest = frames[n_given:]
            n_given -= len(frames) - len(rest)
            if len(rest):
                yield rest
