"""The native protocol's view of a session: inside events to wire events."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal, assert_never, cast

from streamer.audio.clock import ms_from_samples
from streamer.hosting.options import ServerOptions
from streamer.hosting.resumable_session import ResumableSession
from streamer.hosting.session_registry import SessionRegistry
from streamer.protocol.joining import joined
from streamer.protocol.messages import (
    Cause,
    DecoderEvent,
    EmotionEvent,
    FinalizedEvent,
    LanguageEvent,
    LossEvent,
    ReadyEvent,
    SegmentEvent,
    SpeechEvent,
    WordsEvent,
)
from streamer.protocol.speakers import SpeakersEvent
from streamer.protocol.turns import TurnEvent
from streamer.protocol.words import SoundEvent, WireArousal, WireDecision, WireEmotion, WireWord
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    AudioPaused,
    DecoderChanged,
    EmotionUpdate,
    Finalized,
    LanguageChanged,
    SegmentClosed,
    SoundHeard,
    SpeakersUpdate,
    SpeechBegan,
    StepDone,
    TurnChanged,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Word

WireEvent = (
    SpeechEvent
    | WordsEvent
    | SegmentEvent
    | FinalizedEvent
    | SpeakersEvent
    | EmotionEvent
    | SoundEvent
    | LossEvent
    | DecoderEvent
    | LanguageEvent
    | TurnEvent
)


def ready_event(
    hosted: ResumableSession, registry: SessionRegistry, options: ServerOptions, *, resumed: bool
) -> ReadyEvent:
    """What a client is told at the beginning, and whenever it is back."""
    can_resume = options.max_parked > 0
    return ReadyEvent(
        session_id=hosted.id,
        decoder=registry.decoder(hosted.start),
        models=registry.models,
        language=registry.language(hosted.start),
        max_message_bytes=options.max_message_bytes,
        buffer_ms=options.buffer_s * 1000,
        resumed=resumed,
        acknowledged_offset=hosted.received_offset,
        channels=hosted.start.channels,
        resume_token=hosted.resume_token if can_resume else None,
        resume_ms=options.resume_s * 1000 if can_resume else 0,
        follow_id=hosted.follow_id,
        direct_url=options.direct_url if can_resume else None,
    )


def wire_event(report: Report) -> WireEvent | None:  # noqa: PLR0911, PLR0912 - one for each event
    """The event on the wire; None for what shows in the heartbeat, or nowhere."""
    event = report.event
    match event:
        case SpeechBegan():
            return SpeechEvent(
                seq=report.seq,
                channel=event.channel,
                segment_id=event.segment_id,
                start_ms=ms_from_samples(event.start_sample),
            )
        case WordsUpdate():
            return WordsEvent(
                seq=report.seq,
                channel=event.channel,
                segment_id=event.segment_id,
                words=tuple(wire_word(word) for word in (*event.committed, *event.tentative)),
                lag_ms=report.lag_ms,
            )
        case SegmentClosed(segment=segment):
            return SegmentEvent(
                seq=report.seq,
                channel=event.channel,
                segment_id=segment.id,
                start_ms=ms_from_samples(segment.start_sample),
                end_ms=ms_from_samples(segment.end_sample),
                text=segment.text,
                words=tuple(wire_word(word) for word in segment.words),
                emotion=None if segment.emotion is None else wire_emotion(segment.emotion),
                cause=cast(Cause, event.cause),
                lag_ms=report.lag_ms,
                speaker=segment.speaker,
                next_segment_id=event.next_segment_id,
            )
        case SpeakersUpdate():
            return SpeakersEvent(
                seq=report.seq,
                channel=event.channel,
                segment_id=event.segment_id,
                first_word_id=event.first_word_id,
                speakers=event.speakers,
            )
        case Finalized():
            return FinalizedEvent(seq=report.seq, end_ms=ms_from_samples(event.end_sample))
        case EmotionUpdate():
            return EmotionEvent(
                seq=report.seq,
                channel=event.channel,
                emotion=wire_emotion(event.emotion),
                start_ms=ms_from_samples(event.start_sample),
                end_ms=ms_from_samples(event.end_sample),
                lag_ms=report.lag_ms,
            )
        case SoundHeard(end_sample=end):
            return SoundEvent(
                seq=report.seq,
                channel=event.channel,
                sound=event.sound,
                start_ms=ms_from_samples(event.start_sample),
                end_ms=None if end is None else ms_from_samples(end),
                lag_ms=report.lag_ms,
            )
        case AudioLost():
            return LossEvent(
                seq=report.seq,
                channel=event.channel,
                start_ms=ms_from_samples(event.start_sample),
                lost_samples=event.n_samples,
                reason=cast(Literal["overrun", "gap", "bad_samples"], event.reason),
            )
        case DecoderChanged():
            return DecoderEvent(
                seq=report.seq,
                channel=event.channel,
                decoder=cast(Literal["draft", "fused"], event.decoder),
                reason=event.reason,
            )
        case LanguageChanged():
            return LanguageEvent(
                seq=report.seq,
                channel=event.channel,
                language=event.language,
                probability=event.probability,
            )
        case TurnChanged():
            return TurnEvent(
                seq=report.seq,
                channel=event.channel,
                event=event.edge,
                turn_id=event.turn_id,
                start_ms=ms_from_samples(event.start_sample),
                end_ms=ms_from_samples(event.end_sample),
                text=joined(word.text for word in event.words),
                confidence=round(event.confidence, 4),
                cause=event.cause,
                lag_ms=report.lag_ms,
            )
        case StepDone() | AudioPaused():
            return None
        case _:
            assert_never(event)


def wire_word(word: Word) -> WireWord:
    return WireWord(
        id=word.id,
        text=word.text,
        start_ms=ms_from_samples(word.start_sample),
        end_ms=ms_from_samples(word.end_sample),
        confidence=word.confidence,
        state=word.state.value,
        decision=None if word.decision is None else WireDecision(**asdict(word.decision)),
        loudness=None if word.voice is None else word.voice.loudness_db,
        pitch=None if word.voice is None else word.voice.pitch_hz,
        speaker=word.speaker,
    )


def wire_emotion(emotion: Emotion) -> WireEmotion:
    arousal = None if emotion.arousal is None else WireArousal(**asdict(emotion.arousal))
    return WireEmotion(label=emotion.label, probs=emotion.probs, arousal=arousal)
