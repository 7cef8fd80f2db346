"""What tests of a session share."""

from __future__ import annotations

import asyncio

from streamer.recognition.contract import SessionOptions
from streamer.runtime.metrics import ServerMetrics
from streamer.runtime.tracing import NullSpans
from streamer.session.limits import SessionLimits
from streamer.session.places import Places
from streamer.session.report import Report
from streamer.session.runner import SessionRunner
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


class Bench:
    """A runner of sessions on the fake engine, and what it reports."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.metrics = ServerMetrics(self.engine.executor)
        self.places = Places(2, 2_000)
        self.runner = SessionRunner(self.engine, self.places, SessionLimits(), self.metrics)
        self.reports: list[Report] = []

    async def take(self, report: Report) -> None:
        self.reports.append(report)

    def value(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}") or 0.0
