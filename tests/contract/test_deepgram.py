"""Deepgram's own SDK, pointed at this server."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import soundfile
import websockets
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.listen.v1.socket_client import AsyncV1SocketClient
from deepgram.listen.v1.types import (
    ListenV1ConfigureFailure,
    ListenV1Error,
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)
from deepgram.listen.v1.types.listen_v1configure import ListenV1Configure

from tests.contract.conftest import RATE, TOKEN, Speech, ours
from tests.contract.deepgram_live import LINEAR16, environment, live, transcript_of
from tests.serving import ServerThread


@pytest.mark.slow
async def test_live_captions(server: ServerThread, speech: Speech) -> None:
    async with live(
        server,
        interim_results=True,
        vad_events=True,
        utterance_end_ms=1000,
        smart_format=True,
        request_options={"additional_query_parameters": {"emotion": "true"}},
    ) as session:
        await session.connection.send_keep_alive()
        await session.say(speech.chunks())
        gap = await session.until(lambda m: isinstance(m, ListenV1UtteranceEnd))
        await session.connection.send_finalize()  # nothing is left to flush; it is answered
        answer = await session.until(lambda m: getattr(m, "from_finalize", False))
        await session.close()

    assert isinstance(session.messages[0], ListenV1SpeechStarted)
    assert speech.errors_in(session.transcript) <= 0.15
    interims = [result for result in session.results if not result.is_final]
    assert interims
    shown = [w for result in interims for w in result.channel.alternatives[0].words]
    assert "tentative" in {ours(word, "state") for word in shown}
    assert transcript_of(answer) == ""

    # What is final is final: ranges follow each other, and so do their words.
    ranges = [(result.start, result.start + result.duration) for result in session.finals]
    assert all(end <= start + 0.002 for (_, end), (start, _) in pairwise(ranges))
    words = [w for result in session.finals for w in result.channel.alternatives[0].words]
    assert all(w.start <= w.end and 0 < w.confidence <= 1 and w.word for w in words)
    assert [w.start for w in words] == sorted(w.start for w in words)
    assert (words[0].punctuated_word or "")[:1].isupper()
    assert gap.last_word_end == words[-1].end

    ends = [result for result in session.finals if result.speech_final and transcript_of(result)]
    assert len(ends) >= 1
    assert sum(ours(ends[-1], "emotion")["probs"].values()) == pytest.approx(1, abs=0.01)
    assert ours(ends[-1], "lag_ms") >= 0
    assert ends[-1].metadata.model_info.name == "nova-3"

    metadata = session.messages[-1]
    assert isinstance(metadata, ListenV1Metadata)
    assert metadata.duration == pytest.approx(len(speech.samples) / RATE, abs=0.001)
    assert metadata.sha256 == hashlib.sha256(speech.pcm()).hexdigest()
    assert metadata.request_id == ends[-1].metadata.request_id


@pytest.mark.slow
async def test_finalize_in_the_middle_of_speech(server: ServerThread, speech: Speech) -> None:
    chunks = speech.chunks()
    half = len(chunks) // 2
    async with live(server) as session:
        await session.say(chunks[:half])
        await session.connection.send_finalize()
        flushed = await session.until(lambda m: getattr(m, "from_finalize", False))
        assert transcript_of(flushed)
        assert flushed.is_final
        assert flushed.start + flushed.duration == pytest.approx(half * 0.1, abs=0.001)
        await session.say(chunks[half:])
        await session.close()
    assert session.results == session.finals  # interim results were not asked for
    assert speech.errors_in(session.transcript) <= 0.25  # a word may have been cut in two
    assert sum(bool(result.from_finalize) for result in session.finals) == 1


@pytest.mark.slow
def test_the_blocking_client_and_telephone_audio(server: ServerThread, speech: Speech) -> None:
    mulaw = _telephone(speech)
    client = DeepgramClient(api_key="any", environment=environment(server))
    with client.listen.v1.connect(
        model="streamer-draft", encoding="mulaw", sample_rate=8_000, language="en-US"
    ) as connection:
        for at in range(0, len(mulaw), 1_000):
            connection.send_media(mulaw[at : at + 1_000])
        connection.send_close_stream()
        messages = list(connection)
    finals = [m for m in messages if isinstance(m, ListenV1Results)]
    assert speech.errors_in(" ".join(map(transcript_of, finals))) <= 0.25
    assert isinstance(messages[-1], ListenV1Metadata)


def _telephone(speech: Speech) -> bytes:
    narrow = np.frombuffer(speech.pcm(8_000), "<i2")
    raw = io.BytesIO()
    soundfile.write(raw, narrow, 8_000, format="RAW", subtype="ULAW")
    return raw.getvalue()


@pytest.mark.slow
async def test_bytes_may_be_cut_anywhere(server: ServerThread, speech: Speech) -> None:
    pcm = speech.pcm()
    async with live(server, model="streamer-draft") as session:
        await session.say([pcm[at : at + 3_333] for at in range(0, len(pcm), 3_333)])
        await session.close()
    assert speech.errors_in(session.transcript) <= 0.15
    assert session.messages[-1].duration == pytest.approx(len(pcm) / 2 / RATE, abs=0.001)


async def test_what_is_not_understood_is_told_and_the_stream_goes_on(
    locked_server: ServerThread,
) -> None:
    client = AsyncDeepgramClient(api_key=TOKEN, environment=environment(locked_server))
    async with client.listen.v1.connect(**LINEAR16) as connection:
        await connection._websocket.send("{broken")
        error = await connection.recv()
        assert isinstance(error, ListenV1Error)
        assert error.variant == "SchemaError"
        assert "KeepAlive, Finalize, CloseStream" in error.description
        assert error.message == "{broken"
        await connection.send_configure(ListenV1Configure(keyterms=["Ada"]))
        assert isinstance(await connection.recv(), ListenV1ConfigureFailure)
        await connection.send_finalize()
        assert (await connection.recv()).from_finalize
        await connection._websocket.send(b"")  # the end, as older clients put it
        assert isinstance(await connection.recv(), ListenV1Metadata)


async def test_messages_have_a_limit(locked_server: ServerThread) -> None:
    client = AsyncDeepgramClient(api_key=TOKEN, environment=environment(locked_server))
    async with client.listen.v1.connect(**LINEAR16) as connection:
        await connection.send_media(bytes(32_000))
        await connection.send_media(bytes(1_100_000))
        *results, metadata, error = [message async for message in _until_closed(connection)]
    assert all(isinstance(result, ListenV1Results) for result in results)
    assert metadata.duration == 1.0  # what came before is heard to the end
    assert error.variant == "MESSAGE_TOO_LARGE"
    assert "send at most 1048576 bytes at once" in error.description
    assert connection._websocket.close_code == 1009


async def _until_closed(connection: AsyncV1SocketClient) -> AsyncIterator[Any]:
    with suppress(websockets.ConnectionClosedError):
        async for message in connection:
            yield message


async def test_keys(locked_server: ServerThread) -> None:
    where = environment(locked_server)
    for client in (
        AsyncDeepgramClient(api_key=TOKEN, environment=where),
        AsyncDeepgramClient(access_token=TOKEN, environment=where),
    ):
        async with client.listen.v1.connect(**LINEAR16) as connection:
            await connection.send_close_stream()
            assert isinstance(await connection.recv(), ListenV1Metadata)
    with pytest.raises(ApiError, match="invalid credentials") as refused:
        async with AsyncDeepgramClient(api_key="wrong", environment=where).listen.v1.connect(
            **LINEAR16
        ):
            pass
    assert refused.value.status_code == 401
    # As browsers do it, which cannot set headers.
    url = f"{where.production}/v1/listen?encoding=linear16&sample_rate=16000"
    subprotocols = [websockets.Subprotocol("token"), websockets.Subprotocol(TOKEN)]
    async with websockets.connect(url, subprotocols=subprotocols) as browser:
        assert browser.subprotocol == "token"


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"encoding": "opus"}, "encoding: 'opus' is not understood; use one of linear16"),
        ({"sample_rate": None}, "sample_rate: is missing"),
        ({"sample_rate": 4_000}, "sample_rate: 4000 Hz is out of range"),
        ({"language": "tlh"}, "language: 'tlh' is not known; use auto, or one of de, en"),
        ({"model": "streamer-best"}, "use one of streamer, streamer-draft, streamer-fused"),
        ({"channels": 21}, "channels: 21 is out of range; use 1 to 20"),
        ({"channels": 9, "multichannel": True}, "9 channels are as many sessions, and this server"),
        ({"redact": "pii"}, "redact: 'pii' cannot be told; use one of numbers"),
        ({"utterance_end_ms": 1000}, "utterance_end_ms: needs interim_results=true"),
        ({"utterance_end_ms": 10, "interim_results": True}, "must be at least 1000"),
        ({"endpointing": "soon"}, "endpointing: 'soon' is not a whole number"),
        ({"vad_events": "maybe"}, "vad_events: 'maybe' is neither true nor false"),
        ({"keyterm": ["a"] * 101}, "keyterm: send at most 100 terms"),
    ],
)
async def test_what_is_not_to_be_had_is_refused_with_advice(
    locked_server: ServerThread, options: dict[str, Any], advice: str
) -> None:
    where = environment(locked_server)
    client = AsyncDeepgramClient(api_key=TOKEN, environment=where)
    wanted = {name: v for name, v in (LINEAR16 | options).items() if v is not None}
    with pytest.raises(ApiError) as refused:
        async with client.listen.v1.connect(**wanted):
            pass
    assert refused.value.status_code == 400
    # The SDK keeps the reason to itself; it is in the answer's header and body.
    texts = {k: str(v).lower() if isinstance(v, bool) else v for k, v in wanted.items()}
    query = urlencode(texts, doseq=True)
    with pytest.raises(websockets.InvalidStatus) as status:
        await websockets.connect(
            f"{where.production}/v1/listen?{query}",
            additional_headers={"Authorization": f"Token {TOKEN}"},
        )
    assert advice in status.value.response.headers["dg-error"]
    assert b"INVALID_QUERY_PARAMETER" in (status.value.response.body or b"")
