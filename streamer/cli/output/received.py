"""What a client received, back in the form that exports take."""

from __future__ import annotations

from streamer.audio.clock import samples_from_ms
from streamer.client.transcript import TranscriptSegment
from streamer.protocol.messages import (
    LatencyEvent,
    SegmentEvent,
    ServerEvent,
    SpeechEvent,
    WordsEvent,
)
from streamer.protocol.speakers import SpeakersEvent
from streamer.protocol.words import SoundEvent, WireEmotion, WireWord
from streamer.transcript.events import (
    SegmentClosed,
    SessionEvent,
    SoundHeard,
    SpeakersUpdate,
    SpeechBegan,
    StepDone,
    WordsUpdate,
)
from streamer.transcript.ledger import Arousal, Decision, Emotion, Segment, Voice, Word, WordState


def ledger_segment(received: TranscriptSegment) -> Segment:
    """The same segment on the session clock."""
    return _segment(
        received.id,
        received.start_ms,
        received.end_ms,
        received.words,
        received.emotion,
        received.channel,
        received.speaker,
    )


def session_event(event: ServerEvent) -> SessionEvent | None:  # noqa: PLR0911 - one for each
    """What the session reported; None for what has nothing to do with words and time."""
    match event:
        case SpeechEvent():
            return SpeechBegan(event.segment_id, samples_from_ms(event.start_ms), event.channel)
        case WordsEvent():
            words = [_word(word, event.segment_id) for word in event.words]
            committed = tuple(word for word in words if word.state is not WordState.TENTATIVE)
            tentative = tuple(word for word in words if word.state is WordState.TENTATIVE)
            return WordsUpdate(event.segment_id, committed, tentative, event.channel)
        case SegmentEvent():
            segment = _segment(
                event.segment_id,
                event.start_ms,
                event.end_ms,
                event.words,
                event.emotion,
                event.channel,
                event.speaker,
            )
            return SegmentClosed(segment, event.cause, event.next_segment_id)
        case SpeakersEvent():
            return SpeakersUpdate(
                event.segment_id, event.first_word_id, event.speakers, event.channel
            )
        case SoundEvent(end_ms=end_ms):
            end = None if end_ms is None else samples_from_ms(end_ms)
            return SoundHeard(event.sound, samples_from_ms(event.start_ms), end, event.channel)
        case LatencyEvent():
            return StepDone(0, samples_from_ms(event.processed_ms), 0, {})
        case _:
            return None


def _word(word: WireWord, segment_id: int) -> Word:
    return Word(
        word.id,
        word.text,
        samples_from_ms(word.start_ms),
        samples_from_ms(word.end_ms),
        word.confidence,
        WordState(word.state),
        segment_id,
        None if word.decision is None else Decision(**word.decision.model_dump()),
        _voice(word),
        word.speaker,
    )


def _segment(
    segment_id: int,
    start_ms: float,
    end_ms: float,
    words: tuple[WireWord, ...],
    emotion: WireEmotion | None,
    channel: int,
    speaker: int | None,
) -> Segment:
    return Segment(
        segment_id,
        samples_from_ms(start_ms),
        samples_from_ms(end_ms),
        tuple(_word(word, segment_id).as_final() for word in words),
        None if emotion is None else _emotion(emotion),
        final=True,
        channel=channel,
        speaker=speaker,
    )


def _voice(word: WireWord) -> Voice | None:
    if word.loudness is None and word.pitch is None:
        return None
    return Voice(word.loudness, word.pitch)


def _emotion(told: WireEmotion) -> Emotion:
    arousal = None if told.arousal is None else Arousal(**told.arousal.model_dump())
    return Emotion(told.label, dict(told.probs), arousal)
