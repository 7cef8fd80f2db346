"""Speech as a microphone gives it: over and over, in real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE, samples_from_ms
from streamer.recognition.options import RecognizerOptions

_CHUNK: Final = SAMPLE_RATE // 10


def endless(clips: Sequence[Floats]) -> Floats:
    """Clips with pauses, as long as a whole number of steps: every round sounds alike to them."""
    pause = np.zeros(SAMPLE_RATE, np.float32)
    speech = np.concatenate([part for clip in clips for part in (clip, pause)])
    hop = samples_from_ms(RecognizerOptions().hop_ms)
    return np.concatenate([speech, np.zeros(-len(speech) % hop, np.float32)])


async def in_real_time(speech: Floats) -> AsyncIterator[tuple[Floats, int]]:
    """A tenth of a second at a time, and the samples so far with it; it never ends."""
    began_s, sent = time.monotonic(), 0
    while True:
        piece = speech[sent % len(speech) :][:_CHUNK]
        sent += len(piece)
        yield piece, sent
        await asyncio.sleep(max(0.0, began_s + sent / SAMPLE_RATE - time.monotonic()))
