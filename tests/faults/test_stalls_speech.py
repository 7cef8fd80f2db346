"""Real speech that is held up on its way: what comes late, all at once, gives the same words."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np
import pytest

from streamer.audio.clock import SAMPLE_RATE
from streamer.audio.files import read_samples
from streamer.client.bundled import bundled_speech
from streamer.recognition.contract import SessionOptions
from streamer.recognition.engine import Engine
from streamer.runtime.tracing import NullSpans
from streamer.session.session import Session
from streamer.transcript.events import SegmentClosed

pytestmark = pytest.mark.slow

HOP: Final = 4_096
STALL_S: Final = 4


async def words(engine: Engine, samples: np.ndarray, stall_at: int) -> list[tuple[str, int, int]]:
    """Hop by hop, as a fast machine hears live audio, but for what a stall of four seconds holds
    up: that comes in one burst."""
    recognizer = engine.recognizer(SessionOptions(emotion=False), NullSpans())
    async with Session(recognizer, engine.executor) as session:
        reader = asyncio.create_task(_segments(session))
        at = 0
        while at < len(samples):
            if at == stall_at:
                await asyncio.sleep(STALL_S)
                for _ in range(STALL_S * SAMPLE_RATE // HOP):
                    await session.room()
                    session.feed(samples[at : at + HOP])
                    at += HOP
            await session.room()
            session.feed(samples[at : at + HOP])
            at += HOP
            async with asyncio.timeout(60):
                while session.received_samples - session.processed_samples >= HOP:
                    await asyncio.sleep(0.002)
        session.stop()
        heard = await reader
    assert session.lost_samples == 0
    return heard


async def _segments(session: Session) -> list[tuple[str, int, int]]:
    return [
        (word.text, word.start_sample, word.end_sample)
        async for report in session
        if isinstance(report.event, SegmentClosed)
        for word in report.event.segment.words
    ]


async def test_a_burst_after_a_stall_gives_the_words_of_live_audio(engine: Engine) -> None:
    clip = next(clip for clip in bundled_speech() if clip.label is None)
    samples = read_samples(clip.path)
    live = await words(engine, samples, -1)
    assert len(live) > 15
    for stall_at in (10 * HOP, 20 * HOP):
        assert await words(engine, samples, stall_at) == live
