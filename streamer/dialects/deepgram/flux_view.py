"""A session as Deepgram Flux tells it: each message has the whole turn so far.

A turn's words may change while it lasts; once it is over (`EndOfTurn`) they never do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.audio.clock import ms_from_samples
from streamer.dialects.common.formatting import emotion_dict, seconds, text_of
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    EmotionUpdate,
    LanguageChanged,
    StepDone,
    TurnChanged,
    WordsUpdate,
)
from streamer.transcript.ledger import Emotion, Word

_EVENTS: Final = {
    "start": "StartOfTurn",
    "eager_end": "EagerEndOfTurn",
    "resumed": "TurnResumed",
    "end": "EndOfTurn",
}
_TRIGGERS: Final = {
    "confidence": "model",
    "timeout": "timeout",
    "finalize": "manual",
    "length": "length",
}
"""Why a turn ended, by Deepgram's names and one of ours; clients must bear any."""


@dataclass
class FluxView:
    """Turns reports into messages, as dicts without their numbers."""

    detects_language: bool = False
    tells_emotion: bool = False
    _turn: TurnChanged | None = None
    """The newest of the open one."""
    _committed: list[Word] = field(default_factory=list)
    """Of that turn."""
    _shown: str = ""
    _heard_until: int = 0
    _emotion: Emotion | None = None
    _language: str = ""
    _lost_samples: int = 0

    def on_event(self, report: Report) -> Iterator[dict[str, Any]]:
        event = report.event
        match event:
            case WordsUpdate() if self._turn is not None:
                self._committed.extend(event.committed)
                words = (*self._committed, *event.tentative)
                if text_of(words) != self._shown:
                    yield self._info("Update", self._turn, words, 0.0, report.lag_ms)
            case TurnChanged():
                yield from self._change(event, report.lag_ms)
            case StepDone():
                self._heard_until = event.processed_sample
            case EmotionUpdate():
                self._emotion = event.emotion
            case LanguageChanged():
                self._language = event.language
            case AudioLost():
                self._lost_samples += event.n_samples
            case _:
                pass

    def _change(self, event: TurnChanged, lag_ms: float) -> Iterator[dict[str, Any]]:
        if event.edge == "start":
            self._committed = []
        # Flux tells how likely the end is, whatever happened.
        sure = event.confidence if event.edge in ("eager_end", "end") else 0.0
        message = self._info(_EVENTS[event.edge], event, event.words, sure, lag_ms)
        if event.cause is not None:
            message["trigger"] = _TRIGGERS[event.cause]
        self._turn = None if event.edge == "end" else event
        yield message

    def _info(
        self, name: str, turn: TurnChanged, words: Sequence[Word], sure: float, lag_ms: float
    ) -> dict[str, Any]:
        self._shown = text_of(words)
        heard_until = max(self._heard_until, *(word.end_sample for word in words[-1:]))
        message = {
            "type": "TurnInfo",
            "event": name,
            "turn_index": turn.turn_id,
            "audio_window_start": seconds(turn.start_sample),
            "audio_window_end": seconds(heard_until),
            "transcript": self._shown,
            "words": [_word(word) for word in words],
            "end_of_turn_confidence": round(sure, 4),
            # Ours; Deepgram's clients let them pass.
            "lag_ms": round(lag_ms, 1),
            "lost_ms": round(ms_from_samples(self._lost_samples), 1),
        }
        if self.tells_emotion:
            message["emotion"] = emotion_dict(self._emotion)
        if self.detects_language:
            message["languages"] = [self._language] if self._language else []
        return message


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "confidence": round(word.confidence, 4),
        "start": seconds(word.start_sample),
        "end": seconds(word.end_sample),
        "state": word.state.value,
    }
