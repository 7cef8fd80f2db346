"""One real server with the real models for all vendors' clients, and speech to send to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from streamer.app import ServerOptions
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.transcript.wer import word_errors
from tests.borrowed_engine import BorrowedEngine
from tests.serving import ServerThread

if TYPE_CHECKING:
    from streamer.recognition.engine import Engine
    from streamer.server.stream_server import StreamServer

TOKEN = "s3cret-key"
RATE = 16_000


@dataclass(frozen=True)
class Speech:
    """A bundled recording with two seconds of silence behind it."""

    path: Path
    text: str
    samples: npt.NDArray[np.float32]

    def pcm(self, rate: int = RATE) -> bytes:
        samples = self.samples if rate == RATE else soxr.resample(self.samples, RATE, rate)
        return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()

    def chunks(self, rate: int = RATE, ms: int = 100) -> list[bytes]:
        """Of `pcm`, as a client that reads a microphone sends them."""
        pcm, step = self.pcm(rate), 2 * rate * ms // 1000
        return [pcm[at : at + step] for at in range(0, len(pcm), step)]

    def errors_in(self, text: str) -> float:
        """Word error rate."""
        return word_errors(self.text, text).rate


@pytest.fixture(scope="session")
def speech() -> Speech:
    """Some seconds, read aloud in one breath or two."""
    clip = min((c for c in bundled_speech() if c.label is None), key=lambda c: c.duration_s)
    samples = np.concatenate([read_samples(clip.path), np.zeros(RATE * 2, np.float32)])
    return Speech(clip.path, clip.text, samples)


def ours(told: object, name: str) -> Any:
    """What this server tells beside what a vendor's own does, so that the SDK's types lack it."""
    return getattr(told, name)


@dataclass(frozen=True)
class RunningServer:
    """One that runs somewhere, perhaps many behind one address."""

    http_url: str

    @property
    def url(self) -> str:
        return self.http_url.replace("http", "ws", 1) + "v1/stream"

    @property
    def server(self) -> StreamServer:
        pytest.skip("looks into a server of this process")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[ServerThread | RunningServer]:
    """Anybody may connect. `CONTRACT_SERVER=http://localhost:8765/` names one that runs."""
    address = os.environ.get("CONTRACT_SERVER")
    if address is not None:
        yield RunningServer(address)
        return
    engine: Engine = request.getfixturevalue("engine")
    options = ServerOptions(wyoming_port=0)
    with ServerThread(options, real_engine=BorrowedEngine(engine)) as running:
        yield running


@pytest.fixture(scope="session")
def locked_server() -> Iterator[ServerThread]:
    """Wants a token; nothing gets as far as a recognizer that needs models."""
    with ServerThread(ServerOptions(token=TOKEN)) as running:
        yield running
