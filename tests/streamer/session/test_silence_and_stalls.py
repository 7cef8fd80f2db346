"""Time without audio, and audio that comes late."""

from __future__ import annotations

import asyncio
from typing import Any

from streamer.session.limits import SessionLimits
from streamer.session.session import Session
from streamer.transcript.events import (
    AudioPaused,
    SegmentClosed,
    SessionEvent,
)
from tests.fakes import FakeEngine, tone
from tests.streamer.session.helpers import events_of, recognizer_of


async def test_what_was_spoken_during_a_cut_is_held_back_not_lost(engine: FakeEngine) -> None:
    async with Session(recognizer_of(engine), engine.executor) as session:
        reader = asyncio.create_task(events_of(session))
        session.feed(tone(0.6))
        await asyncio.sleep(1.8)
        engine.hold.clear()
        session.feed(tone(0.6))  # it is late: more of it waits
        held = asyncio.create_task(session.room())
        await asyncio.sleep(0.1)
        assert not held.done()
        engine.hold.set()
        await held
        session.stop()
        await reader
    assert session.lost_samples == 0


async def quiet_session(engine: FakeEngine, seconds: float, **limits: Any) -> list[SessionEvent]:
    """What a session tells when nothing comes for so long behind 0.7 s of speech."""
    chosen = SessionLimits(quiet_s=0.2, **limits)
    async with Session(recognizer_of(engine), engine.executor, chosen) as session:
        reader = asyncio.create_task(events_of(session))
        session.feed(tone(0.7))
        await asyncio.sleep(seconds)
        session.feed(tone(0.6))
        session.stop()
        return await reader


async def test_time_without_audio_is_time_too(engine: FakeEngine) -> None:
    events = await quiet_session(engine, 0.8)
    closed = [event for event in events if isinstance(event, SegmentClosed)]
    assert [(event.segment.text, event.cause) for event in closed] == [
        ("w0 w8000", "silence"),
        ("w11200 w19200", "finalize"),
    ]
    assert [event for event in events if isinstance(event, AudioPaused)] == [AudioPaused(11_200)]


async def test_a_recording_takes_its_time(engine: FakeEngine) -> None:
    events = await quiet_session(engine, 0.8, recording=True)
    assert sum(isinstance(event, SegmentClosed) for event in events) == 1


async def test_nobody_has_paused_whose_connection_is_cut(engine: FakeEngine) -> None:
    async with Session(
        recognizer_of(engine), engine.executor, SessionLimits(quiet_s=0.1)
    ) as session:
        reader = asyncio.create_task(events_of(session))
        session.feed(tone(0.7))
        session.connected = False
        await asyncio.sleep(0.4)
        session.stop()
        events = await reader
    assert not [event for event in events if isinstance(event, AudioPaused)]
