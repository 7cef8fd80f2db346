from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import soundfile

from streamer.client.bundled import bundled_speech
from streamer.hosting.options import ServerOptions
from streamer.protocol.voice_prints import voice_numbers
from streamer.recognition.engine import Engine
from tests.borrowed_engine import BorrowedEngine
from tests.fakes import wav_bytes
from tests.serving import ServerThread

pytestmark = pytest.mark.slow

TOKEN = "s3cret"


@pytest.fixture(scope="module")
def server(engine: Engine) -> Iterator[ServerThread]:
    options = ServerOptions(token=TOKEN, max_sessions=1)
    with ServerThread(options, real_engine=BorrowedEngine(engine)) as server:
        yield server


def asked(server: ServerThread, sound: bytes, token: str = TOKEN) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{server.http_url}v1/voice", content=sound, headers=headers, timeout=30)


def read_speech() -> list[bytes]:
    """Of two people, the first one twice."""
    first, other = [clip.path for clip in bundled_speech() if clip.label is None][:4:3]
    samples, rate = soundfile.read(first)
    halves = np.array_split(samples, 2)
    return [*(wav_bytes(half, rate) for half in halves), other.read_bytes()]


def test_the_same_voice_has_a_print_like_its_own(server: ServerThread) -> None:
    answers = [asked(server, sound) for sound in read_speech()]
    assert answers[0].headers["cache-control"] == "no-store"
    one, again, other = (voice_numbers(answer.json()["voice"]) for answer in answers)
    assert one @ again > 0.7
    assert one @ other < 0.6


@pytest.mark.parametrize(
    ("sound", "status", "said"),
    [
        (b"", 413, "send a recording"),
        (b"no sound", 400, "the recording"),
        (wav_bytes(np.zeros(80_000, np.float32)), 400, "too little speech"),
    ],
)
def test_what_is_no_voice_is_refused(
    server: ServerThread, sound: bytes, status: int, said: str
) -> None:
    answer = asked(server, sound)
    assert answer.status_code == status
    assert said in answer.text


def test_only_who_may_speak_and_has_a_place(server: ServerThread) -> None:
    assert asked(server, read_speech()[0], "wrong").status_code == 401
    assert server.sample("streamer_sessions") == 0
