"""Finished segments as a client received them, back in the form that exports take."""

from __future__ import annotations

from streamer.audio.clock import samples_from_ms
from streamer.client.transcript import TranscriptSegment
from streamer.transcript.ledger import Decision, Emotion, Segment, Word, WordState


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
        )
        for word in received.words
    )
    emotion = received.emotion
    return Segment(
        received.id,
        samples_from_ms(received.start_ms),
        samples_from_ms(received.end_ms),
        words,
        Emotion(emotion.label, dict(emotion.probs)) if emotion is not None else None,
        final=True,
    )
