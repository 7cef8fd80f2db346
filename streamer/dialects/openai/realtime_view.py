"""A session as OpenAI's Realtime API tells a transcription.

An item is a turn: with `server_vad` the speech between two pauses, else what lies between two
commits. Deltas only append, so they carry committed words alone; tentative ones cannot be told.

Nothing of the audio before a clear is told after it. An item that had begun in that audio ends with
`….failed`: clients wait for the end of whatever had a delta.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from streamer.audio.clock import ms_from_samples
from streamer.dialects.common.formatting import emotion_dict, seconds, text_of
from streamer.protocol.joining import gap
from streamer.session.report import Report
from streamer.transcript.events import (
    AudioLost,
    EmotionUpdate,
    Finalized,
    SegmentClosed,
    SessionEvent,
    SpeechBegan,
    TurnChanged,
    WordsUpdate,
)
from streamer.transcript.formats import segment_dict
from streamer.transcript.ledger import Emotion, Segment, Word

Request = Literal["commit", "clear"]
Message = dict[str, Any]

_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"


@dataclass
class _Item:
    start_sample: int
    id: str = field(default_factory=lambda: f"item_{secrets.token_hex(10)}")
    words: list[Word] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)


class RealtimeView:
    """Turns reports into messages, as dicts without their `event_id`."""

    def __init__(self, *, beta: bool) -> None:
        self.turns = True
        """Whether pauses end items."""
        self.semantic = False
        """Whether only those that end a turn do."""
        self.beta = beta
        self.emotion = False
        """Whether the client asked for it."""
        self._item: _Item | None = None
        self._previous_id: str | None = None
        self._item_end = 0
        self._requests: deque[Request] = deque()
        self._lost_samples = 0
        self._emotion: Emotion | None = None
        """The newest, for turns that end inside a segment."""

    def expect(self, request: Request) -> None:
        """The next `Finalized` answers this request."""
        self._requests.append(request)

    def on_event(self, report: Report) -> Iterator[Message]:
        for message in self._tell(report.event):
            if message["type"].startswith(_TRANSCRIPTION):
                message["lag_ms"] = round(report.lag_ms, 1)  # ours
            yield message

    def _tell(self, event: SessionEvent) -> Iterator[Message]:
        match event:
            case Finalized():
                yield from self._answer(event)
            case AudioLost():
                self._lost_samples += event.n_samples
            case _ if self._clearing:
                pass
            case SpeechBegan() if self.turns and not self.semantic:
                yield from self._begin(event.start_sample)
            case TurnChanged() if self.semantic:
                yield from self._turn(event)
            case WordsUpdate() if event.committed:
                yield self._delta(event.committed)
            case SegmentClosed() if not self.semantic:
                yield from self._close(event)
            case EmotionUpdate():
                self._emotion = event.emotion
            case _:
                pass

    @property
    def _clearing(self) -> bool:
        """Whether what is told now comes of audio before a clear, and behind all commits."""
        return bool(self._requests) and self._requests[0] == "clear"

    def on_end(self) -> Iterator[Message]:
        """The server ends the conversation: what was said so far is completed."""
        if self._clearing:
            yield from self._clear()
        elif self._item is not None:
            end = self._item.segments[-1].end_sample if self._item.segments else self._item_end
            yield from self._complete(self._item, end)

    def _begin(self, start_sample: int) -> Iterator[Message]:
        if self._item is None:
            self._item = _Item(start_sample)
        yield {
            "type": "input_audio_buffer.speech_started",
            "audio_start_ms": round(ms_from_samples(start_sample)),
            "item_id": self._item.id,
        }

    def _turn(self, event: TurnChanged) -> Iterator[Message]:
        """A commit, which ends turns too, is answered by itself."""
        if event.edge == "start":
            yield from self._begin(event.start_sample)
        elif event.edge == "end" and event.cause != "finalize" and self._item is not None:
            yield from self._stop(self._item, event.end_sample)

    def _stop(self, item: _Item, end_sample: int) -> Iterator[Message]:
        yield {
            "type": "input_audio_buffer.speech_stopped",
            "audio_end_ms": round(ms_from_samples(end_sample)),
            "item_id": item.id,
        }
        yield from self._complete(item, end_sample)

    def _delta(self, committed: tuple[Word, ...]) -> Message:
        if self._item is None:
            self._item = _Item(self._item_end)
        text = text_of(committed)
        space = gap(text_of(self._item.words[-1:]), text)
        self._item.words.extend(committed)
        return {
            "type": f"{_TRANSCRIPTION}.delta",
            "item_id": self._item.id,
            "content_index": 0,
            "delta": space + text,
        }

    def _close(self, event: SegmentClosed) -> Iterator[Message]:
        item = self._item
        if item is None:
            return
        item.segments.append(event.segment)
        if self.turns and event.cause in ("silence", "loss"):
            yield from self._stop(item, event.segment.end_sample)

    def _answer(self, event: Finalized) -> Iterator[Message]:
        request = self._requests.popleft()
        if request == "commit":
            # Without speech there is an item all the same: the client waits for one.
            yield from self._complete(self._item or _Item(self._item_end), event.end_sample)
        else:
            self._item_end = event.end_sample
            yield from self._clear()

    def _clear(self) -> Iterator[Message]:
        item, self._item = self._item, None
        if item is not None:
            yield {
                "type": f"{_TRANSCRIPTION}.failed",
                "item_id": item.id,
                "content_index": 0,
                "error": {
                    "type": "transcription_error",
                    "code": "input_audio_buffer_cleared",
                    "message": "the buffer was cleared before this item was committed",
                    "param": None,
                },
            }
        yield {"type": "input_audio_buffer.cleared"}

    def _complete(self, item: _Item, end_sample: int) -> Iterator[Message]:
        previous_id, self._previous_id = self._previous_id, item.id
        self._item, self._item_end = None, end_sample
        place = {"previous_item_id": previous_id}
        yield {"type": "input_audio_buffer.committed", "item_id": item.id, **place}
        message = _message(item)
        if self.beta:
            yield {"type": "conversation.item.created", "item": message, **place}
        else:
            yield {"type": "conversation.item.added", "item": message, **place}
            yield {"type": "conversation.item.done", "item": message, **place}
        spoken = [segment for segment in item.segments if segment.words]
        emotion = self._emotion if self.semantic else _emotion_of(spoken)
        yield {
            "type": f"{_TRANSCRIPTION}.completed",
            "item_id": item.id,
            "content_index": 0,
            "transcript": text_of(item.words),
            "usage": {"type": "duration", "seconds": seconds(end_sample - item.start_sample)},
            # Ours; OpenAI's clients let them pass.
            "segments": [segment_dict(segment) for segment in spoken],
            "lost_ms": round(ms_from_samples(self._lost_samples), 1),
        } | ({"emotion": emotion_dict(emotion)} if self.emotion else {})


def _message(item: _Item) -> Message:
    return {
        "id": item.id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }


def _emotion_of(segments: list[Segment]) -> Emotion | None:
    """Of the segment with the most words."""
    longest = max(segments, key=lambda segment: len(segment.words), default=None)
    return None if longest is None else longest.emotion
