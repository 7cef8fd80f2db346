"""What a session asks of a streaming transducer, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streamer.audio.arrays import Floats
from streamer.models.card.places import Slot

FRAME_SAMPLES: Final = 1_280
"""Of the encoder: 80 ms."""


@dataclass(eq=False)
class TransducerStream:
    """Sound that is heard without a break. It has a place on the card from its first sound on,
    until it is forgotten."""

    sound: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    """What is still needed: from sample `start` of the stream on."""
    start: int = 0
    n_heard: int = 0
    """Frames so far."""
    slot: Slot | None = None
    over: bool = False
    """It was heard to its end."""


@dataclass(frozen=True)
class HearRequest:
    """New sound of a stream, `[N]` at 16 kHz."""

    stream: TransducerStream
    samples: Floats
    n_silent: int | None = None
    """What would be said if the stream ended here, with so many samples of silence, is told too.
    With some silence this is the stream's end; with 0 it may go on as if nobody had asked. None:
    nobody asks."""


@dataclass(frozen=True, slots=True)
class SpokenToken:
    """A token, the frame of the stream in which it came, and its log-probability (nats)."""

    id: int
    frame: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What a stream says behind all that it said before."""

    tokens: tuple[SpokenToken, ...]
    """For good."""
    at_end: tuple[SpokenToken, ...] = ()
    """And this, if it ends here."""
