"""Two replicas with real models on Ray Serve: real processes, real speech."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import numpy as np
import pytest

from streamer.audio.arrays import Floats
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.client.files import open_recording
from streamer.client.follow import follow
from streamer.protocol.messages import FollowingEvent, StartMessage
from streamer.protocol.replica_names import replica_of
from streamer.transcript.wer import word_errors
from tests.streamer.cluster.running import Cluster, running_cluster, until

pytest.importorskip("ray.serve", reason="Ray is not installed (extra `cluster`)")
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

N_SESSIONS = 12
CLIPS = ("1995-1837-0007.opus", "7021-85628-0010.opus")
PAUSE_S = 1.2
RATE = 16_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def speech() -> tuple[Floats, str]:
    """Two sentences with pauses behind them, and what is said."""
    clips = {clip.path.name: clip for clip in bundled_speech()}
    sound: list[Floats] = []
    for name in CLIPS:
        with open_recording(clips[name].path) as recording:
            assert recording.sample_rate == RATE
            sound += [*recording.chunks(), np.zeros(round(PAUSE_S * RATE), np.float32)]
    return np.concatenate(sound), " ".join(clips[name].text for name in CLIPS)


@asynccontextmanager
async def sessions(cluster: Cluster, n: int) -> AsyncIterator[list[Client]]:
    """As recordings, which lose nothing on a machine that is too slow."""
    async with AsyncExitStack() as stack:
        start = StartMessage(live=False)
        options = ReconnectOptions(give_up_s=90.0)
        yield [
            await stack.enter_async_context(connect(cluster.url, start, reconnect=options))
            for _ in range(n)
        ]


async def speak(client: Client, sound: Floats) -> None:
    for at in range(0, len(sound), RATE // 5):
        await client.send_audio(sound[at : at + RATE // 5])
        await asyncio.sleep(0.2)
    await client.stop()


def replica(client: Client) -> str:
    assert client.ready is not None
    name = replica_of(client.ready.session_id)
    assert name is not None
    return name


def check_nothing_is_lost(clients: list[Client], said: str) -> None:
    """Nor doubled. What was committed is not changed either: the client would not bear it."""
    for client in clients:
        words = client.transcript.words
        assert [word.id for word in words] == list(range(len(words)))
        assert client.lost_samples == 0
        errors = word_errors(said, client.transcript.text)
        assert errors.rate < 0.2, client.transcript.text


async def test_sessions_are_spread_and_found_again(cluster: Cluster) -> None:
    async with sessions(cluster, N_SESSIONS) as clients:
        spread = Counter(replica(client) for client in clients)
        assert sorted(spread.values()) == [N_SESSIONS // 2] * 2
        for i in range(200):
            ready = clients[i % N_SESSIONS].ready
            assert ready is not None
            async with follow(ready.follow_id, cluster.url) as follower:
                event = await anext(follower)
                assert isinstance(event, FollowingEvent)
                assert event.follow_id == ready.follow_id
        before = [client.ready for client in clients]
        for client in clients:
            assert client._connection is not None
            client._connection._websocket.transport.abort()
        await until(lambda: all(client.ready not in before for client in clients))
        assert all(client.ready.resumed for client in clients if client.ready is not None)
        assert Counter(replica(client) for client in clients) == spread


async def test_a_shared_id_is_found_wherever_it_is_spoken_under(cluster: Cluster) -> None:
    start = StartMessage(share_secret="a secret of sixteen")
    for _ in range(4):
        async with connect(cluster.url, start) as client:
            assert client.ready is not None
            assert replica_of(client.ready.follow_id) is None
            await asyncio.sleep(3.0)  # the routers hear of it
            async with follow(client.ready.follow_id, cluster.url) as follower:
                assert isinstance(await anext(follower), FollowingEvent)


async def test_a_drained_replica_sends_everybody_on(
    cluster: Cluster, speech: tuple[Floats, str]
) -> None:
    sound, said = speech
    names = await cluster.settled()
    async with sessions(cluster, N_SESSIONS) as clients:
        ready = [client.ready for client in clients]
        leaving = replica(clients[0])
        speaking = [asyncio.create_task(speak(client, sound)) for client in clients]
        await until(lambda: all(client.transcript.words for client in clients))
        assert await asyncio.to_thread(lambda: cluster.handle.drain.remote(leaving).result())
        (staying,) = names - {leaving}
        await until(lambda: {replica(client) for client in clients} == {staying})
        for client, first in zip(clients, ready, strict=True):
            assert first is not None
            assert client.ready is not None
            assert client.ready.follow_id == first.follow_id
        await asyncio.gather(*speaking)
        check_nothing_is_lost(clients, said)
    assert staying in await cluster.settled(without=leaving)


async def test_a_killed_replica_costs_no_word(cluster: Cluster, speech: tuple[Floats, str]) -> None:
    sound, said = speech
    await cluster.settled()
    async with sessions(cluster, N_SESSIONS) as clients:
        killed = replica(clients[0])
        pid = (await asyncio.to_thread(cluster.about, killed))["pid"]
        speaking = [asyncio.create_task(speak(client, sound)) for client in clients]
        await until(lambda: all(client.transcript.words for client in clients))
        os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*speaking)
        assert killed not in {replica(client) for client in clients}
        check_nothing_is_lost(clients, said)
    await cluster.settled(without=killed)


async def test_the_command_line_lists_and_drains(cluster: Cluster) -> None:
    names = await cluster.settled()
    listed = await asyncio.to_thread(cluster.command, "status")
    assert listed.returncode == 0, listed.stderr
    assert {line.split()[0] for line in listed.stdout.splitlines()} == names
    assert listed.stdout.count("serving") == 2
    refused = await asyncio.to_thread(cluster.command, "drain", "nobody")
    assert refused.returncode == 1
    assert "there is no replica nobody" in refused.stderr
    leaving = min(names)
    assert (await asyncio.to_thread(cluster.command, "drain", leaving)).returncode == 0
    await cluster.settled(without=leaving)


async def test_an_update_sends_everybody_to_new_replicas(
    cluster: Cluster, speech: tuple[Floats, str]
) -> None:
    sound, said = speech
    await cluster.settled()
    async with sessions(cluster, N_SESSIONS) as clients:
        speaking = [asyncio.create_task(speak(client, sound)) for client in clients]
        await until(lambda: all(client.transcript.words for client in clients))
        resumed = {client: client.ready for client in clients}
        await asyncio.to_thread(cluster.update, 1)
        await until(lambda: len({replica(client) for client in clients}) == 1)
        moved = [client for client in clients if client.ready is not resumed[client]]
        assert moved
        assert all(client.ready.resumed for client in moved if client.ready is not None)
        await asyncio.gather(*speaking)
        check_nothing_is_lost(clients, said)
