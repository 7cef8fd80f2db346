"""A pretended microphone behind the interface of `sounddevice`."""

from __future__ import annotations

import itertools
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.fakes import tone


class FakePortAudioError(Exception):
    pass


class FakeAudio:
    """One device of 16 kHz. Set `sound` (whole chunks) and `pace_s`, the time a chunk takes."""

    PortAudioError = FakePortAudioError

    def __init__(self) -> None:
        self.devices = [{"name": "Webcam", "max_input_channels": 1, "default_samplerate": 16_000.0}]
        self.plugged_in = threading.Event()
        self.plugged_in.set()
        self.sound = tone(0.5)
        self.pace_s = 0.02
        self.sounds: dict[int, npt.NDArray[np.float32]] = {}
        """By the number of the device, where it is another than `sound`."""

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        return {"index": 0} if kind == "input" else self.devices

    def InputStream(self, **options: Any) -> FakeStream:
        return FakeStream(self, options)


class FakeStream:
    """Delivers the sound again and again from a thread of its own, as a driver does, until it is
    unplugged."""

    def __init__(self, audio: FakeAudio, options: dict[str, Any]) -> None:
        self._audio = audio
        self._options = options
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._open.set()
        self._thread.start()

    def close(self) -> None:
        self._open.clear()
        self._thread.join()

    def _run(self) -> None:
        for frames in itertools.cycle(self._blocks()):
            if not (self._open.is_set() and self._audio.plugged_in.is_set()):
                break
            times = SimpleNamespace(currentTime=1.0, inputBufferAdcTime=0.9)
            self._options["callback"](frames, len(frames), times, None)
            time.sleep(self._audio.pace_s)
        self._options["finished_callback"]()

    def _blocks(self) -> list[npt.NDArray[np.float32]]:
        mono = self._audio.sounds.get(self._options["device"], self._audio.sound)
        sound = np.repeat(mono[:, None], self._options["channels"], axis=1)
        return list(sound.reshape(-1, self._options["blocksize"], self._options["channels"]))
