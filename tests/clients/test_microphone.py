"""The microphone client against an audio system without hardware."""

from __future__ import annotations

import asyncio
import builtins
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from streamer.client.files import RecordingError, open_recording
from streamer.client.microphone import (
    SILENCE_DB,
    InputDevice,
    Microphone,
    MicrophoneError,
    audio_system,
    choose_device,
    level_db,
    list_devices,
)


class FakePortAudioError(Exception):
    pass


class FakeStream:
    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.started = self.closed = False

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True

    def deliver(self, level: float, age_s: float = 0.25) -> None:
        frames = np.full((self.options["blocksize"], self.options["channels"]), level, np.float32)
        times = SimpleNamespace(currentTime=50.0, inputBufferAdcTime=50.0 - age_s)
        self.options["callback"](frames, len(frames), times, None)


class FakeAudio:
    """Two microphones and a loudspeaker."""

    PortAudioError = FakePortAudioError

    def __init__(self) -> None:
        self.devices = [
            {"name": "Speaker", "max_input_channels": 0, "default_samplerate": 48_000.0},
            {"name": "Webcam", "max_input_channels": 1, "default_samplerate": 44_100.0},
            {"name": "Studio", "max_input_channels": 8, "default_samplerate": 192_000.0},
        ]
        self.default: int | None = 2
        self.broken = False
        self.streams: list[FakeStream] = []

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        if self.broken:
            raise FakePortAudioError("the sound server died")
        if kind == "input":
            if self.default is None:
                raise FakePortAudioError("no default")
            return {"index": self.default}
        return self.devices

    def InputStream(self, **options: Any) -> FakeStream:
        if self.broken:
            raise FakePortAudioError("Device unavailable")
        self.streams.append(FakeStream(options))
        return self.streams[-1]


@pytest.fixture
def audio() -> FakeAudio:
    return FakeAudio()


def microphone(audio: FakeAudio, **options: Any) -> Microphone:
    return Microphone(audio, choose_device(audio, 1), now=lambda: 1_000.0, **options)


def test_only_inputs_are_listed(audio: FakeAudio) -> None:
    assert list_devices(audio) == [
        InputDevice(1, "Webcam", 1, 44_100, False),
        InputDevice(2, "Studio", 8, 192_000, True),
    ]


def test_the_default_device_is_chosen_unless_one_is_named(audio: FakeAudio) -> None:
    assert choose_device(audio, None).name == "Studio"
    assert choose_device(audio, 1).name == "Webcam"
    audio.default = None
    assert choose_device(audio, None).name == "Webcam"


def test_a_wrong_number_names_the_right_ones(audio: FakeAudio) -> None:
    with pytest.raises(MicrophoneError, match="no microphone number 0; choose from 1, 2"):
        choose_device(audio, 0)


def test_no_microphone_at_all(audio: FakeAudio) -> None:
    audio.devices = audio.devices[:1]
    with pytest.raises(MicrophoneError, match="no microphone was found"):
        choose_device(audio, None)


def test_a_dead_audio_system_is_told(audio: FakeAudio) -> None:
    device = choose_device(audio, 1)
    audio.broken = True
    with pytest.raises(MicrophoneError, match="cannot be listed: the sound server died"):
        list_devices(audio)
    with pytest.raises(MicrophoneError, match="'Webcam' cannot be opened: Device unavailable"):
        asyncio.run(Microphone(audio, device).__aenter__())


def test_missing_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_portaudio(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_portaudio)
    with pytest.raises(MicrophoneError, match="install PortAudio: apt install libportaudio2"):
        audio_system()


@pytest.mark.parametrize(
    ("library", "open_with_it", "error"),
    [
        ("sounddevice", audio_system, MicrophoneError),
        ("soundfile", lambda: open_recording("talk.wav").__enter__(), RecordingError),
    ],
)
def test_the_client_alone_says_which_extra_is_missing(
    library: str,
    open_with_it: Callable[[], object],
    error: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for missing in (library, "av"):
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(error, match=rf"{library}[, ].*pip install 'streamer-client\["):
        open_with_it()


def test_the_real_audio_system_is_sounddevice(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "sounddevice", stand_in)
    assert audio_system() is stand_in


@pytest.mark.parametrize(
    ("device_rate", "rate"), [(44_100, 44_100), (192_000, 48_000), (4_000, 16_000)]
)
async def test_the_rate_is_one_that_the_server_takes(
    audio: FakeAudio, device_rate: int, rate: int
) -> None:
    device = InputDevice(2, "Studio", 8, device_rate, True)
    async with Microphone(audio, device, chunk_ms=50) as recording:
        assert recording.sample_rate == rate
    (stream,) = audio.streams
    assert stream.options["samplerate"] == rate
    assert stream.options["channels"] == 2
    assert stream.options["blocksize"] == rate // 20
    assert stream.closed


async def test_chunks_carry_their_capture_time(audio: FakeAudio) -> None:
    async with microphone(audio) as recording:
        (stream,) = audio.streams
        stream.deliver(0.5)
        chunk = await anext(recording)
        assert chunk.samples.shape == (4_410,)
        assert chunk.samples[0] == 0.5
        assert chunk.capture_time_ms == pytest.approx(1_000_000 - 250)
        assert chunk.lost_before == 0
        assert recording.level_db == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("age_s", [50.0, -3.0, 20.0])
async def test_a_driver_without_a_clock_is_helped_out(audio: FakeAudio, age_s: float) -> None:
    async with microphone(audio) as recording:
        audio.streams[0].deliver(0.5, age_s)
        chunk = await anext(recording)
        assert chunk.capture_time_ms == pytest.approx(1_000_000 - 100)


async def test_a_slow_reader_loses_the_oldest_and_is_told(audio: FakeAudio) -> None:
    async with microphone(audio, max_chunks=2) as recording:
        for i in range(5):
            audio.streams[0].deliver(i / 10)
        await asyncio.sleep(0)
        first, second = await anext(recording), await anext(recording)
        assert [first.samples[0], second.samples[0]] == pytest.approx([0.3, 0.4])
        assert [first.lost_before, second.lost_before] == [3 * 4_410, 0]


async def test_a_queue_of_one_still_counts(audio: FakeAudio) -> None:
    async with microphone(audio, max_chunks=1) as recording:
        for _ in range(3):
            audio.streams[0].deliver(0.1)
        await asyncio.sleep(0)
        assert (await anext(recording)).lost_before == 2 * 4_410


async def test_an_unplugged_microphone_ends_the_stream(audio: FakeAudio) -> None:
    async with microphone(audio) as recording:
        audio.streams[0].deliver(0.1)
        audio.streams[0].options["finished_callback"]()
        assert (await anext(recording)).samples[0] == pytest.approx(0.1)
        with pytest.raises(MicrophoneError, match="'Webcam' stopped"):
            await anext(recording)


def test_a_late_call_of_the_driver_is_harmless(audio: FakeAudio) -> None:
    async def record() -> None:
        async with microphone(audio):
            pass

    asyncio.run(record())
    audio.streams[0].deliver(0.1)
    audio.streams[0].options["finished_callback"]()


@pytest.mark.parametrize(
    ("samples", "db"), [([0.0] * 9, SILENCE_DB), ([], SILENCE_DB), ([1.0] * 9, 0.0), ([1e-9], -90)]
)
def test_level(samples: list[float], db: float) -> None:
    assert level_db(np.array(samples, np.float32)) == pytest.approx(db)
