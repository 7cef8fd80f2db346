"""A microphone as an asynchronous stream of chunks, by way of PortAudio.

The audio driver's thread hands chunks to a bounded queue. Where the reader falls behind, the
oldest chunks give way, and the next one tells how many samples are missing before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Protocol, cast

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.protocol.messages import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE

SILENCE_DB: Final = -90.0
_PREFERRED_RATES: Final = (SAMPLE_RATE, 48_000)
"""Tried when the device's own rate is not one that the server takes."""


class MicrophoneError(RuntimeError):
    """The microphone cannot be used; the message says why and what to do."""


class AudioSystem(Protocol):
    """What is needed of the `sounddevice` module."""

    @property
    def PortAudioError(self) -> type[Exception]: ...  # noqa: N802  its name there

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any: ...

    def InputStream(self, **options: Any) -> Any: ...  # noqa: N802  its name there


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A microphone, as the system lists it."""

    index: int
    name: str
    channels: int
    sample_rate: int
    is_default: bool


@dataclass(frozen=True, slots=True)
class MicrophoneChunk:
    """Mono samples, when the first was captured (milliseconds since the Unix epoch), and how
    many were lost just before it."""

    samples: Floats
    capture_time_ms: float
    lost_before: int


def audio_system() -> AudioSystem:
    """The real one.

    Raises:
        MicrophoneError: PortAudio, the system's audio library, is missing, or what speaks to it.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MicrophoneError(
            "microphones are read by sounddevice, which is not installed: "
            "pip install 'streamer-client[microphone]'"
        ) from error
    except OSError as error:
        raise MicrophoneError(
            f"no microphone access ({error}); install PortAudio: "
            "apt install libportaudio2, or brew install portaudio"
        ) from error
    return cast(AudioSystem, sounddevice)


def list_devices(system: AudioSystem) -> list[InputDevice]:
    """All microphones; the system's default first choice is marked.

    Raises:
        MicrophoneError: the audio system cannot be asked.
    """
    try:
        found = list(system.query_devices())
    except system.PortAudioError as error:
        raise MicrophoneError(f"the audio devices cannot be listed: {error}") from error
    default = _default_index(system)
    return [
        InputDevice(
            index,
            str(device["name"]),
            int(device["max_input_channels"]),
            round(device["default_samplerate"]),
            index == default,
        )
        for index, device in enumerate(found)
        if device["max_input_channels"] > 0
    ]


def choose_device(system: AudioSystem, index: int | None) -> InputDevice:
    """The device of that number, or the default one, or else the first.

    Raises:
        MicrophoneError: there is none.
    """
    devices = list_devices(system)
    if not devices:
        raise MicrophoneError("no microphone was found; plug one in, or allow access to it")
    if index is None:
        return next((device for device in devices if device.is_default), devices[0])
    for device in devices:
        if device.index == index:
            return device
    numbers = ", ".join(str(device.index) for device in devices)
    raise MicrophoneError(f"there is no microphone number {index}; choose from {numbers}")


class Microphone:
    """Records while its context is open; iterate for chunks.

    async with Microphone(system, device) as microphone:
        async for chunk in microphone: ...
    """

    def __init__(
        self,
        system: AudioSystem,
        device: InputDevice,
        *,
        chunk_ms: float = 100.0,
        max_chunks: int = 50,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            max_chunks: that may wait to be read.
            now: seconds since the Unix epoch.
        """
        rate = device.sample_rate
        in_range = MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE
        self.sample_rate = rate if in_range else _PREFERRED_RATES[rate > MAX_SAMPLE_RATE]
        self.level_db = SILENCE_DB
        """RMS of the newest chunk relative to full scale."""
        self._system = system
        self._device = device
        self._chunk_samples = round(chunk_ms * self.sample_rate / 1000)
        self._max_chunks = max_chunks
        self._now = now
        self._chunks: deque[MicrophoneChunk] = deque()
        self._lost = 0
        self._available = asyncio.Event()
        self._ended = False
        self._stream: Any = None

    async def __aenter__(self) -> Microphone:
        """
        Raises:
            MicrophoneError: the device cannot be opened.
        """
        loop = asyncio.get_running_loop()

        def on_audio(block: Floats, n_frames: int, times: Any, status: object) -> None:
            # The driver reuses its buffer after this returns.
            samples = block.mean(axis=1, dtype=np.float32)
            captured_s = self._now() - _age_s(times, n_frames / self.sample_rate)
            with _loop_may_be_gone():
                loop.call_soon_threadsafe(self._put, samples, captured_s * 1000)

        def on_finished() -> None:
            with _loop_may_be_gone():
                loop.call_soon_threadsafe(self._end)

        try:
            self._stream = self._system.InputStream(
                device=self._device.index,
                channels=min(self._device.channels, 2),
                samplerate=self.sample_rate,
                blocksize=self._chunk_samples,
                dtype="float32",
                callback=on_audio,
                finished_callback=on_finished,
            )
            self._stream.start()
        except self._system.PortAudioError as error:
            raise MicrophoneError(
                f"the microphone {self._device.name!r} cannot be opened: {error}"
            ) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A device that was unplugged may refuse to be closed; there is nothing left to save.
        with contextlib.suppress(self._system.PortAudioError):
            self._stream.close()

    def __aiter__(self) -> AsyncIterator[MicrophoneChunk]:
        return self

    async def __anext__(self) -> MicrophoneChunk:
        """
        Raises:
            MicrophoneError: the device has gone.
        """
        while not self._chunks:
            if self._ended:
                raise MicrophoneError(f"the microphone {self._device.name!r} stopped")
            self._available.clear()
            await self._available.wait()
        return self._chunks.popleft()

    def _put(self, samples: Floats, capture_time_ms: float) -> None:
        self.level_db = level_db(samples)
        if len(self._chunks) == self._max_chunks:
            oldest = self._chunks.popleft()
            missing = oldest.lost_before + len(oldest.samples)
            if self._chunks:
                following = self._chunks.popleft()
                lost_before = following.lost_before + missing
                self._chunks.appendleft(
                    MicrophoneChunk(following.samples, following.capture_time_ms, lost_before)
                )
            else:
                self._lost += missing
        self._chunks.append(MicrophoneChunk(samples, capture_time_ms, self._lost))
        self._lost = 0
        self._available.set()

    def _end(self) -> None:
        self._ended = True
        self._available.set()


def level_db(samples: Floats) -> float:
    """RMS in decibels relative to full scale, at least `SILENCE_DB`."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return max(SILENCE_DB, 10 * math.log10(power)) if power > 0 else SILENCE_DB


def _age_s(times: Any, chunk_s: float) -> float:
    """How long ago a chunk's first sample was captured; some drivers do not say."""
    age = float(times.currentTime - times.inputBufferAdcTime)
    return age if times.inputBufferAdcTime > 0 and 0 <= age < 10 else chunk_s


def _default_index(system: AudioSystem) -> int | None:
    try:
        return int(system.query_devices(kind="input")["index"])
    except (system.PortAudioError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def _loop_may_be_gone() -> Iterator[None]:
    """The driver may call once more after the program's loop has closed."""
    with contextlib.suppress(RuntimeError):
        yield
