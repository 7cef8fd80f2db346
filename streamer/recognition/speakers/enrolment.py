"""What is kept of a voice so that it is known again: the mean vector of a few seconds of speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.audio.clock import samples_from_ms
from streamer.models.silero import FRAME_SAMPLES, Vad
from streamer.recognition.speakers.options import SpeakerOptions
from streamer.recognition.speakers.timeline import SPEECH
from streamer.recognition.speech_detector import SpeechDetector

LONGEST_MS: Final = 30_000
"""Of a recording; the rest is not heard."""
_HOP: Final = samples_from_ms(400)


class NoVoiceError(ValueError):
    """Nobody can be known by that; the message says why."""


def voice_print(
    samples: Floats,
    vad: Vad,
    embed: Callable[[Sequence[Floats]], Floats],
    options: SpeakerOptions,
) -> Floats:
    """
    Args:
        samples: [N] at 16 kHz, of one person.
        embed: the voice encoder: a vector for each window.

    Returns:
        [D]: a mean of vectors of length 1, shorter than 1 itself.

    Raises:
        NoVoiceError: less than one window of speech.
    """
    n_frames = min(len(samples), samples_from_ms(LONGEST_MS)) // FRAME_SAMPLES
    whole = samples[: n_frames * FRAME_SAMPLES]
    probabilities = SpeechDetector(vad, 0).probabilities(whole)
    frames = whole.reshape(-1, FRAME_SAMPLES)
    # Without its pauses: a window that is half silence tells half as much.
    speech = frames[probabilities >= SPEECH].reshape(-1)
    window = samples_from_ms(options.window_ms)
    if len(speech) < window:
        raise NoVoiceError(
            f"there is too little speech in it to know a voice by: {options.window_ms / 1000:g} s "
            "are the least, and five are better"
        )
    starts = range(0, len(speech) - window + 1, _HOP)
    vectors = embed([speech[start : start + window] for start in starts])
    return np.asarray(vectors.mean(axis=0), np.float32)
