"""How a recognizer steps through its audio, and when it leaves work out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from streamer.decoding.listening_decoder import EarOptions
from streamer.decoding.options import DecoderOptions
from streamer.recognition.endpointer import EndpointerOptions

FOREIGN_TOKENS_PER_SECOND: Final = 13.0
"""Moonshine's own limit for other scripts."""


@dataclass(frozen=True)
class LanguageOptions:
    """When it is decided which language is spoken."""

    first_ms: float = 1_500
    """Sound of the segment before the first guess."""
    every_ms: float = 1_024
    """New sound between two guesses."""
    sure: float = 0.9
    """A guess with this probability decides."""
    decide_ms: float = 6_000
    """After so much sound the likeliest decides."""
    likely: float = 0.5
    """Probability that a whole segment, shorter than `decide_ms`, needs to decide."""
    change: float = 0.8
    """Probability at a pause that changes what was decided."""
    change_ms: float = 2_000
    """Sound that a segment needs to change it."""
    newest_ms: float = 10_000
    """Sound that is looked at, at most."""


@dataclass(frozen=True)
class RecognizerOptions:
    hop_ms: float = 256
    """Grid of the steps; a multiple of the detector's 32 ms frame."""
    afresh_every_ms: float = 1_000
    """After this much audio, and when speech pauses, the whole window is encoded again and the
    committed words are decoded again; between them what is old is kept as it is."""
    buffer_ms: float = 20_000
    """Audio that may wait for its step; more is an overrun and is counted as lost."""
    max_segment_ms: float = 30_000
    """A segment longer than this is closed behind its last committed word."""
    kept_segments: int = 100
    """Final segments that the ledger keeps; a session of hours must not grow."""
    listener_backlog_ms: float = 600
    """With more audio than this waiting, the second listener is left out until the backlog is
    gone. Backlogs are whole hops: three of them stop it; without it, four stop the LLM."""
    fused_backlog_ms: float = 960
    """With more audio than this waiting, the LLM is left out until the backlog is gone."""
    step_silence_ms: float = 160
    """Silence appended to the window of every step. Without it the decoder, cut off in the middle
    of a sound, guesses wildly; with it half as many tentative words are wrong."""
    closing_silence_ms: float = 320
    """Silence appended when a segment is closed from outside; the decoder ends sentences on it."""
    decoder: DecoderOptions = field(default_factory=DecoderOptions)
    ear: EarOptions = field(default_factory=EarOptions)
    language: LanguageOptions = field(default_factory=LanguageOptions)
    endpointer: EndpointerOptions = field(default_factory=EndpointerOptions)

    def foreign(self) -> RecognizerOptions:
        """These, for a speech model of another language than English: its tokens are shorter."""
        rate = max(self.decoder.tokens_per_second, FOREIGN_TOKENS_PER_SECOND)
        return replace(self, decoder=replace(self.decoder, tokens_per_second=rate))

    def closing_after(self, silence_ms: float | None) -> RecognizerOptions:
        """These, but with another pause that ends a segment; None: as they are."""
        if silence_ms is None:
            return self
        return replace(self, endpointer=replace(self.endpointer, hangover_ms=silence_ms))
