"""Recordings: read at their own rate, and sent as if they were being spoken or as fast as the
server takes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from streamer.audio.arrays import Floats
from streamer.client.address import DEFAULT_ADDRESS
from streamer.client.client import Client, connect
from streamer.client.transcript import Transcript
from streamer.protocol.messages import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, StartMessage

if TYPE_CHECKING:
    import soundfile

CHUNK_MS: Final = 100.0


class RecordingError(ValueError):
    """The file cannot be sent; the message says why and what to do."""


class Recording:
    """An open recording, see `open_recording`."""

    def __init__(self, path: Path, file: soundfile.SoundFile) -> None:
        self.sample_rate: int = file.samplerate
        self._path = path
        self._file = file

    def chunks(self, chunk_ms: float = CHUNK_MS) -> Iterator[Floats]:
        """Mono samples in -1 … 1, channels averaged, however long it is in little memory.

        Raises:
            RecordingError: the rest is damaged.
        """
        n_frames = round(chunk_ms * self.sample_rate / 1000)
        try:
            for block in self._file.blocks(n_frames, dtype="float32", always_2d=True):
                yield block.mean(axis=1, dtype=np.float32)
        except _soundfile().SoundFileRuntimeError as error:
            raise RecordingError(f"{self._path}: the audio is damaged ({error})") from error


@contextmanager
def open_recording(path: Path | str) -> Iterator[Recording]:
    """Open wav, flac, mp3, ogg and more; the session's `sample_rate` must be the recording's.

    Raises:
        RecordingError: it cannot be read, or has a rate that the server does not take; or the
            library that reads recordings is not installed.
    """
    path = Path(path)
    library = _soundfile()
    try:
        file = library.SoundFile(path)
    except (library.SoundFileRuntimeError, TypeError) as error:  # TypeError: a file named .raw
        raise RecordingError(
            f"{path}: cannot be read ({error}); use wav, flac, mp3 or ogg"
        ) from error
    with file:
        if not MIN_SAMPLE_RATE <= file.samplerate <= MAX_SAMPLE_RATE:
            raise RecordingError(
                f"{path}: has {file.samplerate} Hz, the server takes {MIN_SAMPLE_RATE} to "
                f"{MAX_SAMPLE_RATE}; convert it"
            )
        yield Recording(path, file)


def _soundfile() -> ModuleType:
    """Programs that caption a microphone or a call do without it."""
    try:
        import soundfile
    except ImportError as error:
        raise RecordingError(
            "recordings are read by soundfile, which is not installed: "
            "pip install 'streamer-client[files]'"
        ) from error
    found: ModuleType = soundfile
    return found


async def transcribe(
    path: Path | str,
    address: str = DEFAULT_ADDRESS,
    start: StartMessage | None = None,
    token: str | None = None,
) -> Transcript:
    """Caption a recording as fast as the server hears it.

    Args:
        start: the settings; the rate is that of the recording, and nothing is lost
            (`live=False`), whatever they say.

    Raises:
        RecordingError, ServerRefusedError, ConnectionLostError
        ValueError: this is no address.
    """
    with open_recording(path) as recording:
        changed = {"sample_rate": recording.sample_rate, "live": False}
        settings = (start or StartMessage()).model_copy(update=changed)
        async with connect(address, settings, token) as client:
            for samples in recording.chunks():
                await client.send_audio(samples)
            await client.stop()
            return client.transcript


async def stream_samples(
    client: Client,
    samples: Floats,
    sample_rate: int,
    *,
    speed: Literal[0, 1] = 1,
    chunk_ms: float = CHUNK_MS,
) -> None:
    """Send a recording in chunks; neither finalizes nor stops.

    Args:
        samples: mono, -1 … 1, at `sample_rate`, which must be that of the session.
        speed: 1 = a chunk is sent when its last sample would have been captured, and stamped
            with the time of its first; 0 = as fast as the server reads, stamped when sent.
            Start the session with `live=False` then, or a slow server will lose audio.

    Raises:
        ServerRefusedError, ConnectionLostError
        ValueError: chunks shorter than a sample.
    """
    chunk = round(chunk_ms * sample_rate / 1000)
    if chunk < 1:
        raise ValueError(f"chunk_ms {chunk_ms:g} is less than a sample")
    started_s, started_ms = time.monotonic(), time.time() * 1000
    for at in range(0, len(samples), chunk):
        piece = samples[at : at + chunk]
        capture_time_ms = time.time() * 1000
        if speed == 1:
            capture_time_ms = started_ms + at * 1000 / sample_rate
            due_s = started_s + (at + len(piece)) / sample_rate
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        await client.send_audio(piece, capture_time_ms)
