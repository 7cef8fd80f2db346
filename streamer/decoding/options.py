"""What streaming decoding of a segment waits for, and how much sound it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamer.decoding.decision.agreement import AgreementOptions
from streamer.decoding.decision.fused_commit import FusedOptions
from streamer.decoding.decision.shown_words import ShownOptions
from streamer.decoding.speech_evidence import EvidenceOptions


@dataclass(frozen=True)
class DecoderOptions:
    max_window_ms: float = 10_000
    """The window is cut when it grows beyond this."""
    kept_window_ms: float = 4_000
    """What a cut leaves at least."""
    max_wordless_ms: float = 2_000
    """Speech of this length that gives no more words means that the decoder believes its sentence
    has ended: what it gave is committed and the window cut behind it."""
    tokens_per_second: float = 6.5
    """Token budget of fresh audio (Moonshine's own limit); more means a loop."""
    spare_tokens: int = 8
    """On top of that budget."""
    doubtful_words: int = 2
    """A whole segment of so few words must be likelier than `doubtful_confidence`: breath and
    knocks that pass for speech give a single unlikely word."""
    doubtful_confidence: float = 0.4
    """See `doubtful_words`."""
    shown: ShownOptions = field(default_factory=ShownOptions)
    evidence: EvidenceOptions = field(default_factory=EvidenceOptions)
    agreement: AgreementOptions = field(default_factory=AgreementOptions)
    fused: FusedOptions = field(default_factory=FusedOptions)
