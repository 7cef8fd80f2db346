"""One time line over sessions that follow one another, where a lost one was begun anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from streamer.protocol.messages import (
    ByeEvent,
    EmotionEvent,
    FinalizedEvent,
    LatencyEvent,
    LossEvent,
    SegmentEvent,
    ServerEvent,
    SpeechEvent,
    WordsEvent,
)
from streamer.protocol.speakers import SpeakersEvent
from streamer.protocol.turns import TurnEvent
from streamer.protocol.words import SoundEvent, WireWord

_FROM_A_TIME: Final = (SpeechEvent, SegmentEvent, EmotionEvent, SoundEvent, LossEvent, TurnEvent)
_TO_A_TIME: Final = (SegmentEvent, EmotionEvent, SoundEvent, FinalizedEvent, TurnEvent)


@dataclass(frozen=True, slots=True)
class Renumbering:
    """What to add to a session's numbers so that they continue those of the ones before."""

    ms: float = 0.0
    words: int = 0
    segments: int = 0
    lost_samples: int = 0
    speakers: int = 0
    """Voices that were told apart are not known to a new session."""
    known_voices: int = 0
    """Those that every session is told of, which keep their labels."""

    def apply(self, event: ServerEvent) -> ServerEvent:
        """The event with continuing ids and times."""
        if self == Renumbering():
            return event
        changed: dict[str, Any] = {}
        if isinstance(event, _FROM_A_TIME):
            changed["start_ms"] = event.start_ms + self.ms
        if isinstance(event, _TO_A_TIME) and event.end_ms is not None:
            changed["end_ms"] = event.end_ms + self.ms
        if isinstance(event, SpeechEvent | WordsEvent | SegmentEvent | SpeakersEvent):
            changed["segment_id"] = event.segment_id + self.segments
        if isinstance(event, SegmentEvent) and event.next_segment_id is not None:
            changed["next_segment_id"] = event.next_segment_id + self.segments
        if isinstance(event, WordsEvent | SegmentEvent):
            changed["words"] = tuple(self._renumbered(word) for word in event.words)
        if isinstance(event, TurnEvent):
            # No session has more turns than words.
            changed["turn_id"] = event.turn_id + self.words
        if isinstance(event, SegmentEvent):
            changed["speaker"] = self._speaker(event.speaker)
        if isinstance(event, SpeakersEvent):
            changed["first_word_id"] = event.first_word_id + self.words
            changed["speakers"] = tuple(self._speaker(speaker) for speaker in event.speakers)
        if isinstance(event, LatencyEvent | ByeEvent):
            changed["received_ms"] = event.received_ms + self.ms
            changed["processed_ms"] = event.processed_ms + self.ms
        if isinstance(event, ByeEvent):
            changed["words"] = event.words + self.words
            changed["segments"] = event.segments + self.segments
            changed["lost_samples"] = event.lost_samples + self.lost_samples
        return event.model_copy(update=changed)

    def _renumbered(self, word: WireWord) -> WireWord:
        return word.model_copy(
            update={
                "id": word.id + self.words,
                "start_ms": word.start_ms + self.ms,
                "end_ms": word.end_ms + self.ms,
                "speaker": self._speaker(word.speaker),
            }
        )

    def _speaker(self, speaker: int | None) -> int | None:
        if speaker is None or speaker < self.known_voices:
            return speaker
        return speaker + self.speakers
