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
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest
from websockets.asyncio.client import connect as open_websocket

from streamer.client.address import resume_url
from streamer.client.client import connect
from streamer.client.follow import follow
from streamer.client.transcript import ServerRefusedError
from streamer.hosting.options import ServerOptions
from streamer.protocol.messages import FollowingEvent, ResumeMessage, StartMessage
from streamer.protocol.replica_names import replica_of
from streamer.transcript.wer import word_errors
from tests.conftest import ROOT
from tests.streamer.cluster.running import (
    N_REPLICAS,
    WITHIN_S,
    Cluster,
    running_cluster,
    until,
)
from tests.streamer.cluster.speaking import (
    Speech,
    check_nothing_is_lost,
    deepgram_client,
    is_direct,
    replica,
    sessions,
    sockets,
    speak,
    speaker_who_left,
    to_the_end,
)

pytest.importorskip("ray.serve", reason="Ray is not installed (extra `cluster`)")
pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.asyncio(loop_scope="module")]

N_SESSIONS = 12
SCALED = {"min_replicas": 1, "max_replicas": 2, "down_after_s": 3.0}
CONTRACTS = (
    "test_deepgram.py::test_finalize_in_the_middle_of_speech",
    "test_deepgram_flux.py::test_a_turn",
    "test_deepgram_recordings.py::test_each_channel_of_a_recording",
    "test_media.py::test_live_as_a_browser_records_it[chromium.webm]",
    "test_openai_files.py::test_words_are_streamed",
    "test_openai_realtime.py::test_turns_committed_by_the_client",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stored(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> ServerOptions:
    """Options of replicas with a store."""
    return replace(cluster.options.server, shared_store=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def speech() -> Speech:
    return Speech.bundled()


async def test_sessions_are_spread_and_found_again(cluster: Cluster) -> None:
    async with sessions(cluster, N_SESSIONS) as clients:
        spread = Counter(replica(client) for client in clients)
        # Routers hear of room once a second.
        assert max(spread.values()) - min(spread.values()) <= 2, spread
        assert len(spread) == N_REPLICAS
        for i in range(200):
            ready = clients[i % N_SESSIONS].ready
            assert ready is not None
            assert ready.follow_id is not None
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
            assert client.ready.follow_id is not None
            assert replica_of(client.ready.follow_id) is None
            spoken_on.add(replica(client))
            async with asyncio.timeout(WITHIN_S):
                while not await is_followed(client.ready.follow_id, cluster.url):
                    await asyncio.sleep(0.2)  # the routers hear of it


async def is_followed(follow_id: str, url: str) -> bool:
    async with follow(follow_id, url) as follower:
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
        await until(lambda: all(is_direct(client) for client in clients))
        left = sockets(client for client in clients if replica(client) == leaving)
        speaking = [speak(c, speech, lambda client: replica(client) == staying) for c in clients]
        await until(lambda: all(client.transcript.committed for client in clients))
        away = await speaker_who_left(cluster, leaving)
        other = asyncio.create_task(deepgram_client(cluster, leaving, speech.clips[0]))
        drained = await asyncio.to_thread(cluster.command, "drain", leaving)
        assert drained.returncode == 0, drained.stderr
        await to_the_end(speaking)
        for client, first in zip(clients, ready, strict=True):
            assert first is not None
            assert client.ready is not None
            assert client.ready.follow_id == first.follow_id
        check_nothing_is_lost(clients, speech.text)
        assert {socket.close_code for socket in left} == {1012}
        async with asyncio.timeout(WITHIN_S):
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
        pid = await asyncio.to_thread(cluster.pid, killed)
        speaking = [speak(c, speech, lambda client: replica(client) != killed) for c in clients]
        await until(lambda: all(client.transcript.committed for client in clients))
        os.kill(pid, signal.SIGKILL)
        await to_the_end(speaking)
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


async def test_metrics_tell_of_all_replicas(cluster: Cluster) -> None:
    names = await cluster.settled()

    async def told() -> list[str]:
        async with httpx.AsyncClient(timeout=WITHIN_S) as client:
            return (await client.get(cluster.http_url + "metrics")).text.splitlines()

    async with sessions(cluster, 1), asyncio.timeout(WITHIN_S):
        wanted = {f'streamer_places{{replica="{name}"}} 14.0' for name in names}
        # Who does not answer at once is left out.
        while not wanted <= set(lines := await told()):
            await asyncio.sleep(0.2)
    taken = [line for line in lines if line.startswith("streamer_places_taken{")]
    assert sorted(float(line.split()[-1]) for line in taken) == [0.0, 1.0]


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
    cluster: Cluster, speech: Speech, stored: ServerOptions
) -> None:
    old = await cluster.settled()
    async with sessions(cluster, N_SESSIONS) as clients:
        await until(lambda: all(is_direct(client) for client in clients))
        left = sockets(clients)
        speaking = [speak(c, speech, lambda client: replica(client) not in old) for c in clients]
        await until(lambda: all(client.transcript.committed for client in clients))
        await asyncio.to_thread(cluster.update, **SCALED, server=stored)
        await to_the_end(speaking)
        assert all(client.ready.resumed for client in clients if client.ready is not None)
        assert {socket.close_code for socket in left} == {1012}
        check_nothing_is_lost(clients, speech.text)


async def test_replicas_come_and_go_with_those_who_speak(
    cluster: Cluster, speech: Speech, stored: ServerOptions
) -> None:
    """It goes on with what the update made."""
    await asyncio.to_thread(cluster.ensure, **SCALED, server=stored)
    await cluster.settled(n_replicas=1)
    async with sessions(cluster, N_SESSIONS) as early:
        leaving, staying = early[1:], early[:1]
        more = asyncio.Event()
        speaking = [speak(client, speech, lambda _: more.is_set()) for client in leaving]
        names = await cluster.settled()
        async with sessions(cluster, 3) as late:
            staying += late
            assert {replica(client) for client in staying} == names
            more.set()
            go_on = [
                speak(c, speech, lambda _: len(set(map(replica, staying))) == 1) for c in staying
            ]
            await to_the_end([*speaking, *go_on])
            check_nothing_is_lost(early + late, speech.text)


async def test_with_a_store_sessions_outlive_their_replica(
    cluster: Cluster, speech: Speech, stored: ServerOptions
) -> None:
    """The only one, whose place another takes."""
    await asyncio.to_thread(cluster.update, min_replicas=1, max_replicas=1, server=stored)
    (killed,) = await cluster.settled(n_replicas=1)
    async with (
        sessions(cluster, 3) as kept,
        sessions(cluster, 3, keeps_audio=False) as forgetful,
    ):
        clients = [*kept, *forgetful]
        await until(lambda: all(is_direct(client) for client in clients))
        before = {client: client.ready for client in clients}
        speaking = [speak(c, speech, lambda one: one.ready is not before[one]) for c in clients]
        await until(lambda: all(client.transcript.committed for client in clients))
        pid = await asyncio.to_thread(cluster.pid, killed)
        committed = {client: client.transcript.committed for client in clients}
        os.kill(pid, signal.SIGKILL)
        await to_the_end(speaking)
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
