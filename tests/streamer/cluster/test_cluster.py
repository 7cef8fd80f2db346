"""Two replicas with real models on Ray Serve: real processes, real speech."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect as open_websocket

from streamer.audio.arrays import Floats
from streamer.client.address import resume_url
from streamer.client.backoff import ReconnectOptions
from streamer.client.bundled import bundled_speech
from streamer.client.client import Client, connect
from streamer.client.files import open_recording
from streamer.client.follow import follow
from streamer.client.transcript import ServerRefusedError
from streamer.protocol.messages import FollowingEvent, ReadyEvent, ResumeMessage, StartMessage
from streamer.protocol.replica_names import replica_of
from streamer.transcript.wer import word_errors
from tests.conftest import ROOT
from tests.streamer.cluster.running import (
    N_REPLICAS,
    WITHIN_S,
    Cluster,
    deepgram_client,
    running_cluster,
    until,
)

pytest.importorskip("ray.serve", reason="Ray is not installed (extra `cluster`)")
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

N_SESSIONS = 12
CLIPS = ("1064_TIE_HAP_XX.opus", "7021-85628-0010.opus")
PAUSE_S = 1.2
CONTRACTS = (
    "test_deepgram.py::test_finalize_in_the_middle_of_speech",
    "test_deepgram_flux.py::test_a_turn",
    "test_deepgram_recordings.py::test_each_channel_of_a_recording",
    "test_media.py::test_live_as_a_browser_records_it[chromium.webm]",
    "test_openai_files.py::test_words_are_streamed",
    "test_openai_realtime.py::test_turns_committed_by_the_client",
)
RATE = 16_000
HOP = RATE // 5


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the replicas that the update makes."""
    return tmp_path_factory.mktemp("store")


@dataclass(frozen=True)
class Speech:
    clips: list[Floats]
    """Sentences, with a pause behind each."""
    texts: list[str]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


@pytest.fixture(scope="module")
def speech() -> Speech:
    clips = {clip.path.name: clip for clip in bundled_speech()}
    sound: list[Floats] = []
    for name in CLIPS:
        with open_recording(clips[name].path) as recording:
            assert recording.sample_rate == RATE
            pause = np.zeros(round(PAUSE_S * RATE), np.float32)
            sound.append(np.concatenate([*recording.chunks(), pause]))
    return Speech(sound, [clips[name].text for name in CLIPS])


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


def speak(client: Client, speech: Speech, goes_on: Callable[[], bool]) -> asyncio.Task[None]:
    """Sentence by sentence; in between it is silent until it `goes_on`."""

    async def spoken() -> None:
        for clip in speech.clips:
            for at in range(0, len(clip), HOP):
                await hear(client, clip[at : at + HOP])
            while not goes_on():
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


async def speaker_who_left(cluster: Cluster, name: str) -> ReadyEvent:
    """Of a session on that replica, which waits to be resumed."""
    while True:
        async with sessions(cluster, 1) as (client,):
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


async def test_sessions_are_spread_and_found_again(cluster: Cluster) -> None:
    async with sessions(cluster, N_SESSIONS) as clients:
        spread = Counter(replica(client) for client in clients)
        # Routers hear of room once a second.
        assert max(spread.values()) - min(spread.values()) <= 2, spread
        assert len(spread) == N_REPLICAS
        for i in range(200):
            ready = clients[i % N_SESSIONS].ready
            assert ready is not None
            async with follow(ready.follow_id, cluster.url) as follower:
                event = await anext(follower)
                assert isinstance(event, FollowingEvent)
                assert event.follow_id == ready.follow_id
        await until(lambda: all(is_direct(client) for client in clients))
        before = {client: client.ready for client in clients}
        for client in clients:
            assert client._connection is not None
            client._connection.abort()
        await until(lambda: all(client.ready is not before[client] for client in clients))
        assert all(client.ready.resumed for client in clients if client.ready is not None)
        assert Counter(replica(client) for client in clients) == spread


async def test_a_shared_id_is_found_wherever_it_is_spoken_under(cluster: Cluster) -> None:
    async with AsyncExitStack() as stack:
        spoken_on: set[str] = set()
        while len(spoken_on) < N_REPLICAS:
            start = StartMessage(share_secret=secrets.token_hex())
            client = await stack.enter_async_context(connect(cluster.url, start))
            assert client.ready is not None
            assert replica_of(client.ready.follow_id) is None
            spoken_on.add(replica(client))
            async with asyncio.timeout(WITHIN_S):
                while not await is_followed(client.ready.follow_id, cluster.url):
                    await asyncio.sleep(0.2)  # the routers hear of it


async def is_followed(follow_id: str | None, url: str) -> bool:
    async with follow(follow_id or "", url) as follower:
        try:
            return isinstance(await anext(follower), FollowingEvent)
        except ServerRefusedError:
            return False


async def test_a_drained_replica_sends_everybody_on(cluster: Cluster, speech: Speech) -> None:
    names = await cluster.settled()
    async with sessions(cluster, N_SESSIONS) as clients:
        ready = [client.ready for client in clients]
        leaving = replica(clients[0])
        (staying,) = names - {leaving}
        speaking = [speak(c, speech, lambda c=c: replica(c) == staying) for c in clients]
        await until(lambda: all(client.transcript.words for client in clients))
        away = await speaker_who_left(cluster, leaving)
        other = asyncio.create_task(deepgram_client(cluster, leaving, speech.clips[0]))
        drained = await asyncio.to_thread(cluster.command, "drain", leaving)
        assert drained.returncode == 0, drained.stderr
        await asyncio.gather(*speaking)
        for client, first in zip(clients, ready, strict=True):
            assert first is not None
            assert client.ready is not None
            assert client.ready.follow_id == first.follow_id
        check_nothing_is_lost(clients, speech.text)
        text, close_code = await other
        assert close_code == 1012
        assert word_errors(speech.texts[0], text).errors <= 1, text
    resume = ResumeMessage(session_id=away.session_id, resume_token=away.resume_token or "")
    async with open_websocket(resume_url(cluster.url, away.session_id)) as websocket:
        await websocket.send(resume.model_dump_json())
        again = json.loads(await websocket.recv())
        assert again["resumed"], again
    assert staying in await cluster.settled(without=leaving)


async def test_a_killed_replica_costs_no_word(cluster: Cluster, speech: Speech) -> None:
    await cluster.settled()
    async with sessions(cluster, N_SESSIONS) as clients:
        killed = replica(clients[0])
        pid = (await asyncio.to_thread(cluster.about, killed))["pid"]
        speaking = [speak(c, speech, lambda c=c: replica(c) != killed) for c in clients]
        await until(lambda: all(client.transcript.words for client in clients))
        os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*speaking)
        check_nothing_is_lost(clients, speech.text)
    await cluster.settled(without=killed)


async def test_the_command_line_lists_replicas(cluster: Cluster) -> None:
    names = await cluster.settled()
    listed = await asyncio.to_thread(cluster.command, "status")
    assert listed.returncode == 0, listed.stderr
    assert {line.split()[0] for line in listed.stdout.splitlines()} == names
    assert listed.stdout.count("serving") == 2
    refused = await asyncio.to_thread(cluster.command, "drain", "nobody")
    assert refused.returncode == 1
    assert "there is no replica nobody" in refused.stderr


async def test_other_protocols_are_served(cluster: Cluster) -> None:
    """By some of their contract tests; all of them take minutes."""
    command = [sys.executable, "-m", "pytest", "-q", *(f"tests/contract/{t}" for t in CONTRACTS)]
    told = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=ROOT,
        env={**os.environ, "CONTRACT_SERVER": cluster.http_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout
    assert f"{len(CONTRACTS)} passed" in told.stdout


async def test_an_update_sends_everybody_to_new_replicas(
    cluster: Cluster, speech: Speech, store: Path
) -> None:
    old = await cluster.settled()
    async with sessions(cluster, N_SESSIONS) as clients:
        speaking = [speak(c, speech, lambda c=c: replica(c) not in old) for c in clients]
        await until(lambda: all(client.transcript.words for client in clients))
        server = replace(cluster.options.server, shared_store=store)
        await asyncio.to_thread(cluster.update, min_replicas=1, down_after_s=3.0, server=server)
        await asyncio.gather(*speaking)
        assert all(client.ready.resumed for client in clients if client.ready is not None)
        check_nothing_is_lost(clients, speech.text)


async def test_replicas_come_and_go_with_those_who_speak(cluster: Cluster, speech: Speech) -> None:
    """It goes on with what the update made: one replica, and at most two."""
    await cluster.settled(n_replicas=1)
    async with sessions(cluster, N_SESSIONS) as early:
        leaving, staying = early[1:], early[:1]
        more = asyncio.Event()
        speaking = [speak(client, speech, more.is_set) for client in leaving]
        names = await cluster.settled()
        async with sessions(cluster, 3) as late:
            staying += late
            assert {replica(client) for client in staying} == names
            more.set()
            go_on = [
                speak(c, speech, lambda: len(set(map(replica, staying))) == 1) for c in staying
            ]
            await asyncio.gather(*speaking, *go_on)
            check_nothing_is_lost(early + late, speech.text)


async def test_with_a_store_sessions_outlive_their_replica(
    cluster: Cluster, speech: Speech, store: Path
) -> None:
    """The only one, whose place another takes."""
    (killed,) = await cluster.settled(n_replicas=1)
    async with (
        sessions(cluster, 3) as kept,
        sessions(cluster, 3, keeps_audio=False) as forgetful,
    ):
        clients = [*kept, *forgetful]
        await until(lambda: all(is_direct(client) for client in clients))
        before = {client: client.ready for client in clients}
        speaking = [speak(c, speech, lambda c=c: c.ready is not before[c]) for c in clients]
        await until(lambda: all(len(client.transcript.words) > 3 for client in clients))
        committed = {client: list(client.transcript.words) for client in clients}
        os.kill((await asyncio.to_thread(cluster.about, killed))["pid"], signal.SIGKILL)
        await asyncio.gather(*speaking)
        check_nothing_is_lost(kept, speech.text)
        for client, words in committed.items():
            first, last = before[client], client.ready
            assert first is not None
            assert last is not None
            assert (last.resumed, last.session_id) == (True, first.session_id)
            said = client.transcript.words
            assert [word.id for word in said] == list(range(len(said)))
            assert [word.text for word in said[: len(words)]] == [word.text for word in words]
    await cluster.settled(n_replicas=1)


async def test_metrics_tell_of_all_replicas(cluster: Cluster) -> None:
    names = await cluster.settled(n_replicas=1)
    async with sessions(cluster, 1):
        told = (await asyncio.to_thread(httpx.get, cluster.http_url + "metrics")).text
    for name in names:
        assert f'streamer_places{{replica="{name}"}} 14.0' in told
    assert sum(line.startswith("streamer_places_taken{") for line in told.splitlines()) == 1
