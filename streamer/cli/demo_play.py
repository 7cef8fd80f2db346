"""The demo: recorded speech through the real server in real time, captions on the screen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console

from streamer.audio.clock import SAMPLE_RATE, ms_from_samples
from streamer.audio.files import read_samples
from streamer.cli.output.caption_view import CaptionView, shown
from streamer.cli.output.received import ledger_segment
from streamer.client.bundled import SpeechClip
from streamer.client.client import connect
from streamer.client.files import stream_samples
from streamer.client.transcript import TranscriptSegment
from streamer.protocol.messages import (
    LatencyEvent,
    Percentiles,
    SegmentEvent,
    StartMessage,
    WordsEvent,
)
from streamer.runtime.tracing import StagePercentiles, StageStats
from streamer.transcript.caption_files import CaptionFiles
from streamer.transcript.emotion_shown import EmotionShown

CAPTIONS_NAME: Final = "demo"
"""Of the caption files, before their endings."""
PAUSE_S: Final = 1.0
"""Silence between clips, so that each becomes a segment of its own."""


@dataclass(frozen=True, slots=True)
class PlacedClip:
    """A clip's place in the programme; milliseconds of session audio."""

    clip: SpeechClip
    start_ms: float
    end_ms: float


@dataclass(frozen=True)
class Programme:
    """All clips in a row."""

    samples: npt.NDArray[np.float32]
    clips: tuple[PlacedClip, ...]

    def at(self, time_ms: float) -> PlacedClip:
        """The clip being played, or the one played last."""
        begun = [placed for placed in self.clips if placed.start_ms <= time_ms]
        return begun[-1] if begun else self.clips[0]


@dataclass(frozen=True)
class DemoResult:
    """What the server made of the programme."""

    segments: tuple[TranscriptSegment, ...]
    stages_ms: dict[str, Percentiles]
    lag_ms: StagePercentiles | None
    """Of all events with words."""
    lost_samples: int


def programme(clips: Sequence[SpeechClip]) -> Programme:
    """Put clips in a row with pauses between and a short one in front.

    Raises:
        AudioFileError: a clip cannot be read.
    """
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)
    parts = [pause[: len(pause) // 2]]
    placed = []
    at = len(parts[0])
    for clip in clips:
        samples = read_samples(clip.path)
        end = at + len(samples)
        placed.append(PlacedClip(clip, ms_from_samples(at), ms_from_samples(end)))
        parts += [samples, pause]
        at = end + len(pause)
    # Nothing comes behind the last one.
    return Programme(np.concatenate(parts[:-1]), tuple(placed))


async def play(url: str, show: Programme, console: Console) -> DemoResult:
    """Stream the programme to a server as if it were being spoken, and show the captions.

    Raises:
        ServerRefusedError, ConnectionLostError
    """
    lags = StageStats()
    stages: dict[str, Percentiles] = {}
    async with connect(url, StartMessage(sample_rate=SAMPLE_RATE)) as client:
        view = CaptionView(client.transcript, _title(show, 0.0), EmotionShown.FULL)

        async def speak() -> None:
            await stream_samples(client, show.samples, SAMPLE_RATE, speed=1)
            await client.stop()

        speaking = asyncio.create_task(speak())
        try:
            with shown(console, view) as captions:
                async for event in client:
                    if isinstance(event, LatencyEvent):
                        stages = event.stages_ms
                        view.title = _title(show, event.received_ms)
                    elif isinstance(event, WordsEvent | SegmentEvent):
                        lags.record("lag", event.lag_ms)
                    captions.apply(event)
        finally:
            if client.bye is None:
                speaking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await speaking
        return DemoResult(
            client.transcript.segments, stages, lags.percentiles().get("lag"), client.lost_samples
        )


def _title(show: Programme, time_ms: float) -> str:
    placed = show.at(time_ms)
    number = show.clips.index(placed) + 1
    acted = f", acted {placed.clip.label}" if placed.clip.label is not None else ""
    return f"clip {number} of {len(show.clips)}: {placed.clip.source}{acted}"


def heard_in(placed: PlacedClip, segments: Sequence[TranscriptSegment]) -> str:
    """The words whose middle lies in the clip or the pause around it."""
    margin = PAUSE_S * 1000 / 2
    return " ".join(
        word.text
        for segment in segments
        for word in segment.words
        if placed.start_ms - margin <= (word.start_ms + word.end_ms) / 2 < placed.end_ms + margin
    )


def emotion_in(placed: PlacedClip, segments: Sequence[TranscriptSegment]) -> str:
    """The emotion of the segment that covers most of the clip; `unknown` if none does."""

    def overlap_ms(segment: TranscriptSegment) -> float:
        return min(segment.end_ms, placed.end_ms) - max(segment.start_ms, placed.start_ms)

    best = max(segments, key=overlap_ms, default=None)
    if best is None or best.emotion is None or overlap_ms(best) <= 0:
        return "unknown"
    return best.emotion.label


def caption_files(folder: Path, result: DemoResult) -> tuple[Path, ...]:
    """Write the captions as SRT, WebVTT, JSON lines and text.

    Raises:
        OSError: they cannot be written.
    """
    with CaptionFiles(folder, CAPTIONS_NAME, EmotionShown.FULL) as files:
        for segment in result.segments:
            files.add(ledger_segment(segment))
    return files.paths
