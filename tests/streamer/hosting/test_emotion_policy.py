"""Who is told emotions: what the server allows, and what the client asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from streamer.hosting.options import EmotionPolicy, ServerOptions
from streamer.hosting.session_registry import SessionRegistry
from streamer.protocol.messages import StartMessage
from streamer.runtime.metrics import ServerMetrics
from tests.fakes import FakeEngine
from tests.serving import session_registry


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    engine = FakeEngine(start=False)
    yield engine
    engine.close()


def registry(engine: FakeEngine, emotion: EmotionPolicy) -> SessionRegistry:
    return session_registry(engine, ServerOptions(emotion=emotion), ServerMetrics(engine.executor))


@pytest.mark.parametrize(
    ("policy", "asked", "told"),
    [
        ("on", None, True),
        ("on", False, False),
        ("on", True, True),
        ("opt-in", None, False),
        ("opt-in", False, False),
        ("opt-in", True, True),
        ("off", None, False),
        ("off", True, False),
    ],
)
async def test_native_clients(
    engine: FakeEngine, policy: EmotionPolicy, asked: bool | None, told: bool
) -> None:
    sessions = registry(engine, policy)
    sessions.open(StartMessage(emotion=asked))
    assert engine.recognizers[0].options.emotion is told
    await sessions.close(grace_s=0)
