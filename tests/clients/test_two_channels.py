"""Two sides of a conversation from Python, against a real server with fake models."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from streamer.app import ServerOptions
from streamer.audio.samples import Sound
from streamer.client import StartMessage, connect
from streamer.client.backoff import ReconnectOptions
from streamer.client.transcript import Transcript
from tests.fakes import silence, tone
from tests.serving import ServerThread
from tests.sockets import cutting_proxy

NEAR = np.concatenate([tone(1.5), silence(1.5), tone(1.0)])
FAR = np.concatenate([silence(1.0), tone(2.0), silence(1.0)])
BOTH = np.stack([NEAR, FAR], axis=1)
START = StartMessage(channels=2, live=False)


def said(transcript: Transcript) -> list[tuple[int, str]]:
    return [(segment.channel, segment.text) for segment in transcript.segments]


EACH = [(0, "w0 w8000 w16000"), (1, "w16000 w24000 w32000 w40000"), (0, "w48000 w56000")]


@pytest.mark.parametrize("kind", ["frames first", "channels first", "bytes"])
async def test_each_channel_has_its_captions(kind: str) -> None:
    sounds: dict[str, Sound] = {
        "frames first": BOTH,
        "channels first": BOTH.T,
        "bytes": (BOTH * 32_767).astype("<i2").tobytes(),
    }
    with ServerThread() as server:
        async with connect(server.url, START) as client:
            await client.send_audio(sounds[kind])
            bye = await client.stop()
    assert said(client.transcript) == EACH
    assert (bye.words, bye.received_ms) == (9, 4_000)


async def test_other_numbers_of_channels_are_refused() -> None:
    with ServerThread() as server:
        async with connect(server.url, START) as client:
            for wrong in (NEAR, np.stack([NEAR] * 3, axis=1), b"\0\0" * 3):
                with pytest.raises(ValueError, match=r"channels|at a time"):
                    await client.send_audio(wrong)


async def test_of_a_lost_session_no_side_is_heard_twice() -> None:
    with ServerThread(ServerOptions(heartbeat_s=0.02, max_parked=4)) as server:
        async with cutting_proxy(server.url) as proxy:
            quick = ReconnectOptions(first_delay_s=0.01)
            async with connect(proxy.url, START, reconnect=quick) as client:
                await client.send_audio(BOTH[:28_000])
                async with asyncio.timeout(20):
                    while len(client.transcript.open) < 2:  # of the far side nothing is committed
                        await asyncio.sleep(0.005)
                server.server.registry._options = ServerOptions(max_parked=0)  # what is cut is lost
                proxy.cut()
                await client.send_audio(BOTH[28_000:])
                await client.stop()
    assert client.lost_samples == 0
    for channel, loud_ms in enumerate((2_500, 2_000)):
        segments = [one for one in client.transcript.segments if one.channel == channel]
        times = [(word.start_ms, word.end_ms) for one in segments for word in one.words]
        assert times == sorted(times)
        assert sum(end - begin for begin, end in times) == pytest.approx(loud_ms, abs=1), times
