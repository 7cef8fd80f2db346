"""One real-time session over the websocket, written down, and what its events tell of delays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.common import percentiles
from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.client.client import Client, connect
from streamer.client.files import stream_samples
from streamer.protocol.messages import (
    ByeEvent,
    DecoderEvent,
    LatencyEvent,
    SegmentEvent,
    ServerEvent,
    StartMessage,
    WordsEvent,
)
from streamer.protocol.words import WireWord
from streamer.transcript.wer import normalize

CHUNK_MS: Final = 100.0
SAME_WORD_MS: Final = 500.0
_MAX_WAIT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Received:
    """An event and when the client had it (monotonic seconds)."""

    at_s: float
    event: ServerEvent


@dataclass(frozen=True, slots=True)
class LiveSession:
    """All that a client saw. Audio sample 0 was spoken at `started_s` (monotonic seconds)."""

    started_s: float
    audio_s: float
    received: tuple[Received, ...]
    lost_samples: int

    @property
    def lags_ms(self) -> list[float]:
        """From the heartbeats, which come at even intervals."""
        return [r.event.lag_ms for r in self.received if isinstance(r.event, LatencyEvent)]

    @property
    def drain_ms(self) -> float:
        """From the end of the audio to the last event: what was still to be done."""
        return 1000 * (self.received[-1].at_s - self.started_s - self.audio_s)

    @property
    def llm_pauses(self) -> int:
        """How often the server went on without the LLM."""
        return sum(event.decoder == "draft" for event in self._changes)

    @property
    def listener_pauses(self) -> int:
        """How often it went on with the LLM, but without the second listener."""
        return sum("listener is paused" in event.reason for event in self._changes)

    @property
    def _changes(self) -> list[DecoderEvent]:
        return [r.event for r in self.received if isinstance(r.event, DecoderEvent)]

    @property
    def words(self) -> int:
        return sum(r.event.words for r in self.received if isinstance(r.event, ByeEvent))


@dataclass(frozen=True, slots=True)
class WordDelays:
    """Milliseconds of wall time, one entry a word (`final`: a segment).

    All are counted from when the end of the word had been spoken, by the recognizer's own
    timing of the final word.
    """

    tentative: list[float] = field(default_factory=list)
    """To the first event that showed the word, committed or not."""
    commit: list[float] = field(default_factory=list)
    """To the event that committed it."""
    final: list[float] = field(default_factory=list)
    """From the end of a segment's last word to the segment's final event."""


async def live_session(
    url: str, samples: Floats, start: StartMessage, chunk_ms: float = CHUNK_MS
) -> LiveSession:
    """Stream 16 kHz samples as if they were being spoken, and listen to the end.

    Raises:
        streamer.client.client.ClientError: the server refused or vanished.
        TimeoutError: it did not end the session in time.
    """
    received: list[Received] = []
    async with connect(url, start) as client:
        listener = asyncio.create_task(_listen(client, received))
        started_s = time.monotonic()
        await stream_samples(client, samples, SAMPLE_RATE, speed=1, chunk_ms=chunk_ms)
        async with asyncio.timeout(_MAX_WAIT_S):
            await client.stop()
            await listener
        lost = client.lost_samples
    return LiveSession(started_s, len(samples) / SAMPLE_RATE, tuple(received), lost)


async def _listen(client: Client, received: list[Received]) -> None:
    async for event in client:
        received.append(Received(time.monotonic(), event))


def word_delays(session: LiveSession) -> WordDelays:
    """How late the words of all finished segments were."""
    delays = WordDelays()
    committed_at: dict[int, float] = {}
    shown: list[tuple[float, WireWord]] = []
    for one in session.received:
        if isinstance(one.event, WordsEvent):
            for word in one.event.words:
                shown.append((one.at_s, word))
                if word.state != "tentative":
                    committed_at.setdefault(word.id, one.at_s)
        elif isinstance(one.event, SegmentEvent) and one.event.words:
            words = one.event.words
            for word in words:
                spoken_s = session.started_s + word.end_ms / 1000
                at_s = committed_at.get(word.id, one.at_s)
                delays.commit.append(1000 * (at_s - spoken_s))
                delays.tentative.append(1000 * (_first_shown(word, shown, at_s) - spoken_s))
            ended_s = session.started_s + words[-1].end_ms / 1000
            delays.final.append(1000 * (one.at_s - ended_s))
            shown = [(at, word) for at, word in shown if word.end_ms > words[-1].end_ms]
    return delays


def _first_shown(word: WireWord, shown: Sequence[tuple[float, WireWord]], latest: float) -> float:
    """When the same word at about the same place was first seen.

    Tentative words are renumbered when others come in before them, so text and time tell.
    """
    wanted, middle = normalize(word.text), (word.start_ms + word.end_ms) / 2
    for at_s, seen in shown:
        near = abs((seen.start_ms + seen.end_ms) / 2 - middle) <= SAME_WORD_MS
        if near and normalize(seen.text) == wanted:
            return min(at_s, latest)
    return latest


def stage_percentiles(session: LiveSession) -> dict[str, dict[str, float]]:
    """p50/p95/p99 of every stage over the whole session, as the server counted them."""
    beats = [r.event for r in session.received if isinstance(r.event, LatencyEvent)]
    if not beats:
        return {}
    return {
        stage: {name: round(value, 2) for name, value in stats.model_dump().items()}
        for stage, stats in beats[-1].stages_ms.items()
    }


def delay_figures(session: LiveSession) -> dict[str, Any]:
    """The session's figures as they go into a result."""
    delays = word_delays(session)
    beats = [r.event for r in session.received if isinstance(r.event, LatencyEvent)]
    ages = [beat.capture_to_emit_ms for beat in beats if beat.capture_to_emit_ms is not None]
    wanted = (50, 95, 99)
    return {
        "audio_s": round(session.audio_s, 1),
        "words": session.words,
        "segments": len(delays.final),
        "lost_samples": session.lost_samples,
        "llm_pauses": session.llm_pauses,
        "lag_ms": percentiles(session.lags_ms, wanted),
        "tentative_delay_ms": percentiles(delays.tentative, wanted),
        "commit_delay_ms": percentiles(delays.commit, wanted),
        "final_delay_ms": percentiles(delays.final, wanted),
        "capture_to_emit_ms": percentiles(ages, wanted),
        "drain_ms": round(session.drain_ms, 1),
        "stages_ms": stage_percentiles(session),
    }
