"""Clients that no other server can go on with, when theirs is told to go: all that they said comes,
and a close frame that tells to come again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import ClientConnection, connect

from streamer.protocol.frames import encode_container_frame
from tests.fakes import eventually, tone
from tests.media import encoded
from tests.serving import ServerThread
from tests.sockets import rest

SAID = "w0 w8000 w16000"
PCM = (tone(1.5) * 32_767).astype("<i2").tobytes()
Messages = list[dict[str, Any]]


@pytest.fixture
def server() -> Iterator[ServerThread]:
    with ServerThread() as running:
        yield running


def deepgram(websocket: ClientConnection) -> None:
    websocket.send(PCM)


def deepgram_text(messages: Messages) -> str:
    finals = [m for m in messages if m["type"] == "Results" and m["is_final"]]
    return " ".join(m["channel"]["alternatives"][0]["transcript"] for m in finals).strip()


def openai(websocket: ClientConnection) -> None:
    sound = np.repeat(tone(1.5), 3)[::2]  # 24 kHz
    audio = base64.b64encode((sound * 32_767).astype("<i2").tobytes()).decode()
    websocket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))


def openai_text(messages: Messages) -> str:
    done = [m for m in messages if m["type"].endswith("transcription.completed")]
    return " ".join(m["transcript"] for m in done)


def container(websocket: ClientConnection) -> None:
    websocket.send('{"type":"start","encoding":"container"}')
    websocket.send(encode_container_frame(0, 0, encoded(tone(1.5), "talk.wav")))


def native_text(messages: Messages) -> str:
    return " ".join(m["text"] for m in messages if m["type"] == "segment")


@pytest.mark.parametrize(
    ("path", "speak", "text", "error"),
    [
        ("v1/listen?encoding=linear16&sample_rate=16000", deepgram, deepgram_text, "Error"),
        ("v1/realtime?intent=transcription", openai, openai_text, "error"),
        ("v1/stream", container, native_text, "error"),
    ],
    ids=["deepgram", "openai", "container"],
)
def test_all_that_was_said_comes_and_then_a_close(
    server: ServerThread,
    path: str,
    speak: Callable[[ClientConnection], None],
    text: Callable[[Messages], str],
    error: str,
) -> None:
    with connect(server.http_url.replace("http", "ws", 1) + path) as websocket:
        speak(websocket)
        eventually(lambda: server.sample("streamer_audio_seconds_total") >= 1.4)
        server.move_away(0.0)
        messages = rest(websocket)
    assert text(messages).startswith(SAID)
    assert [m["type"] for m in messages].count(error) == 1
    assert "others stay" in json.dumps(messages)
    assert websocket.close_code == 1012
