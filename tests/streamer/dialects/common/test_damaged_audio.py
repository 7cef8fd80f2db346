"""One damaged audio message among whole ones, in every dialect: what comes after it is heard as it
was sent, and the bytes left over are counted. Whoever cuts a stream anywhere loses nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from websockets.asyncio.client import connect

from streamer.dialects.common.dialect import Audio
from tests.conversations import new_dialect
from tests.fakes import tone
from tests.serving import ServerThread

SPEECH = (tone(1.0) * 32_767).astype("<i2").tobytes()
STEP = 3_200


def as_deepgram(data: bytes) -> bytes:
    return data


def as_realtime(data: bytes) -> str:
    audio = base64.b64encode(data).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


def as_wyoming(data: bytes) -> bytes:
    shape = {"rate": 16_000, "width": 2, "channels": 1}
    event = {"type": "audio-chunk", "data": shape, "payload_length": len(data)}
    return json.dumps(event).encode() + b"\n" + data


DIALECTS: dict[str, Callable[[bytes], str | bytes]] = {
    "deepgram": as_deepgram,
    "realtime": as_realtime,
    "wyoming": as_wyoming,
}


def heard(name: str, pieces: list[bytes]) -> tuple[npt.NDArray[np.float32], int]:
    """The samples that the session gets, and how many bytes were dropped."""
    dialect = new_dialect(name)
    list(dialect.on_connect())
    audio = [
        action
        for piece in pieces
        for action in dialect.on_message(DIALECTS[name](piece))
        if isinstance(action, Audio)
    ]
    return np.concatenate([one.samples for one in audio]), sum(one.dropped_bytes for one in audio)


def in_pieces(step: int) -> list[bytes]:
    return [SPEECH[at : at + step] for at in range(0, len(SPEECH), step)]


@pytest.mark.parametrize("name", list(DIALECTS))
@pytest.mark.parametrize("odd", [b"\x7f", SPEECH[:333], SPEECH[: STEP - 1]])
def test_what_comes_after_a_damaged_message_is_unharmed(name: str, odd: bytes) -> None:
    pieces = in_pieces(STEP)
    samples, dropped = heard(name, [*pieces[:3], odd, *pieces[3:]])
    after, _ = heard(name, pieces[3:])
    np.testing.assert_array_equal(samples[-len(after) :], after)
    assert dropped == 1


@pytest.mark.parametrize("name", list(DIALECTS))
@pytest.mark.parametrize("step", [1, 33, 1_023, 3_333])
def test_a_stream_may_be_cut_anywhere(name: str, step: int) -> None:
    samples, dropped = heard(name, in_pieces(step))
    whole, _ = heard(name, [SPEECH])
    np.testing.assert_array_equal(samples, whole)
    assert dropped == 0


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


async def test_the_bytes_left_over_are_counted(server: ServerThread) -> None:
    url = server.http_url.replace("http", "ws", 1) + "v1/listen?encoding=linear16&sample_rate=16000"
    async with connect(url) as websocket:
        for piece in (SPEECH, b"\x7f", SPEECH):
            await websocket.send(piece)
        await websocket.send('{"type": "CloseStream"}')
        metadata = [json.loads(message) async for message in websocket][-1]
    assert metadata["duration"] == 2.0
    assert server.sample("streamer_dropped_bytes_total") == 1
