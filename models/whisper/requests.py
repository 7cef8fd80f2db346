"""What every listener makes of a request: limits, and the window that it is heard in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from streamer.audio.arrays import Floats
from streamer.audio.clock import SAMPLE_RATE
from streamer.models.whisper.contract import MAX_SAMPLES, ListenerOptions, ListenRequest

MAX_TOKENS: Final = 444
"""Whisper has 448 positions, four of which the prompt takes."""


def check_requests(requests: Sequence[ListenRequest]) -> None:
    """
    Raises:
        ValueError: samples are longer than 30 s, or more hypotheses are asked for than the beam is
            wide.
    """
    for request in requests:
        if len(request.samples) > MAX_SAMPLES:
            raise ValueError("the samples are longer than 30 s")
        if not 1 <= request.n_best <= request.beam_width:
            raise ValueError("more hypotheses are asked for than the beam is wide")


def check_length(n_tokens: int) -> None:
    """
    Raises:
        ValueError: a window cannot hold a text of so many tokens.
    """
    if n_tokens >= MAX_TOKENS:
        raise ValueError("the text is longer than 30 s can hold")


def token_budget(request: ListenRequest, n_given: int, options: ListenerOptions) -> int:
    """Tokens that the sound may have behind those that are given.

    Raises:
        ValueError: a window cannot hold those.
    """
    check_length(n_given)
    seconds = len(request.samples) / SAMPLE_RATE
    plausible = round(options.spare_tokens + options.tokens_per_s * seconds)
    return min(plausible, MAX_TOKENS - n_given)


def window_samples(sounds: Sequence[Floats], options: ListenerOptions) -> int:
    """Of a window that holds the longest, with the silence behind it."""
    longest_s = max(len(samples) for samples in sounds) / SAMPLE_RATE
    bucket_s = math.ceil(longest_s / options.bucket_s) * options.bucket_s
    return min(round(max(options.least_s, bucket_s) * SAMPLE_RATE), MAX_SAMPLES)
