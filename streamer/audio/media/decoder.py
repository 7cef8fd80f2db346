"""Recordings and streams through the worker, for those who may wait."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import IO, Final

from streamer.audio.arrays import Floats
from streamer.audio.media.contract import AudioFileError
from streamer.audio.media.process import (
    Format,
    Message,
    MessageReader,
    Needs,
    command,
    died,
    environment,
)
from streamer.audio.media.worker.messages import DecodingError

_READ_BYTES: Final = 1 << 16


class DecodedFrames:
    """See `Frames`."""

    def __init__(self, name: str, file: IO[bytes] | int | None, *arguments: str) -> None:
        """
        Args:
            name: of what is decoded, for messages.
            file: it comes from here; None is our own standard input.

        Raises:
            AudioFileError: it is none that can be decoded, or it ended before it began.
        """
        self._name = name
        self._stopped = False
        self._process = subprocess.Popen(
            command(*arguments),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        self._messages = self._read()
        self.rate, self.channels, self.length_s = 0, 0, None
        try:
            for message in self._messages:
                if isinstance(message, Format):
                    self.rate, self.channels = message.rate, message.channels
                    self.length_s = message.length_s
                    return
        except AudioFileError:
            self.close()
            raise
        self.close()
        raise AudioFileError(f"{name}: holds no audio")

    def __iter__(self) -> Iterator[Floats]:
        for message in self._messages:
            if not isinstance(message, Format | Needs):
                yield message

    def stop(self) -> None:
        self._stopped = True
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> Iterator[Message]:
        assert self._process.stdout is not None
        reader = MessageReader()
        try:
            while data := self._process.stdout.read1(_READ_BYTES):  # type: ignore[attr-defined]
                yield from reader.read(data)
            error = died(self._process.wait())
            if error is not None and not self._stopped:
                raise error
        except DecodingError as error:
            raise AudioFileError(f"{self._name}: {error}") from error
