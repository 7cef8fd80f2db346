"""What tests of a session share."""

from __future__ import annotations

import asyncio

from streamer.recognition.contract import SessionOptions
from streamer.runtime.tracing import NullSpans
from streamer.session.session import Session
from streamer.transcript.events import (
    SessionEvent,
)
from tests.fakes import FakeEngine, FakeRecognizer


def recognizer_of(engine: FakeEngine) -> FakeRecognizer:
    return engine.recognizer(SessionOptions(decoder="draft"), NullSpans())


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def events_of(session: Session) -> list[SessionEvent]:
    return [report.event async for report in session]
