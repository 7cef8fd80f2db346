"""Words, what was heard in the voice that said them, and sounds that are none, as the native
protocol has them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streamer.protocol.speakers import Speaker
from streamer.protocol.wire import OfChannel, Wire


class WireDecision(Wire):
    """What spoke for a word more than for `rival`, in weighted nats; the sum decided."""

    rival: str
    audio: float
    text: float
    hot_words: float
    second: float = 0.0
    heard: dict[str, float] = Field(default_factory=dict)


class WireWord(Wire):
    id: int
    text: str
    start_ms: float
    end_ms: float
    confidence: float
    state: Literal["tentative", "committed", "final"]
    decision: WireDecision | None = None
    loudness: float | None = None
    """dB above the speaker's own running level; None while that is not known, or not measured."""
    pitch: float | None = None
    """Hz; None: not voiced, or not measured."""
    speaker: Speaker = None
    """Who said it, from 0 in the order of first appearance; it may change until the word is final.
    None: not known, or not asked for."""


class WireArousal(Wire):
    """How excited a voice sounds, from -1 to 1, and how sure that is, from 0 to 1."""

    value: float
    confidence: float


class WireEmotion(Wire):
    label: str
    probs: dict[str, float]
    arousal: WireArousal | None = None
    """Of a whole segment, once enough was heard before it."""


class SoundEvent(OfChannel):
    """A sound that is no speech goes on since `start_ms`, or did until `end_ms`: each is told when
    it begins and, if it ends within the session, once more then."""

    type: Literal["sound"] = "sound"
    sound: Literal["music"]
    start_ms: float
    end_ms: float | None = None
    lag_ms: float
