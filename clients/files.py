"""Recordings: read at their own rate, and sent as if they were being spoken or as fast as the
server takes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal

from streamer.audio.arrays import Floats
from streamer.audio.blocks import in_blocks
from streamer.audio.media.contract import AudioFileError
from streamer.audio.media.process import can_decode
from streamer.audio.media.recording import Recording as MediaRecording
from streamer.audio.media.recording import has_libsndfile
from streamer.audio.media.recording import open_recording as open_media
from streamer.client.address import DEFAULT_ADDRESS
from streamer.client.client import Client, connect
from streamer.client.transcript import Transcript
from streamer.protocol.messages import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, StartMessage

CHUNK_MS: Final = 100.0


class RecordingError(ValueError):
    """The file cannot be sent; the message says why and what to do."""


class Recording:
    """An open recording, see `open_recording`."""

    def __init__(self, opened: MediaRecording) -> None:
        self.sample_rate = opened.rate
        self._opened = opened

    def chunks(self, chunk_ms: float = CHUNK_MS) -> Iterator[Floats]:
        """Mono samples in -1 … 1, channels mixed, however long it is in little memory.

        Raises:
            RecordingError: the rest is damaged.
        """
        try:
            yield from in_blocks(self._opened.mono(), round(chunk_ms * self.sample_rate / 1000))
        except AudioFileError as error:
            raise RecordingError(str(error)) from error


@contextmanager
def open_recording(path: Path | str) -> Iterator[Recording]:
    """Open wav, flac, mp3, ogg and, with PyAV, films and all else that has sound; the session's
    `sample_rate` must be the recording's.

    Raises:
        RecordingError: it cannot be read, or has a rate that the server does not take; or no
            library that reads recordings is installed.
    """
    if not (can_decode() or has_libsndfile()):
        # Programs that caption a microphone or a call do without.
        raise RecordingError(
            "recordings are read by soundfile or PyAV, which are not installed: "
            "pip install 'streamer-client[files]' or 'streamer-client[media]'"
        )
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_media(Path(path)))
        except AudioFileError as error:
            raise RecordingError(str(error)) from error
        if not MIN_SAMPLE_RATE <= opened.rate <= MAX_SAMPLE_RATE:
            raise RecordingError(
                f"{path}: has {opened.rate} Hz, the server takes {MIN_SAMPLE_RATE} to "
                f"{MAX_SAMPLE_RATE}; convert it"
            )
        yield Recording(opened)


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
