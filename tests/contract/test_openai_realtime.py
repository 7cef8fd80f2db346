"""OpenAI's own SDK, pointed at this server: the Realtime API."""

from __future__ import annotations

import asyncio
import base64

import pytest
import websockets
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionCompletedEvent as Completed,
)
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionDeltaEvent as Delta,
)
from openai.types.realtime import (
    ConversationItemInputAudioTranscriptionFailedEvent as Failed,
)
from openai.types.realtime import InputAudioBufferSpeechStartedEvent as SpeechStarted

from tests.contract.conftest import TOKEN, Speech, ours
from tests.contract.openai_live import RATE, TRANSCRIPTION, Live, client, live, pcm, settings
from tests.fakes import tone
from tests.serving import ServerThread


@pytest.mark.slow
async def test_turns_found_by_the_server(server: ServerThread, speech: Speech) -> None:
    async with live(server) as session:
        await session.connection.session.update(
            session=settings(
                format={"type": "audio/pcm", "rate": 24_000},
                transcription={"model": "gpt-4o-transcribe", "language": "en", "prompt": "Food."},
                turn_detection={"type": "server_vad", "silence_duration_ms": 100},
            )
            | {"include": ["emotion"]}
        )
        updated = await session.until_type("session.updated")
        await session.say(speech.chunks(RATE))
        done = await session.until_type(f"{TRANSCRIPTION}.completed")
        await session.connection.close()

    chosen = updated.session.audio.input
    assert chosen.turn_detection.silence_duration_ms == 500  # what is in force
    assert chosen.transcription.prompt == "Food."
    started = next(e for e in session.events if isinstance(e, SpeechStarted))
    assert isinstance(done, Completed)
    assert done.item_id == started.item_id
    assert speech.errors_in(done.transcript) <= 0.15
    assert session.deltas(done.item_id) == done.transcript  # only ever appended to
    assert sum(isinstance(event, Delta) for event in session.events) > 1
    assert done.usage.type == "duration"
    assert 0 < done.usage.seconds <= len(speech.samples) / 16_000
    assert sum(ours(done, "emotion")["probs"].values()) == pytest.approx(1, abs=0.01)
    order = [
        "input_audio_buffer.speech_started",
        f"{TRANSCRIPTION}.delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        f"{TRANSCRIPTION}.completed",
    ]
    places = [session.types.index(name) for name in order]
    assert places == sorted(places)
    assert len({event.event_id for event in session.events}) == len(session.events)


@pytest.mark.slow
async def test_turns_committed_by_the_client(server: ServerThread, speech: Speech) -> None:
    chunks = speech.chunks(RATE)
    half = len(chunks) // 2
    async with live(server, model="streamer") as session:
        buffer = session.connection.input_audio_buffer
        await session.connection.session.update(session=settings(turn_detection=None))
        await session.until_type("session.updated")
        await session.say(chunks[:half])
        await buffer.commit()
        first = await session.until_type(f"{TRANSCRIPTION}.completed")
        await session.say(chunks[half:])
        await buffer.commit()
        second = await session.until_type(f"{TRANSCRIPTION}.completed", 2)
        await session.say(chunks[:20])
        await buffer.clear()
        await session.until_type("input_audio_buffer.cleared")
        await session.say([bytes(4_800)] * 5)
        await buffer.commit()  # only silence is left
        third = await session.until_type(f"{TRANSCRIPTION}.completed", 3)
        await session.connection.close()

    assert speech.errors_in(f"{first.transcript} {second.transcript}") <= 0.25
    assert third.transcript == ""
    cleared = session.types.index("input_audio_buffer.cleared")
    assert f"{TRANSCRIPTION}.delta" not in session.types[cleared:]
    committed = [e for e in session.events if e.type == "input_audio_buffer.committed"]
    assert [e.item_id for e in committed] == [first.item_id, second.item_id, third.item_id]
    assert [e.previous_item_id for e in committed] == [None, first.item_id, second.item_id]
    assert first.usage.seconds == pytest.approx(half * 0.1, abs=0.01)
    assert not any("speech_st" in name for name in session.types)
    for event in (first, second):
        assert session.deltas(event.item_id) == event.transcript


@pytest.mark.parametrize("turn_detection", [None, {"type": "server_vad"}])
async def test_what_was_cleared_ends_and_the_next_commit_is_clean(
    locked_server: ServerThread, turn_detection: dict[str, str] | None
) -> None:
    async with live(locked_server, TOKEN) as session:
        buffer = session.connection.input_audio_buffer
        await session.connection.session.update(session=settings(turn_detection=turn_detection))
        await session.say([pcm(tone(1.2, RATE))])
        begun = await session.until_type(f"{TRANSCRIPTION}.delta")
        await buffer.clear()
        await session.until_type("input_audio_buffer.cleared")
        until_here = len(session.events)
        await session.say([pcm(tone(0.6, RATE))])
        await buffer.commit()
        done = await session.until_type(f"{TRANSCRIPTION}.completed")
        await session.connection.close()
    failed = next(event for event in session.events if isinstance(event, Failed))
    assert failed.item_id == begun.item_id
    assert failed.error.code == "input_audio_buffer_cleared"
    assert session.types[until_here - 2 : until_here] == [failed.type, "input_audio_buffer.cleared"]
    after = session.events[until_here:]
    assert begun.item_id not in [getattr(event, "item_id", None) for event in after]
    assert done.usage.seconds == pytest.approx(0.6, abs=0.01)
    assert session.deltas(done.item_id) == done.transcript == " ".join(done.transcript.split())
    assert len(session.completed()) == 1


@pytest.mark.slow
async def test_the_shape_before_ga(server: ServerThread, speech: Speech) -> None:
    connecting = client(server).beta.realtime.connect(
        model="gpt-4o-transcribe", extra_query={"intent": "transcription"}
    )
    async with connecting as connection:
        session = Live(connection)
        await connection.transcription_session.update(
            session={
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {"type": "server_vad"},
            }
        )
        updated = await session.until_type("transcription_session.updated")
        await session.say(speech.chunks(RATE))
        done = await session.until_type(f"{TRANSCRIPTION}.completed")
        await connection.close()
    assert session.types[0] == "transcription_session.created"
    assert updated.session.input_audio_format == "pcm16"
    assert "is deprecated and will go" in updated.session.warnings[0]
    assert "conversation.item.created" in session.types
    assert "conversation.item.added" not in session.types
    assert speech.errors_in(done.transcript) <= 0.15


async def test_handshakes_say_which_model_answers_and_what_is_deprecated(
    locked_server: ServerThread,
) -> None:
    url = locked_server.http_url.replace("http", "ws", 1) + "v1/realtime?model=gpt-4o-transcribe"
    key = {"Authorization": f"Bearer {TOKEN}"}
    async with websockets.connect(url, additional_headers=key) as now:
        assert now.response is not None
        assert now.response.headers["streamer-model"] == "streamer-draft"
        assert "deprecation" not in now.response.headers
    old = key | {"OpenAI-Beta": "realtime=v1"}
    async with websockets.connect(url, additional_headers=old) as then:
        assert then.response is not None
        assert then.response.headers["deprecation"].startswith("@")
        assert "is deprecated" in then.response.headers["streamer-warning"]


async def test_what_is_wrong_is_told_and_the_session_goes_on(locked_server: ServerThread) -> None:
    async with live(locked_server, TOKEN) as session:
        connection = session.connection
        await connection._connection.send("{broken")
        await connection._connection.send(b"\x00\x01")
        await connection.send({"type": "response.create", "event_id": "mine"})
        await connection.input_audio_buffer.append(audio="not base64!")
        await connection.input_audio_buffer.commit()
        await connection.session.update(session={"type": "realtime"})
        await connection.session.update(session=settings(turn_detection={"type": "telepathy"}))
        await connection.session.update(session=settings(transcription={"language": "tlh"}))
        await connection.session.update(session=settings(format={"type": "audio/opus"}))
        await connection.session.update(session=settings(transcription={"model": "streamer-best"}))
        await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(4_801)).decode())
        await connection.session.update(session=settings(transcription={"language": "de"}))
        await session.until_type("error", 11)
        await connection.session.update(session=settings(turn_detection=None))
        await session.until_type("session.updated")
        await connection.input_audio_buffer.append(audio=base64.b64encode(bytes(4_799)).decode())
        await connection.input_audio_buffer.commit()
        done = await session.until_type(f"{TRANSCRIPTION}.completed")
        assert done.usage.seconds == pytest.approx(0.2, abs=0.001)
    told = [(e.error.code, e.error.message) for e in session.events if e.type == "error"]
    expected = [
        ("invalid_json", "session.update, input_audio_buffer.append"),
        ("invalid_event", "audio goes base64 into input_audio_buffer.append"),
        ("unknown_event", "'response.create' is nothing this server does"),
        ("invalid_value", "audio must be a string of base64"),
        ("input_audio_buffer_commit_empty", "send at least 100 ms before a commit"),
        ("invalid_value", "session.type: this server only transcribes"),
        ("invalid_value", "use 'server_vad', 'semantic_vad', or null"),
        ("invalid_value", "use auto, or one of de, en"),
        ("invalid_value", "use one of audio/pcm, audio/pcmu, audio/pcma"),
        ("invalid_value", "use one of streamer, streamer-draft, streamer-fused"),
        ("session_in_use", "open another connection to change them"),
    ]
    assert [code for code, _ in told] == [code for code, _ in expected]
    for (_, message), (_, advice) in zip(told, expected, strict=True):
        assert advice in message
    errors = [event.error for event in session.events if event.type == "error"]
    assert errors[2].event_id == "mine"
    assert errors[7].param == "session.audio.input.transcription.language"


async def test_keys(locked_server: ServerThread) -> None:
    async with live(locked_server, TOKEN):
        pass
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with live(locked_server, "wrong"):
            pass
    assert refused.value.response.status_code == 401
    assert b"token missing or wrong" in (refused.value.response.body or b"")
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with live(locked_server, TOKEN, model="streamer-best"):
            pass
    assert refused.value.response.status_code == 400
    # As browsers do it, which cannot set headers.
    url = locked_server.http_url.replace("http", "ws", 1) + "v1/realtime?intent=transcription"
    offered = ["realtime", f"openai-insecure-api-key.{TOKEN}"]
    subprotocols = [websockets.Subprotocol(name) for name in offered]
    async with websockets.connect(url, subprotocols=subprotocols) as browser:
        assert browser.subprotocol == "realtime"


async def test_messages_have_a_limit(locked_server: ServerThread) -> None:
    async with live(locked_server, TOKEN) as session:
        too_much = base64.b64encode(bytes(1_000_000)).decode()
        await session.connection.input_audio_buffer.append(audio=too_much)
        error = await session.until_type("error")
        assert error.error.code == "message_too_large"
        assert "send at most 1048576 bytes at once" in error.error.message
        async with asyncio.timeout(20):
            await session.connection._connection.wait_closed()
        assert session.connection._connection.close_code == 1009
