"""Finished segments as a client received them, back in the form that exports take."""

from __future__ import annotations

from streamer.audio.clock import samples_from_ms
from streamer.client.transcript import TranscriptSegment
from streamer.protocol.words import WireEmotion, WireWord
from streamer.transcript.ledger import Arousal, Decision, Emotion, Segment, Voice, Word, WordState


def ledger_segment(received: TranscriptSegment) -> Segment:
    """The same segment on the session clock."""
    words = tuple(
        Word(
            word.id,
            word.text,
            samples_from_ms(word.start_ms),
            samples_from_ms(word.end_ms),
            word.confidence,
            WordState.FINAL,
            received.id,
            None if word.decision is None else Decision(**word.decision.model_dump()),
            _voice(word),
        )
        for word in received.words
    )
    return Segment(
        received.id,
        samples_from_ms(received.start_ms),
        samples_from_ms(received.end_ms),
        words,
        None if received.emotion is None else _emotion(received.emotion),
        final=True,
    )


def _voice(word: WireWord) -> Voice | None:
    if word.loudness is None and word.pitch is None:
        return None
    return Voice(word.loudness, word.pitch)


def _emotion(told: WireEmotion) -> Emotion:
    arousal = None if told.arousal is None else Arousal(**told.arousal.model_dump())
    return Emotion(told.label, dict(told.probs), arousal)
