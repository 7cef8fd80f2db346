"""Speech that a cluster hears in real time, and what is asked of those who speak it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosedError

from streamer.audio.arrays import Floats
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.client.files import open_recording
from streamer.protocol.messages import ReadyEvent, StartMessage
from streamer.protocol.replica_names import replica_of
from streamer.transcript.wer import word_errors
from tests.streamer.cluster.running import WITHIN_S, Cluster

CLIPS = ("1064_TIE_HAP_XX.opus", "7021-85628-0010.opus")
PAUSE_S = 1.2
RATE = 16_000
HOP = RATE // 5


@dataclass(frozen=True)
class Speech:
    clips: list[Floats]
    """Sentences, with a pause behind each."""
    texts: list[str]

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @classmethod
    def bundled(cls) -> Speech:
        clips = {clip.path.name: clip for clip in bundled_speech()}
        sound: list[Floats] = []
        for name in CLIPS:
            with open_recording(clips[name].path) as recording:
                assert recording.sample_rate == RATE
                pause = np.zeros(round(PAUSE_S * RATE), np.float32)
                sound.append(np.concatenate([*recording.chunks(), pause]))
        return cls(sound, [clips[name].text for name in CLIPS])


@asynccontextmanager
async def sessions(
    cluster: Cluster, n: int, *, keeps_audio: bool = True
) -> AsyncIterator[list[Client]]:
    """As recordings, which lose nothing on a machine that is too slow; who keeps no audio cannot
    wait either."""
    async with AsyncExitStack() as stack:
        start = StartMessage(live=not keeps_audio)
        options = ReconnectOptions(give_up_s=WITHIN_S, keep_s=120.0 if keeps_audio else 1.0)
        yield [
            await stack.enter_async_context(connect(cluster.url, start, reconnect=options))
            for _ in range(n)
        ]


def speak(client: Client, speech: Speech, goes_on: Callable[[Client], bool]) -> asyncio.Task[None]:
    """Sentence by sentence; in between it is silent until it `goes_on`."""

    async def spoken() -> None:
        for clip in speech.clips:
            for at in range(0, len(clip), HOP):
                await hear(client, clip[at : at + HOP])
            while not goes_on(client):
                await hear(client, np.zeros(HOP, np.float32))
        await client.stop()

    return asyncio.create_task(spoken())


async def hear(client: Client, sound: Floats) -> None:
    await client.send_audio(sound)
    await asyncio.sleep(HOP / RATE)


def replica(client: Client) -> str:
    assert client.ready is not None
    name = replica_of(client.ready.session_id)
    assert name is not None
    return name


def is_direct(client: Client) -> bool:
    """It has gone around the proxy."""
    return client.connected and client.ready is not None and client.ready.direct_url is None


def sockets(clients: Iterable[Client]) -> list[ClientConnection]:
    """On which they speak now."""
    connections = [client._connection for client in clients]
    return [connection._websocket for connection in connections if connection is not None]


async def to_the_end(speaking: Iterable[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(*speaking)


async def speaker_who_left(cluster: Cluster, name: str) -> ReadyEvent:
    """Of a session on that replica, which waits to be resumed.

    Those that come to another replica stay until then: it would get the next one too, where that
    replica has more sessions.
    """
    async with asyncio.timeout(WITHIN_S), AsyncExitStack() as others:
        while True:
            (client,) = await others.enter_async_context(sessions(cluster, 1))
            for _ in range(5):
                await hear(client, np.zeros(HOP, np.float32))
            assert client.ready is not None
            if replica(client) == name:
                assert client._connection is not None
                client._connection.abort()
                return client.ready


def check_nothing_is_lost(clients: list[Client], said: str) -> None:
    """Nor doubled. What was committed is not changed either: the client would not bear it."""
    for client in clients:
        words = client.transcript.words
        assert [word.id for word in words] == list(range(len(words)))
        assert client.lost_samples == 0
        errors = word_errors(said, client.transcript.text)
        assert errors.rate < 0.2, client.transcript.text


async def deepgram_client(cluster: Cluster, name: str, sound: Floats) -> tuple[str, int | None]:
    """Says it to that replica, at 16 kHz, and waits for the end; gives what was final, and the
    close code."""
    query = f"encoding=linear16&sample_rate=16000&session={name}.any"
    url = cluster.url.replace("/v1/stream", f"/v1/listen?{query}")
    text = []
    async with open_websocket(url) as websocket:
        await websocket.send((sound * 32_767).astype("<i2").tobytes())
        with suppress(ConnectionClosedError):
            async for message in websocket:
                told = json.loads(message)
                if told["type"] == "Results" and told["is_final"]:
                    text.append(told["channel"]["alternatives"][0]["transcript"])
    return " ".join(text), websocket.close_code
