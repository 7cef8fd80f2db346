"""OpenAI's own SDK, pointed at this server: turns that words end, and changes in mid-session."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.conftest import TOKEN, Speech
from tests.contract.openai_live import RATE, TRANSCRIPTION, live, pcm, settings
from tests.fakes import tone
from tests.serving import ServerThread


@pytest.mark.slow
@pytest.mark.parametrize("eagerness", ["high", "auto"])
async def test_semantic_vad(server: ServerThread, speech: Speech, eagerness: str) -> None:
    async with live(server, "any") as session:
        detection = {"type": "semantic_vad", "eagerness": eagerness}
        await session.connection.session.update(session=settings(turn_detection=detection))
        updated = await session.until_type("session.updated")
        await session.say(speech.chunks(RATE))
        await session.until_type(f"{TRANSCRIPTION}.completed")
        await asyncio.sleep(0.5)
        await session.connection.close()
    in_force = updated.session.audio.input.turn_detection
    assert (in_force.type, in_force.eagerness) == ("semantic_vad", eagerness)
    done = session.completed()
    assert speech.errors_in(" ".join(each.transcript for each in done)) <= 0.15
    for name in ("speech_started", "speech_stopped", "committed"):
        assert session.types.count(f"input_audio_buffer.{name}") == len(done)
    assert session.deltas(done[0].item_id) == done[0].transcript


async def test_what_is_expected_may_change_while_audio_comes(locked_server: ServerThread) -> None:
    async with live(locked_server, TOKEN) as session:
        connection = session.connection
        await session.say([pcm(tone(0.6, RATE))])
        expected = {"prompt": "A talk.", "keywords": ["Ada"]}
        await connection.session.update(session=settings(transcription=expected))
        updated = await session.until_type("session.updated")
        eager = {"type": "semantic_vad", "eagerness": "high"}
        await connection.session.update(session=settings(turn_detection=eager))
        again = await session.until_type("session.updated", 2)
        await connection.session.update(
            session=settings(turn_detection={"type": "semantic_vad", "eagerness": "wild"})
        )
        refused = await session.until_type("error")
        await connection.close()
    transcription = updated.session.audio.input.transcription
    assert (transcription.prompt, transcription.keywords) == ("A talk.", ["Ada"])
    assert again.session.audio.input.turn_detection.eagerness == "high"
    assert "use one of low, medium, high, auto" in refused.error.message
