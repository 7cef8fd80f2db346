"""Deepgram Flux by Deepgram's own SDK, pointed at this server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.listen.v2.socket_client import AsyncV2SocketClient
from deepgram.listen.v2.types import (
    ListenV2Configure,
    ListenV2ConfigureFailure,
    ListenV2ConfigureSuccess,
    ListenV2ConfigureThresholds,
    ListenV2Connected,
    ListenV2TurnInfo,
)

from tests.contract.conftest import RATE, TOKEN, Speech
from tests.contract.deepgram_live import Live, environment
from tests.serving import ServerThread

FLUX = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": RATE}


class FluxLive(Live[AsyncV2SocketClient]):
    async def until_type(self, kind: type) -> Any:
        return await self.until(lambda message: isinstance(message, kind))

    @property
    def turns(self) -> list[ListenV2TurnInfo]:
        return [m for m in self.messages if isinstance(m, ListenV2TurnInfo)]


@asynccontextmanager
async def live(server: ServerThread, **options: Any) -> AsyncIterator[FluxLive]:
    client = AsyncDeepgramClient(api_key="any", environment=environment(server))
    async with client.listen.v2.connect(**(FLUX | options)) as connection:
        yield FluxLive(connection)


@pytest.mark.slow
async def test_a_turn(server: ServerThread, speech: Speech) -> None:
    async with live(server, eager_eot_threshold=0.3, eot_threshold=0.5) as session:
        connected = await session.until_type(ListenV2Connected)
        await session.say(speech.chunks())
        await session.close()
    events = [turn.event for turn in session.turns]
    assert events[0] == "StartOfTurn"
    assert events.count("StartOfTurn") == events.count("EndOfTurn") >= 1
    assert "Update" in events
    assert {turn.request_id for turn in session.turns} == {connected.request_id}
    numbers = [message.sequence_id for message in session.messages]
    assert numbers == list(range(len(numbers)))
    ends = [turn for turn in session.turns if turn.event == "EndOfTurn"]
    assert speech.errors_in(" ".join(end.transcript for end in ends)) <= 0.15
    last = ends[-1]
    assert last.trigger == "model"
    assert last.end_of_turn_confidence >= 0.5
    assert [word.word for word in last.words] == last.transcript.split()
    end = last.words[-1].end
    assert end is not None
    assert last.audio_window_start < end <= last.audio_window_end
    assert [turn.turn_index for turn in ends] == sorted({turn.turn_index for turn in ends})


@pytest.mark.slow
async def test_a_turn_is_ended_by_hand(server: ServerThread, speech: Speech) -> None:
    half = speech.chunks()[: len(speech.chunks()) // 3]
    async with live(server, eot_threshold=1.0, eot_timeout_ms=60_000) as session:
        await session.say(half)
        await session.until_type(ListenV2TurnInfo)
        await session.connection.send_force_end_turn()
        async with asyncio.timeout(30):
            while session.turns[-1].event != "EndOfTurn":
                await asyncio.sleep(0.01)
        await session.close()
    assert [(t.event, t.trigger) for t in session.turns if t.event == "EndOfTurn"] == [
        ("EndOfTurn", "manual")
    ]


@pytest.mark.slow
async def test_key_terms_change_while_it_runs(server: ServerThread, speech: Speech) -> None:
    async with live(server) as session:
        await session.say(speech.chunks()[:20])
        change = ListenV2Configure(
            keyterms=["Ada", "Kyiv"],
            thresholds=ListenV2ConfigureThresholds(eot_threshold=0.9, eot_timeout_ms=900),
        )
        await session.connection.send_configure(change)
        success = await session.until_type(ListenV2ConfigureSuccess)
        await session.connection.send_configure({"type": "Configure", "language_hints": ["de"]})
        failure = await session.until_type(ListenV2ConfigureFailure)
        await session.say(speech.chunks()[20:])
        await session.close()
    assert success.keyterms == ["Ada", "Kyiv"]
    assert (success.thresholds.eot_threshold, success.thresholds.eot_timeout_ms) == (0.9, 900)
    assert failure.description.startswith("language_hints: are fixed")
    ends = [turn.transcript for turn in session.turns if turn.event == "EndOfTurn"]
    assert speech.errors_in(" ".join(ends)) <= 0.15


@pytest.mark.slow
def test_the_blocking_client(server: ServerThread, speech: Speech) -> None:
    client = DeepgramClient(api_key="any", environment=environment(server))
    with client.listen.v2.connect(**FLUX) as connection:
        for chunk in speech.chunks():
            connection.send_media(chunk)
        connection.send_close_stream()
        turns = [m for m in connection if isinstance(m, ListenV2TurnInfo)]
    assert turns[-1].event == "EndOfTurn"


async def test_refusals_say_why(locked_server: ServerThread) -> None:
    client = AsyncDeepgramClient(api_key=TOKEN, environment=environment(locked_server))
    with pytest.raises(ApiError) as refused:
        async with client.listen.v2.connect(**(FLUX | {"eot_threshold": 3})):
            pass
    assert refused.value.status_code == 400
    stranger = AsyncDeepgramClient(api_key="wrong", environment=environment(locked_server))
    with pytest.raises(ApiError) as refused:
        async with stranger.listen.v2.connect(**FLUX):
            pass
    assert refused.value.status_code == 401
